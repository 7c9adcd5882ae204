"""NOMIS: activities and allocations (section 3 of their cards)."""

import re
from collections.abc import Sequence

from pydantic import TypeAdapter

from nomis_pipelines.contracts.nomis_prisoner import EndActivities, MoveActivitiesEndDate
from nomis_pipelines.sandbox.answers import OK, Answer, Refusal, bad_request, classic_page, json_answer, not_found
from nomis_pipelines.sandbox.reading import Query, path_integer, read_body
from nomis_pipelines.sandbox.routing import Request, Router
from nomis_pipelines.sandbox.stores.nomis_activities import NomisActivities
from nomis_pipelines.sandbox.tokens import ACTIVITIES_2024_ROLES, NOMIS_ROLES

ROLES = NOMIS_ROLES | ACTIVITIES_2024_ROLES

_PRISON = re.compile(r"[A-Z]{3}")
_END = TypeAdapter(EndActivities)
_MOVE = TypeAdapter(MoveActivitiesEndDate)


def add_activities(router: Router, nomis: NomisActivities) -> None:
    """Serve `/activities` and `/allocations`."""

    def activity_ids(request: Request) -> Answer:
        query = Query(request)
        found = nomis.activity_ids(_prison(query), _course(query))
        return _page(
            query, [b'{"courseActivityId":%d,"hasScheduleRules":%s}' % (id, _flag(held)) for id, held in found]
        )

    def activity(request: Request) -> Answer:
        number = path_integer("courseActivityId", request.parameters[0])
        found = nomis.activity(number)
        return not_found(f"Course activity {number} not found") if found is None else json_answer(found)

    def end(request: Request) -> Answer:
        body = read_body(_END, request)
        nomis.end(body.course_activity_ids, body.end_date)
        return OK

    def move(request: Request) -> Answer:
        body = read_body(_MOVE, request)
        nomis.move_end(body.course_activity_ids, body.old_end_date, body.new_end_date)
        return OK

    def allocation_ids(request: Request) -> Answer:
        query = Query(request)
        found = nomis.allocation_ids(_prison(query), _course(query), query.day("activeOnDate"))
        return _page(query, [b'{"allocationId":%d}' % id for id in found])

    def allocation(request: Request) -> Answer:
        number = path_integer("allocationId", request.parameters[0])
        found = nomis.allocation(number)
        return not_found(f"Allocation {number} not found") if found is None else json_answer(found)

    router.add("GET", "/activities/ids", activity_ids, roles=ROLES)
    router.add("GET", "/activities/{courseActivityId}", activity, roles=ROLES)
    router.add("PUT", "/activities/end", end, roles=ROLES)
    router.add("PUT", "/activities/move-end-date", move, roles=ROLES)
    router.add("GET", "/allocations/ids", allocation_ids, roles=ROLES)
    router.add("GET", "/allocations/{allocationId}", allocation, roles=ROLES)


def _prison(query: Query) -> str:
    """The one prison of the query: real NOMIS has more of them than the sandbox, and knows them by three letters."""
    prisons = query.texts("prisonId")
    prison = next(iter(prisons), "")
    if len(prisons) != 1 or not _PRISON.fullmatch(prison):
        raise Refusal(bad_request(f"Prison with id={prison} does not exist"))
    return prison


def _course(query: Query) -> int | None:
    return query.integer("courseActivityId", 0, least=1, most=10**12) or None


def _page(query: Query, rows: Sequence[bytes]) -> Answer:
    number, size = query.page()
    return classic_page(rows[number * size : (number + 1) * size], total=len(rows), number=number, size=size)


def _flag(value: bool) -> bytes:
    return b"true" if value else b"false"
