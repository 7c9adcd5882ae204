"""Promise: section 5 of the activities card: every step and branch, every event, examples A and B."""

from collections.abc import AsyncIterator, Callable
from datetime import date
from typing import Any

import httpx
import pytest
import respx

from nomis_pipelines.domains.activities import ACTIVITIES
from nomis_pipelines.ledger import RecordKey, State
from nomis_pipelines.migration.doubts import Adoption, DoubtError, adopt
from nomis_pipelines.migration.engine import MigrationEngine
from nomis_pipelines.migration.ids import FilterRefused
from nomis_pipelines.migration.run import MigrationRun
from nomis_pipelines_tests import world
from nomis_pipelines_tests.domains.activities.examples import (
    FILTER,
    KITCHEN,
    KITCHEN_BODY,
    LISTED,
    UNHELD,
    conflict,
    dps_creates,
    in_nomis,
    lookup,
    mapping_answers,
)
from nomis_pipelines_tests.domains.edge import MIGRATION_ID, EdgePlatform, bodies, calls, edge
from nomis_pipelines_tests.fake_services import migrate

pytestmark = pytest.mark.server

ACTIVITY = ACTIVITIES.migration
KEY = RecordKey(domain="activities", entity="activities", nomis_key="90110")
IDS = "GET nomis /activities/ids?prisonId=LNI&page=0&size"
LOOKUP = "GET mapping /mapping/activities/migration/nomis-course-activity-id"
MAPPING = {"nomisCourseActivityId": 90110, "activityId": 5501, "activityId2": None, "label": MIGRATION_ID}
STARTED = ("activity-migration-started", {"migrationId": MIGRATION_ID, "estimatedCount": "1", **FILTER})
COMPLETED = (
    "activity-migration-completed",
    {"migrationId": MIGRATION_ID, "estimatedCount": "1", "properties": "{}"},
)
MIGRATED = (
    "activity-migration-entity-migrated",
    {"nomisCourseActivityId": "90110", "dpsActivityId": "5501", "migrationId": MIGRATION_ID},
)
FAILED = "activity-migration-entity-failed"


@pytest.fixture
async def platform(ledger_url: str) -> AsyncIterator[EdgePlatform]:
    async with edge(ledger_url) as made:
        yield made


def told(platform: EdgePlatform) -> list[tuple[str, dict[str, str]]]:
    """The events of the migration between its start and its end."""
    events = platform.telemetry.events
    first, last = events[0], events[-1]
    assert (first, last[0]) == (STARTED, COMPLETED[0])
    assert {**last[1], **COMPLETED[1]} == last[1]
    return events[1:-1]


async def state(platform: EdgePlatform, key: RecordKey = KEY) -> tuple[State, str | None, str | None]:
    record = await platform.ledger.record(key)
    assert record is not None
    return record.state, record.dps_id, record.reason


async def run_of(platform: EdgePlatform, **filter: Any) -> MigrationRun:
    return await migrate(platform, ACTIVITY, **{**FILTER, **filter})


async def test_worked_example_a_migrates_one_activity(platform: EdgePlatform) -> None:
    in_nomis(LISTED)
    written, posted = dps_creates(), mapping_answers()
    run = await run_of(platform)
    assert run.migration_id == MIGRATION_ID
    assert calls() == [
        f"{IDS}=1",
        f"{IDS}=20",
        f"{LOOKUP}/90110",
        "GET nomis /activities/90110",
        "GET mapping /api/locations/nomis/77001",
        "POST activities /migrate/activity",
        "POST mapping /mapping/activities/migration",
    ]
    assert written.calls.last.request.content.decode() == KITCHEN_BODY
    assert bodies(posted) == [MAPPING]
    assert told(platform) == [MIGRATED]
    assert await state(platform) == (State.MAPPED, "5501", None)


async def test_worked_example_b_an_activity_without_rules_is_mapped_to_nothing(platform: EdgePlatform) -> None:
    in_nomis(LISTED, UNHELD)
    written, posted = dps_creates(), mapping_answers()
    run = await run_of(platform)
    row = await platform.ledger.migration(run.migration_id)
    assert row is not None
    assert (row.estimated_record_count, row.records_migrated, row.records_failed) == (2, 1, 0)
    assert (run.tally.migrated, run.tally.skipped) == (1, 1)
    assert written.call_count == 1
    nothing = {"nomisCourseActivityId": 90111, "activityId": None, "activityId2": None, "label": MIGRATION_ID}
    assert nothing in bodies(posted)
    assert [call for call in calls() if "90111" in call] == [f"{LOOKUP}/90111"]
    assert (
        "activity-migration-entity-ignored",
        {
            "nomisCourseActivityId": "90111",
            "migrationId": MIGRATION_ID,
            "reason": "No schedule rules exist for activity",
        },
    ) in platform.telemetry.events


async def test_a_split_regime_has_two_ids(platform: EdgePlatform) -> None:
    in_nomis(LISTED)
    dps_creates(second=5502)
    posted = mapping_answers()
    await run_of(platform)
    assert bodies(posted) == [{**MAPPING, "activityId2": 5502}]
    assert told(platform) == [(MIGRATED[0], {**MIGRATED[1], "dpsActivityId2": "5502"})]
    assert await state(platform) == (State.MAPPED, "5501,5502", None)


@pytest.mark.parametrize(
    "found",
    [
        {"activityId": 4444, "label": "2026-01-01T00:00:00"},
        {"activityId": 4444, "activityId2": 4445, "label": MIGRATION_ID},
        {"label": "2026-01-01T00:00:00"},
    ],
)
async def test_step_1_what_has_a_mapping_is_passed_over(platform: EdgePlatform, found: dict[str, Any]) -> None:
    in_nomis(LISTED)
    lookup().respond(json={"nomisCourseActivityId": 90110, **found})
    run = await run_of(platform)
    assert calls()[2:] == [f"{LOOKUP}/90110"]
    assert run.tally.skipped == 1
    assert told(platform) == [
        (
            "activity-migration-entity-ignored",
            {
                "nomisCourseActivityId": "90110",
                "migrationId": MIGRATION_ID,
                "reason": "Mapping already exists - must have already been migrated",
            },
        )
    ]


async def test_step_1_an_error_fails_the_record_without_an_event(platform: EdgePlatform) -> None:
    in_nomis(LISTED)
    lookup().respond(502)
    run = await run_of(platform)
    assert run.tally.failed == 1
    assert told(platform) == []
    assert await state(platform) == (State.FAILED, None, "mapping-502")


def nomis_fails(status: int) -> None:
    respx.get(f"{world.NOMIS}/activities/90110").respond(status)


def location_fails(status: int) -> None:
    respx.get(f"{world.MAPPING}/api/locations/nomis/77001").respond(status)


def dps_fails(status: int) -> None:
    respx.post(f"{world.ACTIVITIES}/migrate/activity").respond(status, json={"userMessage": "Mr Secret Person"})


@pytest.mark.parametrize("status", [400, 404, 500])
@pytest.mark.parametrize(
    ("fails", "call"),
    [
        (nomis_fails, "nomis GET /activities/{courseActivityId}"),
        (location_fails, "mapping GET /api/locations/nomis/{nomisLocationId}"),
        (dps_fails, "activities POST /migrate/activity"),
    ],
)
async def test_steps_3_to_5_an_error_fails_the_record_and_is_told(
    platform: EdgePlatform, fails: Callable[[int], None], call: str, status: int
) -> None:
    in_nomis(LISTED)
    posted = mapping_answers()
    fails(status)
    run = await run_of(platform)
    assert run.tally.failed == 1
    assert not posted.called
    reason = {"reason": f"{call} answered {status}"}
    assert told(platform) == [(FAILED, {"nomisCourseActivityId": "90110", **reason, "migrationId": MIGRATION_ID})]


async def test_step_4_a_location_that_is_no_uuid_fails_the_record(platform: EdgePlatform) -> None:
    in_nomis(LISTED)
    respx.get(f"{world.MAPPING}/api/locations/nomis/77001").respond(json={"dpsLocationId": "kitchen"})
    assert (await run_of(platform)).tally.failed == 1
    assert [name for name, _ in told(platform)] == [FAILED]


async def test_step_4_an_unknown_way_of_paying_is_told_as_a_failure(platform: EdgePlatform) -> None:
    in_nomis(LISTED, activity={**KITCHEN, "payPerSession": "W"})
    assert (await run_of(platform)).tally.rejected == 1
    event = {"nomisCourseActivityId": "90110", "reason": "unknown-pay-per-session", "migrationId": MIGRATION_ID}
    assert told(platform) == [(FAILED, event)]


async def test_step_5_an_unknown_outcome_is_told_as_a_failure(platform: EdgePlatform) -> None:
    in_nomis(LISTED)
    respx.post(f"{world.ACTIVITIES}/migrate/activity").mock(side_effect=httpx.ReadTimeout("slow"))
    assert (await run_of(platform)).tally.in_doubt == 1
    assert [name for name, _ in told(platform)] == [FAILED]


async def test_an_activity_without_a_location_is_not_looked_up(platform: EdgePlatform) -> None:
    in_nomis(LISTED, activity={**KITCHEN, "internalLocationId": None})
    dps_creates()
    mapping_answers()
    await run_of(platform)
    assert not any("locations" in call for call in calls())


async def test_a_location_is_asked_for_once_a_run(platform: EdgePlatform) -> None:
    other = {**LISTED, "courseActivityId": 90112}
    in_nomis(LISTED, other)
    respx.get(f"{world.NOMIS}/activities/90112").respond(json={**KITCHEN, "courseActivityId": 90112})
    dps_creates()
    mapping_answers()
    await run_of(platform)
    assert sum("locations" in call for call in calls()) == 1


async def test_step_6_a_409_is_a_duplicate_and_never_retried(platform: EdgePlatform) -> None:
    in_nomis(LISTED)
    dps_creates()
    existing = {"nomisCourseActivityId": 90110, "activityId": 4444, "label": "x", "whenCreated": "2026-01-01T00:00:00"}
    posted = mapping_answers(conflict(existing, {"nomisCourseActivityId": 90110, "activityId": 5501, "label": "y"}))
    run = await run_of(platform)
    assert (run.tally.duplicates, posted.call_count) == (1, 1)
    assert told(platform) == [
        MIGRATED,
        (
            "activity-nomis-migration-duplicate",
            {
                "migrationId": MIGRATION_ID,
                "duplicateNomisCourseActivityId": "90110",
                "duplicateActivityId": "5501",
                "duplicateActivityId2": "null",
                "existingNomisCourseActivityId": "90110",
                "existingActivityId": "4444",
                "existingActivityId2": "null",
            },
        ),
    ]


async def test_step_6_a_409_of_two_posts_at_once_is_posted_again(platform: EdgePlatform) -> None:
    in_nomis(LISTED)
    dps_creates()
    posted = mapping_answers(conflict(None, MAPPING), httpx.Response(201))
    run = await run_of(platform)
    assert (run.tally.migrated, posted.call_count) == (1, 2)
    assert told(platform) == [MIGRATED]


@pytest.mark.parametrize("body", [LISTED, UNHELD])
async def test_step_6_a_409_that_shows_our_own_pair_is_no_duplicate(
    platform: EdgePlatform, body: dict[str, Any]
) -> None:
    in_nomis(body)
    dps_creates()
    own = {"nomisCourseActivityId": body["courseActivityId"], "label": "2026-01-01T00:00:00"}
    mapping_answers(conflict({**own, "activityId": 5501} if body is LISTED else own))
    assert (await run_of(platform)).tally.duplicates == 0


async def test_step_6_another_error_is_retried_and_dps_is_not_called_again(platform: EdgePlatform) -> None:
    in_nomis(LISTED)
    written = dps_creates()
    posted = mapping_answers(httpx.Response(502), httpx.Response(502), httpx.Response(201))
    run = await run_of(platform)
    assert run.tally.unmapped == 1
    assert told(platform) == [MIGRATED]
    again = await MigrationEngine(platform).retry_mappings(ACTIVITY)
    assert (again.migrated, written.call_count) == (1, 1)
    assert bodies(posted) == [MAPPING] * 3
    assert platform.telemetry.events[-1][0] == COMPLETED[0], "the retry of a mapping tells nothing"


async def test_the_retry_of_a_mapping_for_nothing_is_no_migrated_record(platform: EdgePlatform) -> None:
    in_nomis(UNHELD)
    mapping_answers(httpx.Response(502), httpx.Response(502), httpx.Response(201))
    assert (await run_of(platform)).tally.unmapped == 1
    again = await MigrationEngine(platform).retry_mappings(ACTIVITY)
    assert (again.migrated, again.skipped) == (0, 1)


async def test_a_400_for_an_id_that_is_mapped_makes_ours_the_surplus_without_an_event(platform: EdgePlatform) -> None:
    in_nomis(LISTED)
    dps_creates()
    known = httpx.Response(200, json={"nomisCourseActivityId": 90110, "activityId": 4444, "label": "x"})
    lookup().mock(side_effect=[httpx.Response(404), known])
    posted = mapping_answers(httpx.Response(400, json={"userMessage": "Validation failure: already exists"}))
    run = await run_of(platform)
    assert (run.tally.duplicates, posted.call_count) == (1, 1)
    assert told(platform) == [MIGRATED]
    record = await platform.ledger.record(KEY)
    assert record is not None
    assert (record.state, record.dps_id, record.existing_dps_id) == (State.DUPLICATE, "5501", "4444")


async def test_a_400_for_an_id_that_is_not_mapped_stays_a_mapping_failure(platform: EdgePlatform) -> None:
    in_nomis(LISTED)
    dps_creates()
    mapping_answers(httpx.Response(400), httpx.Response(400))
    assert (await run_of(platform)).tally.unmapped == 1


@pytest.mark.parametrize(
    ("filter", "start"),
    [
        ({}, "2026-10-05"),
        ({"activityStartDate": None}, "2026-09-29"),
        ({"activityStartDate": "2026-12-01"}, "2026-12-01"),
    ],
)
async def test_the_start_is_that_of_the_filter_or_tomorrow(
    platform: EdgePlatform, filter: dict[str, Any], start: str
) -> None:
    in_nomis(LISTED)
    written = dps_creates()
    mapping_answers()
    await run_of(platform, **filter)
    assert bodies(written)[0]["startDate"] == start


async def test_a_failed_record_is_retried_with_the_filter_of_its_migration(platform: EdgePlatform) -> None:
    in_nomis(LISTED)
    dps_fails(503)
    await run_of(platform)
    written = dps_creates()
    mapping_answers()
    platform.standing["today"] = date(2026, 9, 30)
    tally = await MigrationEngine(platform).retry_failed(ACTIVITY, states=[State.FAILED])
    assert (tally.migrated, bodies(written)[-1]["startDate"]) == (1, "2026-10-05")


async def test_a_retry_asks_nomis_whether_an_activity_is_held_since_the_ledger_cannot_know(
    platform: EdgePlatform,
) -> None:
    in_nomis(LISTED)
    lookup().mock(side_effect=[httpx.Response(502), httpx.Response(404)])
    await run_of(platform)
    respx.get(f"{world.NOMIS}/activities/90110").respond(json={**KITCHEN, "scheduleRules": []})
    posted = mapping_answers()
    tally = await MigrationEngine(platform).retry_failed(ACTIVITY, states=[State.FAILED])
    assert (tally.migrated, tally.skipped) == (0, 1)
    assert bodies(posted)[0]["activityId"] is None


async def test_one_activity_may_be_asked_for(platform: EdgePlatform) -> None:
    in_nomis(LISTED)
    dps_creates()
    mapping_answers()
    await run_of(platform, courseActivityId=90110)
    assert calls()[0] == "GET nomis /activities/ids?prisonId=LNI&courseActivityId=90110&page=0&size=1"
    assert platform.telemetry.events[0][1]["courseActivityId"] == "90110"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"status": 400, "userMessage": "No such prison"}, "No such prison"),
        (None, "Received a 400 calling /activities/ids"),
    ],
)
async def test_a_400_of_nomis_refuses_the_start_in_its_words(
    platform: EdgePlatform, body: dict[str, Any] | None, words: str
) -> None:
    respx.get(f"{world.NOMIS}/activities/ids").respond(400, json=body)
    with pytest.raises(FilterRefused, match=words):
        await run_of(platform)
    assert await platform.ledger.latest("ACTIVITIES") is None


async def test_the_partition_of_a_run_by_filter_is_its_prison(platform: EdgePlatform) -> None:
    in_nomis(LISTED, UNHELD)
    dps_creates()
    mapping_answers()
    await run_of(platform)
    assert await platform.ledger.mapped_by_partition("activities") == {"LNI": 2}


@pytest.mark.parametrize(("dps_id", "ids"), [("5501", (5501, None)), ("5501,5502", (5501, 5502))])
async def test_an_activity_in_doubt_is_adopted_with_its_ids(
    platform: EdgePlatform, dps_id: str, ids: tuple[int, int | None]
) -> None:
    in_nomis(LISTED)
    respx.post(f"{world.ACTIVITIES}/migrate/activity").mock(side_effect=httpx.ReadTimeout("slow"))
    await run_of(platform)
    with pytest.raises(DoubtError, match="such as 5501"):
        await adopt(platform, ACTIVITY, KEY, "kitchen")
    assert await adopt(platform, ACTIVITY, KEY, dps_id) is Adoption.TO_BE_MAPPED
    posted = mapping_answers()
    await MigrationEngine(platform).retry_mappings(ACTIVITY)
    assert bodies(posted) == [{**MAPPING, "activityId": ids[0], "activityId2": ids[1]}]
