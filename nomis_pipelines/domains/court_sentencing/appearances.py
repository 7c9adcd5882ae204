"""Court appearances: their events, and those that a recall made (card, sections 7.6 and 7.15)."""

from nomis_pipelines.domains.court_sentencing.charges import RECALL_CHARGE
from nomis_pipelines.domains.court_sentencing.entities import APPEARANCE, CASE
from nomis_pipelines.domains.court_sentencing.transform import appearance_body
from nomis_pipelines.domains.court_sentencing.work import (
    QUEUE,
    REDELIVERY_SECONDS,
    SWITCH_DOMAIN,
    CourtEventBody,
    CourtWork,
    NullableId,
    Told,
    needed,
    texts,
)
from nomis_pipelines.synchronisation import (
    AlreadyMapped,
    Created,
    EventBody,
    HandlerError,
    SyncContext,
    Synchronisation,
    on,
    on_internal,
)

FLUSH_SCHEDULES = "FLUSH_SCHEDULES"
NO_CASE = "appearance not associated with a court case, for example generated as part of a movement"
CASE_NOT_MAPPED = "associated court case is not mapped"


class AppearanceEvent(CourtEventBody):
    """Of an appearance, which need not belong to a case."""

    event_id: int
    case_id: NullableId = None
    offender_id_display: str
    booking_id: int


class BreachAppearance(EventBody):
    """The DPS-to-NOMIS service has made or changed the appearance of a recall in NOMIS."""

    offender_no: str
    court_appearance_id: int


class AppearanceWork(CourtWork):
    """What is done about appearances, for whatever asks for it."""

    async def insert(self, event: AppearanceEvent) -> None:
        """COURT_EVENTS-INSERTED."""
        name, told = "court-appearance-synchronisation-created", _base(event)
        if event.case_id is None:
            self.tell(f"{name}-ignored", {**told, "reason": NO_CASE})
            return
        if event.from_dps:
            self.tell(f"{name}-skipped", told)
            return
        offender_no, event_id = event.offender_id_display, event.event_id
        found = await self.nomis.event(offender_no, event_id)
        mapped = await self.mappings.find(APPEARANCE, event_id)
        if mapped is not None:
            self.tell(
                f"{name}-ignored", {**told, "dpsCourtAppearanceId": mapped, "reason": "appearance already mapped"}
            )
            return
        told["nomisCourtCaseId"] = case_id = needed(found.case_id, f"court appearance {event_id} has no case in NOMIS")
        case = await self.mappings.find(CASE, case_id)
        if case is None:
            self.tell(f"{name}-failed", {**told, "reason": CASE_NOT_MAPPED})
            raise HandlerError(f"court appearance {event_id} waits for court case {case_id}, which is not mapped")
        told["dpsCourtCaseId"] = case
        body = appearance_body(found, case, self.context.settings.london_today())
        async with self.errors_tracked(name, told):
            result = await self.create(APPEARANCE, offender_no, (event_id,), lambda: self.dps.create_appearance(body))
            if isinstance(result, Created) and result.resumed:
                # made by an attempt that died: NOMIS may have changed since
                await self.dps.update_appearance(result.dps_id, body)
        if isinstance(result, AlreadyMapped):
            ignored = {**_base(event), "dpsCourtAppearanceId": result.mapping, "reason": "appearance already mapped"}
            self.tell(f"{name}-ignored", ignored)
            return
        told["dpsCourtAppearanceId"] = result.dps_id
        await self.settle(APPEARANCE, result, told)
        self.tell(f"{name}-success", told)

    async def update(self, event: AppearanceEvent) -> None:
        """COURT_EVENTS-UPDATED."""
        name, told = "court-appearance-synchronisation-updated", _base(event)
        if event.case_id is None:
            self.tell(f"{name}-ignored", {**told, "reason": NO_CASE})
            return
        if event.audit_module_name == FLUSH_SCHEDULES:
            reason = "update triggered by the flush schedules nightly batch job"
            self.tell(f"{name}-ignored", {**told, "reason": reason})
            return
        if event.from_dps:
            self.tell(f"{name}-skipped", told)
            return
        found = await self.nomis.find_event(event.offender_id_display, event.event_id)
        if found is None:
            self.tell(f"{name}-ignored", {**told, "reason": "court appearance does not exist in nomis"})
            return
        mapped = await self.mappings.find(APPEARANCE, event.event_id)
        if mapped is None:
            self.tell(f"{name}-failed", told)
            raise HandlerError(f"court appearance {event.event_id} is not mapped: it cannot be updated yet")
        case_id = needed(found.case_id, f"court appearance {event.event_id} has no case in NOMIS")
        case = await self.mappings.find(CASE, case_id)
        if case is None:
            self.tell(f"{name}-awaiting-parent", {**told, "nomisCourtCaseId": case_id, "reason": CASE_NOT_MAPPED})
            raise HandlerError(f"court appearance {event.event_id} waits for court case {case_id}, which is not mapped")
        outcome = found.outcome_reason_code
        told |= {
            "dpsCourtAppearanceId": mapped,
            "nomisCaseId": case_id,
            "nomisOutcomeCode": outcome.code if outcome is not None else None,
        }
        async with self.tracked(name, told):
            body = appearance_body(found, case, self.context.settings.london_today())
            await self.dps.update_appearance(mapped, body)

    async def delete(self, event: AppearanceEvent) -> None:
        """COURT_EVENTS-DELETED, whoever deleted it and whether it had a case or not."""
        name, told = "court-appearance-synchronisation-deleted", _base(event)
        mapped = await self.mappings.find(APPEARANCE, event.event_id)
        if mapped is None:
            await self.require_settled(event.offender_id_display, APPEARANCE, event.event_id)
            self.tell(f"{name}-ignored", told)
            return
        told["dpsCourtAppearanceId"] = mapped
        async with self.tracked(name, told):
            await self.dps.delete_appearance(mapped)
            await self.mappings.delete(APPEARANCE, mapped)

    async def breach_inserted(self, breach: BreachAppearance) -> None:
        """Make the appearance of a recall, and ask by a message of its own for each charge on it."""
        offender_no, event_id = breach.offender_no, breach.court_appearance_id
        told: Told = {"nomisCourtAppearanceId": event_id, "offenderNo": offender_no}
        async with self.tracked("recall-breach-court-appearance-synchronisation", told):
            found = await self.nomis.event(offender_no, event_id)
            case_id = needed(found.case_id, f"court appearance {event_id} has no case in NOMIS")
            told["nomisCourtCaseId"] = case_id
            told["dpsCourtCaseId"] = case = await self.mappings.get(CASE, case_id)
            body = appearance_body(found, case, self.context.settings.london_today())
            result = await self.create(APPEARANCE, offender_no, (event_id,), lambda: self.dps.create_appearance(body))
            if isinstance(result, AlreadyMapped):
                # an earlier delivery of the same request made it: its charges may still be missing
                told["dpsCourtAppearanceId"] = result.mapping
            else:
                told["dpsCourtAppearanceId"] = result.dps_id
                await self.settle(APPEARANCE, result, told)
            for charge in found.court_event_charges:
                wanted = {"eventId": event_id, "chargeId": charge.offender_charge.id, "offenderIdDisplay": offender_no}
                await self.context.queues.send_internal(QUEUE, RECALL_CHARGE, wanted, texts(told))

    async def breach_updated(self, breach: BreachAppearance) -> None:
        """Bring the appearance of a recall up to date."""
        offender_no, event_id = breach.offender_no, breach.court_appearance_id
        told: Told = {"offenderNo": offender_no, "nomisCourtAppearanceId": event_id}
        async with self.tracked("recall-breach-court-appearance-resynchronisation", told):
            found = await self.nomis.event(offender_no, event_id)
            case_id = needed(found.case_id, f"court appearance {event_id} has no case in NOMIS")
            told["nomisCourtCaseId"] = case_id
            told["dpsCourtAppearanceId"] = mapped = await self.mappings.get(APPEARANCE, event_id)
            told["dpsCourtCaseId"] = case = await self.mappings.get(CASE, case_id)
            body = appearance_body(found, case, self.context.settings.london_today())
            await self.dps.update_appearance(mapped, body)


class CourtAppearanceSynchronisation(Synchronisation):
    """The messages about appearances."""

    queue = QUEUE
    switch_domain = SWITCH_DOMAIN
    redelivery_seconds = REDELIVERY_SECONDS

    def __init__(self, context: SyncContext) -> None:
        super().__init__(context)
        self._work = AppearanceWork(context)

    @on("COURT_EVENTS-INSERTED", key=lambda event: event.offender_id_display)
    async def inserted(self, event: AppearanceEvent) -> None:
        """Section 7.6."""
        await self._work.insert(event)

    @on("COURT_EVENTS-UPDATED", key=lambda event: event.offender_id_display)
    async def updated(self, event: AppearanceEvent) -> None:
        """Section 7.6."""
        await self._work.update(event)

    @on("COURT_EVENTS-DELETED", key=lambda event: event.offender_id_display)
    async def deleted(self, event: AppearanceEvent) -> None:
        """Section 7.6."""
        await self._work.delete(event)

    @on_internal("courtsentencing.resync.breach-court-appearance.inserted", key=lambda breach: breach.offender_no)
    async def breach_inserted(self, breach: BreachAppearance) -> None:
        """Section 7.15."""
        await self._work.breach_inserted(breach)

    @on_internal("courtsentencing.resync.breach-court-appearance.updated", key=lambda breach: breach.offender_no)
    async def breach_updated(self, breach: BreachAppearance) -> None:
        """Section 7.15."""
        await self._work.breach_updated(breach)


def _base(event: AppearanceEvent) -> Told:
    return {
        "nomisCourtAppearanceId": event.event_id,
        "offenderNo": event.offender_id_display,
        "nomisBookingId": event.booking_id,
    }
