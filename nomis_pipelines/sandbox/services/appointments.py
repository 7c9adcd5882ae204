"""Appointments in the sandbox: NOMIS's, and the service that takes them (their card)."""

from pydantic import TypeAdapter

from nomis_pipelines.contracts.activities import AppointmentMigrateRequest
from nomis_pipelines.sandbox.answers import CREATED, Answer, bad_request, classic_page, error, json_answer, not_found
from nomis_pipelines.sandbox.data.appointments import AppointmentData, AppointmentFilter
from nomis_pipelines.sandbox.reading import Query, check_length, path_integer, read_body
from nomis_pipelines.sandbox.routing import Request, Router
from nomis_pipelines.sandbox.stores.dps_appointments import DpsAppointments
from nomis_pipelines.sandbox.tokens import APPOINTMENTS_2024_ROLES, NOMIS_ROLES

_APPOINTMENT = TypeAdapter(AppointmentMigrateRequest)


def add_to_nomis(router: Router, data: AppointmentData) -> None:
    """Serve the appointments of NOMIS (section 3)."""

    def ids(request: Request) -> Answer:
        query = Query(request)
        number, size = query.page(default_size=10)
        prisons = query.texts("prisonIds")
        if not prisons:
            return bad_request("Required parameter 'prisonIds' is not present.")
        found = data.select(AppointmentFilter(prisons=prisons, first=query.day("fromDate"), last=query.day("toDate")))
        content = [b'{"eventId":%d}' % event for event in found[number * size : (number + 1) * size]]
        return classic_page(content, total=len(found), number=number, size=size)

    def one(request: Request) -> Answer:
        event = path_integer("eventId", request.parameters[0])
        appointment = data.appointment(event)
        return not_found(f"Appointment {event} not found") if appointment is None else json_answer(appointment)

    roles = NOMIS_ROLES | APPOINTMENTS_2024_ROLES
    router.add("GET", "/appointments/ids", ids, roles=roles)
    router.add("GET", "/appointments/{eventId}", one, roles=roles)


def add_to_dps(router: Router, appointments: DpsAppointments) -> None:
    """Serve the appointments service (section 4)."""

    def migrate(request: Request) -> Answer:
        body = read_body(_APPOINTMENT, request)
        if body.prison_code is None:
            return error(400, "Validation failure", "prisonCode: must be supplied")
        check_length("createdBy", body.created_by, 100)
        number = appointments.add(request.body, body)
        if number is None:
            return CREATED
        return json_answer({"id": number, "appointmentType": "INDIVIDUAL", "prisonCode": body.prison_code}, 201)

    router.add("POST", "/migrate-appointment", migrate, roles=APPOINTMENTS_2024_ROLES)
