"""Promise: section 5 and worked example 10.1 of the case notes card at the HTTP edge: calls, bodies, telemetry."""

import json
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import httpx
import pytest
import respx

from nomis_pipelines.domains.case_notes import CASE_NOTES
from nomis_pipelines.domains.case_notes.clients import CaseNoteCalls
from nomis_pipelines.domains.case_notes.migration import (
    CaseNotesFilter,
    CaseNotesMigration,
    PrisonerNotes,
    prisoner_ids,
)
from nomis_pipelines.http import Conflict, NotFound, Unavailable
from nomis_pipelines.migration.declaration import Item, MigrationContext, Rejected, Written
from nomis_pipelines.migration.doubts import DoubtError
from nomis_pipelines.migration.filters import FilterError, filter_json, run_filter
from nomis_pipelines_tests import world
from nomis_pipelines_tests.domains.case_notes.examples import (
    MAPPINGS,
    MIGRATED_BODIES,
    OTHER,
    PRISONER,
    SET_PAIRS,
    THREE,
    all_in_nomis,
    conflict,
    dps_id,
    mapped,
    mapping,
    pair,
    row,
    sent,
)
from nomis_pipelines_tests.recording import RecordingTelemetry

MIGRATION_ID = "2025-03-10T07:30:00"
TODAY = date(2025, 3, 10)
ALL = f"{MAPPINGS}/{PRISONER}/all"
SET = {"label": MIGRATION_ID, "mappingType": "MIGRATED", "mappings": SET_PAIRS}
BASE = {"offenderNo": PRISONER, "migrationId": MIGRATION_ID}
MIGRATED = "casenotes-migration-entity-migrated"
FAILED = "casenotes-migration-entity-failed"


@pytest.fixture
def telemetry() -> RecordingTelemetry:
    return RecordingTelemetry()


@pytest.fixture
async def migration(telemetry: RecordingTelemetry) -> AsyncIterator[CaseNotesMigration]:
    clients = world.clients(world.settings(NOMIS_PIPELINES_HTTP_ATTEMPTS="1"))
    with respx.mock:
        respx.post(f"{world.AUTH}/oauth/token").respond(json={"access_token": "t", "expires_in": 600})
        yield CaseNotesMigration(
            MigrationContext(clients=clients, telemetry=telemetry, migration_id=MIGRATION_ID, today=TODAY)
        )
    await clients.aclose()


def dps_migrates(*ids: int) -> respx.Route:
    made = [{"id": dps_id(number), "legacyId": number} for number in ids]
    return respx.post(f"{world.CASE_NOTES}/migrate/case-notes/{PRISONER}").respond(json=made)


def item(request: Any = None, written: Written | None = None, id: Any = PRISONER) -> Item[Any, Any, Any]:
    made = Item[Any, Any, Any](id=id, key=CaseNotesMigration.record_key(str(id)))
    made.request = request
    if written is not None:
        made.dps_id, made.mapping = written.dps_id, written.mapping
    return made


def known(*mappings: dict[str, Any]) -> None:
    respx.get(ALL).respond(json={"mappings": list(mappings)})


async def test_worked_example_10_1_the_notes_of_one_prisoner(
    migration: CaseNotesMigration, telemetry: RecordingTelemetry
) -> None:
    known()
    all_in_nomis(THREE)
    posted, recorded = dps_migrates(501, 502), respx.post(ALL).respond(201)
    assert await migration.find_mapping(PRISONER) is None
    request = migration.transform(await migration.read(PRISONER), TODAY)
    written = await migration.write(request)
    assert sent(posted) == MIGRATED_BODIES
    await migration.post_mapping(json.loads(json.dumps(written.mapping)))
    assert sent(recorded) == SET
    assert written.dps_id == PRISONER
    assert not migration.maps_nothing(request)
    migration.on_migrated(item(request, written))
    assert telemetry.events == [
        (
            "casenotes-migration-entity-migrated",
            {
                "offenderNo": "B2002CD", "migrationId": "2025-03-10T07:30:00", "migrationType": "CASENOTES",
                "nomisCaseNoteCount": "3", "dpsCaseNoteCount": "2",
            },
        )
    ]  # fmt: skip
    paths = [call.request.url.path for call in respx.calls if call.request.url.host != "auth.test"]
    assert paths == [
        f"/mapping/casenotes/{PRISONER}/all",
        f"/prisoners/{PRISONER}/casenotes",
        f"/migrate/case-notes/{PRISONER}",
        f"/mapping/casenotes/{PRISONER}/all",
    ]


@pytest.mark.parametrize("in_nomis", [None, []], ids=["404", "no note"])
async def test_an_empty_list_is_written_and_recorded_like_any_other(
    migration: CaseNotesMigration, telemetry: RecordingTelemetry, in_nomis: list[Any] | None
) -> None:
    all_in_nomis(in_nomis)
    posted, recorded = dps_migrates(), respx.post(ALL).respond(201)
    request = migration.transform(await migration.read(PRISONER), TODAY)
    assert migration.maps_nothing(request)
    written = await migration.write(request)
    await migration.post_mapping(written.mapping)
    assert (sent(posted), sent(recorded)) == ([], {**SET, "mappings": []})
    assert written.dps_id == ""
    migration.on_migrated(item(request, written))
    assert telemetry.events[0][1]["dpsCaseNoteCount"] == telemetry.events[0][1]["nomisCaseNoteCount"] == "0"


async def test_pairs_follow_the_answers_of_dps_and_then_come_the_other_rows(migration: CaseNotesMigration) -> None:
    all_in_nomis([*THREE, row(602, 45)])
    dps_migrates(502, 999, 501)
    written = await migration.write(migration.transform(await migration.read(PRISONER), TODAY))
    assert written.mapping["mappings"] == [
        pair(502, 31, 502),
        # one that was not sent has no booking
        pair(999, 0, 999),
        pair(501, 31, 501),
        pair(601, 44, 501),
        pair(602, 45, 501),
    ]


async def test_what_dps_does_not_answer_is_neither_mapped_nor_counted(
    migration: CaseNotesMigration, telemetry: RecordingTelemetry
) -> None:
    all_in_nomis(THREE)
    dps_migrates(502)
    request = migration.transform(await migration.read(PRISONER), TODAY)
    written = await migration.write(request)
    assert written.mapping["mappings"] == [pair(502, 31, 502)]
    migration.on_migrated(item(request, written))
    assert (telemetry.events[0][1]["nomisCaseNoteCount"], telemetry.events[0][1]["dpsCaseNoteCount"]) == ("3", "1")


@pytest.mark.parametrize(
    ("mappings", "done"),
    [
        ([], None),
        ([mapping(501, 31, 501)], None),
        ([mapping(501, 31, 501), mapping(502, 31, 502)], None),
        ([mapping(501, 31, 501), mapping(502, 31, 502), mapping(601, 44, 501, mappingType="MIGRATED")], PRISONER),
    ],
)
async def test_a_prisoner_is_done_when_every_row_has_a_mapping(
    migration: CaseNotesMigration, mappings: list[Any], done: str | None
) -> None:
    known(*mappings)
    all_in_nomis(THREE)
    assert await migration.find_mapping(PRISONER) == done


async def test_a_prisoner_without_mappings_is_not_read_twice(migration: CaseNotesMigration) -> None:
    known()
    reads = all_in_nomis(THREE)
    await migration.find_mapping(PRISONER)
    assert reads.call_count == 0


async def test_of_a_prisoner_some_of_whose_notes_events_made_only_the_rest_is_sent(
    migration: CaseNotesMigration, telemetry: RecordingTelemetry
) -> None:
    known(mapping(601, 44, 77))
    all_in_nomis(THREE)
    posted = dps_migrates(502)
    assert await migration.find_mapping(PRISONER) is None
    request = migration.transform(await migration.read(PRISONER), TODAY)
    written = await migration.write(request)
    assert sent(posted) == MIGRATED_BODIES[1:]
    assert written.mapping["mappings"] == [pair(502, 31, 502), pair(501, 31, 77)]
    migration.on_migrated(item(request, written))
    assert telemetry.events[0][1]["dpsCaseNoteCount"] == "1"
    assert not (await migration.read(PRISONER)).mapped, "asked of the mapping service anew each time"


async def test_a_row_whose_equal_is_mapped_needs_nothing_of_dps_but_its_mapping(migration: CaseNotesMigration) -> None:
    all_in_nomis([THREE[0], THREE[2]])
    rows = (await migration.read(PRISONER)).notes
    request = migration.transform(PrisonerNotes(PRISONER, rows, {501: dps_id(5)}), TODAY)
    posted = dps_migrates()
    written = await migration.write(request)
    assert sent(posted) == []
    assert (written.dps_id, written.mapping["mappings"]) == (PRISONER, [pair(601, 44, 5)])
    assert not migration.maps_nothing(request)


@pytest.mark.parametrize("field", ["occurrenceDateTime", "creationDateTime"])
async def test_a_prisoner_with_a_note_without_a_time_is_rejected_as_an_unknown_error(
    migration: CaseNotesMigration, telemetry: RecordingTelemetry, field: str
) -> None:
    all_in_nomis([row(501, 31, **{field: None}), *THREE[1:]])
    record = await migration.read(PRISONER)
    with pytest.raises(Rejected, match="missing-date-time") as raised:
        migration.transform(record, TODAY)
    assert raised.value.details == {"caseNoteId": 501, "field": field}
    migration.on_rejected(item(), raised.value)
    assert telemetry.events == [(FAILED, {**BASE, "migrationType": "CASENOTES", "error": "unknown error"})]


async def test_a_failure_is_told_by_its_call(migration: CaseNotesMigration, telemetry: RecordingTelemetry) -> None:
    respx.get(f"{world.NOMIS}/prisoners/{PRISONER}/casenotes").respond(500)
    with pytest.raises(Unavailable) as raised:
        await migration.read(PRISONER)
    migration.on_failed(item(), raised.value)
    error = "nomis GET /prisoners/{offenderNo}/casenotes answered 500"
    assert telemetry.events == [(FAILED, {**BASE, "migrationType": "CASENOTES", "error": error})]


async def test_a_set_that_meets_a_mapping_is_told_of_but_not_when_only_the_mapping_was_tried_again(
    migration: CaseNotesMigration, telemetry: RecordingTelemetry
) -> None:
    existing, duplicate = mapping(501, 31, 9, mappingType="MIGRATED"), mapping(501, 31, 501)
    respx.post(ALL).mock(return_value=conflict(existing, duplicate))
    whole = {"offenderNo": PRISONER, **SET}
    with pytest.raises(Conflict) as raised:
        await migration.post_mapping(whole)
    assert not migration.is_own_pair(whole, raised.value.existing or {})
    assert migration.existing_dps_id(whole, raised.value.existing or {}) == PRISONER
    again = item()
    again.resumed = True
    migration.on_duplicate(again, raised.value, 9)
    migration.on_duplicate(item(), raised.value, 7)
    assert telemetry.events == [
        (
            "casenotes-migration-duplicate-error",
            {
                **BASE,
                "duplicateDpsCaseNoteId": dps_id(501),
                "duplicateNomisBookingId": "31",
                "duplicateNomisCaseNoteId": "501",
                "existingDpsCaseNoteId": dps_id(9),
                "existingNomisBookingId": "31",
                "existingNomisCaseNoteId": "501",
                "durationMinutes": "7",
            },
        )
    ]


@pytest.mark.parametrize(
    ("existing", "own"),
    [
        (mapping(601, 44, 501), True),
        (mapping(601, 99, 501, offenderNo=OTHER), True),
        (mapping(601, 44, 502), False),
        (mapping(701, 44, 501), False),
        ({}, False),
    ],
)
def test_a_pair_is_our_own_when_it_is_one_of_the_set(
    migration: CaseNotesMigration, existing: dict[str, Any], own: bool
) -> None:
    assert migration.is_own_pair({"offenderNo": PRISONER, **SET}, existing) is own


async def test_what_an_event_could_not_record_is_posted_as_one_pair(migration: CaseNotesMigration) -> None:
    posted = respx.post(MAPPINGS).mock(return_value=httpx.Response(201))
    await migration.post_mapping(mapping())
    assert sent(posted) == mapping()
    assert migration.is_own_pair(mapping(), mapping())
    assert migration.existing_dps_id(mapping(), mapping(dps=9)) == dps_id(9)
    mapped(mapping())
    assert await migration.find_mapping(701) == dps_id(701)
    mapped(None)
    assert await migration.find_mapping(701) is None
    with pytest.raises(Rejected, match="made-by-an-event"):
        await migration.read(701)


async def test_a_prisoner_is_adopted_by_what_dps_says_it_has_and_the_rest_is_left_to_the_next_run(
    migration: CaseNotesMigration,
) -> None:
    all_in_nomis([*THREE, row(602, 44, caseNoteText="Not in DPS")])
    # DPS may know any of the rows that are one
    found = [{"caseNoteId": dps_id(501), "legacyId": 601}, {"caseNoteId": dps_id(502), "legacyId": 502}]
    respx.get(f"{world.CASE_NOTES}/sync/case-notes/{PRISONER}").respond(json=found)
    adopted = await migration.mapping_of_adopted(PRISONER, PRISONER)
    pairs = [pair(501, 31, 501), pair(601, 44, 501), pair(502, 31, 502)]
    assert adopted == {"offenderNo": PRISONER, **SET, "mappings": pairs}


@pytest.mark.parametrize(
    ("id", "message"), [(701, "case note 701 cannot be adopted.* delete it there"), (PRISONER, f"give {PRISONER} in")]
)
async def test_nothing_else_can_be_adopted_and_the_error_says_what_to_do(
    migration: CaseNotesMigration, id: int | str, message: str
) -> None:
    with pytest.raises(DoubtError, match=message):
        migration.mapping(id, dps_id(1))
    with pytest.raises(DoubtError, match=message):
        await migration.mapping_of_adopted(id, dps_id(1))


def test_keys_and_messages_are_those_of_the_card(migration: CaseNotesMigration) -> None:
    for id in (701, PRISONER):
        assert migration.parse_key(migration.key(id)) == id
    assert CaseNotesMigration.message_id(PRISONER) == {"offenderNo": PRISONER}
    assert CaseNotesMigration.message_id("701") == {"caseNoteId": 701}
    assert (CaseNotesMigration.migration_type, CaseNotesMigration.telemetry_name) == ("CASENOTES", "casenotes")
    assert not CaseNotesMigration.idempotent_write


async def test_prisoners_are_listed_by_page(migration: CaseNotesMigration) -> None:
    route = respx.get(f"{world.NOMIS}/prisoners/ids/all").respond(
        json={"content": [{"offenderNo": PRISONER}], "totalElements": 1001, "size": 1000}
    )
    page = await prisoner_ids(migration.nomis, {}, 1, 1000)
    assert (page.ids, page.total, page.size) == ([PRISONER], 1001, 1000)
    assert dict(route.calls.last.request.url.params) == {"page": "1", "size": "1000"}


@pytest.mark.parametrize(("number", "size", "ids"), [(0, 1, ["B2002CD"]), (1, 2, ["B4004GH"]), (2, 2, []),
                                                     (0, 9, ["B2002CD", "B3003EF", "B4004GH"])])  # fmt: skip
async def test_prisoners_that_are_named_are_believed_each_once_and_cut_into_pages(
    migration: CaseNotesMigration, number: int, size: int, ids: list[str]
) -> None:
    filter = CaseNotesFilter.model_validate({"offenderNos": ["B2002CD", "B3003EF", "B2002CD", "B4004GH"]})
    page = await prisoner_ids(migration.nomis, filter.model_dump(by_alias=True), number, size)
    assert (page.ids, page.total) == (ids, 3)


def test_a_filter_names_prisoners_or_none_and_only_the_latter_covers_the_whole() -> None:
    everybody = run_filter(CaseNotesMigration, {}, None)
    assert filter_json(everybody) == "{}"
    assert CaseNotesMigration.partitions.covered(everybody, TODAY) == ["all"]
    some = run_filter(CaseNotesMigration, {"offenderNos": ["B2002CD", "B2002CD"]}, None)
    assert filter_json(some) == '{"offenderNos":["B2002CD"]}'
    assert CaseNotesMigration.partitions.covered(some, TODAY) == []
    for wrong in ([], ["b2002cd"], ["B2002CD,B3003EF"], "B2002CD", [""]):
        with pytest.raises(FilterError):
            run_filter(CaseNotesMigration, {"offenderNos": wrong}, None)


async def test_a_surplus_note_can_be_deleted_and_one_that_is_gone_is_deleted(migration: CaseNotesMigration) -> None:
    assert CASE_NOTES.delete_surplus is not None
    gone = respx.delete(f"{world.CASE_NOTES}/sync/case-notes/{dps_id(9)}")
    for status in (204, 404):
        gone.respond(status)
        await CASE_NOTES.delete_surplus(migration.context.clients, dps_id(9))
    gone.respond(500)
    with pytest.raises(Unavailable):
        await CASE_NOTES.delete_surplus(migration.context.clients, dps_id(9))


async def test_a_prisoner_that_nomis_does_not_know_has_no_notes_to_a_migration_only(
    migration: CaseNotesMigration,
) -> None:
    all_in_nomis(None)
    calls = CaseNoteCalls(migration.context.clients)
    assert await calls.found_of_prisoner(PRISONER) == []
    with pytest.raises(NotFound):
        await calls.of_prisoner(PRISONER)
