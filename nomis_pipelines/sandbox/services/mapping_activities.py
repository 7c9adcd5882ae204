"""The mapping service: what became of activities and allocations (section 2 of their cards)."""

from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter

from nomis_pipelines.contracts.nomis_mapping_service import NewActivityMapping, NewAllocationMapping
from nomis_pipelines.sandbox.answers import CREATED, Answer, classic_page, error, json_answer, not_found
from nomis_pipelines.sandbox.reading import Query, check_length, path_integer, read_body
from nomis_pipelines.sandbox.routing import Request, Router
from nomis_pipelines.sandbox.stores.mappings import MappingTable, Pair
from nomis_pipelines.sandbox.tokens import ACTIVITIES_2024_ROLES, MAPPING_ROLES

ROLES = MAPPING_ROLES | ACTIVITIES_2024_ROLES
LARGEST_PAGE = 20_000
NOTHING = "none-"
"""What the DPS id of an activity without one begins with: the table wants ids that differ."""

_ACTIVITY = TypeAdapter(NewActivityMapping)
_ALLOCATION = TypeAdapter(NewAllocationMapping)
AsJson = Callable[[int, Pair], dict[str, Any]]


def add_activity_mappings(router: Router, activities: MappingTable[int], allocations: MappingTable[int]) -> None:
    """Serve `/mapping/activities/migration` and `/mapping/allocations/migration`."""

    def create_activity(request: Request) -> Answer:
        body = read_body(_ACTIVITY, request)
        check_length("label", body.label, 20)
        ids = [str(id) for id in (body.activity_id, body.activity_id2) if id is not None]
        dps_id = ",".join(ids) or f"{NOTHING}{body.nomis_course_activity_id}"
        return _stored(activities, body.nomis_course_activity_id, dps_id, body.label)

    def create_allocation(request: Request) -> Answer:
        body = read_body(_ALLOCATION, request)
        check_length("label", body.label, 20)
        dps_id = f"{body.activity_allocation_id},{body.activity_id}"
        return _stored(allocations, body.nomis_allocation_id, dps_id, body.label)

    def count(request: Request) -> Answer:
        label, all_of_them = request.parameters[0], Query(request).flag("includeIgnored", True)
        pairs, _ = activities.page(label, 0, len(activities))
        return json_answer(sum(all_of_them or not pair.dps_id.startswith(NOTHING) for _, pair in pairs))

    path = "/mapping/activities/migration"
    router.add("POST", path, create_activity, roles=ROLES)
    router.add("GET", "/mapping/activities/migration-count/migration-id/{migrationId}", count, roles=ROLES)
    _add_reading(router, path, "/nomis-course-activity-id/{courseActivityId}", activities, activity_as_json)
    path = "/mapping/allocations/migration"
    router.add("POST", path, create_allocation, roles=ROLES)
    _add_reading(router, path, "/nomis-allocation-id/{nomisAllocationId}", allocations, allocation_as_json)


def activity_as_json(key: int, pair: Pair) -> dict[str, Any]:
    """An activity's mapping, as it is returned: without the ids that there are not."""
    ids = [] if pair.dps_id.startswith(NOTHING) else [int(id) for id in pair.dps_id.split(",")]
    return {
        "nomisCourseActivityId": key,
        **dict(zip(("activityId", "activityId2"), ids, strict=False)),
        **_common(pair),
    }


def allocation_as_json(key: int, pair: Pair) -> dict[str, Any]:
    """An allocation's mapping, as it is returned."""
    allocation, _, activity = pair.dps_id.partition(",")
    return {
        "nomisAllocationId": key,
        "activityAllocationId": int(allocation),
        "activityId": int(activity),
        **_common(pair),
    }


def _common(pair: Pair) -> dict[str, Any]:
    return {"label": pair.label, "whenCreated": pair.when_created}


def _stored(table: MappingTable[int], key: int, dps_id: str, label: str) -> Answer:
    """The same again is taken; what contradicts the table is refused with 400, not 409."""
    known = table.add(key, dps_id, label, "MIGRATED")
    if known is None:
        return CREATED
    return error(400, "Validation failure", f"Nomis mapping id = {known[0]} already exists")


def _add_reading(router: Router, path: str, find_path: str, table: MappingTable[int], as_json: AsJson) -> None:
    def find(request: Request) -> Answer:
        key = path_integer("id", request.parameters[0])
        pair = table.get(key)
        return not_found(f"{table.name} mapping {key}") if pair is None else json_answer(as_json(key, pair))

    def by_label(request: Request) -> Answer:
        number, size = Query(request).page()
        size = min(size, LARGEST_PAGE)
        pairs, total = table.page(request.parameters[0], 0, len(table))
        shown = sorted(pairs, key=lambda item: item[0])[number * size : (number + 1) * size]
        content = [json_answer(as_json(key, pair)).body for key, pair in shown]
        return classic_page(content, total=total, number=number, size=size)

    router.add("GET", path + find_path, find, roles=ROLES)
    router.add("GET", path + "/migration-id/{migrationId}", by_label, roles=ROLES)
