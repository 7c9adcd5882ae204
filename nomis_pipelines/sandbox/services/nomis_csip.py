"""NOMIS: CSIP reports (CSIP card, section 3)."""

from nomis_pipelines.sandbox.answers import Answer, classic_page, json_answer, not_found
from nomis_pipelines.sandbox.reading import Query, path_integer
from nomis_pipelines.sandbox.routing import Request, Router
from nomis_pipelines.sandbox.stores.nomis_csip import NomisCsip
from nomis_pipelines.sandbox.tokens import CSIP_ROLES, NOMIS_ROLES

ROLES = NOMIS_ROLES | CSIP_ROLES


def add_csip(router: Router, reports: NomisCsip) -> None:
    """Serve `/csip`."""

    def ids(request: Request) -> Answer:
        query = Query(request)
        number, size = query.page()
        found, total = reports.page(query.day("fromDate"), query.day("toDate"), number * size, size)
        content = [b'{"csipId":%d}' % report for report in found]
        return classic_page(content, total=total, number=number, size=size)

    def one(request: Request) -> Answer:
        number = path_integer("csipId", request.parameters[0])
        report = reports.get(number)
        return not_found(f"CSIP with id {number} not found") if report is None else json_answer(report)

    def of_booking(request: Request) -> Answer:
        booking_id = path_integer("bookingId", request.parameters[0])
        found = reports.of_booking(booking_id)
        if found is None:
            return not_found(f"Booking with id {booking_id} not found")
        return json_answer([{"csipId": number} for number in found])

    router.add("GET", "/csip/ids", ids, roles=ROLES)
    router.add("GET", "/csip/{csipId}", one, roles=ROLES)
    router.add("GET", "/csip/booking/{bookingId}", of_booking, roles=ROLES)
