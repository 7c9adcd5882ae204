"""Promise: worked examples 10.1 to 10.4 of the locations card: calls in order, bodies, telemetry."""

import json
from datetime import date
from typing import Any

import httpx
import pytest
import respx

from nomis_pipelines.domains.locations import LOCATIONS
from nomis_pipelines.domains.locations.migration import LocationsMigration
from nomis_pipelines.http import Conflict, HttpxWire
from nomis_pipelines.ledger import State
from nomis_pipelines_tests import world
from nomis_pipelines_tests.domains.events import Consumer
from nomis_pipelines_tests.domains.locations.examples import (
    CELL,
    CHANGED,
    MAPPINGS,
    MIGRATION_ID,
    NEW,
    OLD,
    PARENT,
    UPSERT,
    VSIP_ROOM,
    WING,
    body_of,
    dps_creates,
    in_nomis,
    lookup,
    mapped,
    mapping_answers,
    not_mapped,
    pair,
    refused,
)
from nomis_pipelines_tests.fake_services import migrate, platform_on

MIGRATE = f"{world.LOCATIONS}/migrate/location"
ROOM_PARENT = "2f9c5c1e-54b2-4c2e-9d7c-7b8f1e0a9d31"
EXAMPLE_1: dict[str, Any] = {
    "prisonId": "LEI", "code": "004", "locationType": "CELL", "localName": "Cell 4", "orderWithinParentLocation": 4,
    "residentialHousingType": "NORMAL_ACCOMMODATION", "parentId": PARENT,
    "capacity": {"maxCapacity": 2, "workingCapacity": 0},
    "certification": {"certified": True, "capacityOfCertifiedCell": 1},
    "attributes": ["SINGLE_OCCUPANCY", "VULNERABLE_PRISONER_UNIT"], "usage": [],
    "isDeactivated": True, "deactivatedDate": "2024-01-15", "deactivationReason": "DAMAGED",
    "proposedReactivationDate": "2024-09-01", "createDate": "2019-05-20T14:00:05", "lastUpdatedBy": "XQK12A",
    "history": [
        {"attribute": "CAPACITY", "oldValue": "1", "newValue": "2", "amendedBy": "XQK12A",
         "amendedDate": "2023-11-02T09:15:00"},
        {"attribute": "ATTRIBUTES", "oldValue": "Double Occupancy", "newValue": "Single Occupancy",
         "amendedBy": "XQK12A", "amendedDate": "2023-11-03T10:00:00"},
    ],
}  # fmt: skip
EXAMPLE_3 = {
    "prisonId": "BXI", "code": "VSIP_SOC", "locationType": "VISITS", "parentId": ROOM_PARENT, "certifiedCell": False,
    "attributes": [], "usage": [{"usageType": "VISIT", "capacity": 10, "sequence": 0}],
    "internalMovementAllowed": False, "createDate": "2026-03-02T08:00:00", "lastUpdatedBy": "PRISONER_VISITS",
    "isDeactivated": False,
}  # fmt: skip
VSIP_EVENT = r"""{"Type": "Notification", "MessageId": "m-1",
 "Message": "{\"eventType\":\"AGENCY_INTERNAL_LOCATIONS-UPDATED\",\"internalLocationId\":\"88123\",
\"description\":\"BXI-VISITS-VSIP_SOC\",\"prisonId\":\"BXI\",\"recordDeleted\":\"false\",
\"auditModuleName\":\"DPS_SYNCHRONISATION\"}",
 "MessageAttributes": {"eventType": {"Type": "String", "Value": "AGENCY_INTERNAL_LOCATIONS-UPDATED"}}}""".replace(
    ",\n\\", ",\\"
)


async def test_worked_example_1_an_inactive_cell(migration: LocationsMigration) -> None:
    not_mapped(70412)
    mapped(70400, PARENT)
    in_nomis(CELL)
    sent = respx.post(MIGRATE).respond(201, json={"id": NEW, "prisonId": "LEI", "code": "004"})
    posted = respx.post(MAPPINGS).respond(201)
    assert await migration.find_mapping(70412) is None
    dps_id = await migration.write(migration.transform(await migration.read(70412), date(2025, 2, 3)))
    await migration.post_mapping(migration.mapping(70412, dps_id))
    assert body_of(sent) == EXAMPLE_1
    assert body_of(posted) == {
        "dpsLocationId": NEW,
        "nomisLocationId": 70412,
        "mappingType": "MIGRATED",
        "label": MIGRATION_ID,
    }


@pytest.mark.server
async def test_worked_example_2_a_parent_that_is_not_there_yet(ledger_url: str) -> None:
    landing = {
        **WING, "locationId": 500, "parentLocationId": 900, "prisonId": "DGI", "locationType": "LAND",
        "locationCode": "2", "description": "DGI-A-2",
    }  # fmt: skip
    wing = {**WING, "locationId": 900, "prisonId": "DGI", "locationCode": "A", "description": "DGI-A"}
    stored: dict[int, dict[str, Any]] = {}
    order: list[str] = []

    def find(request: httpx.Request) -> httpx.Response:
        found = stored.get(int(request.url.path.rsplit("/", 1)[1]))
        return httpx.Response(200, json=found) if found else httpx.Response(404)

    def write(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        order.append(f"{body['code']} in {body.get('parentId')}")
        return httpx.Response(201, json={"id": PARENT if body["code"] == "A" else NEW})

    def record(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        stored[body["nomisLocationId"]] = body
        return httpx.Response(201)

    with respx.mock:
        respx.post(f"{world.AUTH}/oauth/token").respond(json={"access_token": "t", "expires_in": 600})
        respx.get(f"{world.NOMIS}/locations/ids").respond(
            json={"content": [{"locationId": 500}, {"locationId": 900}], "totalElements": 2}
        )
        for base in (world.NOMIS, world.MAPPING, world.LOCATIONS):
            respx.get(f"{base}/health/ping").respond(200)
        in_nomis(landing)
        in_nomis(wing)
        for number in (500, 900):
            respx.get(lookup(number)).mock(side_effect=find)
        respx.post(MIGRATE).mock(side_effect=write)
        respx.post(MAPPINGS).mock(side_effect=record)
        async with platform_on(HttpxWire(), ledger_url) as platform:
            run = await migrate(platform, LOCATIONS.migration, fromDate="2024-01-01")
            assert (run.tally.migrated, run.tally.failed, run.tally.rejected) == (2, 0, 0)
            record_of = await platform.ledger.record(LOCATIONS.migration.record_key("500"))
    assert order == ["A in None", f"2 in {PARENT}"]
    assert {number: row["dpsLocationId"] for number, row in stored.items()} == {900: PARENT, 500: NEW}
    assert record_of is not None
    assert (record_of.state, record_of.partition) == (State.MAPPED, "all")
    id = {"migrationId": run.migration_id}
    assert platform.telemetry.events[:3] == [
        ("locations-migration-started", {**id, "estimatedCount": "2", "fromDate": "2024-01-01"}),
        (
            "locations-migration-entity-migrated",
            {"dpsLocationId": PARENT, "nomisLocationId": "900", "key": "DGI-A", **id},
        ),
        (
            "locations-migration-entity-migrated",
            {"dpsLocationId": NEW, "nomisLocationId": "500", "key": "DGI-A-2", **id},
        ),
    ]
    ((name, completed),) = platform.telemetry.events[3:]
    assert name == "locations-migration-completed"
    assert completed.items() >= {**id, "estimatedCount": "2", "durationMinutes": "0"}.items()


@pytest.mark.server
async def test_worked_example_3_a_visits_room_made_on_behalf_of_dps(locations: Consumer) -> None:
    not_mapped(88123)
    in_nomis(VSIP_ROOM)
    mapped(88100, ROOM_PARENT)
    created = dps_creates()
    posted = mapping_answers(httpx.Response(201))
    await locations.receive(VSIP_EVENT)
    assert locations.calls == [
        "GET mapping /mapping/locations/nomis/88123",
        "GET nomis /locations/88123",
        "GET mapping /mapping/locations/nomis/88100",
        "POST locations /sync/upsert",
        "POST mapping /mapping/locations",
    ]
    assert body_of(created) == EXAMPLE_3
    assert body_of(posted) == {"dpsLocationId": NEW, "nomisLocationId": 88123, "mappingType": "NOMIS_CREATED"}
    assert locations.telemetry.events == [
        (
            "locations-created-synchronisation-success",
            {"nomisLocationId": "88123", "key": "BXI-VISITS-VSIP_SOC", "dpsLocationId": NEW},
        )
    ]


@pytest.mark.server
async def test_worked_example_3_with_an_old_description_is_skipped(locations: Consumer) -> None:
    await locations.event(
        CHANGED,
        internalLocationId="88123",
        description="BXI-VISITS-VSIP_SOC",
        oldDescription="BXI-VISITS-VSIP_SOC",
        prisonId="BXI",
        auditModuleName="DPS_SYNCHRONISATION",
    )
    assert locations.calls == []
    assert locations.telemetry.events == [
        ("locations-synchronisation-skipped", {"nomisLocationId": "88123", "key": "BXI-VISITS-VSIP_SOC"})
    ]


@pytest.mark.server
@pytest.mark.parametrize(("code", "consumed"), [(107, True), (120, True), (108, False), (None, False)])
async def test_worked_example_4_an_update_that_dps_refuses(
    locations: Consumer, code: int | None, consumed: bool
) -> None:
    respx.get(lookup(70412)).respond(json=pair(70412, OLD))
    in_nomis(CELL)
    mapped(70400, PARENT)
    respx.post(UPSERT).mock(side_effect=[refused(code)])
    event = {"internalLocationId": 70412, "description": "LEI-B-1-004", "auditModuleName": "OIMILOCA"}
    told = {"nomisLocationId": "70412", "key": "LEI-B-1-004", "dpsLocationId": OLD}
    if consumed:
        await locations.event(CHANGED, **event)
        assert locations.telemetry.events == [("locations-updated-synchronisation-skipped-deactivated", told)]
    else:
        with pytest.raises(Conflict):
            await locations.event(CHANGED, **event)
        failed = {**told, "exception": "locations POST /sync/upsert answered 409"}
        assert locations.telemetry.events == [("locations-updated-synchronisation-failed", failed)]
