"""Locations, events and answers that the tests of this folder share, the worked examples of the card among them."""

import json
from typing import Any

import httpx
import respx

from nomis_pipelines.contracts.nomis_prisoner import Location
from nomis_pipelines_tests import world

MIGRATION_ID = "2025-02-03T10:15:00"
NEW = "e0b8b0f4-6a37-4a0c-8a3d-3d1f6f1a7c55"
OLD = "0d6f3c1e-1111-4222-8333-944445555666"
PARENT = "7a1c0a52-5d0e-4a35-9d7e-0c9f2b6f1a10"
MAPPINGS = f"{world.MAPPING}/mapping/locations"
UPSERT = f"{world.LOCATIONS}/sync/upsert"

CELL: dict[str, Any] = {
    "locationId": 70412, "locationType": "CELL", "prisonId": "LEI", "parentLocationId": 70400, "parentKey": "LEI-B-1",
    "locationCode": "004", "description": "LEI-B-1-004", "userDescription": "Cell 4", "listSequence": 4,
    "unitType": "NA", "certified": True, "capacity": 2, "cnaCapacity": 1, "active": False,
    "deactivateDate": "2024-01-15", "reasonCode": "J", "reactivateDate": "2024-09-01",
    "profiles": [
        {"profileType": "HOU_UNIT_ATT", "profileCode": "SO"}, {"profileType": "NON_ASSO_TYP", "profileCode": "STG"},
        {"profileType": "HOU_USED_FOR", "profileCode": "7"}, {"profileType": "HOU_USED_FOR", "profileCode": "V"},
    ],
    "usages": [],
    "amendments": [
        {"amendDateTime": "2023-11-02T09:15:00", "columnName": "Maximum Capacity", "oldValue": "1", "newValue": "2",
         "amendedBy": "XQK12A"},
        {"amendDateTime": "2023-11-03T10:00:00", "oldValue": "Double Occupancy", "newValue": "Single Occupancy",
         "amendedBy": "XQK12A"},
    ],
    "createDatetime": "2019-05-20T14:00:05", "createUsername": "SYS_ADM", "modifyUsername": "XQK12A",
}  # fmt: skip
"""The cell of worked example 10.1."""
VSIP_ROOM: dict[str, Any] = {
    "locationId": 88123, "locationType": "VISIT", "prisonId": "BXI", "parentLocationId": 88100,
    "locationCode": "VSIP_SOC", "description": "BXI-VISITS-VSIP_SOC", "certified": False, "active": True,
    "tracking": False, "profiles": [], "usages": [{"internalLocationUsageType": "VISIT", "capacity": 10}],
    "amendments": [], "createDatetime": "2026-03-02T08:00:00", "createUsername": "PRISONER_VISITS",
}  # fmt: skip
"""The room of worked example 10.3."""
WING: dict[str, Any] = {
    "locationId": 70500, "locationType": "WING", "prisonId": "LEI", "locationCode": "C", "description": "LEI-C",
    "active": True, "tracking": True, "certified": True, "profiles": [], "usages": [], "amendments": [],
    "createDatetime": "2019-05-20T14:00:05", "createUsername": "SYS_ADM",
}  # fmt: skip
"""Something without a parent."""

CHANGED, PROFILE, USAGE = (
    "AGENCY_INTERNAL_LOCATIONS-UPDATED",
    "AGY_INT_LOC_PROFILES-UPDATED",
    "INT_LOC_USAGE_LOCATIONS-UPDATED",
)
EVENT = {"internalLocationId": 70500, "description": "LEI-C", "prisonId": "LEI", "auditModuleName": "OIMILOCA"}
BASE = {"nomisLocationId": "70500", "key": "LEI-C"}
MAPPING_BODY = {"dpsLocationId": NEW, "nomisLocationId": 70500, "mappingType": "NOMIS_CREATED"}


def nomis_location(base: dict[str, Any] = WING, **changes: Any) -> Location:
    """A location as read from NOMIS; a change to None takes the field away."""
    fields = {name: value for name, value in {**base, **changes}.items() if value is not None}
    return Location.model_validate(fields)


def in_nomis(location: dict[str, Any]) -> respx.Route:
    """A location as NOMIS has it now."""
    return respx.get(f"{world.NOMIS}/locations/{location['locationId']}").respond(json=location)


def lookup(location_id: int) -> str:
    """Where the mapping of a location is asked for."""
    return f"{MAPPINGS}/nomis/{location_id}"


def pair(location_id: int, dps_id: str) -> dict[str, Any]:
    """A mapping as the mapping service gives it."""
    return {"dpsLocationId": dps_id, "nomisLocationId": location_id, "mappingType": "MIGRATED"}


def mapped(location_id: int, dps_id: str = OLD) -> None:
    """The mapping service has a pair."""
    respx.get(lookup(location_id)).respond(json=pair(location_id, dps_id))


def not_mapped(location_id: int) -> None:
    """The mapping service has none."""
    respx.get(lookup(location_id)).respond(404)


def dps_creates(dps_id: str = NEW) -> respx.Route:
    """DPS makes a location."""
    return respx.post(UPSERT).respond(201, json={"id": dps_id, "code": "x"})


def dps_updates(dps_id: str = OLD) -> respx.Route:
    """DPS changes a location."""
    return respx.post(UPSERT).respond(200, json={"id": dps_id})


def mapping_answers(*answers: httpx.Response) -> respx.Route:
    """What posts of a mapping are answered, one after another."""
    return respx.post(MAPPINGS).mock(side_effect=list(answers))


def conflict(existing: dict[str, Any] | None, duplicate: dict[str, Any] | None = None) -> httpx.Response:
    """The 409 of the mapping service; `existing` is the pair in the table."""
    more = {"duplicate": duplicate or MAPPING_BODY, "existing": existing}
    return httpx.Response(409, json={"status": "409 CONFLICT", "errorCode": 1409, "moreInfo": more})


def refused(error_code: int | None) -> httpx.Response:
    """A 409 of the locations service."""
    return httpx.Response(409, json={"status": 409, "errorCode": error_code, "userMessage": "x"})


def retry_message(body: dict[str, Any], attributes: dict[str, str]) -> str:
    """The internal message that asks for a mapping to be posted (section 7.5)."""
    message = json.dumps({"body": body, "telemetryAttributes": attributes})
    return json.dumps({"Type": "RETRY_SYNCHRONISATION_MAPPING", "Message": message})


def body_of(route: respx.Route) -> dict[str, Any]:
    """What was sent last."""
    return json.loads(route.calls.last.request.content)
