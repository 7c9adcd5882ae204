"""NOMIS appointment to the request of the appointments service: pure rules (appointments card, section 6)."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from nomis_pipelines.contracts.activities import AppointmentMigrateRequest
from nomis_pipelines.contracts.nomis_prisoner import Appointment
from nomis_pipelines.migration.declaration import Failed, Rejected

CANCELLED = "CANC"


@dataclass(frozen=True, slots=True)
class AppointmentRecord:
    """An appointment with the DPS id of its room; None when it has no room, or one that is not mapped."""

    appointment: Appointment
    dps_location_id: UUID | None = None


def transform(record: AppointmentRecord) -> AppointmentMigrateRequest:
    """The whole request.

    Raises `Rejected` for an appointment without a room or a start, `Failed` for one whose room is not mapped (yet).
    """
    appointment = record.appointment
    event = appointment.event_id
    if appointment.internal_location is None:
        raise Rejected("no-internal-location", eventId=event)
    if record.dps_location_id is None:
        place = appointment.internal_location
        raise Failed("no-location-mapping", f"appointment {event}: location {place} has no mapping: migrate locations")
    start, end = appointment.start_date_time, appointment.end_date_time
    if start is None:
        raise Rejected("no-start-date-time", eventId=event)
    return AppointmentMigrateRequest(
        prison_code=appointment.prison_id,
        prisoner_number=appointment.offender_no,
        booking_id=appointment.booking_id,
        category_code=appointment.subtype,
        dps_location_id=record.dps_location_id,
        start_date=start.date(),
        start_time=hours_and_minutes(start),
        end_time=hours_and_minutes(end) if end is not None else None,
        comment=appointment.comment,
        is_cancelled=appointment.status == CANCELLED,
        created=to_second(appointment.created_date),
        created_by=appointment.created_by,
        updated=to_second(appointment.modified_date) if appointment.modified_date is not None else None,
        updated_by=appointment.modified_by,
    )


def hours_and_minutes(moment: datetime) -> str:
    """`HH:mm`, seconds dropped."""
    return f"{moment:%H:%M}"


def to_second(moment: datetime) -> datetime:
    """With the fraction of a second cut off, not rounded."""
    return moment.replace(microsecond=0)
