"""NOMIS: visits (visits card, section 3)."""

from pydantic_core import to_json

from nomis_pipelines.sandbox.answers import Answer, classic_page, json_answer, not_found
from nomis_pipelines.sandbox.data.visits import TYPES, VisitFilter
from nomis_pipelines.sandbox.reading import Query, path_integer
from nomis_pipelines.sandbox.routing import Request, Router
from nomis_pipelines.sandbox.services import add_health
from nomis_pipelines.sandbox.stores.nomis_visits import NomisVisits
from nomis_pipelines.sandbox.tokens import NOMIS_ROLES, VISITS_2024_ROLES

VISIT_ROLES = NOMIS_ROLES | VISITS_2024_ROLES


def build(visits: NomisVisits) -> Router:
    """The routing table of NOMIS, with the visits in it."""
    router = Router()
    add_health(router)

    def ids(request: Request) -> Answer:
        query = Query(request)
        number, size = query.page()
        numbers, total = visits.page(_filter(query), number * size, size)
        return classic_page([b'{"visitId":%d}' % visit for visit in numbers], total=total, number=number, size=size)

    def one(request: Request) -> Answer:
        number = path_integer("visitId", request.parameters[0])
        visit = visits.get(number)
        return not_found(f"Nomis visit id {number} not found") if visit is None else Answer(200, to_json(visit))

    def rooms(request: Request) -> Answer:
        query = Query(request)
        counts = visits.rooms_used(_filter(query), future_only=query.flag("futureVisitsOnly", True))
        return json_answer(
            [
                {"agencyInternalLocationDescription": room, "count": count, "prisonId": prison}
                for (prison, room), count in sorted(counts.items())
            ]
        )

    router.add("GET", "/visits/ids", ids, roles=VISIT_ROLES)
    router.add("GET", "/visits/rooms/usage-count", rooms, roles=VISIT_ROLES)
    router.add("GET", "/visits/{visitId}", one, roles=VISIT_ROLES)
    return router


def _filter(query: Query) -> VisitFilter:
    return VisitFilter(
        prisons=query.texts("prisonIds"),
        types=query.codes("visitTypes", tuple(TYPES)),
        created_from=query.moment("fromDateTime"),
        created_to=query.moment("toDateTime"),
    )
