"""The calls of case notes: NOMIS, mapping service, case notes service (case notes card, sections 2 to 4)."""

from collections.abc import Mapping, Sequence
from typing import Any

from nomis_pipelines.contracts.case_notes import (
    KnownCaseNote,
    MigrateCaseNote,
    MigratedCaseNote,
    MoveCaseNotes,
    SyncCaseNote,
    SyncedCaseNote,
)
from nomis_pipelines.contracts.nomis_mapping_service import CaseNoteMapping, PrisonerCaseNoteMappings
from nomis_pipelines.contracts.nomis_prisoner import CaseNote, PrisonerCaseNotes, UpdateCaseNote
from nomis_pipelines.domains.ids import dps_uuid
from nomis_pipelines.http import HttpClients
from nomis_pipelines.ledger import RecordKey

DOMAIN = "case_notes"
SERVICE = "case-notes"
MAPPINGS = "/mapping/casenotes"
DPS_ID_FIELD = "dpsCaseNoteId"
NOMIS_ID_FIELD = "nomisCaseNoteId"
DUPLICATE_FIELDS = (DPS_ID_FIELD, "nomisBookingId", NOMIS_ID_FIELD)
"""What duplicate events of whole sets tell of either pair (sections 5 and 7.5)."""
_PRISONER_NOTES = "/prisoners/{offenderNo}/casenotes"
_NOTE = "/casenotes/{caseNoteId}"


def ledger_key(key: int | str) -> RecordKey:
    """The ledger's key of a note that an event made (its number), or of a prisoner's set (the prisoner's)."""
    return RecordKey(domain=DOMAIN, entity=DOMAIN, nomis_key=str(key))


class CaseNoteCalls:
    """Every call, on the clients of one run or consumer."""

    def __init__(self, clients: HttpClients) -> None:
        self.nomis = clients.client("nomis")
        self.mappings = clients.client("mapping")
        self.dps = clients.client(SERVICE)

    async def of_prisoner(self, offender_no: str) -> list[CaseNote]:
        """Every case note of every booking of a prisoner. Raises `NotFound`."""
        path = {"offenderNo": offender_no}
        return (await self.nomis.get(_PRISONER_NOTES, PrisonerCaseNotes, path=path)).case_notes

    async def found_of_prisoner(self, offender_no: str) -> list[CaseNote]:
        """The same; none for an unknown prisoner."""
        found = await self.nomis.find(_PRISONER_NOTES, PrisonerCaseNotes, path={"offenderNo": offender_no})
        return [] if found is None else found.case_notes

    async def read(self, note_id: int) -> CaseNote:
        """One case note in NOMIS. Raises `NotFound`."""
        return await self.nomis.get(_NOTE, CaseNote, path={"caseNoteId": note_id})

    async def update_in_nomis(self, note_id: int, body: UpdateCaseNote) -> None:
        """Change a row in NOMIS. Raises `NotFound`."""
        await self.nomis.put(_NOTE, body, path={"caseNoteId": note_id})

    async def delete_in_nomis(self, note_id: int) -> None:
        """Delete a row in NOMIS. Raises `NotFound`."""
        await self.nomis.delete(_NOTE, path={"caseNoteId": note_id})

    async def find_mapping(self, note_id: int) -> CaseNoteMapping | None:
        """The mapping of a NOMIS row, if there is one."""
        template = f"{MAPPINGS}/nomis-casenote-id/{{caseNoteId}}"
        return await self.mappings.find(template, CaseNoteMapping, path={"caseNoteId": note_id})

    async def some_mappings(self, note_ids: Sequence[int]) -> list[CaseNoteMapping]:
        """The mappings of those of some NOMIS rows that have one."""
        template = f"{MAPPINGS}/nomis-casenote-id"
        return await self.mappings.post(template, list(note_ids), list[CaseNoteMapping], idempotent=True)

    async def mappings_of_dps(self, dps_id: str) -> list[CaseNoteMapping]:
        """The mappings of every NOMIS row that a DPS note stands for. Raises `NotFound`."""
        template = f"{MAPPINGS}/dps-casenote-id/{{dpsCaseNoteId}}/all"
        return await self.mappings.get(template, list[CaseNoteMapping], path={"dpsCaseNoteId": dps_id})

    async def mappings_of(self, offender_no: str) -> list[CaseNoteMapping]:
        """Every mapping of a prisoner, however it came about."""
        template, path = f"{MAPPINGS}/{{offenderNo}}/all", {"offenderNo": offender_no}
        found = await self.mappings.find(template, PrisonerCaseNoteMappings, path=path)
        return [] if found is None else found.mappings

    async def post_mapping(self, mapping: Mapping[str, Any]) -> None:
        """Record one pair. Raises `Conflict`."""
        await self.mappings.post(MAPPINGS, dict(mapping), idempotent=True)

    async def post_mappings(self, mappings: Sequence[Mapping[str, Any]]) -> None:
        """Record pairs, also none. Raises `Conflict`."""
        await self.mappings.post(f"{MAPPINGS}/batch", list(mappings), idempotent=True)

    async def post_prisoner(self, offender_no: str, pairs: Mapping[str, Any]) -> None:
        """Record the pairs of a prisoner that was migrated. Raises `Conflict`."""
        template = f"{MAPPINGS}/{{offenderNo}}/all"
        await self.mappings.post(template, dict(pairs), path={"offenderNo": offender_no}, idempotent=True)

    async def delete_mappings(self, dps_id: str) -> None:
        """Forget every pair of a DPS note; also none."""
        await self.mappings.delete(f"{MAPPINGS}/dps-casenote-id/{{dpsCaseNoteId}}", path={"dpsCaseNoteId": dps_id})

    async def merge_mappings(self, removed: str, retained: str) -> None:
        """Put the pairs of the number that is gone under the one that stays."""
        template = f"{MAPPINGS}/merge/from/{{oldOffenderNo}}/to/{{newOffenderNo}}"
        await self.mappings.put(template, None, path={"oldOffenderNo": removed, "newOffenderNo": retained})

    async def move_mappings(self, booking_id: int, offender_no: str) -> list[CaseNoteMapping]:
        """Put the pairs of a booking under a prisoner; which they are. Asked again it is the same ones."""
        template = f"{MAPPINGS}/merge/booking-id/{{bookingId}}/to/{{newOffenderNo}}"
        path = {"bookingId": booking_id, "newOffenderNo": offender_no}
        return await self.mappings.put(template, None, list[CaseNoteMapping], path=path)

    async def migrate(self, offender_no: str, notes: Sequence[MigrateCaseNote]) -> list[MigratedCaseNote]:
        """Make all notes of a prisoner in DPS, also none; what each has become."""
        template, path = "/migrate/case-notes/{personIdentifier}", {"personIdentifier": offender_no}
        return await self.dps.post(template, list(notes), list[MigratedCaseNote], path=path)

    async def known(self, offender_no: str) -> list[KnownCaseNote]:
        """The ids of what DPS has of a prisoner. It is for answers that were lost, and nothing else: no card has it."""
        template, path = "/sync/case-notes/{personIdentifier}", {"personIdentifier": offender_no}
        return await self.dps.get(template, list[KnownCaseNote], path=path)

    async def create(self, body: SyncCaseNote) -> str:
        """Make one note in DPS; its id. Asked twice it makes two."""
        return (await self.dps.put("/sync/case-notes", body, SyncedCaseNote, idempotent=False)).id

    async def update(self, dps_id: str, body: SyncCaseNote) -> None:
        """Bring the note `dps_id` in DPS up to date."""
        await self.dps.put("/sync/case-notes", body.model_copy(update={"id": dps_uuid(dps_id, MAPPINGS)}))

    async def delete(self, dps_id: str) -> None:
        """Delete a note in DPS; one that is gone already is deleted all the same."""
        await self.dps.delete("/sync/case-notes/{id}", path={"id": dps_id}, missing_ok=True)

    async def move(self, source: str, target: str, dps_ids: Sequence[str]) -> None:
        """Put notes in DPS, also none, under another prisoner."""
        body = MoveCaseNotes(
            from_person_identifier=source,
            to_person_identifier=target,
            case_note_ids=[dps_uuid(dps_id, MAPPINGS) for dps_id in dps_ids],
        )
        await self.dps.put("/move/case-notes", body)
