"""The migration of a prison's activities, step by step as the activities card, section 5 has it."""

from collections.abc import Mapping
from datetime import date, timedelta
from functools import partial
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from nomis_pipelines.contracts.activities import ActivityCreated
from nomis_pipelines.contracts.nomis_prisoner import Activity
from nomis_pipelines.domains.activities.clients import (
    MAPPINGS,
    ActivityKey,
    activity_ids,
    find_location,
    find_mapping,
)
from nomis_pipelines.domains.activities.transform import ActivityRecord, ActivityRequest, transform
from nomis_pipelines.http import Conflict
from nomis_pipelines.migration.declaration import Item, Migration, MigrationContext, Rejected, Written
from nomis_pipelines.migration.filter_fields import PlainDate, PrisonCode
from nomis_pipelines.migration.ids import ByPageNumber
from nomis_pipelines.migration.once import Once
from nomis_pipelines.migration.pairs import post_pair
from nomis_pipelines.migration.partitions import ByPrison
from nomis_pipelines.migration.reasons import words_of

ActivityItem = Item[ActivityKey, ActivityRecord, ActivityRequest]

ALREADY_MAPPED = "Mapping already exists - must have already been migrated"
NO_RULES = "No schedule rules exist for activity"


class ActivitiesFilter(BaseModel):
    """Which activities: those of one prison, or one of them.

    `activity_start_date` is the day from which DPS shall run them, tomorrow where it is not said;
    `nomis_activity_end_date` is written into the history when they are ended in NOMIS.
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")

    prison_id: PrisonCode
    course_activity_id: int | None = None
    activity_start_date: PlainDate | None = None
    nomis_activity_end_date: PlainDate | None = None


class ActivitiesMigration(Migration[ActivityKey, ActivityRecord, ActivityRequest]):
    """The activities of a prison, into the activities service. One without schedule rules gets a mapping only."""

    name = "activities"
    migration_type = "ACTIVITIES"
    telemetry_name = "activity"
    filter = ActivitiesFilter
    ids = ByPageNumber(activity_ids)
    page_size = 20
    partitions = ByPrison("prison_id", beside=("activity_start_date", "nomis_activity_end_date"))
    services = ("nomis", "mapping", "activities")
    write_service = "activities"
    mapping_path = MAPPINGS
    migrated_path = "/mapping/activities/migration-count/migration-id/{migrationId}"
    migrated_query = MappingProxyType({"includeIgnored": False})
    dps_id_field = "activityId"

    def __init__(self, context: MigrationContext) -> None:
        super().__init__(context)
        self._location = Once(partial(find_location, self.mappings))

    def key(self, id: ActivityKey) -> str:
        return str(id.id)

    def parse_key(self, nomis_key: str) -> ActivityKey:
        return ActivityKey(int(nomis_key))

    @classmethod
    def message_id(cls, nomis_key: str) -> dict[str, int]:
        return {"courseActivityId": int(nomis_key)}

    async def find_mapping(self, id: ActivityKey) -> str | None:
        """The DPS id, both with a comma between in a split regime, the empty text for an activity passed over."""
        mapping = await find_mapping(self.mappings, id.id)
        return None if mapping is None else _text(mapping.activity_id, mapping.activity_id2)

    async def read(self, id: ActivityKey) -> ActivityRecord:
        start = self._start
        if id.has_schedule_rules is False:
            return ActivityRecord(id.id, start)
        path = {"courseActivityId": id.id}
        activity = await self.nomis.get("/activities/{courseActivityId}", Activity, path=path)
        if id.has_schedule_rules is None and not activity.schedule_rules:
            return ActivityRecord(id.id, start)
        place = activity.internal_location_id
        return ActivityRecord(id.id, start, activity, None if place is None else await self._location(place))

    def transform(self, record: ActivityRecord, today: date) -> ActivityRequest:
        return transform(record)

    async def write(self, request: ActivityRequest) -> Written:
        """One or two DPS activities; none for an activity without schedule rules, whose mapping says just that."""
        if request.body is None:
            return Written(dps_id="", mapping=self.mapping(ActivityKey(request.id), ""))
        made = await self.dps.post("/migrate/activity", request.body, ActivityCreated, keep_nulls=True)
        dps_id = _text(made.activity_id, made.split_regime_activity_id)
        return Written(dps_id=dps_id, mapping=self.mapping(ActivityKey(request.id), dps_id))

    def mapping(self, id: ActivityKey, dps_id: str) -> dict[str, Any]:
        first, second = _ids(dps_id)
        return {
            "nomisCourseActivityId": id.id,
            "activityId": first,
            "activityId2": second,
            "label": self.migration_id,
        }

    async def post_mapping(self, mapping: Mapping[str, Any]) -> None:
        """Record it. A contradiction is answered with 400 but for two posts at once (section 2)."""
        await post_pair(
            self.mappings, MAPPINGS, mapping, lambda: find_mapping(self.mappings, mapping["nomisCourseActivityId"])
        )

    def is_own_pair(self, mapping: Mapping[str, Any], existing: Mapping[str, Any]) -> bool:
        """Null ids count too, and are left out of what the service returns."""
        names = ("nomisCourseActivityId", "activityId", "activityId2")
        return all(str(mapping.get(name)) == str(existing.get(name)) for name in names)

    def existing_dps_id(self, mapping: Mapping[str, Any], existing: Mapping[str, Any]) -> str:
        return _text(existing.get("activityId"), existing.get("activityId2"))

    def is_migrated(self, mapping: Mapping[str, Any]) -> bool:
        return mapping.get("activityId") is not None

    def partition_of(self, record: ActivityRecord) -> str | None:
        """The prison of the run's filter, which always names one: an activity without rules is not read."""
        filter = self.context.filter
        return filter.prison_id if isinstance(filter, ActivitiesFilter) else None

    def on_skipped(self, item: ActivityItem) -> None:
        self._event("migration-entity-ignored", item, reason=ALREADY_MAPPED)

    def on_migrated(self, item: ActivityItem) -> None:
        first, second = _ids(item.dps_id or "")
        ids = {"dpsActivityId": first, "dpsActivityId2": second}
        if first is None:
            self._event("migration-entity-ignored", item, **ids, reason=NO_RULES)
        else:
            self._event("migration-entity-migrated", item, **ids)

    def on_failed(self, item: ActivityItem, error: Exception) -> None:
        self._event("migration-entity-failed", item, reason=words_of(error))

    def on_rejected(self, item: ActivityItem, rejection: Rejected) -> None:
        self._event("migration-entity-failed", item, reason=rejection.reason)

    def on_duplicate(self, item: ActivityItem, conflict: Conflict, minutes: int) -> None:
        """The event is for a 409 only: a 400 never had one (section 9)."""
        if conflict.status != 409:
            return
        pairs = {"duplicate": conflict.duplicate or item.mapping or {}, "existing": conflict.existing or {}}
        names = ("nomisCourseActivityId", "activityId", "activityId2")
        ids = {
            f"{which}{name[0].upper()}{name[1:]}": str(pair[name]) if pair.get(name) is not None else "null"
            for which, pair in pairs.items()
            for name in names
        }
        self.telemetry.event("activity-nomis-migration-duplicate", {"migrationId": self.migration_id, **ids})

    @property
    def _start(self) -> date:
        """The day from which DPS shall run them; without one in the filter the day after the record is read."""
        filter = self.context.filter
        wanted = filter.activity_start_date if isinstance(filter, ActivitiesFilter) else None
        return wanted or self.context.today + timedelta(days=1)

    def _event(self, name: str, item: ActivityItem, **properties: object) -> None:
        self.telemetry.event(
            f"{self.telemetry_name}-{name}",
            {"nomisCourseActivityId": item.id.id, **properties, "migrationId": self.migration_id},
        )


def _text(first: int | None, second: int | None) -> str:
    return ",".join(str(id) for id in (first, second) if id is not None)


def _ids(dps_id: str) -> tuple[int | None, int | None]:
    """The two ids of a DPS id as text. Raises `ValueError` for anything that is none."""
    if not dps_id:
        return None, None
    parts = dps_id.split(",")
    if len(parts) > 2 or not all(part.isascii() and part.isdigit() for part in parts):
        raise ValueError("the DPS id of an activity is a number such as 5501, or two, such as 5501,5502")
    return int(parts[0]), int(parts[1]) if len(parts) == 2 else None
