"""The bulk migration of case notes, a prisoner at a time (case notes card, section 5).

Unlike the card's, a run passes over prisoners all of whose notes are mapped, and of the others sends only what is not:
so a run that was stopped goes on where it ended, and what events have made meanwhile is in DPS once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator
from pydantic.alias_generators import to_camel

from nomis_pipelines.contracts.case_notes import MigrateCaseNote, MigratedCaseNote
from nomis_pipelines.contracts.nomis_prisoner import CaseNote, PrisonerIdPage
from nomis_pipelines.domains.case_notes.clients import (
    DOMAIN,
    DPS_ID_FIELD,
    DUPLICATE_FIELDS,
    MAPPINGS,
    NOMIS_ID_FIELD,
    SERVICE,
    CaseNoteCalls,
)
from nomis_pipelines.domains.case_notes.transform import grouped, migrate_note
from nomis_pipelines.domains.duplicates import duplicate_properties
from nomis_pipelines.http import Conflict, ServiceClient
from nomis_pipelines.migration.declaration import Item, Migration, MigrationContext, Rejected, Written
from nomis_pipelines.migration.doubts import DoubtError
from nomis_pipelines.migration.ids import ByPageNumber, IdPage
from nomis_pipelines.migration.partitions import Whole
from nomis_pipelines.migration.reasons import words_of

MIGRATED = "MIGRATED"
TYPE = "CASENOTES"
UNKNOWN_ERROR = "unknown error"
"""What telemetry says of a note that cannot be sent as it is (section 6)."""
NO_BOOKING = 0
"""The booking of a note that DPS says it has made, and that was not sent."""

Json = dict[str, Any]
PrisonerNumber = Annotated[str, StringConstraints(pattern=r"^[A-Z][0-9]{4}[A-Z]{2}$")]


class CaseNotesFilter(BaseModel):
    """Which prisoners: all, or those given. NOMIS is not asked about these: they are believed."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")

    offender_nos: list[PrisonerNumber] | None = Field(default=None, min_length=1)

    @field_validator("offender_nos")
    @classmethod
    def _each_once(cls, numbers: list[str] | None) -> list[str] | None:
        return None if numbers is None else list(dict.fromkeys(numbers))


@dataclass(frozen=True, slots=True)
class PrisonerNotes:
    """A prisoner's notes in NOMIS. `mapped`: NOMIS id -> DPS id of those that have a mapping already."""

    offender_no: str
    notes: Sequence[CaseNote]
    mapped: Mapping[int, str] = field(default_factory=dict[int, str])


@dataclass(frozen=True, slots=True)
class SentNote:
    """One note that is sent for a group of equal rows, the first of them: its booking, ids and bookings of the rest."""

    body: MigrateCaseNote
    booking_id: int
    others: Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class PrisonerRequest:
    """What is written to DPS for one prisoner, maybe nothing.

    `rows` is how many notes NOMIS has; `known` are pairs of rows whose equal is in DPS and mapped already.
    """

    offender_no: str
    rows: int
    sent: Sequence[SentNote]
    known: Sequence[Json] = ()


CaseNotesId = str | int
"""A prisoner's number; or a note's, for what synchronisation left in the ledger and is taken up here."""
CaseNotesItem = Item[CaseNotesId, PrisonerNotes, PrisonerRequest]


async def prisoner_ids(nomis: ServiceClient, query: Mapping[str, object], page: int, size: int) -> IdPage[str]:
    """One page of the numbers of all prisoners, or of those given in the filter."""
    given = query.get("offenderNos")
    if isinstance(given, list):
        numbers: list[str] = given
        return IdPage(ids=numbers[page * size : (page + 1) * size], total=len(numbers), size=size)
    answer = await nomis.get("/prisoners/ids/all", PrisonerIdPage, query={"page": page, "size": size})
    return IdPage(ids=[row.offender_no for row in answer.content], total=answer.total_elements, size=answer.size)


class CaseNotesMigration(Migration[CaseNotesId, PrisonerNotes, PrisonerRequest]):
    """The case notes of every prisoner, into the case notes service."""

    name = DOMAIN
    migration_type = TYPE
    telemetry_name = "casenotes"
    filter = CaseNotesFilter
    ids = ByPageNumber(prisoner_ids)
    partitions = Whole(narrowed_by=("offender_nos",))
    services = ("nomis", "mapping", SERVICE)
    write_service = SERVICE
    mapping_path = MAPPINGS
    migrated_path = f"{MAPPINGS}/migration-id/{{migrationId}}/count-by-prisoner"
    migrated_query = MappingProxyType({})
    # a prisoner may have thousands of notes of 4,000 characters, and those of a whole page are held at once
    page_size = 200
    dps_id_field = "offenderNo"

    def __init__(self, context: MigrationContext) -> None:
        super().__init__(context)
        self._calls = CaseNoteCalls(context.clients)
        self._mapped: dict[str, dict[int, str]] = {}

    def key(self, id: CaseNotesId) -> str:
        return str(id)

    def parse_key(self, nomis_key: str) -> CaseNotesId:
        return int(nomis_key) if nomis_key.isdigit() else nomis_key

    @classmethod
    def message_id(cls, nomis_key: str) -> Json:
        return {"caseNoteId": int(nomis_key)} if nomis_key.isdigit() else {"offenderNo": nomis_key}

    async def find_mapping(self, id: CaseNotesId) -> str | None:
        """A prisoner counts as done when every note in NOMIS has a mapping.

        One with some mappings is compared with NOMIS: they may be of a number that a merge took away, or made by
        events. Which they are is remembered for `read`.
        """
        if isinstance(id, int):
            mapping = await self._calls.find_mapping(id)
            return mapping.dps_case_note_id if mapping is not None else None
        mappings = await self._calls.mappings_of(id)
        if not mappings:
            return None
        mapped = {mapping.nomis_case_note_id: mapping.dps_case_note_id for mapping in mappings}
        notes = await self._calls.found_of_prisoner(id)
        if all(note.case_note_id in mapped for note in notes):
            return id
        self._mapped[id] = mapped
        return None

    async def read(self, id: CaseNotesId) -> PrisonerNotes:
        if isinstance(id, int):
            raise Rejected("made-by-an-event", caseNoteId=id)
        notes = await self._calls.found_of_prisoner(id)
        return PrisonerNotes(id, notes, self._mapped.pop(id, {}))

    def transform(self, record: PrisonerNotes, today: date) -> PrisonerRequest:
        sent: list[SentNote] = []
        known: list[Json] = []
        for group in grouped(record.notes):
            dps_id = next((record.mapped[n.case_note_id] for n in group if n.case_note_id in record.mapped), None)
            if dps_id is not None:
                rest = [note for note in group if note.case_note_id not in record.mapped]
                known += [_pair(dps_id, note.case_note_id, note.booking_id) for note in rest]
                continue
            first, *others = group
            rows = [(note.case_note_id, note.booking_id) for note in others]
            sent.append(SentNote(migrate_note(first), first.booking_id, rows))
        return PrisonerRequest(record.offender_no, len(record.notes), sent, known)

    async def write(self, request: PrisonerRequest) -> Written:
        made = await self._calls.migrate(request.offender_no, [note.body for note in request.sent])
        pairs = [*_pairs(made, request.sent), *request.known]
        return Written(dps_id=request.offender_no if pairs else "", mapping=self._set(request.offender_no, pairs))

    def maps_nothing(self, request: PrisonerRequest) -> bool:
        return not (request.sent or request.known)

    def mapping(self, id: CaseNotesId, dps_id: str) -> Json:
        """Raises `DoubtError`: an id alone tells neither which note became which, nor on which booking one is."""
        if isinstance(id, str):
            raise DoubtError(f"the case notes of {id} are adopted as a whole: give {id} in the place of a DPS id")
        raise DoubtError(
            f"case note {id} cannot be adopted, its prisoner is not known here: if DPS has it, delete it there; "
            "then answer that it shall be written again"
        )

    async def mapping_of_adopted(self, id: CaseNotesId, dps_id: str) -> Json:
        """Of a prisoner: the pairs of all notes that DPS has, each with the rows that are one to it.

        Rows that DPS has not got are left to the next migration.
        """
        if id != dps_id or isinstance(id, int):
            return self.mapping(id, dps_id)
        known = {note.legacy_id: note.case_note_id for note in await self._calls.known(id)}
        pairs: list[Json] = []
        for group in grouped(await self._calls.found_of_prisoner(id)):
            made = next((known[note.case_note_id] for note in group if note.case_note_id in known), None)
            if made is not None:
                pairs += [_pair(made, note.case_note_id, note.booking_id) for note in group]
        return self._set(id, pairs)

    async def post_mapping(self, mapping: Mapping[str, Any]) -> None:
        if "mappings" not in mapping:  # of one note, whose event could not record it
            await self._calls.post_mapping(mapping)
            return
        pairs = {name: value for name, value in mapping.items() if name != "offenderNo"}
        await self._calls.post_prisoner(mapping["offenderNo"], pairs)

    def is_own_pair(self, mapping: Mapping[str, Any], existing: Mapping[str, Any]) -> bool:
        """The mapping service shows one pair of the set that it has already."""
        ours: Sequence[Mapping[str, Any]] = mapping.get("mappings", [mapping])
        ids = (DPS_ID_FIELD, NOMIS_ID_FIELD)
        return any(all(str(pair[name]) == str(existing.get(name)) for name in ids) for pair in ours)

    def existing_dps_id(self, mapping: Mapping[str, Any], existing: Mapping[str, Any]) -> str:
        """Of a set it is the prisoner's number on both sides: no single note of it could be deleted as surplus."""
        return str(mapping[self.dps_id_field] if "mappings" in mapping else existing.get(DPS_ID_FIELD))

    def on_migrated(self, item: CaseNotesItem) -> None:
        assert item.request is not None  # noqa: S101  # told of what was written just now
        assert item.mapping is not None  # noqa: S101
        known = {pair[DPS_ID_FIELD] for pair in item.request.known}
        made = {pair[DPS_ID_FIELD] for pair in item.mapping["mappings"]} - known
        counts = {"nomisCaseNoteCount": item.request.rows, "dpsCaseNoteCount": len(made)}
        self._tell("casenotes-migration-entity-migrated", item, migrationType=TYPE, **counts)

    def on_failed(self, item: CaseNotesItem, error: Exception) -> None:
        self._tell("casenotes-migration-entity-failed", item, migrationType=TYPE, error=words_of(error))

    def on_rejected(self, item: CaseNotesItem, rejection: Rejected) -> None:
        self._tell("casenotes-migration-entity-failed", item, migrationType=TYPE, error=UNKNOWN_ERROR)

    def on_duplicate(self, item: CaseNotesItem, conflict: Conflict, minutes: int) -> None:
        """Not told when only the mapping was tried again (section 5, mapping retry)."""
        if not item.resumed:
            pairs = duplicate_properties(conflict.duplicate, conflict.existing, *DUPLICATE_FIELDS)
            self._tell("casenotes-migration-duplicate-error", item, **pairs, durationMinutes=minutes)

    def _set(self, offender_no: str, pairs: Sequence[Json]) -> Json:
        return {
            "offenderNo": offender_no,
            "label": self.migration_id,
            "mappingType": MIGRATED,
            "mappings": list(pairs),
        }

    def _tell(self, name: str, item: CaseNotesItem, **properties: object) -> None:
        told = {"offenderNo": item.key.nomis_key, "migrationId": self.migration_id, **properties}
        self.telemetry.event(name, told)


def _pairs(made: Sequence[MigratedCaseNote], sent: Sequence[SentNote]) -> list[Json]:
    """The pairs of what DPS returned, in its order; then those of each one's equals (section 5, step 5)."""
    notes = {note.body.legacy_id: note for note in sent}
    firsts: list[Json] = []
    others: list[Json] = []
    for each in made:
        note = notes.get(each.legacy_id)
        firsts.append(_pair(each.id, each.legacy_id, NO_BOOKING if note is None else note.booking_id))
        others += [_pair(each.id, *row) for row in (() if note is None else note.others)]
    return firsts + others


def _pair(dps_id: str, note_id: int, booking_id: int) -> Json:
    return {"nomisBookingId": booking_id, NOMIS_ID_FIELD: note_id, DPS_ID_FIELD: dps_id}
