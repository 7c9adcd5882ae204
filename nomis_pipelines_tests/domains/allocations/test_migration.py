"""Promise: section 5 of the allocations card: every step and branch, every event, examples A, C and D."""

import re
from collections.abc import AsyncIterator, Callable
from datetime import date
from typing import Any

import httpx
import pytest
import respx

from nomis_pipelines.domains.allocations import ALLOCATIONS
from nomis_pipelines.domains.allocations.migration import AllocationsFilter
from nomis_pipelines.ledger import RecordKey, State
from nomis_pipelines.migration.doubts import Adoption, DoubtError, adopt
from nomis_pipelines.migration.engine import MigrationEngine
from nomis_pipelines.migration.filter_fields import tomorrow
from nomis_pipelines.migration.ids import FilterRefused
from nomis_pipelines.migration.run import MigrationRun
from nomis_pipelines.migration.start import cautions_of
from nomis_pipelines_tests import world
from nomis_pipelines_tests.domains.activities.examples import LISTED, UNHELD, conflict, lookup
from nomis_pipelines_tests.domains.allocations.examples import ALLOCATION, ALLOCATION_BODY
from nomis_pipelines_tests.domains.edge import MIGRATION_ID, EdgePlatform, bodies, calls, edge, page
from nomis_pipelines_tests.fake_services import migrate

pytestmark = pytest.mark.server

MIGRATION = ALLOCATIONS.migration
KEY = RecordKey(domain="allocations", entity="allocations", nomis_key="330021")
FILTER = {"prisonId": "LNI", "activityStartDate": "2026-10-05"}
IDS = "GET nomis /allocations/ids?prisonId=LNI&activeOnDate=2026-10-05&page=0&size"
MAPPINGS = f"{world.MAPPING}/mapping/allocations/migration"
PAIR = {"nomisAllocationId": 330021, "activityAllocationId": 78002, "activityId": 5501, "label": MIGRATION_ID}
ACTIVITY = {"nomisCourseActivityId": 90110, "activityId": 5501, "label": MIGRATION_ID}
FAILED = "activity-allocation-migration-entity-failed"
MIGRATED = (
    "activity-allocation-migration-entity-migrated",
    {
        "nomisAllocationId": "330021",
        "dpsAllocationId": "78002",
        "dpsActivityId": "5501",
        "migrationId": MIGRATION_ID,
    },
)


@pytest.fixture
async def platform(ledger_url: str) -> AsyncIterator[EdgePlatform]:
    """Allocation 330021 of the example, whose activity is migrated; DPS and mapping service take everything."""
    async with edge(ledger_url) as made:
        respx.get(f"{world.NOMIS}/allocations/ids").mock(return_value=page({"allocationId": 330021}))
        respx.get(f"{world.NOMIS}/allocations/330021").respond(json=ALLOCATION)
        respx.get(f"{MAPPINGS}/nomis-allocation-id/330021").respond(404)
        lookup().respond(json=ACTIVITY)
        dps_creates()
        respx.post(MAPPINGS).respond(201)
        yield made


def dps_creates(activity: int = 5501) -> respx.Route:
    answer = {"activityId": activity, "allocationId": 78002}
    return respx.post(f"{world.ACTIVITIES}/migrate/allocation").respond(201, json=answer)


def told(platform: EdgePlatform) -> list[tuple[str, dict[str, str]]]:
    """The events of the migration between its start and its end."""
    events = platform.telemetry.events
    assert events[0] == (
        "activity-allocation-migration-started", {"migrationId": MIGRATION_ID, "estimatedCount": "1", **FILTER},
    )  # fmt: skip
    name, properties = events[-1]
    assert name == "activity-allocation-migration-completed"
    assert properties.keys() == {"migrationId", "estimatedCount", "durationMinutes", "properties"}
    return events[1:-1]


async def run_of(platform: EdgePlatform, **filter: Any) -> MigrationRun:
    return await migrate(platform, MIGRATION, **{**FILTER, **filter})


async def reason_of(platform: EdgePlatform) -> str | None:
    record = await platform.ledger.record(KEY)
    return record.reason if record is not None else None


async def test_worked_example_a_migrates_an_allocation_with_its_exclusions(platform: EdgePlatform) -> None:
    written, posted = dps_creates(), respx.post(MAPPINGS).respond(201)
    await run_of(platform)
    assert calls() == [
        f"{IDS}=1",
        f"{IDS}=50",
        "GET mapping /mapping/allocations/migration/nomis-allocation-id/330021",
        "GET nomis /allocations/330021",
        "GET mapping /mapping/activities/migration/nomis-course-activity-id/90110",
        "POST activities /migrate/allocation",
        "POST mapping /mapping/allocations/migration",
    ]
    assert written.calls.last.request.content.decode() == ALLOCATION_BODY
    assert bodies(posted) == [PAIR]
    assert told(platform) == [MIGRATED]


async def test_the_mapping_names_the_activity_that_dps_chose(platform: EdgePlatform) -> None:
    lookup().respond(json={**ACTIVITY, "activityId2": 5502})
    written, posted = dps_creates(activity=5502), respx.post(MAPPINGS).respond(201)
    await run_of(platform)
    assert bodies(written)[0]["splitRegimeActivityId"] == 5502
    assert bodies(posted) == [{**PAIR, "activityId": 5502}]
    assert told(platform) == [(MIGRATED[0], {**MIGRATED[1], "dpsActivityId": "5502"})]


async def test_step_1_what_has_a_mapping_is_passed_over(platform: EdgePlatform) -> None:
    respx.get(f"{MAPPINGS}/nomis-allocation-id/330021").respond(json={**PAIR, "whenCreated": "2026-01-01T00:00:00"})
    assert (await run_of(platform)).tally.skipped == 1
    ignored = {"nomisAllocationId": "330021", "migrationId": MIGRATION_ID}
    assert told(platform) == [("activity-allocation-migration-entity-ignored", ignored)]


async def test_step_1_an_error_fails_the_record_without_an_event(platform: EdgePlatform) -> None:
    respx.get(f"{MAPPINGS}/nomis-allocation-id/330021").respond(500)
    assert (await run_of(platform)).tally.failed == 1
    assert told(platform) == []


def nomis_fails(status: int) -> None:
    respx.get(f"{world.NOMIS}/allocations/330021").respond(status)


def activity_fails(status: int) -> None:
    lookup().respond(status)


def dps_fails(status: int) -> None:
    respx.post(f"{world.ACTIVITIES}/migrate/allocation").respond(status, json={"userMessage": "Mr Secret Person"})


@pytest.mark.parametrize(
    ("fails", "status", "call"),
    [
        (nomis_fails, 404, "nomis GET /allocations/{allocationId}"),
        (nomis_fails, 500, "nomis GET /allocations/{allocationId}"),
        (activity_fails, 400, "mapping GET /mapping/activities/migration/nomis-course-activity-id/{courseActivityId}"),
        (activity_fails, 503, "mapping GET /mapping/activities/migration/nomis-course-activity-id/{courseActivityId}"),
        (dps_fails, 400, "activities POST /migrate/allocation"),
        (dps_fails, 404, "activities POST /migrate/allocation"),
        (dps_fails, 500, "activities POST /migrate/allocation"),
    ],
)
async def test_steps_2_to_5_an_error_fails_the_record_and_is_told(
    platform: EdgePlatform, fails: Callable[[int], None], status: int, call: str
) -> None:
    fails(status)
    assert (await run_of(platform)).tally.failed == 1
    reason = {"reason": f"{call} answered {status}"}
    assert told(platform) == [(FAILED, {"nomisAllocationId": "330021", **reason, "migrationId": MIGRATION_ID})]
    assert not any(call.startswith("POST mapping") for call in calls())


async def test_worked_example_c_an_activity_that_is_not_migrated_fails_its_allocations(platform: EdgePlatform) -> None:
    respx.get(f"{world.NOMIS}/allocations/330021").respond(json={**ALLOCATION, "courseActivityId": 90555})
    lookup(90555).respond(404)
    written = dps_creates()
    assert (await run_of(platform)).tally.failed == 1
    ((name, properties),) = told(platform)
    assert (name, properties["nomisAllocationId"]) == (FAILED, "330021")
    words = "Cannot migrate allocation 330021 - unable to find mapping for course activity 90555"
    assert words in properties["reason"]
    assert not written.called
    assert await reason_of(platform) == "activity-not-migrated"
    lookup(90555).respond(json={**ACTIVITY, "nomisCourseActivityId": 90555})
    assert (await MigrationEngine(platform).retry_failed(MIGRATION, states=[State.FAILED])).migrated == 1


async def test_step_3_an_activity_that_was_passed_over_fails_its_allocations(platform: EdgePlatform) -> None:
    lookup().respond(json={"nomisCourseActivityId": 90110, "label": MIGRATION_ID})
    assert (await run_of(platform)).tally.failed == 1
    assert await reason_of(platform) == "activity-not-in-dps"
    assert told(platform)[0][0] == FAILED


async def test_step_6_a_409_is_a_duplicate_and_never_retried(platform: EdgePlatform) -> None:
    existing = {"nomisAllocationId": 330021, "activityAllocationId": 4444, "activityId": 1234, "label": "x"}
    duplicate = {**PAIR, "activityScheduleId": 9}
    posted = respx.post(MAPPINGS).mock(return_value=conflict(existing, duplicate))
    run = await run_of(platform)
    assert (run.tally.duplicates, posted.call_count) == (1, 1)
    assert told(platform) == [
        MIGRATED,
        (
            "activity-allocation-nomis-migration-duplicate",
            {
                "migrationId": MIGRATION_ID,
                "duplicateNomisAllocationId": "330021",
                "duplicateDpsAllocationId": "78002",
                "duplicateactivityId": "5501",
                "existingNomisAllocationId": "330021",
                "existingDpsAllocationId": "4444",
                "existingactivityId": "1234",
            },
        ),
    ]


async def test_step_6_a_409_of_two_posts_at_once_is_posted_again(platform: EdgePlatform) -> None:
    posted = respx.post(MAPPINGS).mock(side_effect=[conflict(None), httpx.Response(201)])
    assert ((await run_of(platform)).tally.migrated, posted.call_count) == (1, 2)


async def test_worked_example_d_a_mapping_that_is_refused_is_retried_alone(platform: EdgePlatform) -> None:
    written = dps_creates()
    posted = respx.post(MAPPINGS).mock(side_effect=[httpx.Response(502), httpx.Response(502), httpx.Response(201)])
    assert (await run_of(platform)).tally.unmapped == 1
    assert told(platform) == [MIGRATED]
    assert (await MigrationEngine(platform).retry_mappings(MIGRATION)).migrated == 1
    assert (written.call_count, bodies(posted)) == (1, [PAIR] * 3)


async def test_a_400_for_an_id_that_is_mapped_makes_ours_the_surplus_without_an_event(platform: EdgePlatform) -> None:
    known = httpx.Response(200, json={**PAIR, "activityAllocationId": 4444})
    respx.get(f"{MAPPINGS}/nomis-allocation-id/330021").mock(side_effect=[httpx.Response(404), known])
    respx.post(MAPPINGS).respond(400)
    assert (await run_of(platform)).tally.duplicates == 1
    assert told(platform) == [MIGRATED]


async def test_an_explicit_null_leaves_the_day_to_nomis(platform: EdgePlatform) -> None:
    await run_of(platform, activityStartDate=None, courseActivityId=90110)
    assert calls()[0] == "GET nomis /allocations/ids?prisonId=LNI&courseActivityId=90110&page=0&size=1"


def test_the_day_is_tomorrow_unless_told_otherwise() -> None:
    assert AllocationsFilter.model_validate({"prisonId": "LNI"}).activity_start_date == tomorrow()
    assert AllocationsFilter.model_validate(FILTER).activity_start_date == date(2026, 10, 5)


async def test_a_400_of_nomis_refuses_the_start_in_its_words(platform: EdgePlatform) -> None:
    respx.get(f"{world.NOMIS}/allocations/ids").respond(400)
    with pytest.raises(FilterRefused, match="Received a 400 calling /allocations/ids"):
        await run_of(platform)


async def test_a_run_says_before_it_starts_which_activities_are_not_migrated(platform: EdgePlatform) -> None:
    others = [{**LISTED, "courseActivityId": number} for number in (90555, 90556)]
    listed = respx.get(f"{world.NOMIS}/activities/ids").mock(return_value=page(LISTED, UNHELD, *others))
    lookup(90555).respond(404)
    lookup(90556).respond(404)
    filter = AllocationsFilter.model_validate(FILTER)
    (caution,) = await cautions_of(MIGRATION, platform.clients, filter)
    assert re.match(r"2 of 3 activities of LNI are not migrated \(90555, 90556\): ", caution)
    assert listed.calls.last.request.url.query == b"prisonId=LNI&page=0&size=1000"
    for number in (90555, 90556):
        lookup(number).respond(json={"nomisCourseActivityId": number, "label": "x"})
    assert await cautions_of(MIGRATION, platform.clients, filter) == []


async def test_a_caution_that_cannot_be_found_out_hinders_nothing(platform: EdgePlatform) -> None:
    respx.get(f"{world.NOMIS}/activities/ids").respond(503)
    (caution,) = await cautions_of(MIGRATION, platform.clients, AllocationsFilter.model_validate(FILTER))
    assert caution.startswith("whether activities are migrated could not be found out: nomis GET /activities/ids")


async def test_an_allocation_in_doubt_is_adopted_where_its_activity_is_certain(platform: EdgePlatform) -> None:
    respx.post(f"{world.ACTIVITIES}/migrate/allocation").mock(side_effect=httpx.ReadTimeout("slow"))
    await run_of(platform)
    assert [name for name, _ in told(platform)] == [FAILED]
    lookup().respond(json={**ACTIVITY, "activityId2": 5502})
    with pytest.raises(DoubtError, match="by hand"):
        await adopt(platform, MIGRATION, KEY, "78002")
    with pytest.raises(DoubtError, match="a number such as 78002"):
        await adopt(platform, MIGRATION, KEY, "the second")
    lookup().respond(json=ACTIVITY)
    assert await adopt(platform, MIGRATION, KEY, "78002") is Adoption.TO_BE_MAPPED
    posted = respx.post(MAPPINGS).respond(201)
    await MigrationEngine(platform).retry_mappings(MIGRATION)
    assert bodies(posted) == [PAIR]
