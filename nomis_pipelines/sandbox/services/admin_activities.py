"""The admin port's view of activities and allocations: what DPS holds, and what is mapped."""

from collections.abc import Callable, Sequence
from typing import Any

from nomis_pipelines.sandbox.answers import Answer, json_answer, not_found
from nomis_pipelines.sandbox.reading import page_of, path_integer
from nomis_pipelines.sandbox.routing import Request, Router
from nomis_pipelines.sandbox.services.mapping_activities import activity_as_json, allocation_as_json
from nomis_pipelines.sandbox.stores import Stores
from nomis_pipelines.sandbox.stores.dps_activities import repeated

Rows = Callable[[], Sequence[dict[str, Any]]]


def add_activities(router: Router, stores: Stores) -> None:
    """Serve `/activities`, `/allocations` and their mappings."""
    dps = stores.dps_activities

    def activities() -> list[dict[str, Any]]:
        return [
            {"id": each.ids, "nomisKey": each.origin, "prison": each.prison, "start": each.start}
            for each in dps.activities()
        ]

    def allocations() -> list[dict[str, Any]]:
        return [{"id": str(each.id), "nomisKey": each.origin, "activity": each.activity} for each in dps.allocations()]

    def activity_mappings() -> list[dict[str, Any]]:
        rows = [activity_as_json(key, pair) for key, pair in stores.activity_mappings.items()]
        return [
            {
                "nomisKey": row["nomisCourseActivityId"],
                "dps_id": ",".join(str(row[name]) for name in ("activityId", "activityId2") if name in row),
                "label": row["label"],
            }
            for row in rows
        ]

    def allocation_mappings() -> list[dict[str, Any]]:
        rows = [allocation_as_json(key, pair) for key, pair in stores.allocation_mappings.items()]
        return [
            {"nomisKey": row["nomisAllocationId"], "dps_id": str(row["activityAllocationId"]), "label": row["label"]}
            for row in rows
        ]

    _dump(router, "/activities", activities)
    _dump(router, "/allocations", allocations)
    _dump(router, "/mappings/activities", activity_mappings)
    _dump(router, "/mappings/allocations", allocation_mappings)
    for kind, records in (("activity", dps.activities), ("allocation", dps.allocations)):
        _add_bodies(router, stores, kind, records)


def _dump(router: Router, path: str, rows: Rows) -> None:
    def dump(request: Request) -> Answer:
        found = rows()
        return page_of(request, len(found), found.__getitem__)

    router.add("GET", path, dump)


def _add_bodies(router: Router, stores: Stores, kind: str, records: Callable[[], Any]) -> None:
    path = {"activity": "/activities", "allocation": "/allocations"}[kind]

    def duplicates(_request: Request) -> Answer:
        return json_answer([{"nomisKey": origin, "ids": ids} for origin, ids in repeated(records())])

    def one(request: Request) -> Answer:
        number = path_integer("id", request.parameters[0])
        body = stores.dps_activities.body(kind, number)
        return not_found(f"{kind} {number}") if body is None else json_answer({"id": number, "body": body})

    router.add("GET", f"{path}/duplicates", duplicates)
    router.add("GET", f"{path}/{{id}}", one)
