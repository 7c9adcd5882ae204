"""Repairs that compare NOMIS with DPS and put right what is too much or missing there (card, sections 8.1 and 8.2)."""

from nomis_pipelines.domains.court_sentencing.charges import ChargeWork
from nomis_pipelines.domains.court_sentencing.entities import APPEARANCE, CASE, CHARGE
from nomis_pipelines.domains.court_sentencing.transform import charge_update
from nomis_pipelines.domains.court_sentencing.work import CourtWork
from nomis_pipelines.synchronisation import HandlerError, SyncContext
from nomis_pipelines.synchronisation.repair import RepairError


class CorrectionWork(CourtWork):
    """Compares and corrects."""

    def __init__(self, context: SyncContext) -> None:
        super().__init__(context)
        self._charges = ChargeWork(context)

    async def prune(self, offender_no: str, case_id: int) -> None:
        """Section 8.1: delete the appearances that DPS has too many; mappings are left alone.

        Raises `RepairError` when those that are not mapped are not just as many as there are too many.
        """
        case = await self.nomis.case(offender_no, case_id)
        in_dps = await self.dps.appearances_of(await self.mappings.get(CASE, case_id))
        additional = len(in_dps) - len(case.court_events)
        remove: list[str] = []
        if additional > 0:
            keep = {await self.mappings.get(APPEARANCE, event.id) for event in case.court_events}
            remove = [appearance for appearance in in_dps if appearance not in keep]
            if len(remove) != additional:
                raise RepairError(
                    "Number of additional appearances in DPS does not match expected count. "
                    f"Expected: {additional}, Actual: {len(remove)}"
                )
        for appearance in remove:
            await self.dps.delete_appearance(appearance)
        self.tell(
            "court-sentencing-prisoner-court-appearances-pruned",
            {
                "offenderNo": offender_no,
                "nomisCaseId": case_id,
                "numberOfNomisCourtAppearances": len(case.court_events),
                "numberOfDpsCourtAppearances": len(in_dps),
                "numberOfAdditionalAppearances": additional,
                "dpsCourtAppearanceIdsDeleted": ",".join(remove),
            },
        )

    async def repair_charges(self, offender_no: str, case_id: int, event_id: int) -> None:
        """Section 8.2. Raises `HandlerError` for an appearance that is not mapped."""
        event = await self.nomis.event(offender_no, event_id)
        appearance = await self.mappings.find(APPEARANCE, event_id)
        if appearance is None:
            raise HandlerError(f"Court appearance mapping not found for event {event_id}")
        in_dps = await self.dps.charges_of(appearance)
        charge_ids = [charge.offender_charge.id for charge in event.court_event_charges]
        expected = [await self.mappings.find(CHARGE, charge_id) for charge_id in charge_ids]
        remove = [charge for charge in in_dps if charge not in expected]
        for charge in remove:
            await self.dps.take_charge_off(appearance, charge)
        added: list[str] = []
        for charge in event.court_event_charges:
            charge_id = charge.offender_charge.id
            mapped = await self.mappings.find(CHARGE, charge_id)
            if mapped is None:
                await self._charges.put(offender_no, event_id, charge_id, None)
                mapped = await self.mappings.find(CHARGE, charge_id)
            elif mapped in in_dps:
                continue
            else:
                update = charge_update(charge, self.context.settings.london_today())
                await self.dps.put_charge(appearance, mapped, update)
            if mapped is not None:
                added.append(mapped)
        self.tell(
            "court-sentencing-prisoner-court-appearance-charges-repaired",
            {
                "nomisCourtAppearanceId": event_id,
                "offenderNo": offender_no,
                "nomisCaseId": case_id,
                "dpsCourtAppearanceId": appearance,
                "nomisCharges": ",".join(map(str, charge_ids)),
                "dpsChargesRemoved": ",".join(remove),
                "dpsChargeAssociationsAdded": ",".join(added),
            },
        )
