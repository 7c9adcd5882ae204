"""Charges on court appearances, and charges as such (card, sections 7.7 and 7.8)."""

from datetime import datetime

from nomis_pipelines.contracts.nomis_prisoner import CourtEventCharge
from nomis_pipelines.domains.court_sentencing.entities import APPEARANCE, CASE, CHARGE
from nomis_pipelines.domains.court_sentencing.transform import charge_body, charge_update
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
    EventBody,
    HandlerError,
    SyncContext,
    Synchronisation,
    on,
    on_internal,
)

RECALL_CHARGE = "recall_breach_court_event_charge_inserted"


class EventChargeEvent(CourtEventBody):
    """Of a charge on an appearance."""

    event_id: int
    charge_id: int
    offender_id_display: str
    booking_id: int


class ChargeLinkEvent(EventChargeEvent):
    """Of a charge that came from another case."""

    case_id: int
    combined_case_id: int
    event_datetime: datetime


class OffenderChargeEvent(CourtEventBody):
    """Of a charge as such."""

    charge_id: int
    offender_id_display: str
    booking_id: int
    offence_code_change: bool


class RecallCharge(EventBody):
    """Our own message: make the charge of a recall's appearance."""

    event_id: int
    charge_id: int
    offender_id_display: str


class ChargeWork(CourtWork):
    """What is done about charges, for whatever asks for it."""

    async def insert(self, event: EventChargeEvent) -> None:
        """COURT_EVENT_CHARGES-INSERTED."""
        if event.from_dps:
            self.tell("court-charge-synchronisation-created-skipped", _base(event))
            return
        await self.put(event.offender_id_display, event.event_id, event.charge_id, event.booking_id)

    async def put(self, offender_no: str, event_id: int, charge_id: int, booking_id: int | None) -> None:
        """The same from row 2 on: put the charge on the appearance, and make it when DPS does not know it."""
        name = "court-charge-synchronisation-created"
        told = _told(offender_no, event_id, charge_id, booking_id)
        appearance = await self.mappings.find(APPEARANCE, event_id)
        if appearance is None:
            self.tell(f"{name}-awaiting-parent", {**told, "reason": "court appearance is not mapped"})
            raise HandlerError(f"charge {charge_id} waits for court appearance {event_id}, which is not mapped")
        known = await self.mappings.find(CHARGE, charge_id)
        found = await self.nomis.event_charge(offender_no, event_id, charge_id)
        told["dpsCourtAppearanceId"] = appearance
        if known is None:
            known = await self._make(name, told, offender_no, appearance, found)
        if known is not None:
            await self._attach(name, told, appearance, known, found)

    async def _make(
        self, name: str, told: Told, offender_no: str, appearance: str, found: CourtEventCharge
    ) -> str | None:
        """Make a charge; its DPS id when somebody else has made it meanwhile and it is only to be attached."""
        charge_id = found.offender_charge.id
        made: Told = {**told, "existingDpsCharge": False, "nomisOutcomeCode": _outcome(found)}
        body = charge_body(found, appearance, self.context.settings.london_today())
        async with self.errors_tracked(name, made):
            result = await self.create(CHARGE, offender_no, (charge_id,), lambda: self.dps.create_charge(body))
            if isinstance(result, Created) and result.resumed:
                # made by an attempt that died, maybe for another appearance
                update = charge_update(found, self.context.settings.london_today())
                await self.dps.put_charge(appearance, result.dps_id, update)
        if isinstance(result, AlreadyMapped):
            return result.mapping
        made["dpsChargeId"] = result.dps_id
        await self.settle(CHARGE, result, made)
        self.tell(f"{name}-success", made)
        return None

    async def _attach(self, name: str, told: Told, appearance: str, charge: str, found: CourtEventCharge) -> None:
        attached: Told = {
            **told,
            "dpsChargeId": charge,
            "existingDpsCharge": True,
            "nomisOutcomeCode": _outcome(found),
        }
        async with self.tracked(name, attached):
            await self.dps.put_charge(appearance, charge, charge_update(found, self.context.settings.london_today()))

    async def update(self, event: EventChargeEvent) -> None:
        """COURT_EVENT_CHARGES-UPDATED."""
        name, told = "court-charge-synchronisation-updated", _base(event)
        if event.from_dps:
            self.tell(f"{name}-skipped", told)
            return
        appearance = await self.mappings.find(APPEARANCE, event.event_id)
        if appearance is None:
            self.tell(f"{name}-awaiting-parent", {**told, "reason": "associated court appearance is not mapped"})
            raise HandlerError(
                f"charge {event.charge_id} waits for court appearance {event.event_id}, which is not mapped"
            )
        charge = await self.mappings.find(CHARGE, event.charge_id)
        if charge is None:
            self.tell(f"{name}-failed", {**told, "reason": "charge is not mapped"})
            raise HandlerError(f"charge {event.charge_id} is not mapped: it cannot be updated before it is created")
        found = await self.nomis.find_event_charge(event.offender_id_display, event.event_id, event.charge_id)
        if found is None:
            self.tell(f"{name}-ignored", {**told, "reason": "charge no longer exists in nomis"})
            return
        told |= {
            "dpsChargeId": charge,
            "dpsCourtAppearanceId": appearance,
            "nomisOutcomeCode": _outcome(found),
            "offenceCode": found.offender_charge.offence.offence_code,
        }
        async with self.tracked(name, told):
            await self.dps.update_charge(charge, appearance, charge_update(found, self.context.settings.london_today()))

    async def delete(self, event: EventChargeEvent) -> None:
        """COURT_EVENT_CHARGES-DELETED: the charge is taken off the appearance; its mapping stays in any case."""
        name, told = "court-charge-synchronisation-deleted", _base(event)
        if event.from_dps:
            self.tell(f"{name}-skipped", told)
            return
        appearance = await self.mappings.find(APPEARANCE, event.event_id)
        if appearance is None:
            await self.require_settled(event.offender_id_display, APPEARANCE, event.event_id)
            self.tell(f"{name}-skipped", {**told, "reason": "court appearance is not mapped"})
            return
        told["dpsCourtAppearanceId"] = appearance
        charge = await self.mappings.find(CHARGE, event.charge_id)
        if charge is None:
            await self.require_settled(event.offender_id_display, CHARGE, event.charge_id)
            self.tell(f"{name}-skipped", {**told, "reason": "charge is not mapped"})
            return
        told["dpsChargeId"] = charge
        async with self.tracked(name, told):
            await self.dps.take_charge_off(appearance, charge)

    async def link(self, event: ChargeLinkEvent) -> None:
        """COURT_EVENT_CHARGES-LINKED; NOMIS is not asked."""
        name = "court-charge-synchronisation-link"
        told: Told = {
            **_base(event),
            "nomisCourtCaseId": event.case_id,
            "nomisCombinedCourtCaseId": event.combined_case_id,
        }
        if event.from_dps:
            self.tell(f"{name}-skipped", told)
            return
        async with self.tracked(name, told):
            source = told["dpsSourceCourtCaseId"] = await self.mappings.get(CASE, event.case_id)
            appearance = told["dpsCourtAppearanceId"] = await self.mappings.get(APPEARANCE, event.event_id)
            charge = told["dpsCourtChargeId"] = await self.mappings.get(CHARGE, event.charge_id)
            await self.dps.link_charge(appearance, charge, source, event.event_datetime.date())

    async def update_offence(self, event: OffenderChargeEvent) -> None:
        """OFFENDER_CHARGES-UPDATED: only a change of the offence matters, all else comes by appearance (7.8)."""
        name = "court-charge-synchronisation-updated"
        told: Told = {
            "nomisBookingId": event.booking_id,
            "nomisOffenderChargeId": event.charge_id,
            "offenderNo": event.offender_id_display,
        }
        if not event.offence_code_change:
            reason = "OFFENDER_CHARGES-UPDATED change is not an offence code change"
            self.tell(f"{name}-skipped", {**told, "reason": reason})
            return
        if event.from_dps:
            self.tell(f"{name}-skipped", {**told, "reason": "Change originates from DPS"})
            return
        charge = await self.mappings.find(CHARGE, event.charge_id)
        if charge is None:
            self.tell(f"{name}-failed", {**told, "reason": "charge is not mapped"})
            raise HandlerError(f"charge {event.charge_id} is not mapped: it cannot be updated before it is created")
        found = await self.nomis.charge(event.offender_id_display, event.charge_id)
        told |= {
            "dpsChargeId": charge,
            "offenceCode": found.offence.offence_code,
            "reason": "offence code changed",
        }
        async with self.tracked(name, told):
            await self.dps.update_offence(charge, found.offence.offence_code)


class CourtChargeSynchronisation(Synchronisation):
    """The messages about charges."""

    queue = QUEUE
    switch_domain = SWITCH_DOMAIN
    redelivery_seconds = REDELIVERY_SECONDS

    def __init__(self, context: SyncContext) -> None:
        super().__init__(context)
        self._work = ChargeWork(context)

    @on("COURT_EVENT_CHARGES-INSERTED", key=lambda event: event.offender_id_display)
    async def inserted(self, event: EventChargeEvent) -> None:
        """Section 7.7."""
        await self._work.insert(event)

    @on("COURT_EVENT_CHARGES-UPDATED", key=lambda event: event.offender_id_display)
    async def updated(self, event: EventChargeEvent) -> None:
        """Section 7.7."""
        await self._work.update(event)

    @on("COURT_EVENT_CHARGES-DELETED", key=lambda event: event.offender_id_display)
    async def deleted(self, event: EventChargeEvent) -> None:
        """Section 7.7."""
        await self._work.delete(event)

    @on("COURT_EVENT_CHARGES-LINKED", key=lambda event: event.offender_id_display)
    async def linked(self, event: ChargeLinkEvent) -> None:
        """Section 7.7."""
        await self._work.link(event)

    @on("OFFENDER_CHARGES-UPDATED", key=lambda event: event.offender_id_display)
    async def offence_changed(self, event: OffenderChargeEvent) -> None:
        """Section 7.8."""
        await self._work.update_offence(event)

    @on_internal(RECALL_CHARGE, key=lambda charge: charge.offender_id_display)
    async def recall_charge(self, charge: RecallCharge) -> None:
        """Section 7.14."""
        await self._work.put(charge.offender_id_display, charge.event_id, charge.charge_id, None)


def _told(offender_no: str, event_id: int, charge_id: int, booking_id: int | None) -> Told:
    return {
        "nomisCourtAppearanceId": event_id,
        "nomisOffenderChargeId": charge_id,
        "offenderNo": offender_no,
        "nomisBookingId": booking_id,
    }


def _base(event: EventChargeEvent) -> Told:
    return _told(event.offender_id_display, event.event_id, event.charge_id, event.booking_id)


def _outcome(charge: CourtEventCharge) -> str | None:
    return charge.result_code1.code if charge.result_code1 is not None else None
