"""The worked examples of the appointments card, section 10, and the services that answer as they say."""

from typing import Any
from uuid import UUID

import respx

from nomis_pipelines.contracts.nomis_prisoner import Appointment
from nomis_pipelines.domains.appointments.transform import AppointmentRecord
from nomis_pipelines_tests import world

EVENT, ROOM, DPS_ID = 450099871, 77045, 880012
LOCATION = UUID("0d9f2c51-8a1e-4f57-9c0b-2a6f1f4e7d33")
FILTER: dict[str, Any] = {"prisonIds": ["LNI"], "fromDate": "2026-10-05", "toDate": "2026-12-31"}
EXAMPLE_A: dict[str, Any] = {
    "eventId": EVENT, "bookingId": 1182001, "offenderNo": "A4321BC", "prisonId": "LNI", "internalLocation": ROOM,
    "startDateTime": "2026-10-07T14:05:00", "endDateTime": "2026-10-07T14:50:30", "comment": "Bring glasses",
    "subtype": "MEOP", "status": "SCH", "createdDate": "2026-09-12T16:20:31.998877", "createdBy": "QWE12A",
    "modifiedDate": "2026-09-14T08:00:00", "modifiedBy": "RTY34B",
}  # fmt: skip
EXAMPLE_A_BODY = (
    '{"prisonCode":"LNI","prisonerNumber":"A4321BC","bookingId":1182001,"categoryCode":"MEOP",'
    '"dpsLocationId":"0d9f2c51-8a1e-4f57-9c0b-2a6f1f4e7d33","startDate":"2026-10-07","startTime":"14:05",'
    '"endTime":"14:50","comment":"Bring glasses","isCancelled":false,"created":"2026-09-12T16:20:31",'
    '"createdBy":"QWE12A","updated":"2026-09-14T08:00:00","updatedBy":"RTY34B"}'
)
EXAMPLE_B = {
    name: value
    for name, value in {**EXAMPLE_A, "status": "CANC"}.items()
    if name not in {"endDateTime", "comment", "modifiedDate", "modifiedBy"}
}


def record(**fields: Any) -> AppointmentRecord:
    """Example A with other fields; None takes one away, as NOMIS leaves out its nulls."""
    return AppointmentRecord(Appointment.model_validate({**EXAMPLE_A, **fields}), LOCATION)


def services(appointment: dict[str, Any] = EXAMPLE_A) -> None:
    """NOMIS lists and has one appointment; it is not mapped, its room is; DPS takes it, and so does the mapping
    service."""
    event = appointment["eventId"]
    respx.get(f"{world.NOMIS}/appointments/ids").respond(
        json={"content": [{"eventId": event}], "totalElements": 1, "size": 2000}
    )
    respx.get(f"{world.NOMIS}/appointments/{event}").respond(json=appointment)
    respx.get(f"{world.MAPPING}/mapping/appointments/nomis-event-id/{event}").respond(404)
    respx.get(f"{world.MAPPING}/api/locations/nomis/{ROOM}").respond(
        json={"dpsLocationId": str(LOCATION), "nomisLocationId": ROOM}
    )
    respx.post(f"{world.ACTIVITIES}/migrate-appointment").respond(201, json={"id": DPS_ID, "inCell": False})
    respx.post(f"{world.MAPPING}/mapping/appointments").respond(201)
