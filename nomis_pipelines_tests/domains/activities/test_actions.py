"""Promise: sections 5a and 5b of the activities card: every check and step, examples C and D."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import respx

from nomis_pipelines.domains.activities.actions import END, MOVE_START_DATES
from nomis_pipelines.http import ServiceError
from nomis_pipelines.migration.actions import ActionError, run_action
from nomis_pipelines_tests import world
from nomis_pipelines_tests.domains.activities.examples import MAPPINGS
from nomis_pipelines_tests.domains.edge import MIGRATION_ID, EdgePlatform, bodies, calls, edge

pytestmark = pytest.mark.server

ENCODED = "2026-09-28T09%3A15%3A30"
COUNT = f"{world.MAPPING}/mapping/activities/migration-count/migration-id/{ENCODED}"
PAGE = f"{MAPPINGS}/migration-id/{ENCODED}"
END_URL = f"{world.NOMIS}/activities/end"
MOVE_END_URL = f"{world.NOMIS}/activities/move-end-date"
MOVE_URL = f"{world.ACTIVITIES}/migrate/LNI/move-activity-start-dates"
STARTED = '{"prisonId":"LNI","activityStartDate":"2026-10-05"}'
ENDED = '{"prisonId":"LNI","activityStartDate":"2026-10-05","nomisActivityEndDate":"2026-10-04"}'
NEW = {"newActivityStartDate": "2026-10-12"}


@pytest.fixture
async def platform(ledger_url: str) -> AsyncIterator[EdgePlatform]:
    async with edge(ledger_url) as made:
        respx.get(COUNT).respond(json=2)
        rows = [{"nomisCourseActivityId": 90110, "activityId": 5501}, {"nomisCourseActivityId": 90111}]
        respx.get(PAGE).respond(json={"content": rows, "totalElements": 2})
        yield made


async def migrated(platform: EdgePlatform, filter: str, migration_type: str = "ACTIVITIES") -> None:
    """A migration in the history."""
    await platform.ledger.start_migration(
        migration_type=migration_type, domain="activities", filter_json=filter, estimated=2, now=platform.now()
    )


async def filter_of(platform: EdgePlatform) -> str | None:
    row = await platform.ledger.migration(MIGRATION_ID)
    return row.filter if row is not None else None


async def refused(platform: EdgePlatform, action: Any, values: dict[str, Any] | None = None) -> ActionError:
    with pytest.raises(ActionError) as caught:
        await run_action(action, platform, MIGRATION_ID, values or {})
    return caught.value


async def test_worked_example_c_ends_in_nomis_what_was_recorded(platform: EdgePlatform) -> None:
    await migrated(platform, STARTED)
    respx.put(END_URL).respond(200)
    await run_action(END, platform, MIGRATION_ID)
    assert calls() == [
        f"GET mapping /mapping/activities/migration-count/migration-id/{ENCODED}?includeIgnored=true",
        f"GET mapping /mapping/activities/migration/migration-id/{ENCODED}?size=2",
        "PUT nomis /activities/end",
    ]
    assert respx.calls.last.request.content == b'{"courseActivityIds":[90110,90111],"endDate":"2026-10-04"}'
    assert await filter_of(platform) == ENDED
    assert platform.telemetry.events == []
    assert platform.audit.sent == []


@pytest.mark.parametrize("count", [httpx.Response(404), httpx.Response(200, json=0)])
@pytest.mark.parametrize(("action", "values"), [(END, {}), (MOVE_START_DATES, NEW)])
async def test_a_migration_that_recorded_nothing_is_unknown(
    platform: EdgePlatform, action: Any, values: dict[str, str], count: httpx.Response
) -> None:
    await migrated(platform, ENDED)
    respx.get(COUNT).mock(return_value=count)
    assert (await refused(platform, action, values)).status == 404
    assert len(calls()) == 1


@pytest.mark.parametrize("url", [COUNT, PAGE])
@pytest.mark.parametrize(("action", "values"), [(END, {}), (MOVE_START_DATES, NEW)])
async def test_mappings_that_cannot_be_had_are_an_error_of_the_service(
    platform: EdgePlatform, action: Any, values: dict[str, str], url: str
) -> None:
    await migrated(platform, ENDED)
    respx.get(url).respond(503)
    with pytest.raises(ServiceError):
        await run_action(action, platform, MIGRATION_ID, values)
    assert await filter_of(platform) == ENDED


@pytest.mark.parametrize("migration_type", [None, "ALLOCATIONS"])
@pytest.mark.parametrize(("action", "values"), [(END, {}), (MOVE_START_DATES, NEW)])
async def test_a_migration_that_the_history_does_not_have_is_unknown(
    platform: EdgePlatform, action: Any, values: dict[str, str], migration_type: str | None
) -> None:
    if migration_type:
        await migrated(platform, ENDED, migration_type)
    assert (await refused(platform, action, values)).status == 404


async def test_without_a_start_date_nobody_knows_when_to_end(platform: EdgePlatform) -> None:
    await migrated(platform, '{"prisonId":"LNI"}')
    error = await refused(platform, END)
    assert (error.status, "activityStartDate" in error.message) == (500, True)


async def test_an_end_that_nomis_refuses_leaves_the_filter_alone(platform: EdgePlatform) -> None:
    await migrated(platform, STARTED)
    respx.put(END_URL).respond(500)
    with pytest.raises(ServiceError):
        await run_action(END, platform, MIGRATION_ID)
    assert await filter_of(platform) == STARTED


@pytest.mark.parametrize("day", [None, "soon", "2026-09-28", "2026-09-27", "2026-10-12T00:00:00", 1791763200])
async def test_the_new_start_must_be_a_day_after_today(platform: EdgePlatform, day: object) -> None:
    await migrated(platform, ENDED)
    error = await refused(platform, MOVE_START_DATES, {"newActivityStartDate": day} if day else {})
    assert error.status == 400
    assert calls() == []


@pytest.mark.parametrize("day", ["2026-10-05", "2026-10-04"])
async def test_the_new_start_must_be_after_the_current_one(platform: EdgePlatform, day: str) -> None:
    await migrated(platform, ENDED)
    error = await refused(platform, MOVE_START_DATES, {"newActivityStartDate": day})
    assert (error.status, error.message) == (400, "The new start date must be after the current start date 2026-10-05")


async def test_only_what_was_ended_can_be_moved(platform: EdgePlatform) -> None:
    await migrated(platform, STARTED)
    error = await refused(platform, MOVE_START_DATES, NEW)
    assert (error.status, error.message) == (
        400, "Can only move start dates if the NOMIS activities have been ended",
    )  # fmt: skip


async def test_a_move_that_nomis_refuses_saves_the_filter_as_it_was_and_leaves_dps_alone(
    platform: EdgePlatform,
) -> None:
    await migrated(platform, ENDED)
    respx.put(MOVE_END_URL).respond(500)
    dps = respx.post(MOVE_URL).respond(json=[])
    error = await refused(platform, MOVE_START_DATES, NEW)
    assert (error.status, error.shown_status, error.message) == (500, 400, "Failed to move activity start dates")
    assert not dps.called
    assert await filter_of(platform) == ENDED


async def test_worked_example_d_a_move_that_fails_half_way_can_be_asked_again(platform: EdgePlatform) -> None:
    await migrated(platform, ENDED)
    nomis = respx.put(MOVE_END_URL).respond(200)
    dps = respx.post(MOVE_URL).mock(
        side_effect=[httpx.Response(503), httpx.Response(200, json=["Activity 5499 not moved"])]
    )
    assert (await refused(platform, MOVE_START_DATES, NEW)).status == 500
    assert await filter_of(platform) == ENDED.replace("2026-10-04", "2026-10-11")
    assert nomis.calls.last.request.content == (
        b'{"courseActivityIds":[90110,90111],"oldEndDate":"2026-10-04","newEndDate":"2026-10-11"}'
    )
    assert dps.calls.last.request.url.query == b"activityStartDate=2026-10-12"
    assert dps.calls.last.request.content == b""
    assert await run_action(MOVE_START_DATES, platform, MIGRATION_ID, NEW) == ["Activity 5499 not moved"]
    assert [(body["oldEndDate"], body["newEndDate"]) for body in bodies(nomis)] == [
        ("2026-10-04", "2026-10-11"), ("2026-10-11", "2026-10-11"),
    ]  # fmt: skip
    moved = '{"prisonId":"LNI","activityStartDate":"2026-10-12","nomisActivityEndDate":"2026-10-11"}'
    assert await filter_of(platform) == moved
