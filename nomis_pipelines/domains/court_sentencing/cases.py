"""Court cases: their events, links, references, and the request to send one again (card, sections 7.5, 7.12, 7.15)."""

from nomis_pipelines.domains.court_sentencing.entities import CASE
from nomis_pipelines.domains.court_sentencing.transform import REFERENCE_TYPE, case_body, references
from nomis_pipelines.domains.court_sentencing.work import (
    QUEUE,
    REDELIVERY_SECONDS,
    SWITCH_DOMAIN,
    CourtEventBody,
    CourtWork,
    Told,
)
from nomis_pipelines.synchronisation import (
    AlreadyMapped,
    Created,
    Delivery,
    EventBody,
    HandlerError,
    SyncContext,
    Synchronisation,
    on,
    on_internal,
)

IDENTIFIER_DELETED = "OFFENDER_CASE_IDENTIFIERS-DELETED"
IDENTIFIER_UPDATED = "OFFENDER_CASE_IDENTIFIERS-UPDATED"


class CaseEvent(CourtEventBody):
    """Of a case."""

    case_id: int
    offender_id_display: str
    booking_id: int


class CaseLinkEvent(CaseEvent):
    """Of a case that was combined into another, or no longer is."""

    combined_case_id: int


class CaseIdentifierEvent(CourtEventBody):
    """Of a reference of a case; it does not say whose the case is."""

    case_id: int
    identifier_type: str
    identifier_no: str


class CaseResync(EventBody):
    """The DPS-to-NOMIS service has changed a case in NOMIS: send it again."""

    dps_case_uuid: str
    offender_no: str
    case_id: int


class CaseWork(CourtWork):
    """What is done about cases, for whatever asks for it."""

    async def insert(self, event: CaseEvent) -> None:
        """OFFENDER_CASES-INSERTED."""
        name, told = "court-case-synchronisation-created", _base(event)
        if event.from_dps:
            self.tell(f"{name}-skipped", told)
            return
        case = await self.nomis.case(event.offender_id_display, event.case_id)
        mapped = await self.mappings.find(CASE, event.case_id)
        if mapped is not None:
            self.tell(f"{name}-ignored", {**told, "dpsCourtCaseId": mapped})
            return
        body = case_body(case)
        async with self.errors_tracked(name, told):
            result = await self.create(
                CASE, event.offender_id_display, (event.case_id,), lambda: self.dps.create_case(body)
            )
            if isinstance(result, Created) and result.resumed:
                # made by an attempt that died: NOMIS may have changed since
                await self.dps.update_case(result.dps_id, body)
        if isinstance(result, AlreadyMapped):
            self.tell(f"{name}-ignored", {**told, "dpsCourtCaseId": result.mapping})
            return
        told["dpsCourtCaseId"] = result.dps_id
        await self.settle(CASE, result, told)
        self.tell(f"{name}-success", told)

    async def update(self, event: CaseEvent) -> None:
        """OFFENDER_CASES-UPDATED."""
        name, told = "court-case-synchronisation-updated", _base(event)
        if event.from_dps:
            self.tell(f"{name}-skipped", told)
            return
        mapped = await self.mappings.find(CASE, event.case_id)
        if mapped is None:
            self.tell(f"{name}-failed", told)
            raise HandlerError(f"court case {event.case_id} is not mapped: it cannot be updated before it is created")
        case = await self.nomis.case(event.offender_id_display, event.case_id)
        await self.dps.update_case(mapped, case_body(case))
        self.tell(f"{name}-success", {**told, "dpsCourtCaseId": mapped})

    async def delete(self, event: CaseEvent) -> None:
        """OFFENDER_CASES-DELETED, whoever deleted it. Mappings of its children go with their own events."""
        name, told = "court-case-synchronisation-deleted", _base(event)
        mapped = await self.mappings.find(CASE, event.case_id)
        if mapped is None:
            await self.require_settled(event.offender_id_display, CASE, event.case_id)
            self.tell(f"{name}-ignored", told)
            return
        told["dpsCourtCaseId"] = mapped
        async with self.tracked(name, told):
            await self.dps.delete_case(mapped)
            await self.mappings.delete(CASE, mapped)

    async def link(self, event: CaseLinkEvent, *, linked: bool) -> None:
        """OFFENDER_CASES-LINKED and -UNLINKED; NOMIS is not asked."""
        name = "court-case-synchronisation-link" if linked else "court-case-synchronisation-unlink"
        told: Told = {
            "nomisBookingId": event.booking_id,
            "nomisCourtCaseId": event.case_id,
            "nomisCombinedCourtCaseId": event.combined_case_id,
            "offenderNo": event.offender_id_display,
        }
        if event.from_dps:
            self.tell(f"{name}-skipped", told)
            return
        async with self.tracked(name, told):
            source = told["dpsSourceCourtCaseId"] = await self.mappings.get(CASE, event.case_id)
            target = told["dpsTargetCourtCaseId"] = await self.mappings.get(CASE, event.combined_case_id)
            await (self.dps.link_cases if linked else self.dps.unlink_cases)(source, target)

    async def refresh_references(self, event: CaseIdentifierEvent, event_type: str) -> None:
        """OFFENDER_CASE_IDENTIFIERS-*: whatever its type, all current `CASE/INFO#` references are sent."""
        name = "case-identifiers-synchronisation"
        told: Told = {
            "nomisIdentifiersNo": event.identifier_no,
            "nomisIdentifiersType": event.identifier_type,
            "nomisCourtCaseId": event.case_id,
            "eventType": event_type,
        }
        if event.from_dps:
            self.tell(f"{name}-skipped", told)
            return
        mapped = await self.mappings.find(CASE, event.case_id)
        if mapped is None:
            deleted = event_type == IDENTIFIER_DELETED
            self.tell(f"{name}-skipped" if deleted else f"{name}-failed", {**told, "isDelete": deleted})
            if deleted:
                return
            raise HandlerError(f"court case {event.case_id} is not mapped: its references cannot be sent yet")
        case = await self.nomis.case_of_anybody(event.case_id)
        await self.dps.refresh_references(mapped, references(case, REFERENCE_TYPE))
        self.tell(f"{name}-success", {**told, "dpsCourtCaseId": mapped, "offenderNo": case.offender_no})

    async def resynchronise(self, request: CaseResync) -> None:
        """`courtsentencing.resync.case`."""
        case = await self.nomis.case(request.offender_no, request.case_id)
        told: Told = {
            "dpsCaseId": request.dps_case_uuid,
            "nomisCaseId": request.case_id,
            "offenderNo": request.offender_no,
            "nomisBookingId": case.booking_id,
        }
        async with self.tracked("court-case-resynchronisation", told):
            await self.dps.update_case(request.dps_case_uuid, case_body(case))


class CourtCaseSynchronisation(Synchronisation):
    """The messages about cases. Everything of one prisoner goes in order, parents before children."""

    queue = QUEUE
    switch_domain = SWITCH_DOMAIN
    redelivery_seconds = REDELIVERY_SECONDS

    def __init__(self, context: SyncContext) -> None:
        super().__init__(context)
        self._work = CaseWork(context)

    @on("OFFENDER_CASES-INSERTED", key=lambda event: event.offender_id_display)
    async def inserted(self, event: CaseEvent) -> None:
        """Section 7.5."""
        await self._work.insert(event)

    @on("OFFENDER_CASES-UPDATED", key=lambda event: event.offender_id_display)
    async def updated(self, event: CaseEvent) -> None:
        """Section 7.5."""
        await self._work.update(event)

    @on("OFFENDER_CASES-DELETED", key=lambda event: event.offender_id_display)
    async def deleted(self, event: CaseEvent) -> None:
        """Section 7.5."""
        await self._work.delete(event)

    @on("OFFENDER_CASES-LINKED", key=lambda event: event.offender_id_display)
    async def linked(self, event: CaseLinkEvent) -> None:
        """Section 7.5."""
        await self._work.link(event, linked=True)

    @on("OFFENDER_CASES-UNLINKED", key=lambda event: event.offender_id_display)
    async def unlinked(self, event: CaseLinkEvent) -> None:
        """Section 7.5."""
        await self._work.link(event, linked=False)

    @on(
        "OFFENDER_CASE_IDENTIFIERS-INSERTED",
        IDENTIFIER_UPDATED,
        IDENTIFIER_DELETED,
        key=lambda event: f"case/{event.case_id}",
    )
    async def identifier_changed(self, event: CaseIdentifierEvent, delivery: Delivery) -> None:
        """Section 7.12. The event does not say whose the case is, so only those of one case are kept in order."""
        await self._work.refresh_references(event, delivery.event_type)

    @on_internal("courtsentencing.resync.case", key=lambda request: request.offender_no)
    async def resynchronise(self, request: CaseResync) -> None:
        """Section 7.15."""
        await self._work.resynchronise(request)


def _base(event: CaseEvent) -> Told:
    return {
        "nomisCourtCaseId": event.case_id,
        "offenderNo": event.offender_id_display,
        "nomisBookingId": event.booking_id,
    }
