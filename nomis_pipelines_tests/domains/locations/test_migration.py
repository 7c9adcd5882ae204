"""Promise: section 5 of the locations card: which locations, in which order, with which calls and telemetry."""

from datetime import date
from typing import Any

import httpx
import pytest
import respx

from nomis_pipelines.domains.locations import LOCATIONS
from nomis_pipelines.domains.locations.migration import (
    LocationsFilter,
    LocationsMigration,
    PlacedLocation,
    location_ids,
)
from nomis_pipelines.http import Conflict, InvalidAnswer, NotFound, Rejected as Refused, Unavailable
from nomis_pipelines.migration.declaration import AwaitsParent, Ignored, Item
from nomis_pipelines.migration.filters import FilterError, filter_json, filter_query, run_filter
from nomis_pipelines_tests import world
from nomis_pipelines_tests.domains.locations.examples import (
    CELL,
    MIGRATION_ID,
    NEW,
    OLD,
    PARENT,
    WING,
    conflict,
    in_nomis,
    lookup,
    mapped,
    nomis_location,
    not_mapped,
)
from nomis_pipelines_tests.recording import RecordingTelemetry

MIGRATE = f"{world.LOCATIONS}/migrate/location"


def test_the_declaration_is_that_of_the_card() -> None:
    migration = LOCATIONS.migration
    assert (migration.migration_type, migration.telemetry_name) == ("LOCATIONS", "locations")
    assert migration.migrated_path == "/mapping/locations/migration-id/{migrationId}"
    assert migration.orders_by_parent
    assert (LOCATIONS.paths.today, LOCATIONS.paths.in_2024) == (None, "locations")
    assert LOCATIONS.paths.role_2024 == "ROLE_MIGRATE_LOCATIONS"
    assert LOCATIONS.queues == ["eventlocations"]


async def test_ids_come_by_page_and_the_filter_is_not_passed_on(migration: LocationsMigration) -> None:
    content = [{"locationId": 70400}, {"locationId": 70412}]
    route = respx.get(f"{world.NOMIS}/locations/ids").respond(json={"content": content, "totalElements": 2, "size": 9})
    filter = LocationsFilter(from_date=date(2024, 5, 1), to_date=date(2024, 5, 31))
    page = await location_ids(migration.nomis, filter_query(filter), 3, 1000)
    assert (page.ids, page.total, page.size) == ([70400, 70412], 2, 9)
    assert route.calls.last.request.url.query == b"page=3&size=1000"
    assert filter_json(filter) == '{"fromDate":"2024-05-01","toDate":"2024-05-31"}'


@pytest.mark.parametrize("values", [{}, {"fromDate": "2024-05-01"}, {"fromDate": None, "toDate": "2024-05-01"}])
def test_whatever_the_filter_a_run_covers_everything(values: dict[str, Any]) -> None:
    filter = run_filter(LocationsMigration, values, "all")
    assert LocationsMigration.partitions.covered(filter, date(2026, 3, 10)) == ["all"]


@pytest.mark.parametrize("partition", ["HEI", "2024-05", "ALL", ""])
def test_there_is_no_other_partition(partition: str) -> None:
    with pytest.raises(FilterError, match="'all'"):
        run_filter(LocationsMigration, {}, partition)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"fromDate": "yesterday"}, "fromDate"),
        ({"toDate": "2024-05-01T00:00:00"}, "toDate: .*such as 2024-05-01"),
        ({"fromDate": "2024-05-02", "toDate": "2024-05-01"}, "fromDate is after toDate"),
        ({"prisonId": "HEI"}, "prisonId unknown"),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused_by_name(values: dict[str, Any], words: str) -> None:
    with pytest.raises(FilterError, match=words):
        run_filter(LocationsMigration, values, None)


def test_an_id_is_its_own_key_and_an_object_in_a_message(migration: LocationsMigration) -> None:
    assert migration.parse_key(migration.key(70412)) == 70412
    assert migration.message_id("70412") == {"locationId": 70412}


@pytest.mark.parametrize("prison", ["ZZGHI", "UNKNWN", "TRN", "LT3", "LT4"])
async def test_a_location_of_no_prison_is_passed_over_before_anything_else_is_asked(
    migration: LocationsMigration, prison: str
) -> None:
    in_nomis({**CELL, "prisonId": prison})
    with pytest.raises(Ignored) as caught:
        await migration.read(70412)
    assert (caught.value.reason, caught.value.details) == (
        "ignored-prison",
        {"locationId": 70412, "prisonId": prison},
    )


async def test_a_location_at_the_top_has_no_parent_to_ask_for(migration: LocationsMigration) -> None:
    in_nomis(WING)
    assert await migration.read(70500) == PlacedLocation(nomis_location(), None)


async def test_a_location_is_placed_under_the_dps_id_of_its_parent(migration: LocationsMigration) -> None:
    in_nomis(CELL)
    mapped(70400, PARENT)
    assert (await migration.read(70412)).parent_dps_id == PARENT


async def test_a_location_waits_for_a_parent_without_mapping(migration: LocationsMigration) -> None:
    in_nomis(CELL)
    not_mapped(70400)
    with pytest.raises(AwaitsParent) as caught:
        await migration.read(70412)
    assert caught.value.parent == "70400"
    assert str(caught.value) == ("Parent NOMIS location 70400 not yet migrated for NOMIS location 70412, LEI-B-1-004")


async def test_a_lookup_of_the_parent_that_fails_is_no_answer(migration: LocationsMigration) -> None:
    in_nomis(CELL)
    respx.get(lookup(70400)).respond(500)
    with pytest.raises(Unavailable):
        await migration.read(70412)


async def test_a_location_gone_from_nomis_is_a_failure(migration: LocationsMigration) -> None:
    respx.get(f"{world.NOMIS}/locations/70412").respond(404)
    with pytest.raises(NotFound):
        await migration.read(70412)


async def test_whether_a_parent_exists_is_asked_of_nomis(migration: LocationsMigration) -> None:
    in_nomis(WING)
    respx.get(f"{world.NOMIS}/locations/1").respond(404)
    respx.get(f"{world.NOMIS}/locations/2").respond(500)
    assert await migration.exists(70500)
    assert not await migration.exists(1)
    with pytest.raises(Unavailable):
        await migration.exists(2)


@pytest.mark.parametrize(
    "changes",
    [
        {"unitType": "CELL"},
        {"reasonCode": "Z"},
        {"profiles": [{"profileType": "HOU_NEW", "profileCode": "A"}]},
        {"usages": [{"internalLocationUsageType": "GYM"}]},
    ],
)
async def test_a_value_outside_the_four_enumerations_makes_the_read_fail(
    migration: LocationsMigration, changes: dict[str, Any]
) -> None:
    in_nomis({**WING, **changes})
    with pytest.raises(InvalidAnswer):
        await migration.read(70500)


@pytest.mark.parametrize(("status", "error"), [(400, Refused), (404, NotFound), (409, Conflict), (500, Unavailable)])
async def test_any_refusal_of_dps_is_a_failure(
    migration: LocationsMigration, status: int, error: type[Exception]
) -> None:
    route = respx.post(MIGRATE).respond(status, json={"status": status, "errorCode": 107})
    with pytest.raises(error):
        await migration.write(migration.transform(PlacedLocation(nomis_location(), None), date(2025, 2, 3)))
    assert route.call_count == 1


async def test_an_answer_without_an_id_leaves_the_write_in_doubt(migration: LocationsMigration) -> None:
    respx.post(MIGRATE).respond(201, json={"code": "004"})
    with pytest.raises(InvalidAnswer):
        await migration.write(migration.transform(PlacedLocation(nomis_location(), None), date(2025, 2, 3)))


async def test_the_mapping_bears_the_label_also_when_it_is_recorded_later(migration: LocationsMigration) -> None:
    mapping = migration.mapping(70412, NEW)
    assert mapping == {
        "dpsLocationId": NEW,
        "nomisLocationId": 70412,
        "mappingType": "MIGRATED",
        "label": MIGRATION_ID,
    }
    route = respx.post(f"{world.MAPPING}/mapping/locations").mock(side_effect=[httpx.ConnectError, httpx.Response(201)])
    await migration.post_mapping(mapping)
    assert route.call_count == 2
    assert migration.mapping_of_created(70412, NEW) == {
        "dpsLocationId": NEW,
        "nomisLocationId": 70412,
        "mappingType": "NOMIS_CREATED",
    }


async def test_the_mapping_service_tells_the_dps_id(migration: LocationsMigration) -> None:
    mapped(70412, OLD)
    not_mapped(70413)
    assert await migration.find_mapping(70412) == OLD
    assert await migration.find_mapping(70413) is None


def test_the_telemetry_of_a_migrated_and_of_a_duplicate_location(
    migration: LocationsMigration, telemetry: RecordingTelemetry
) -> None:
    item: Item[Any, Any, Any] = Item(id=70412, key=migration.record_key("70412"), dps_id=NEW)
    item.record = PlacedLocation(nomis_location(CELL), PARENT)
    migration.on_migrated(item)
    ours = {"dpsLocationId": NEW, "nomisLocationId": 70412, "mappingType": "MIGRATED"}
    answer = conflict({**ours, "dpsLocationId": OLD, "label": None}, ours)
    migration.on_duplicate(item, Conflict("mapping", "POST", "/m", 409, body=answer.content), 4)
    assert telemetry.events == [
        (
            "locations-migration-entity-migrated",
            {"dpsLocationId": NEW, "nomisLocationId": "70412", "key": "LEI-B-1-004", "migrationId": MIGRATION_ID},
        ),
        (
            "nomis-migration-location-duplicate",
            {
                "migrationId": MIGRATION_ID,
                "duplicateDpsLocationId": NEW,
                "duplicateNomisLocationId": "70412",
                "existingDpsLocationId": OLD,
                "existingNomisLocationId": "70412",
                "durationMinutes": "4",
            },
        ),
    ]


async def test_a_surplus_location_is_deleted_and_may_be_gone(migration: LocationsMigration) -> None:
    assert LOCATIONS.delete_surplus is not None
    respx.delete(f"{world.LOCATIONS}/sync/delete/{NEW}").mock(
        side_effect=[httpx.Response(204), httpx.Response(404), httpx.Response(500)]
    )
    await LOCATIONS.delete_surplus(migration.context.clients, NEW)
    await LOCATIONS.delete_surplus(migration.context.clients, NEW)
    with pytest.raises(Unavailable):
        await LOCATIONS.delete_surplus(migration.context.clients, NEW)
