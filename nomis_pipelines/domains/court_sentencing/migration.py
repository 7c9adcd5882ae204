"""The bulk migration of court sentencing, a prisoner at a time (court sentencing card, section 5).

Unlike the card's, a run without `deleteExisting` passes over prisoners that are migrated already: so a run that was
stopped goes on where it ended, and none of them is in DPS twice (the third case from the end of section 9).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from pydantic import BaseModel, field_validator

from nomis_pipelines.contracts.court_sentencing import PrisonerCourtCases
from nomis_pipelines.contracts.nomis_prisoner import CourtCase, PrisonerIdPage
from nomis_pipelines.domains.court_sentencing.batches import batch_of, first_case, pairs_of
from nomis_pipelines.domains.court_sentencing.dps import migrate_cases
from nomis_pipelines.domains.court_sentencing.entities import (
    CASE,
    DOMAIN,
    MAPPINGS,
    MIGRATED,
    CourtKey,
    entity_of,
)
from nomis_pipelines.domains.court_sentencing.mappings import MappingCalls
from nomis_pipelines.domains.court_sentencing.nomis import NomisCalls
from nomis_pipelines.domains.court_sentencing.transform import prisoner_cases
from nomis_pipelines.http import Conflict, ServiceClient
from nomis_pipelines.migration.declaration import Ignored, Item, Migration, MigrationContext, Rejected, Written
from nomis_pipelines.migration.doubts import DoubtError
from nomis_pipelines.migration.filters import DateFilter, filter_query
from nomis_pipelines.migration.ids import ByPageNumber, IdPage
from nomis_pipelines.migration.partitions import Whole

PARTLY_SYNCHRONISED = "partly-synchronised"
"""Why a prisoner is rejected some of whose cases events have made in DPS: writing them all would make those twice. The
repair `cases` of the prisoner replaces what DPS and the mapping service have, and so settles it."""
SYNCHRONISED = "synchronised-already"
"""Why a prisoner is passed over all of whose cases events have made."""
REPLACE = "replace"
"""Marks, in the ledger, a batch that is to be put (M6) instead of posted for a prisoner (M1)."""
DUPLICATE = "nomis-migration-court-sentencing-duplicate"
ENTITY_MIGRATED = "court-sentencing-migration-entity-migrated"


class CourtSentencingFilter(DateFilter):
    """Which prisoners: all, or the numbers in `offender_no`, with commas between. The dates restrict nothing.

    `delete_existing`: what DPS has of a prisoner is deleted first, and prisoners who are migrated already come again.
    """

    offender_no: str | None = None
    delete_existing: bool = False

    @field_validator("offender_no")
    @classmethod
    def _some_number(cls, text: str | None) -> str | None:
        return text or None


@dataclass(frozen=True, slots=True)
class PrisonerRecord:
    """A prisoner's cases in NOMIS; `mapped` are the ids of those that events have made in DPS."""

    offender_no: str
    cases: Sequence[CourtCase]
    mapped: frozenset[int] = frozenset()


CourtId = str | CourtKey
"""A prisoner's number; or what an event made, for what synchronisation left in the ledger and is taken up here."""
CourtItem = Item[CourtId, PrisonerRecord, PrisonerCourtCases]


async def prisoner_ids(nomis: ServiceClient, query: Mapping[str, object], page: int, size: int) -> IdPage[str]:
    """One page of the numbers of all prisoners, with cases or without.

    Of numbers given in the filter NOMIS is not asked: they are believed, and counted as one (section 5.2).
    """
    given = query.get("offenderNo")
    if given:
        return IdPage(ids=[number for number in str(given).split(",") if number] if page == 0 else [], total=1)
    answer = await nomis.get("/prisoners/ids/all", PrisonerIdPage, query={"page": page, "size": size})
    return IdPage(ids=[row.offender_no for row in answer.content], total=answer.total_elements, size=answer.size)


class CourtSentencingMigration(Migration[CourtId, PrisonerRecord, PrisonerCourtCases]):
    """The court cases of every prisoner with all that belongs to them, into the remand and sentencing service."""

    name = DOMAIN
    migration_type = "COURT_SENTENCING"
    telemetry_name = "court-sentencing"
    filter = CourtSentencingFilter
    ids = ByPageNumber(prisoner_ids)
    partitions = Whole(narrowed_by=("offender_no",))
    services = ("nomis", "mapping", "court-sentencing")
    write_service = "court-sentencing"
    mapping_path = f"{MAPPINGS}/prisoner"
    dps_id_field = "offenderNo"

    def __init__(self, context: MigrationContext) -> None:
        super().__init__(context)
        self._nomis = NomisCalls(context.clients)
        self._mapping_calls = MappingCalls(context.clients)
        filter = context.filter
        self._delete_existing = isinstance(filter, CourtSentencingFilter) and filter.delete_existing

    @classmethod
    def properties(cls, filter: BaseModel) -> dict[str, Any]:
        return {"deleteExisting": filter_query(filter).get("deleteExisting", False)}

    def key(self, id: CourtId) -> str:
        return str(id)

    def parse_key(self, nomis_key: str) -> CourtId:
        return CourtKey.parse(nomis_key) if "/" in nomis_key else nomis_key

    @classmethod
    def message_id(cls, nomis_key: str) -> dict[str, str]:
        return {"offenderNo": nomis_key.partition("/")[0]}

    async def find_mapping(self, id: CourtId) -> str | None:
        """A prisoner counts as done when a migration's batch was recorded; never when everything is to come again.

        A merge resets what is noted of the batch: then the prisoner is done when every case in NOMIS is mapped.
        """
        if isinstance(id, CourtKey):
            return await self._find_part(id)
        if self._delete_existing:
            return None
        summary = await self._mapping_calls.summary(id)
        if summary is None:
            return None
        if summary.migration_id:
            return id
        record = await self._read(id)
        return id if len(record.mapped) == len(record.cases) else None

    async def _find_part(self, key: CourtKey) -> str | None:
        if key.entity is None:
            return None
        return await self._mapping_calls.find(key.entity, *map(int, key.ids))

    async def read(self, id: CourtId) -> PrisonerRecord:
        """Raises `Ignored` for a prisoner all of whose cases events have made."""
        if isinstance(id, CourtKey):
            raise Rejected("made-by-an-event", prisoner=id.offender_no)
        record = await self._read(id)
        if record.cases and len(record.mapped) == len(record.cases):
            raise Ignored(SYNCHRONISED, cases=len(record.cases))
        return record

    async def _read(self, offender_no: str) -> PrisonerRecord:
        cases = await self._nomis.cases(offender_no)
        if self._delete_existing or not cases:
            return PrisonerRecord(offender_no, cases)
        mapped = await self._mapping_calls.cases([case.id for case in cases])
        return PrisonerRecord(offender_no, cases, frozenset(pair.nomis_court_case_id for pair in mapped))

    def transform(self, record: PrisonerRecord, today: date) -> PrisonerCourtCases:
        if record.mapped:
            raise Rejected(
                PARTLY_SYNCHRONISED, mapped=len(record.mapped), notMapped=len(record.cases) - len(record.mapped)
            )
        return prisoner_cases(record.offender_no, record.cases, today)

    async def write(self, request: PrisonerCourtCases) -> Written:
        created = await migrate_cases(self.context.clients, request, delete_existing=self._delete_existing)
        batch = batch_of(created, MIGRATED, label=self.migration_id, case_type=MIGRATED, part_type=MIGRATED)
        return Written(dps_id=request.prisoner_id, mapping={"offenderNo": request.prisoner_id, **batch})

    def mapping(self, id: CourtId, dps_id: str) -> dict[str, Any]:
        """The pair of what one event made, for one in doubt that is found in DPS.

        Raises `DoubtError` for whole prisoners, merges and clones: what became what, only the lost answer could tell.
        """
        if isinstance(id, str) or id.entity is None:
            prisoner = id if isinstance(id, str) else id.offender_no
            raise DoubtError(
                f"the court cases of {prisoner} cannot be adopted by one id: run the repair cases of the prisoner, "
                "which replaces what DPS has and settles the doubt"
            )
        pair = id.entity.pair(tuple(map(int, id.ids)), dps_id, MIGRATED)
        return with_empty_lists(pair) if id.entity is CASE else pair

    async def post_mapping(self, mapping: Mapping[str, Any]) -> None:
        if CASE.batch not in mapping:  # of one record, whose event could not record it
            await self._mapping_calls.post(entity_of(mapping), mapping)
            return
        batch = {name: value for name, value in mapping.items() if name not in ("offenderNo", REPLACE)}
        if REPLACE in mapping:
            await self._mapping_calls.replace_batch(batch)
        else:
            await self._mapping_calls.post_batch(mapping["offenderNo"], batch)

    def is_own_pair(self, mapping: Mapping[str, Any], existing: Mapping[str, Any]) -> bool:
        """Of a batch: whether the mapping service shows pairs, and none but ours."""
        if CASE.batch in mapping:
            shown = pairs_of(existing)
            return bool(shown) and shown <= pairs_of(mapping)
        entity = entity_of(mapping)
        return all(str(existing.get(field)) == str(mapping[field]) for field in (*entity.fields, entity.dps_field))

    def existing_dps_id(self, mapping: Mapping[str, Any], existing: Mapping[str, Any]) -> str:
        """Of a batch it is its first case's."""
        if CASE.batch in mapping:
            return str(first_case(existing)[CASE.dps_field])
        return str(existing.get(entity_of(mapping).dps_field))

    def on_migrated(self, item: CourtItem) -> None:
        self.telemetry.event(ENTITY_MIGRATED, {"offenderNo": item.dps_id, "migrationId": self.migration_id})

    def on_duplicate(self, item: CourtItem, conflict: Conflict, minutes: int) -> None:
        tell_duplicate(self.telemetry.event, str(item.id).partition("/")[0], self.migration_id, minutes)


def with_empty_lists(pair: dict[str, Any]) -> dict[str, Any]:
    """A case's pair as M2 takes it: with lists for its children, which come with their own events (section 2.2)."""
    return {**pair, "courtAppearances": [], "courtCharges": [], "sentences": []}


def tell_duplicate(tell: Any, offender_no: str, migration_id: str, minutes: int) -> None:
    """Section 5.4: no ids of the clashing records."""
    tell(DUPLICATE, {"migrationId": migration_id, "offenderId": offender_no, "durationMinutes": minutes})
