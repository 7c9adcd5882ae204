"""The calls of the remand and sentencing service (court sentencing card, section 4)."""

from collections.abc import Sequence
from datetime import date

from nomis_pipelines.contracts.court_sentencing import (
    CaseReference,
    CourtAppearanceCharges,
    CreatedByLifetime,
    CreatedCourtCase,
    CreatedCourtCases,
    CreatedPeriodLength,
    LegacyCharge,
    LegacyCourtAppearance,
    LegacyCourtCase,
    LegacyPeriodLength,
    LegacySentence,
    LegacyUpdateCharge,
    LinkCharge,
    MergePrisoner,
    PrisonerCourtCases,
    ReconciliationCourtCase,
    RefreshCaseReferences,
    UpdateWholeCharge,
)
from nomis_pipelines.http import HttpClients
from nomis_pipelines.settings import Settings

_CASE = "/legacy/court-case/{courtCaseUuid}"
_LINK = "/legacy/court-case/{sourceCourtCaseUuid}/link/{targetCourtCaseUuid}"
_UNLINK = "/legacy/court-case/{sourceCourtCaseUuid}/unlink/{targetCourtCaseUuid}"
_APPEARANCE = "/legacy/court-appearance/{lifetimeUuid}"
_APPEARANCE_CHARGE = "/legacy/court-appearance/{lifetimeUuid}/charge/{chargeLifetimeUuid}"
_SENTENCE = "/legacy/sentence/{lifetimeUuid}"
_PERIOD_LENGTH = "/legacy/period-length/{periodLengthUuid}"


class DpsCalls:
    """Every call, on the clients of one run or consumer.

    Creates and merges get the longer timeout; deletes of sentences and terms the short one, since NOMIS uses their
    sequences again at once (sections 4 and 7.9).
    """

    def __init__(self, clients: HttpClients, settings: Settings) -> None:
        self.client = clients.client("court-sentencing")
        self._large = settings.post_timeout
        self._critical = settings.time_critical_timeout

    async def create_for_booking(self, body: PrisonerCourtCases) -> CreatedCourtCases:
        """Make the cases that stayed behind on a booking (D2)."""
        template = "/legacy/court-case/booking"
        return await self.client.post(template, body, CreatedCourtCases, timeout_seconds=self._large)

    async def merge(self, retained: str, body: MergePrisoner) -> CreatedCourtCases:
        """Let the cases of one prisoner go into another's (D3)."""
        return await self.client.post(
            "/legacy/court-case/merge/person/{retainedPrisonerNumber}",
            body,
            CreatedCourtCases,
            path={"retainedPrisonerNumber": retained},
            timeout_seconds=self._large,
        )

    async def create_case(self, body: LegacyCourtCase) -> str:
        """Make a case; its id (D4)."""
        return (await self.client.post("/legacy/court-case", body, CreatedCourtCase)).court_case_uuid

    async def update_case(self, case: str, body: LegacyCourtCase) -> None:
        """D5."""
        await self.client.put(_CASE, body, path={"courtCaseUuid": case})

    async def delete_case(self, case: str) -> None:
        """D6; one that is gone already is deleted all the same."""
        await self.client.delete(_CASE, path={"courtCaseUuid": case}, missing_ok=True)

    async def appearances_of(self, case: str) -> list[str]:
        """The ids of the appearances of a case (D7)."""
        template = f"{_CASE}/reconciliation"
        found = await self.client.get(template, ReconciliationCourtCase, path={"courtCaseUuid": case})
        return [str(appearance.appearance_uuid) for appearance in found.appearances]

    async def refresh_references(self, case: str, references: Sequence[CaseReference]) -> None:
        """Replace the references of a case (D8)."""
        body = RefreshCaseReferences(case_references=list(references))
        await self.client.put(f"{_CASE}/case-references/refresh", body, path={"courtCaseUuid": case})

    async def link_cases(self, source: str, target: str) -> None:
        """D9."""
        await self.client.put(_LINK, None, path={"sourceCourtCaseUuid": source, "targetCourtCaseUuid": target})

    async def unlink_cases(self, source: str, target: str) -> None:
        """D10."""
        await self.client.put(_UNLINK, None, path={"sourceCourtCaseUuid": source, "targetCourtCaseUuid": target})

    async def create_appearance(self, body: LegacyCourtAppearance) -> str:
        """Make an appearance; its id (D11)."""
        template = "/legacy/court-appearance"
        return str(
            (await self.client.post(template, body, CreatedByLifetime, timeout_seconds=self._large)).lifetime_uuid
        )

    async def charges_of(self, appearance: str) -> list[str]:
        """The ids of the charges on an appearance (D12)."""
        found = await self.client.get(_APPEARANCE, CourtAppearanceCharges, path={"lifetimeUuid": appearance})
        return [str(charge.lifetime_uuid) for charge in found.charges]

    async def update_appearance(self, appearance: str, body: LegacyCourtAppearance) -> None:
        """D13."""
        await self.client.put(_APPEARANCE, body, path={"lifetimeUuid": appearance})

    async def delete_appearance(self, appearance: str) -> None:
        """D14; one that is gone already is deleted all the same."""
        await self.client.delete(_APPEARANCE, path={"lifetimeUuid": appearance}, missing_ok=True)

    async def put_charge(self, appearance: str, charge: str, body: LegacyUpdateCharge) -> None:
        """Put a charge that DPS knows on an appearance (D15)."""
        path = {"lifetimeUuid": appearance, "chargeLifetimeUuid": charge}
        await self.client.put(_APPEARANCE_CHARGE, body, path=path)

    async def take_charge_off(self, appearance: str, charge: str) -> None:
        """D16. Raises `NotFound`."""
        path = {"lifetimeUuid": appearance, "chargeLifetimeUuid": charge}
        await self.client.delete(_APPEARANCE_CHARGE, path=path)

    async def link_charge(self, appearance: str, charge: str, source_case: str, linked: date) -> None:
        """Say from which case a charge came (D17)."""
        body = LinkCharge(source_court_case_uuid=source_case, linked_date=linked)
        path = {"lifetimeUuid": appearance, "chargeLifetimeUuid": charge}
        await self.client.put(f"{_APPEARANCE_CHARGE}/link", body, path=path)

    async def create_charge(self, body: LegacyCharge) -> str:
        """Make a charge on an appearance; its id (D18)."""
        template = "/legacy/charge"
        return str(
            (await self.client.post(template, body, CreatedByLifetime, timeout_seconds=self._large)).lifetime_uuid
        )

    async def update_offence(self, charge: str, offence_code: str) -> None:
        """Change the offence of a charge on all its appearances (D19)."""
        body = UpdateWholeCharge(offence_code=offence_code)
        await self.client.put("/legacy/charge/{lifetimeUuid}", body, path={"lifetimeUuid": charge})

    async def update_charge(self, charge: str, appearance: str, body: LegacyUpdateCharge) -> None:
        """D20."""
        path = {"lifetimeUuid": charge, "appearanceLifetimeUuid": appearance}
        await self.client.put("/legacy/charge/{lifetimeUuid}/appearance/{appearanceLifetimeUuid}", body, path=path)

    async def create_sentence(self, body: LegacySentence) -> str:
        """Make a sentence; its id (D21)."""
        template = "/legacy/sentence"
        return str(
            (await self.client.post(template, body, CreatedByLifetime, timeout_seconds=self._large)).lifetime_uuid
        )

    async def update_sentence(self, sentence: str, body: LegacySentence) -> None:
        """D22."""
        await self.client.put(_SENTENCE, body, path={"lifetimeUuid": sentence})

    async def delete_sentence(self, sentence: str) -> None:
        """D23; one that is gone already is deleted all the same."""
        path = {"lifetimeUuid": sentence}
        await self.client.delete(_SENTENCE, path=path, missing_ok=True, timeout_seconds=self._critical)

    async def create_term(self, body: LegacyPeriodLength) -> str:
        """Make a term; its id (D24)."""
        template = "/legacy/period-length"
        created = await self.client.post(template, body, CreatedPeriodLength, timeout_seconds=self._large)
        return str(created.period_length_uuid)

    async def update_term(self, term: str, body: LegacyPeriodLength) -> None:
        """D25."""
        await self.client.put(_PERIOD_LENGTH, body, path={"periodLengthUuid": term})

    async def delete_term(self, term: str) -> None:
        """D26; one that is gone already is deleted all the same."""
        path = {"periodLengthUuid": term}
        await self.client.delete(_PERIOD_LENGTH, path=path, missing_ok=True, timeout_seconds=self._critical)


async def migrate_cases(clients: HttpClients, body: PrisonerCourtCases, *, delete_existing: bool) -> CreatedCourtCases:
    """Make all cases of a prisoner, maybe none (D1). Only when it first deletes what is there may it be repeated."""
    return await clients.client("court-sentencing").post(
        "/legacy/court-case/migration",
        body,
        CreatedCourtCases,
        query={"deleteExisting": delete_existing},
        idempotent=delete_existing,
    )
