"""The migration of a prison's allocations, step by step as the allocations card, section 5 has it."""

from collections.abc import Mapping
from datetime import date
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from nomis_pipelines.contracts.activities import AllocationCreated
from nomis_pipelines.contracts.nomis_mapping_service import ActivityMapping, AllocationMapping
from nomis_pipelines.contracts.nomis_prisoner import Allocation, AllocationIdPage
from nomis_pipelines.domains.activities.clients import activity_ids, find_mapping, refusable
from nomis_pipelines.domains.allocations.transform import AllocationRecord, AllocationRequest, transform
from nomis_pipelines.http import Conflict, HttpClients, ServiceClient
from nomis_pipelines.migration.declaration import Failed, Item, Migration, MigrationContext, Rejected, Written
from nomis_pipelines.migration.filter_fields import PlainDate, PrisonCode, tomorrow
from nomis_pipelines.migration.filters import filter_query
from nomis_pipelines.migration.ids import ByPageNumber, IdPage
from nomis_pipelines.migration.once import Once
from nomis_pipelines.migration.pairs import post_pair
from nomis_pipelines.migration.partitions import ByPrison
from nomis_pipelines.migration.reasons import words_of
from nomis_pipelines.migration.workers import StopRequest, for_each

MAPPINGS = "/mapping/allocations/migration"
ACTIVITIES_A_PAGE = 1000
LOOKUPS_AT_ONCE = 16
NAMED = 10
AllocationItem = Item[int, AllocationRecord, AllocationRequest]


class AllocationsFilter(BaseModel):
    """Which allocations: those of one prison, or of one of its activities, that have not ended by the start date.

    `activity_start_date` must be that of the activities' migration; an explicit null leaves the day to NOMIS.
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")

    prison_id: PrisonCode
    course_activity_id: int | None = None
    activity_start_date: PlainDate | None = Field(default_factory=tomorrow)


async def allocation_ids(nomis: ServiceClient, query: Mapping[str, object], page: int, size: int) -> IdPage[int]:
    """One page of a prison's allocations (section 3)."""
    names = {"prisonId": "prisonId", "courseActivityId": "courseActivityId", "activityStartDate": "activeOnDate"}
    wanted = {there: query[ours] for ours, there in names.items() if ours in query}
    answer = await refusable(nomis, "/allocations/ids", AllocationIdPage, {**wanted, "page": page, "size": size})
    ids = [row.allocation_id for row in answer.content]
    return IdPage(ids=ids, total=answer.total_elements, size=answer.size)


class AllocationsMigration(Migration[int, AllocationRecord, AllocationRequest]):
    """Which prisoner is on which activity, into the activities service; the activities must be there before."""

    name = "allocations"
    migration_type = "ALLOCATIONS"
    telemetry_name = "activity-allocation"
    filter = AllocationsFilter
    ids = ByPageNumber(allocation_ids)
    page_size = 50
    partitions = ByPrison("prison_id", beside=("activity_start_date",))
    services = ("nomis", "mapping", "activities")
    write_service = "activities"
    mapping_path = MAPPINGS
    dps_id_field = "activityAllocationId"
    depends_on = ("activities",)

    def __init__(self, context: MigrationContext) -> None:
        super().__init__(context)
        self._activity = Once(partial(find_mapping, self.mappings))

    def key(self, id: int) -> str:
        return str(id)

    def parse_key(self, nomis_key: str) -> int:
        return int(nomis_key)

    @classmethod
    def message_id(cls, nomis_key: str) -> dict[str, int]:
        return {"allocationId": int(nomis_key)}

    async def find_mapping(self, id: int) -> str | None:
        mapping = await self._find(id)
        return None if mapping is None else str(mapping.activity_allocation_id)

    async def read(self, id: int) -> AllocationRecord:
        allocation = await self._read_nomis(id)
        activity = await self._mapped_activity(id, allocation)
        return AllocationRecord(id, allocation, _dps_activity(id, allocation, activity), activity.activity_id2)

    def transform(self, record: AllocationRecord, today: date) -> AllocationRequest:
        return transform(record)

    async def write(self, request: AllocationRequest) -> Written:
        """The mapping names the activity that DPS put the prisoner on, in a split regime perhaps the second."""
        made = await self.dps.post("/migrate/allocation", request.body, AllocationCreated, keep_nulls=True)
        mapping = self._pair(request.id, made.allocation_id, made.activity_id)
        return Written(dps_id=str(made.allocation_id), mapping=mapping)

    def mapping(self, id: int, dps_id: str) -> dict[str, Any]:
        """Not to be made of the two ids alone: `write` and `mapping_of_adopted` know the activity."""
        raise ValueError("the mapping of an allocation names its DPS activity too")

    async def mapping_of_adopted(self, id: int, dps_id: str) -> dict[str, Any]:
        """The activity is the one that the allocation's course activity is mapped to, if there is but one."""
        if not (dps_id.isascii() and dps_id.isdigit()):
            raise ValueError("the DPS id of an allocation is a number such as 78002")
        allocation = await self._read_nomis(id)
        activity = await find_mapping(self.mappings, allocation.course_activity_id)
        if activity is None or activity.activity_id is None or activity.activity_id2 is not None:
            raise ValueError(
                f"course activity {allocation.course_activity_id} has not one DPS activity: post the mapping to "
                f"{MAPPINGS} by hand, with the activity that DPS shows for the allocation"
            )
        return self._pair(id, int(dps_id), activity.activity_id)

    async def post_mapping(self, mapping: Mapping[str, Any]) -> None:
        """Record it. A contradiction is answered with 400 but for two posts at once (section 2)."""
        await post_pair(self.mappings, MAPPINGS, mapping, lambda: self._find(mapping["nomisAllocationId"]))

    def partition_of(self, record: AllocationRecord) -> str | None:
        return record.allocation.prison_id

    @classmethod
    async def cautions(cls, clients: HttpClients, filter: BaseModel) -> list[str]:
        """Names the activities of the filter that are not migrated: all their allocations would fail (section 9)."""
        query, nomis, mappings = filter_query(filter), clients.client("nomis"), clients.client("mapping")
        source = ByPageNumber(activity_ids)
        pages = source.plan("", await source.count(nomis, query), ACTIVITIES_A_PAGE)
        listed = [key for page in pages for key in await source.read(nomis, query, page) if key.has_schedule_rules]
        missing: list[int] = []

        async def look(activity: int) -> None:
            if await find_mapping(mappings, activity) is None:
                missing.append(activity)

        await for_each([key.id for key in listed], look, limit=LOOKUPS_AT_ONCE, stop=StopRequest())
        if not missing:
            return []
        names = ", ".join(map(str, sorted(missing)[:NAMED])) + (", …" if len(missing) > NAMED else "")
        return [
            f"{len(missing)} of {len(listed)} activities of {query['prisonId']} are not migrated ({names}): their "
            "allocations will fail. Migrate the activities first"
        ]

    def on_skipped(self, item: AllocationItem) -> None:
        self._event("migration-entity-ignored", item)

    def on_migrated(self, item: AllocationItem) -> None:
        activity = (item.mapping or {}).get("activityId")
        self._event("migration-entity-migrated", item, dpsAllocationId=item.dps_id, dpsActivityId=activity)

    def on_failed(self, item: AllocationItem, error: Exception) -> None:
        self._event("migration-entity-failed", item, reason=words_of(error))

    def on_rejected(self, item: AllocationItem, rejection: Rejected) -> None:
        self._event("migration-entity-failed", item, reason=rejection.reason)

    def on_duplicate(self, item: AllocationItem, conflict: Conflict, minutes: int) -> None:
        """The event is for a 409 only: a 400 never had one (section 9)."""
        if conflict.status != 409:
            return
        properties: dict[str, object] = {"migrationId": self.migration_id}
        pairs = {"duplicate": conflict.duplicate or item.mapping or {}, "existing": conflict.existing or {}}
        for which, pair in pairs.items():
            properties[f"{which}NomisAllocationId"] = pair.get("nomisAllocationId")
            properties[f"{which}DpsAllocationId"] = pair.get("activityAllocationId")
            properties[f"{which}activityId"] = pair.get("activityId")  # the small a is as operators know it
        self.telemetry.event("activity-allocation-nomis-migration-duplicate", properties)

    async def _find(self, id: int) -> AllocationMapping | None:
        path = f"{MAPPINGS}/nomis-allocation-id/{{nomisAllocationId}}"
        return await self.mappings.find(path, AllocationMapping, path={"nomisAllocationId": id})

    async def _read_nomis(self, id: int) -> Allocation:
        return await self.nomis.get("/allocations/{allocationId}", Allocation, path={"allocationId": id})

    async def _mapped_activity(self, id: int, allocation: Allocation) -> ActivityMapping:
        activity = await self._activity(allocation.course_activity_id)
        if activity is None:
            raise Failed(
                "activity-not-migrated",
                f"Cannot migrate allocation {id} - unable to find mapping for course activity "
                f"{allocation.course_activity_id}",
            )
        return activity

    def _pair(self, id: int, allocation: int, activity: int) -> dict[str, Any]:
        return {
            "nomisAllocationId": id,
            "activityAllocationId": allocation,
            "activityId": activity,
            "label": self.migration_id,
        }

    def _event(self, name: str, item: AllocationItem, **properties: object) -> None:
        self.telemetry.event(
            f"{self.telemetry_name}-{name}",
            {"nomisAllocationId": item.id, **properties, "migrationId": self.migration_id},
        )


def _dps_activity(id: int, allocation: Allocation, mapping: ActivityMapping) -> int:
    if mapping.activity_id is None:
        raise Failed(
            "activity-not-in-dps",
            f"Cannot migrate allocation {id} - course activity {allocation.course_activity_id} was passed over for "
            "want of schedule rules, and is not in DPS",
        )
    return mapping.activity_id
