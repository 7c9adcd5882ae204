"""The events of CSIP (CSIP card, section 7).

All handlers of a report go one after another: each sends the whole report, and what one adds the next must know. A
booking's move is about many reports, so it stands by itself.
"""

from typing import Any

from pydantic import NaiveDatetime

from nomis_pipelines.contracts.nomis_mapping_service import NewCsipFullMapping
from nomis_pipelines.domains.csip.parts import ATTENDEE, FACTOR, INTERVIEW, PLAN, REVIEW, Part
from nomis_pipelines.domains.csip.work import QUEUE, RETRY, RETRY_PARTS, CsipWork
from nomis_pipelines.synchronisation import (
    Delivery,
    EventBody,
    SyncContext,
    Synchronisation,
    on,
    on_internal,
)

FROM_DPS = "DPS_SYNCHRONISATION"


class CsipEvent(EventBody):
    """Of a report, and what the events of its parts have too. Numbers may come as text."""

    csip_report_id: int
    offender_id_display: str
    audit_module_name: str | None = None

    @property
    def base(self) -> dict[str, object]:
        """The properties that every telemetry event of it has."""
        return {"nomisCSIPId": self.csip_report_id, "offenderNo": self.offender_id_display}


class DeletedEvent(CsipEvent):
    """A report was deleted."""

    event_datetime: NaiveDatetime


class FactorEvent(CsipEvent):
    """Of a factor."""

    csip_factor_id: int


class InterviewEvent(CsipEvent):
    """Of an interview."""

    csip_interview_id: int


class PlanEvent(CsipEvent):
    """Of a plan."""

    csip_plan_id: int


class ReviewEvent(CsipEvent):
    """Of a review."""

    csip_review_id: int


class AttendeeEvent(CsipEvent):
    """Of an attendee of a review."""

    csip_attendee_id: int


class MovedBooking(EventBody):
    """From whom to whom a booking was moved."""

    moved_to_noms_number: str
    moved_from_noms_number: str
    booking_id: int


class MovedEvent(EventBody):
    """A booking was moved to another prisoner."""

    additional_information: MovedBooking


def _report(event: CsipEvent) -> int:
    return event.csip_report_id


class CsipSynchronisation(Synchronisation):
    """NOMIS's and the prisoners' events that concern CSIP, and our own mapping retries."""

    queue = QUEUE
    switch_domain = "csip"

    def __init__(self, context: SyncContext) -> None:
        super().__init__(context)
        self._work = CsipWork(context)

    @on("CSIP_REPORTS-INSERTED", key=_report)
    async def inserted(self, event: CsipEvent) -> None:
        """Section 7.2."""
        if event.audit_module_name == FROM_DPS:
            self.context.telemetry.event("csip-synchronisation-created-skipped", event.base)
        else:
            await self._work.insert(event.csip_report_id, event.base)

    @on("CSIP_REPORTS-UPDATED", key=_report)
    async def updated(self, event: CsipEvent) -> None:
        """Section 7.3."""
        if not self._skipped(event, event.base):
            await self._work.update(event.csip_report_id, event.base)

    @on("CSIP_REPORTS-DELETED", key=_report)
    async def deleted(self, event: DeletedEvent) -> None:
        """Section 7.4."""
        await self._work.delete(event.csip_report_id, event.event_datetime, event.base)

    @on("CSIP_FACTORS-INSERTED", "CSIP_FACTORS-UPDATED", key=_report)
    async def factor_changed(self, event: FactorEvent) -> None:
        """Section 7.3. A factor that DPS made may come without a module name (step 2)."""
        base = {**event.base, FACTOR.told: event.csip_factor_id}
        if self._skipped(event, base):
            return
        if not event.audit_module_name and await self._work.was_made_in_dps(event.csip_factor_id, base):
            return
        await self._work.update(event.csip_report_id, base, FACTOR, event.csip_factor_id)

    @on("CSIP_INTVW-INSERTED", "CSIP_INTVW-UPDATED", key=_report)
    async def interview_changed(self, event: InterviewEvent) -> None:
        """Section 7.3."""
        await self._part_changed(event, INTERVIEW, event.csip_interview_id)

    @on("CSIP_PLANS-INSERTED", "CSIP_PLANS-UPDATED", key=_report)
    async def plan_changed(self, event: PlanEvent) -> None:
        """Section 7.3."""
        await self._part_changed(event, PLAN, event.csip_plan_id)

    @on("CSIP_REVIEWS-INSERTED", "CSIP_REVIEWS-UPDATED", key=_report)
    async def review_changed(self, event: ReviewEvent) -> None:
        """Section 7.3."""
        await self._part_changed(event, REVIEW, event.csip_review_id)

    @on("CSIP_ATTENDEES-INSERTED", "CSIP_ATTENDEES-UPDATED", key=_report)
    async def attendee_changed(self, event: AttendeeEvent) -> None:
        """Section 7.3."""
        await self._part_changed(event, ATTENDEE, event.csip_attendee_id)

    @on(
        "prison-offender-events.prisoner.booking.moved",
        key=lambda event: f"booking/{event.additional_information.booking_id}",
    )
    async def moved(self, event: MovedEvent) -> None:
        """Section 7.7."""
        move = event.additional_information
        await self._work.move(move.booking_id, move.moved_from_noms_number, move.moved_to_noms_number)

    @on_internal(RETRY, key=lambda mapping: mapping.nomis_csip_report_id)
    async def retry_mapping(self, mapping: NewCsipFullMapping, delivery: Delivery) -> None:
        """Section 7.6."""
        await self._work.retry_mapping(mapping.nomis_csip_report_id, _json(mapping), delivery.telemetry_attributes)

    @on_internal(RETRY_PARTS, key=lambda mapping: mapping.nomis_csip_report_id)
    async def retry_parts(self, mapping: NewCsipFullMapping, delivery: Delivery) -> None:
        """Section 7.6."""
        await self._work.retry_parts(mapping.nomis_csip_report_id, _json(mapping), delivery.telemetry_attributes)

    async def _part_changed(self, event: CsipEvent, part: Part, part_id: int) -> None:
        base = {**event.base, part.told: part_id}
        if not self._skipped(event, base):
            await self._work.update(event.csip_report_id, base, part, part_id)

    def _skipped(self, event: CsipEvent, base: dict[str, object]) -> bool:
        """Section 7.3, step 1: called so for inserts of parts too."""
        if event.audit_module_name != FROM_DPS:
            return False
        self.context.telemetry.event("csip-synchronisation-updated-skipped", base)
        return True


def _json(mapping: NewCsipFullMapping) -> dict[str, Any]:
    return mapping.model_dump(by_alias=True, exclude_none=True)
