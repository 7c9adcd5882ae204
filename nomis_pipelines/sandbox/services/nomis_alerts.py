"""NOMIS: prisoners and their alerts (alerts card, section 3)."""

from nomis_pipelines.sandbox.answers import Answer, classic_page, json_answer, not_found
from nomis_pipelines.sandbox.reading import Query, path_integer
from nomis_pipelines.sandbox.routing import Request, Router
from nomis_pipelines.sandbox.stores.nomis_alerts import NomisAlerts
from nomis_pipelines.sandbox.tokens import ALERTS_2024_ROLES, NOMIS_ROLES

ROLES = NOMIS_ROLES | ALERTS_2024_ROLES


def add_alerts(router: Router, alerts: NomisAlerts) -> None:
    """Serve prisoners and their alerts."""

    def ids(request: Request) -> Answer:
        number, size = Query(request).page()
        prisoners, total = alerts.prisoners(number * size, size)
        content = [b'{"offenderNo":"%s"}' % prisoner.encode() for prisoner in prisoners]
        return classic_page(content, total=total, number=number, size=size)

    def details(request: Request) -> Answer:
        found = alerts.prisoner(request.parameters[0])
        return not_found(f"Prisoner {request.parameters[0]} not found") if found is None else json_answer(found)

    def latest(request: Request) -> Answer:
        found = alerts.latest(request.parameters[0])
        if found is None:
            return not_found(f"Prisoner with offender no {request.parameters[0]} not found with any bookings")
        return json_answer({"latestBookingAlerts": found})

    def one(request: Request) -> Answer:
        booking_id = path_integer("bookingId", request.parameters[0])
        sequence = path_integer("alertSequence", request.parameters[1])
        found = alerts.get((booking_id, sequence))
        if found is None:
            return not_found(f"Alert not found for {booking_id} and {sequence}")
        return json_answer(found)

    router.add("GET", "/prisoners/ids/all", ids, roles=ROLES)
    router.add("GET", "/prisoners/{offenderNo}", details, roles=ROLES)
    router.add("GET", "/prisoners/{offenderNo}/alerts/to-migrate", latest, roles=ROLES)
    router.add("GET", "/prisoners/booking-id/{bookingId}/alerts/{alertSequence}", one, roles=ROLES)
