"""Promise: the sandbox's NOMIS, locations service and mapping service behave as the locations card says."""

from typing import Any

import pytest
from pydantic_core import to_json

from nomis_pipelines.contracts.nomis_mapping_service import DuplicateMappingError
from nomis_pipelines.contracts.nomis_prisoner import LocationIdPage
from nomis_pipelines.sandbox.data.locations import FIRST_LOCATION
from nomis_pipelines.sandbox.data.world import World
from nomis_pipelines.sandbox.stores import Stores
from nomis_pipelines_tests.sandbox.conftest import WORLD, Running

UNKNOWN = "11111111-1111-4111-8111-111111111111"
PAIR = {"dpsLocationId": "u1", "nomisLocationId": 1, "label": "2025-02-03T10:15:00", "mappingType": "MIGRATED"}


def body_of(location: dict[str, Any], **changes: object) -> dict[str, object]:
    return {
        "prisonId": location["prisonId"],
        "code": location["locationCode"],
        "locationType": "WING",
        "isDeactivated": False,
        "createDate": location["createDatetime"],
        "lastUpdatedBy": "AB_GEN",
        **changes,
    }


async def nomis(running: Running, location_id: int = FIRST_LOCATION) -> dict[str, Any]:
    return (await running.call("nomis", "GET", f"/locations/{location_id}")).json()


async def migrate(running: Running, location: dict[str, Any], **changes: object) -> str:
    answer = await running.call("locations", "POST", "/migrate/location", json=body_of(location, **changes))
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def test_nomis_lists_every_id_lowest_first_ten_a_page_unless_asked_for_more(running: Running) -> None:
    page = LocationIdPage.model_validate_json((await running.call("nomis", "GET", "/locations/ids")).content)
    assert [row.location_id for row in page.content] == list(range(FIRST_LOCATION, FIRST_LOCATION + 10))
    assert (page.size, page.total_elements) == (10, WORLD.locations)
    last = (await running.call("nomis", "GET", f"/locations/ids?page=1&size={WORLD.locations - 3}")).json()
    assert [row["locationId"] for row in last["content"]] == [
        FIRST_LOCATION + WORLD.locations - left for left in (3, 2, 1)
    ]


@pytest.mark.parametrize(("client", "status"), [("nomis-2024", 200), ("visits-api", 403), ("locations-api", 403)])
async def test_nomis_asks_for_the_role_of_either_era(running: Running, client: str, status: int) -> None:
    for path in ("/locations/ids", f"/locations/{FIRST_LOCATION}"):
        assert (await running.call("nomis", "GET", path, client=client)).status_code == status


async def test_a_location_that_nomis_does_not_have_is_404(running: Running) -> None:
    assert (await running.call("nomis", "GET", "/locations/1")).status_code == 404
    assert (await running.call("nomis", "GET", "/locations/x")).status_code == 400


async def test_a_parent_that_dps_does_not_know_is_refused(running: Running) -> None:
    location = await nomis(running)
    for path in ("/migrate/location", "/sync/upsert"):
        answer = await running.call("locations", "POST", path, json=body_of(location, parentId=UNKNOWN))
        assert answer.status_code == 404
        assert UNKNOWN in answer.json()["userMessage"]
    parent = await migrate(running, location)
    child = await migrate(running, await nomis(running, FIRST_LOCATION + 1), parentId=parent)
    rows = (await running.call("admin", "GET", "/locations")).json()["content"]
    assert rows == [
        {"id": parent, "nomisId": FIRST_LOCATION, "parentId": None},
        {"id": child, "nomisId": FIRST_LOCATION + 1, "parentId": parent},
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"prisonId": "TRN"},
        {"prisonId": "OUTSIDE"},
        {"localName": "x" * 81},
        {"comments": "x" * 256},
        {"capacity": {"maxCapacity": 100, "workingCapacity": 0}},
        {"locationType": "KIOSK"},
        {"surprise": 1},
        {"lastUpdatedBy": None},
    ],
)
async def test_what_dps_does_not_take_is_400(running: Running, changes: dict[str, object]) -> None:
    body = body_of(await nomis(running), **changes)
    for path in ("/migrate/location", "/sync/upsert"):
        assert (await running.call("locations", "POST", path, json=body)).status_code == 400
    assert (await running.call("admin", "GET", "/agreement")).json()["locations"]["dps_records"] == 0


async def test_an_upsert_creates_updates_and_knows_its_ids(running: Running) -> None:
    location = await nomis(running)
    created = await running.call("locations", "POST", "/sync/upsert", json=body_of(location))
    assert created.status_code == 201
    dps_id = created.json()["id"]
    updated = await running.call("locations", "POST", "/sync/upsert", json=body_of(location, id=dps_id, comments="new"))
    assert (updated.status_code, updated.json()["id"]) == (200, dps_id)
    stored = (await running.call("admin", "GET", f"/locations/{dps_id}")).json()
    assert (stored["nomisId"], stored["body"]["comments"]) == (FIRST_LOCATION, "new")
    unknown = await running.call("locations", "POST", "/sync/upsert", json=body_of(location, id=UNKNOWN))
    assert unknown.status_code == 404


@pytest.mark.parametrize("code", [107, 120])
async def test_a_frozen_location_refuses_upserts_with_its_code(running: Running, code: int) -> None:
    location = await nomis(running)
    dps_id = await migrate(running, location)
    frozen = f"/locations/{dps_id}/frozen"
    assert (await running.call("admin", "PUT", frozen, json={"error_code": code})).status_code == 204
    answer = await running.call("locations", "POST", "/sync/upsert", json=body_of(location, id=dps_id))
    assert (answer.status_code, answer.json()["errorCode"]) == (409, code)
    assert (await running.call("admin", "PUT", frozen, json={"error_code": None})).status_code == 204
    answer = await running.call("locations", "POST", "/sync/upsert", json=body_of(location, id=dps_id))
    assert answer.status_code == 200
    assert (
        await running.call("admin", "PUT", f"/locations/{UNKNOWN}/frozen", json={"error_code": 1})
    ).status_code == 404


async def test_a_location_is_deleted_once(running: Running) -> None:
    dps_id = await migrate(running, await nomis(running))
    path = f"/sync/delete/{dps_id}"
    assert (await running.call("locations", "DELETE", path)).status_code == 204
    assert (await running.call("locations", "DELETE", path)).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/migrate/location"), ("POST", "/sync/upsert"), ("DELETE", f"/sync/delete/{UNKNOWN}")]
)
async def test_another_client_may_not_write(running: Running, method: str, path: str) -> None:
    assert (await running.call("locations", method, path, client="sentencing-api")).status_code == 403


async def test_locations_are_paired_by_number(running: Running) -> None:
    path = "/mapping/locations"
    for _ in range(2):
        assert (await running.call("mapping", "POST", path, json=PAIR)).status_code == 201
    for other in ({"dpsLocationId": "u2"}, {"nomisLocationId": 2}):
        answer = await running.call("mapping", "POST", path, json=PAIR | other)
        problem = DuplicateMappingError.model_validate_json(answer.content)
        assert (answer.status_code, problem.more_info.duplicate) == (409, PAIR | other)
        assert problem.more_info.existing is not None
        assert problem.more_info.existing["dpsLocationId"] == "u1"
    assert (await running.call("mapping", "GET", f"{path}/nomis/1")).json()["label"] == PAIR["label"]
    count = await running.call("mapping", "GET", f"{path}/migration-id/{PAIR['label']}?size=1")
    assert count.json()["totalElements"] == 1
    for _ in range(2):
        assert (await running.call("mapping", "DELETE", f"{path}/dps/u1")).status_code == 204
    assert (await running.call("mapping", "GET", f"{path}/nomis/1", client="nomis-2024")).status_code == 404


async def test_the_agreement_tells_what_is_surplus_unmapped_or_unknown(running: Running) -> None:
    location = await nomis(running)
    first, second = [await migrate(running, location) for _ in range(2)]
    await migrate(running, location, createDate="2001-01-01T00:00:00")
    for number, dps_id in ((FIRST_LOCATION, first), (FIRST_LOCATION + 1, second), (3, "gone")):
        pair = {**PAIR, "nomisLocationId": number, "dpsLocationId": dps_id}
        await running.call("mapping", "POST", "/mapping/locations", json=pair)
    assert (await running.call("admin", "GET", "/agreement")).json()["locations"] == {
        "dps_records": 3, "dps_distinct": 1, "dps_surplus": 1, "dps_unrecognised": 1, "dps_created": 3,
        "dps_updates": 0, "mappings": 3, "dps_without_mapping": 1, "mappings_without_dps": 1, "mappings_to_another": 1,
    }  # fmt: skip
    duplicates = (await running.call("admin", "GET", "/locations/duplicates")).json()
    assert duplicates == [{"nomisId": FIRST_LOCATION, "ids": [first, second]}]
    assert (await running.call("admin", "GET", "/mappings/locations")).json()["total"] == 3


async def test_nomis_can_be_changed_through_the_admin_port(running: Running) -> None:
    new = {"like": FIRST_LOCATION, "fields": {"locationCode": "NEW"}}
    added = (await running.call("admin", "POST", "/nomis/locations", json=new)).json()
    number = FIRST_LOCATION + WORLD.locations
    assert (added["locationId"], added["locationCode"]) == (number, "NEW")
    dps_id = await migrate(running, await nomis(running, number))
    assert (await running.call("admin", "GET", f"/locations/{dps_id}")).json()["nomisId"] == number
    path = f"/nomis/locations/{FIRST_LOCATION}"
    await running.call("admin", "PUT", path, json={"comment": "changed"})
    assert (
        (await nomis(running))["comment"] == (await running.call("admin", "GET", path)).json()["comment"] == "changed"
    )
    assert (await running.call("admin", "DELETE", path)).status_code == 204
    assert (await running.call("nomis", "GET", f"/locations/{FIRST_LOCATION}")).status_code == 404
    listed = (await running.call("nomis", "GET", "/locations/ids?size=5000")).json()
    ids = [row["locationId"] for row in listed["content"]]
    assert ids == list(range(FIRST_LOCATION + 1, number + 1))
    assert listed["totalElements"] == len(ids)
    assert (await running.call("admin", "PUT", path, json={})).status_code == 404
    wrong = {"like": 1}
    assert (await running.call("admin", "POST", "/nomis/locations", json=wrong)).status_code == 400


def test_what_was_stored_is_there_again_after_a_restart(tmp_path: Any) -> None:
    world = World(locations=100)
    stores = Stores(world, tmp_path / "journal")
    location = stores.nomis_locations.add(FIRST_LOCATION, {"locationCode": "NEW"})
    assert location is not None
    stores.nomis_locations.change(FIRST_LOCATION, {"comment": "changed"})
    stores.nomis_locations.remove(FIRST_LOCATION + 1)
    generated = stores.nomis_locations.data.timeline.created(1)
    first = stores.dps_locations.add(to_json({"a": 1}), generated)
    second = stores.dps_locations.add(b'{\n"a": 2}', None)
    stores.dps_locations.update(first, b'{"a": 3}')
    stores.dps_locations.freeze(first, 107)
    stores.dps_locations.freeze(second, 120)
    stores.dps_locations.freeze(second, None)
    stores.location_mappings.add(FIRST_LOCATION, first, None, "NOMIS_CREATED")
    stores.journal.close()

    again = Stores(world, tmp_path / "journal")
    assert again.nomis_locations.get(location["locationId"]) == location
    assert again.nomis_locations.page(0, 1000) == stores.nomis_locations.page(0, 1000)
    changed = again.nomis_locations.get(FIRST_LOCATION)
    assert changed is not None
    assert changed["comment"] == "changed"
    assert (again.dps_locations.body(first), again.dps_locations.origin(first)) == (b'{"a": 3}', FIRST_LOCATION)
    assert (again.dps_locations.body(second), again.dps_locations.origin(second)) == (b'{"a":2}', None)
    assert (again.dps_locations.frozen(first), again.dps_locations.frozen(second)) == (107, None)
    assert again.dps_locations.numbers() == stores.dps_locations.numbers()
    assert again.agreement() == stores.agreement()
    again.clear()
    assert again.agreement()["locations"]["dps_records"] == 0
    assert again.nomis_locations.page(0, 1000)[1] == 100
    again.journal.close()
