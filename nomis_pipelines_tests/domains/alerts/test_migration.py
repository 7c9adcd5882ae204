"""Promise: worked example 10.1 and section 5 of the alerts card at the HTTP edge: listing, calls, bodies, telemetry."""

import json
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import httpx
import pytest
import respx

from nomis_pipelines.domains.alerts.clients import AlertKey
from nomis_pipelines.domains.alerts.migration import (
    AlertsFilter,
    AlertsMigration,
    PrisonerRequest,
    PrisonerSet,
    prisoner_ids,
)
from nomis_pipelines.http import Conflict, Unavailable
from nomis_pipelines.migration.declaration import Item, MigrationContext, Rejected, Written
from nomis_pipelines.migration.doubts import DoubtError
from nomis_pipelines.migration.filters import FilterError, filter_json, run_filter
from nomis_pipelines_tests import world
from nomis_pipelines_tests.domains.alerts.examples import (
    BOOKING,
    MAPPING_BODY,
    MAPPINGS,
    MIGRATED_BODIES,
    NEW,
    OLD,
    PRISONER,
    TWO,
    conflict,
    mapped,
    pairs,
    sent,
    set_in_nomis,
)
from nomis_pipelines_tests.recording import RecordingTelemetry

MIGRATION_ID = "2024-10-20T06:00:00"
TODAY = date(2024, 10, 20)
IDS = (OLD, "5c1d0c1e-0000-4000-8000-000000000002")
ALL = f"{MAPPINGS}/{PRISONER}/all"
SET = {"label": MIGRATION_ID, "mappingType": "MIGRATED", "mappings": pairs(*IDS)}
ALERT = AlertKey(PRISONER, BOOKING, 6)


@pytest.fixture
def telemetry() -> RecordingTelemetry:
    return RecordingTelemetry()


@pytest.fixture
async def migration(telemetry: RecordingTelemetry) -> AsyncIterator[AlertsMigration]:
    clients = world.clients()
    with respx.mock:
        respx.post(f"{world.AUTH}/oauth/token").respond(json={"access_token": "t", "expires_in": 600})
        yield AlertsMigration(
            MigrationContext(clients=clients, telemetry=telemetry, migration_id=MIGRATION_ID, today=TODAY)
        )
    await clients.aclose()


def dps_migrates(*dps_ids: str) -> respx.Route:
    made = [
        {"offenderBookId": BOOKING, "bookingSeq": 1, "alertSeq": alert["alertSequence"], "alertUuid": dps_id}
        for alert, dps_id in zip(TWO, dps_ids, strict=False)
    ]
    return respx.post(f"{world.ALERTS}/migrate/{PRISONER}/alerts").respond(201, json=made)


def item(written: Written) -> Item[Any, Any, Any]:
    made = Item[Any, Any, Any](id=PRISONER, key=AlertsMigration.record_key(PRISONER))
    made.dps_id, made.mapping = written.dps_id, written.mapping
    return made


async def test_worked_example_10_1_the_alerts_of_one_prisoner(
    migration: AlertsMigration, telemetry: RecordingTelemetry
) -> None:
    respx.get(ALL).respond(json={"mappings": []})
    set_in_nomis(PRISONER, TWO)
    posted, recorded = dps_migrates(*IDS), respx.post(ALL).respond(201)
    assert await migration.find_mapping(PRISONER) is None
    request = migration.transform(await migration.read(PRISONER), TODAY)
    written = await migration.write(request)
    assert sent(posted) == MIGRATED_BODIES
    assert not {"source", "username"} & set(posted.calls.last.request.headers)
    await migration.post_mapping(json.loads(json.dumps(written.mapping)))
    assert sent(recorded) == SET
    assert written.dps_id == PRISONER
    migration.on_migrated(item(written))
    assert telemetry.events == [
        (
            "alerts-migration-entity-migrated",
            {"offenderNo": PRISONER, "migrationId": MIGRATION_ID, "alertCount": "2"},
        )
    ]
    paths = [call.request.url.path for call in respx.calls if call.request.url.host != "auth.test"]
    assert paths == [
        f"/mapping/alerts/{PRISONER}/all",
        f"/prisoners/{PRISONER}/alerts/to-migrate",
        f"/migrate/{PRISONER}/alerts",
        f"/mapping/alerts/{PRISONER}/all",
    ]


@pytest.mark.parametrize("in_nomis", [None, []], ids=["404", "no alert"])
async def test_an_empty_list_is_written_and_recorded_like_any_other(
    migration: AlertsMigration, telemetry: RecordingTelemetry, in_nomis: list[Any] | None
) -> None:
    set_in_nomis(PRISONER, in_nomis)
    posted, recorded = dps_migrates(), respx.post(ALL).respond(201)
    request = migration.transform(await migration.read(PRISONER), TODAY)
    assert migration.maps_nothing(request)
    written = await migration.write(request)
    await migration.post_mapping(written.mapping)
    assert sent(posted) == []
    assert sent(recorded) == {**SET, "mappings": []}
    assert written.dps_id == ""
    migration.on_migrated(item(written))
    assert telemetry.events[0][1]["alertCount"] == "0"


async def test_only_what_dps_returned_is_mapped_and_counted(
    migration: AlertsMigration, telemetry: RecordingTelemetry
) -> None:
    set_in_nomis(PRISONER, TWO)
    dps_migrates(IDS[0])
    request = migration.transform(await migration.read(PRISONER), TODAY)
    assert not migration.maps_nothing(request)
    written = await migration.write(request)
    assert written.mapping["mappings"] == pairs(*IDS)[:1]
    migration.on_migrated(item(written))
    assert telemetry.events[0][1]["alertCount"] == "1"


async def test_no_alert_is_left_out_whatever_its_booking_or_origin(migration: AlertsMigration) -> None:
    audit = {**TWO[0]["audit"], "auditModuleName": "DPS_SYNCHRONISATION"}
    set_in_nomis(PRISONER, [{**TWO[1], "bookingSequence": 3}, {**TWO[0], "audit": audit}])
    request = migration.transform(await migration.read(PRISONER), TODAY)
    assert [(alert.alert_seq, alert.booking_seq) for alert in request.alerts] == [(5, 3), (2, 1)]


@pytest.mark.parametrize("status", [400, 500])
async def test_another_error_of_nomis_is_raised(migration: AlertsMigration, status: int) -> None:
    respx.get(f"{world.NOMIS}/prisoners/{PRISONER}/alerts/to-migrate").respond(status)
    with pytest.raises(Exception, match=str(status)):
        await migration.read(PRISONER)


async def test_prisoners_are_listed_by_page_and_by_nothing_else(migration: AlertsMigration) -> None:
    rows = [{"offenderNo": PRISONER}, {"offenderNo": "A7002BC"}]
    route = respx.get(f"{world.NOMIS}/prisoners/ids/all").respond(
        json={"content": rows, "totalElements": 1002, "size": 1000}
    )
    page = await prisoner_ids(migration.nomis, {"fromDate": "2024-01-01"}, 1, 1000)
    assert (page.ids, page.total, page.size) == ([PRISONER, "A7002BC"], 1002, 1000)
    assert dict(route.calls.last.request.url.params) == {"page": "1", "size": "1000"}


def test_a_filter_has_two_dates_that_are_kept_and_covers_the_whole_with_either() -> None:
    filter = run_filter(AlertsMigration, {"fromDate": "2024-01-01"}, None)
    assert filter_json(filter) == '{"fromDate":"2024-01-01"}'
    assert filter_json(AlertsFilter()) == "{}"
    assert AlertsMigration.partitions.covered(filter, TODAY) == ["all"]
    for wrong in ({"fromDate": "2024-01-01T10:00"}, {"fromDate": "2024-02-01", "toDate": "2024-01-01"}, {"prison": 1}):
        with pytest.raises(FilterError):
            run_filter(AlertsMigration, wrong, None)


@pytest.mark.parametrize(
    ("types", "found"),
    [
        ([], None),
        (["MIGRATED"], PRISONER),
        (["NOMIS_CREATED", "MIGRATED"], PRISONER),
    ],
)
async def test_a_prisoner_is_done_with_one_migrated_mapping_which_costs_one_call(
    migration: AlertsMigration, types: list[str], found: str | None
) -> None:
    mappings = [
        {**MAPPING_BODY, "nomisAlertSequence": number, "dpsAlertId": f"u-{number}", "mappingType": kind}
        for number, kind in enumerate(types)
    ]
    respx.get(ALL).respond(json={"mappings": mappings})
    assert await migration.find_mapping(PRISONER) == found
    assert [call.request.url.path for call in respx.calls if "auth" not in call.request.url.host] == [
        f"/mapping/alerts/{PRISONER}/all"
    ]


def synchronised(*sequences: int, kind: str = "NOMIS_CREATED") -> None:
    mappings = [
        {**MAPPING_BODY, "nomisAlertSequence": sequence, "dpsAlertId": f"u-{sequence}", "mappingType": kind}
        for sequence in sequences
    ]
    respx.get(ALL).respond(json={"mappings": mappings})


@pytest.mark.parametrize("kind", ["NOMIS_CREATED", "DPS_CREATED"])
@pytest.mark.parametrize("sequences", [(2, 5), (2, 5, 9)])
async def test_a_prisoner_whose_every_alert_an_event_has_made_is_done(
    migration: AlertsMigration, sequences: tuple[int, ...], kind: str
) -> None:
    synchronised(*sequences, kind=kind)
    set_in_nomis(PRISONER, TWO)
    assert await migration.find_mapping(PRISONER) == PRISONER


async def test_a_prisoner_some_of_whose_alerts_events_have_made_is_rejected(migration: AlertsMigration) -> None:
    synchronised(2)
    set_in_nomis(PRISONER, TWO)
    assert await migration.find_mapping(PRISONER) is None
    record = await migration.read(PRISONER)
    with pytest.raises(Rejected, match="partly-synchronised") as raised:
        migration.transform(record, TODAY)
    assert raised.value.details == {"mapped": 1, "notMapped": 1}
    assert not (await migration.read(PRISONER)).synchronised, "asked of the mapping service anew each time"


async def test_a_set_that_is_refused_names_the_first_pair_that_is_there_already(
    migration: AlertsMigration, telemetry: RecordingTelemetry
) -> None:
    existing = {**pairs(*IDS)[0], "dpsAlertId": NEW, "offenderNo": PRISONER, "mappingType": "MIGRATED"}
    duplicate = {**pairs(*IDS)[0], "offenderNo": PRISONER, "mappingType": "MIGRATED"}
    respx.post(ALL).mock(return_value=conflict(existing, duplicate))
    mapping = {"offenderNo": PRISONER, **SET}
    with pytest.raises(Conflict) as raised:
        await migration.post_mapping(mapping)
    assert not migration.is_own_pair(mapping, raised.value.existing or {})
    assert migration.existing_dps_id(mapping, raised.value.existing or {}) == PRISONER
    migration.on_duplicate(item(Written(dps_id=PRISONER, mapping=mapping)), raised.value, 7)
    assert telemetry.events == [
        (
            "nomis-migration-alerts-duplicate",
            {
                "offenderNo": PRISONER,
                "migrationId": MIGRATION_ID,
                "duplicateDpsAlertId": IDS[0],
                "duplicateNomisBookingId": "880011",
                "duplicateNomisAlertSequence": "2",
                "existingDpsAlertId": NEW,
                "existingNomisBookingId": "880011",
                "existingNomisAlertSequence": "2",
                "durationMinutes": "7",
            },
        )
    ]


@pytest.mark.parametrize(
    ("changes", "own"),
    [
        ({}, True),
        ({"nomisAlertSequence": "5"}, True),
        ({"nomisAlertSequence": 6}, False),
        ({"nomisBookingId": 1}, False),
    ],
)
def test_a_pair_is_our_own_when_it_is_one_of_the_set(
    migration: AlertsMigration, changes: dict[str, Any], own: bool
) -> None:
    existing = {**pairs(*IDS)[1], "offenderNo": PRISONER, "mappingType": "MIGRATED", **changes}
    assert migration.is_own_pair({"offenderNo": PRISONER, **SET}, existing) is own
    assert migration.is_own_pair({**pairs(*IDS)[1], "offenderNo": PRISONER}, existing) is own


async def test_a_mapping_that_an_event_could_not_record_is_posted_as_one_pair(migration: AlertsMigration) -> None:
    posted = respx.post(MAPPINGS).mock(side_effect=[httpx.Response(201), httpx.Response(500)])
    await migration.post_mapping(MAPPING_BODY)
    assert sent(posted) == MAPPING_BODY
    with pytest.raises(Unavailable):
        await migration.post_mapping(MAPPING_BODY)
    assert migration.existing_dps_id(MAPPING_BODY, {**MAPPING_BODY, "dpsAlertId": OLD}) == OLD


async def test_one_alert_that_an_event_made_can_be_found_and_adopted_and_a_prisoner_cannot(
    migration: AlertsMigration,
) -> None:
    assert migration.parse_key(migration.key(ALERT)) == ALERT
    assert migration.parse_key(migration.key(PRISONER)) == PRISONER
    mapped(NEW)
    assert await migration.find_mapping(ALERT) == NEW
    assert migration.mapping_of_created(ALERT, NEW) == MAPPING_BODY
    with pytest.raises(DoubtError, match=f"alerts of {PRISONER} .* repair resynchronise"):
        migration.mapping(PRISONER, NEW)


def test_messages_and_paths_are_those_of_the_card() -> None:
    assert AlertsMigration.message_id(PRISONER) == {"offenderNo": PRISONER}
    assert AlertsMigration.message_id(str(ALERT)) == {"offenderNo": PRISONER}
    assert AlertsMigration.migrated_path == "/mapping/alerts/migration-id/{migrationId}/grouped-by-prisoner"
    assert (AlertsMigration.migration_type, AlertsMigration.telemetry_name) == ("ALERTS", "alerts")
    assert not AlertsMigration.idempotent_write


def test_the_requests_hold_nothing_but_what_they_are_made_of() -> None:
    assert PrisonerSet(PRISONER, []).synchronised == frozenset()
    assert PrisonerRequest(PRISONER, []).alerts == []
