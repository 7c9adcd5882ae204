"""NOMIS: visits, adjustments and locations (section 3 of their cards)."""

from pydantic_core import to_json

from nomis_pipelines.sandbox.answers import Answer, classic_page, json_answer, not_found
from nomis_pipelines.sandbox.data.adjustments import KEY_DATE, SENTENCE
from nomis_pipelines.sandbox.data.visits import TYPES, VisitFilter
from nomis_pipelines.sandbox.reading import Query, path_integer
from nomis_pipelines.sandbox.routing import Handler, Request, Router
from nomis_pipelines.sandbox.services import add_health
from nomis_pipelines.sandbox.stores.nomis_adjustments import NomisAdjustments
from nomis_pipelines.sandbox.stores.nomis_locations import NomisLocations
from nomis_pipelines.sandbox.stores.nomis_visits import NomisVisits
from nomis_pipelines.sandbox.tokens import (
    LOCATIONS_2024_ROLES,
    NOMIS_ROLES,
    SENTENCING_2024_ROLES,
    VISITS_2024_ROLES,
)

VISIT_ROLES = NOMIS_ROLES | VISITS_2024_ROLES
ADJUSTMENT_ROLES = NOMIS_ROLES | SENTENCING_2024_ROLES
LOCATION_ROLES = NOMIS_ROLES | LOCATIONS_2024_ROLES


def build(visits: NomisVisits, adjustments: NomisAdjustments, locations: NomisLocations) -> Router:
    """The routing table of NOMIS."""
    router = Router()
    add_health(router)
    _add_visits(router, visits)
    _add_adjustments(router, adjustments)
    _add_locations(router, locations)
    return router


def _add_visits(router: Router, visits: NomisVisits) -> None:

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


def _add_adjustments(router: Router, adjustments: NomisAdjustments) -> None:
    def ids(request: Request) -> Answer:
        query = Query(request)
        number, size = query.page()
        keys, total = adjustments.page(query.day("fromDate"), query.day("toDate"), number * size, size)
        content = [b'{"adjustmentId":%d,"adjustmentCategory":"%s"}' % (key[1], key[0].encode()) for key in keys]
        return classic_page(content, total=total, number=number, size=size)

    def one(category: str) -> Handler:
        def find(request: Request) -> Answer:
            number = path_integer("adjustmentId", request.parameters[0])
            adjustment = adjustments.get((category, number))
            if adjustment is None:
                return not_found(f"{category} adjustment with id {number} not found")
            return json_answer(adjustment)

        return find

    def of_booking(request: Request) -> Answer:
        booking = path_integer("bookingId", request.parameters[0])
        query = Query(request)
        found = adjustments.of_booking(booking)
        if found is None:
            return not_found(f"Booking with id {booking} not found")
        active_only = query.flag("active-only", True)
        sentences, key_dates = ([row for row in rows if row["active"] or not active_only] for rows in found)
        return json_answer({"sentenceAdjustments": sentences, "keyDateAdjustments": key_dates})

    router.add("GET", "/adjustments/ids", ids, roles=ADJUSTMENT_ROLES)
    router.add("GET", "/sentence-adjustments/{adjustmentId}", one(SENTENCE), roles=ADJUSTMENT_ROLES)
    router.add("GET", "/key-date-adjustments/{adjustmentId}", one(KEY_DATE), roles=ADJUSTMENT_ROLES)
    path = "/prisoners/booking-id/{bookingId}/sentencing-adjustments"
    router.add("GET", path, of_booking, roles=ADJUSTMENT_ROLES)


def _add_locations(router: Router, locations: NomisLocations) -> None:
    def ids(request: Request) -> Answer:
        number, size = Query(request).page(default_size=10)
        found, total = locations.page(number * size, size)
        return classic_page([b'{"locationId":%d}' % each for each in found], total=total, number=number, size=size)

    def one(request: Request) -> Answer:
        number = path_integer("locationId", request.parameters[0])
        location = locations.get(number)
        return not_found(f"Location with id={number} does not exist") if location is None else json_answer(location)

    router.add("GET", "/locations/ids", ids, roles=LOCATION_ROLES)
    router.add("GET", "/locations/{locationId}", one, roles=LOCATION_ROLES)


def _filter(query: Query) -> VisitFilter:
    return VisitFilter(
        prisons=query.texts("prisonIds"),
        types=query.codes("visitTypes", tuple(TYPES)),
        created_from=query.moment("fromDateTime"),
        created_to=query.moment("toDateTime"),
    )
