"""Promise: activities are reconciled prison by prison, with those that were mapped to nothing in order."""

from collections.abc import AsyncIterator

import httpx
import pytest
import respx

from nomis_pipelines.domains.activities import ACTIVITIES
from nomis_pipelines.migration.partitions import PartitionError
from nomis_pipelines.migration.reconcile import Reconciler
from nomis_pipelines.migration.reconciliation import Scope, Standing
from nomis_pipelines_tests import world
from nomis_pipelines_tests.domains.activities.examples import (
    FILTER,
    LISTED,
    UNHELD,
    dps_creates,
    in_nomis,
    lookup,
    mapping_answers,
)
from nomis_pipelines_tests.domains.edge import EdgePlatform, edge, page
from nomis_pipelines_tests.fake_services import migrate

pytestmark = pytest.mark.server


@pytest.fixture
async def platform(ledger_url: str) -> AsyncIterator[EdgePlatform]:
    """LNI's two activities, migrated; MDI lists none."""
    async with edge(ledger_url) as made:
        in_nomis(LISTED, UNHELD)
        dps_creates()
        mapping_answers()
        await migrate(made, ACTIVITIES.migration, **FILTER)
        lookup(90110).respond(json={"nomisCourseActivityId": 90110, "activityId": 5501})
        lookup(90111).respond(json={"nomisCourseActivityId": 90111})

        def listed(request: httpx.Request) -> httpx.Response:
            return page(LISTED, UNHELD) if request.url.params["prisonId"] == "LNI" else page()

        respx.get(f"{world.NOMIS}/activities/ids").mock(side_effect=listed)
        yield made


async def test_every_known_prison_is_looked_at_and_what_is_mapped_is_in_order(platform: EdgePlatform) -> None:
    found = await Reconciler(platform, ACTIVITIES.migration, prisons=["LNI", "MDI"]).run(Scope())
    assert {cell: dict(counts) for cell, counts in found.cells.items()} == {("LNI", "all"): {Standing.MAPPED: 2}}
    assert (found.in_nomis, found.different(), found.examples) == (2, {}, [])


async def test_what_the_mapping_service_names_otherwise_is_told(platform: EdgePlatform) -> None:
    lookup(90110).respond(json={"nomisCourseActivityId": 90110, "activityId": 4444})
    found = await Reconciler(platform, ACTIVITIES.migration, prisons=["LNI"]).run(Scope(prisons=["LNI"]))
    assert found.totals()[Standing.DISAGREES] == 1


async def test_what_nomis_lists_no_more_and_still_has_is_no_surplus(platform: EdgePlatform) -> None:
    respx.get(f"{world.NOMIS}/activities/ids").mock(return_value=page())
    respx.get(f"{world.NOMIS}/activities/90111").respond(404)
    found = await Reconciler(platform, ACTIVITIES.migration, prisons=["LNI"]).run(Scope())
    assert {example.nomis_id: example.standing for example in found.examples} == {"90111": Standing.SURPLUS}


async def test_a_scope_of_months_is_refused(platform: EdgePlatform) -> None:
    with pytest.raises(PartitionError, match="only by prison"):
        await Reconciler(platform, ACTIVITIES.migration, prisons=["LNI"]).run(Scope(from_month="2024-05"))
