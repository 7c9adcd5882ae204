"""What is done with a migration of activities afterwards (activities card, sections 5a and 5b)."""

import logging
from datetime import date, timedelta

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from nomis_pipelines.contracts.nomis_mapping_service import ActivityMappingPage
from nomis_pipelines.contracts.nomis_prisoner import EndActivities, MoveActivitiesEndDate
from nomis_pipelines.domains.activities.clients import MAPPINGS
from nomis_pipelines.domains.activities.migration import ActivitiesFilter, ActivitiesMigration
from nomis_pipelines.http import ServiceError
from nomis_pipelines.migration.actions import Action, ActionError, NoParameters, save_filter
from nomis_pipelines.migration.filter_fields import PlainDate
from nomis_pipelines.platform import Platform

NOT_MOVED = "Failed to move activity start dates"
DAY = timedelta(days=1)

log = logging.getLogger(__name__)


class MoveStartDates(BaseModel):
    """The day from which DPS shall run the activities instead."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")

    new_activity_start_date: PlainDate


async def end_activities(platform: Platform, migration_id: str, _: NoParameters) -> list[str]:
    """End in NOMIS every activity that a migration recorded, the day before DPS runs them (section 5a)."""
    activities = await _recorded(platform, migration_id)
    filter = await _filter_of(platform, migration_id)
    if filter.activity_start_date is None:
        raise ActionError(
            500, f"the filter of migration {migration_id} has no activityStartDate: on which day to end is not known"
        )
    last = filter.activity_start_date - DAY
    await platform.clients.client("nomis").put(
        "/activities/end", EndActivities(course_activity_ids=activities, end_date=last)
    )
    await save_filter(platform, migration_id, filter.model_copy(update={"nomis_activity_end_date": last}))
    return [f"{len(activities)} activities of {filter.prison_id} end in NOMIS on {last}"]


async def move_start_dates(platform: Platform, migration_id: str, wanted: MoveStartDates) -> list[str]:
    """Let the activities begin in DPS on a later day, and end in NOMIS the day before (section 5b).

    The answer is what DPS could not move. After a failure half-way the same can be asked again.
    """
    start = wanted.new_activity_start_date
    if start <= platform.today():
        raise ActionError(400, "The new start date must be after today")
    activities = await _recorded(platform, migration_id)
    filter = await _filter_of(platform, migration_id)
    before = filter.activity_start_date
    if before is None or start <= before:
        raise ActionError(400, f"The new start date must be after the current start date {before or 'of the run'}")
    if filter.nomis_activity_end_date is None:
        raise ActionError(400, "Can only move start dates if the NOMIS activities have been ended")
    return await _move(platform, migration_id, filter, filter.nomis_activity_end_date, activities, start)


async def _move(
    platform: Platform,
    migration_id: str,
    filter: ActivitiesFilter,
    ended: date,
    activities: list[int],
    start: date,
) -> list[str]:
    last = start - DAY
    move = MoveActivitiesEndDate(course_activity_ids=activities, old_end_date=ended, new_end_date=last)
    try:
        await platform.clients.client("nomis").put("/activities/move-end-date", move)
        filter = filter.model_copy(update={"nomis_activity_end_date": last})
        warnings = await platform.clients.client("activities").post(
            "/migrate/{prisonCode}/move-activity-start-dates",
            None,
            list[str],
            path={"prisonCode": filter.prison_id},
            query={"activityStartDate": start},
        )
        filter = filter.model_copy(update={"activity_start_date": start})
    except ServiceError as error:
        log.warning("start dates of migration %s: %s", migration_id, error)
        # the body of this one answer says 400, as it always did (section 5b)
        raise ActionError(500, NOT_MOVED, shown_status=400) from error
    finally:
        # also when half of it failed: what NOMIS has by now is needed to go on
        await save_filter(platform, migration_id, filter)
    return warnings


async def _recorded(platform: Platform, migration_id: str) -> list[int]:
    """Every activity that a migration recorded, those passed over too: in NOMIS they end like the others."""
    mappings, path = platform.clients.client("mapping"), {"migrationId": migration_id}
    count = await mappings.find(ActivitiesMigration.migrated_path, int, path=path, query={"includeIgnored": True})
    if not count:
        raise ActionError(404, f"no mappings found for migration {migration_id}")
    page = await mappings.get(
        f"{MAPPINGS}/migration-id/{{migrationId}}", ActivityMappingPage, path=path, query={"size": count}
    )
    return [mapping.nomis_course_activity_id for mapping in page.content]


async def _filter_of(platform: Platform, migration_id: str) -> ActivitiesFilter:
    row = await platform.ledger.migration(migration_id)
    if row is None or row.migration_type != ActivitiesMigration.migration_type or not row.filter:
        raise ActionError(404, migration_id)
    return ActivitiesFilter.model_validate_json(row.filter)


END = Action(
    name="end",
    summary="End in NOMIS the activities that a migration recorded, the day before DPS runs them",
    path="/migrate/activities/{migrationId}/end",
    work=end_activities,
)

MOVE_START_DATES = Action(
    name="move-start-dates",
    summary="Let the activities of a migration, once ended in NOMIS, begin in DPS on a later day",
    path="/migrate/activities/{migrationId}/move-start-dates",
    work=move_start_dates,
    parameters=MoveStartDates,
    answers=True,
)
