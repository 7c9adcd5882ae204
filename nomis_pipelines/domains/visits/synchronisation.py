"""The one event of visits: a cancellation in NOMIS (visits card, section 7)."""

from nomis_pipelines.contracts.nomis_mapping_service import VisitMapping
from nomis_pipelines.contracts.nomis_prisoner import Visit
from nomis_pipelines.contracts.visit_scheduler import CancelOutcome, CancelVisitRequest, OutcomeStatus
from nomis_pipelines.domains.visits.migration import VisitsMigration
from nomis_pipelines.domains.visits.transform import outcome_of
from nomis_pipelines.migration.declaration import Rejected
from nomis_pipelines.synchronisation import EventBody, HandlerError, Synchronisation, on, require_settled

FROM_DPS = "PRISONER_MANAGER_API"
CANCELLED_BY_NOMIS = "Cancelled by NOMIS"


class VisitCancelledEvent(EventBody):
    """All three must be there, though the first and last are not acted on: a body without one is malformed."""

    offender_id_display: str
    visit_id: int
    audit_module_name: str


class VisitsSynchronisation(Synchronisation):
    """Cancels in the visit scheduler what was cancelled in NOMIS."""

    queue = "eventvisits"
    switch_domain = "visits"
    reads_type = False

    @on("VISIT_CANCELLED", key=lambda event: event.visit_id)
    async def cancelled(self, event: VisitCancelledEvent) -> None:
        """What the visit says in NOMIS now gives the outcome; a change made by the visit scheduler is left alone.

        Raises `HandlerError` while a migration has written the visit and not mapped it yet: it has the visit as it was.
        """
        clients = self.context.clients
        visit = await clients.client("nomis").get("/visits/{visitId}", Visit, path={"visitId": event.visit_id})
        if visit.modify_user_id == FROM_DPS:
            return
        mapping = await clients.client("mapping").find(
            "/mapping/visits/nomisId/{nomisId}", VisitMapping, path={"nomisId": event.visit_id}
        )
        if mapping is None:
            await require_settled(self.context, VisitsMigration.record_key(str(event.visit_id)))
            return
        outcome = _outcome(visit)
        await clients.client("visits").put(
            "/migrate-visits/{reference}/cancel",
            CancelVisitRequest(
                actioned_by=visit.create_user_id if visit.modify_user_id is None else visit.modify_user_id,
                cancel_outcome=CancelOutcome(outcome_status=outcome, text=CANCELLED_BY_NOMIS),
            ),
            path={"reference": mapping.vsip_id},
        )
        self.context.telemetry.event(
            "visit-cancellation-synchronisation",
            {
                "offenderNo": visit.offender_no,
                "vsipId": mapping.vsip_id,
                "nomisVisitId": visit.visit_id,
                "vsipOutcome": outcome,
            },
        )


def _outcome(visit: Visit) -> OutcomeStatus:
    try:
        return outcome_of(visit) or "CANCELLATION"
    except Rejected as rejection:
        raise HandlerError(f"visit {visit.visit_id}: {rejection.reason} {rejection.details.get('code')}") from None
