"""Promise: the repair brings one location in line with NOMIS, and says so when it is done (section 8)."""

import httpx
import pytest
import respx

from nomis_pipelines.domains.locations.repairs import REPAIRS, RepairedLocation, repair_location
from nomis_pipelines.http import NotFound
from nomis_pipelines.synchronisation import HandlerError
from nomis_pipelines_tests import world
from nomis_pipelines_tests.domains.events import Consumer
from nomis_pipelines_tests.domains.locations.examples import (
    MAPPINGS,
    NEW,
    OLD,
    WING,
    dps_creates,
    dps_updates,
    in_nomis,
    mapped,
    mapping_answers,
    not_mapped,
)

pytestmark = pytest.mark.server

BASE = {"nomisLocationId": "70500", "key": ""}
REPAIRED = ("locations-repair", {"nomisLocationId": "70500", "recordDeleted": "false"})
LOCATION = RepairedLocation(internal_location_id=70500)


def test_the_endpoint_is_that_of_the_card() -> None:
    (repair,) = REPAIRS
    assert (repair.method, repair.path, repair.status) == ("POST", "/locations/id/{internalLocationId}/repair", 200)
    assert repair.roles == ("ROLE_PRISONER_FROM_NOMIS__UPDATE__RW", "ROLE_NOMIS_LOCATIONS")
    assert repair.parameters.model_validate({"internalLocationId": "1"}) == RepairedLocation(internal_location_id=1)


async def test_a_location_without_mapping_is_made_whatever_its_prison(locations: Consumer) -> None:
    not_mapped(70500)
    in_nomis({**WING, "prisonId": "TRN"})
    dps_creates()
    mapping_answers(httpx.Response(201))
    await repair_location(locations.context, LOCATION)
    assert locations.telemetry.events == [
        ("locations-created-synchronisation-success", {**BASE, "dpsLocationId": NEW}),
        REPAIRED,
    ]


async def test_a_location_with_a_mapping_is_updated(locations: Consumer) -> None:
    mapped(70500)
    in_nomis(WING)
    dps_updates()
    await repair_location(locations.context, LOCATION)
    assert locations.telemetry.events == [
        ("locations-updated-synchronisation-success", {**BASE, "dpsLocationId": OLD}),
        REPAIRED,
    ]


async def test_a_deleted_location_is_deleted(locations: Consumer) -> None:
    mapped(70500)
    respx.delete(f"{world.LOCATIONS}/sync/delete/{OLD}").respond(204)
    respx.delete(f"{MAPPINGS}/dps/{OLD}").respond(204)
    await repair_location(locations.context, RepairedLocation(internal_location_id=70500, record_deleted=True))
    assert locations.telemetry.names() == [
        "locations-deleted-synchronisation-success",
        "locations-deleted-mapping-success",
        "locations-repair",
    ]
    assert locations.telemetry.events[-1][1] == {"nomisLocationId": "70500", "recordDeleted": "true"}


async def test_a_deleted_location_without_mapping_is_an_error(locations: Consumer) -> None:
    not_mapped(70500)
    with pytest.raises(HandlerError, match="Cannot find mapping for location 70500 to delete"):
        await repair_location(locations.context, RepairedLocation(internal_location_id=70500, record_deleted=True))
    assert locations.telemetry.events == []


async def test_an_error_reaches_the_caller_and_nothing_is_called_repaired(locations: Consumer) -> None:
    mapped(70500)
    respx.get(f"{world.NOMIS}/locations/70500").respond(404)
    with pytest.raises(NotFound):
        await repair_location(locations.context, LOCATION)
    assert locations.telemetry.names() == ["locations-updated-synchronisation-failed"]
