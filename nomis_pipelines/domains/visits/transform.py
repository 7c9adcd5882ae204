"""NOMIS visit to visit scheduler request: pure rules (visits card, sections 5 and 6)."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from nomis_pipelines.contracts.nomis_prisoner import Visit
from nomis_pipelines.contracts.visit_scheduler import (
    LegacyData,
    MigrateVisitRequest,
    NomisPerson,
    OutcomeStatus,
    VisitContact,
    VisitNote,
    VisitNoteType,
)
from nomis_pipelines.migration.declaration import Rejected

HEWELL = "HEI"
UNKNOWN = "UNKNOWN"

VISIT_TYPES = {"SCON": "SOCIAL", "OFFI": "OFFICIAL"}

OUTCOME_OF_OUTCOME: dict[str, OutcomeStatus] = {
    "ADMIN": "ADMINISTRATIVE_CANCELLATION",
    "ADMIN_CANCEL": "ADMINISTRATIVE_CANCELLATION",
    "HMP": "ESTABLISHMENT_CANCELLED",
    "NO_ID": "VISITOR_FAILED_SECURITY_CHECKS",
    "NO_VO": "NO_VISITING_ORDER",
    "NSHOW": "VISITOR_DID_NOT_ARRIVE",
    "OFFCANC": "PRISONER_CANCELLED",
    "REFUSED": "PRISONER_REFUSED_TO_ATTEND",
    "VISCANC": "VISITOR_CANCELLED",
    "VO_CANCEL": "VISIT_ORDER_CANCELLED",
    "BATCH_CANC": "BATCH_CANCELLATION",
}

OUTCOME_OF_STATUS: dict[str, OutcomeStatus | None] = {
    "CANC": "CANCELLATION",
    "HMPOP": "TERMINATED_BY_STAFF",
    "OFFEND": "PRISONER_COMPLETED_EARLY",
    "VISITOR": "VISITOR_COMPLETED_EARLY",
    "VDE": "VISITOR_DECLINED_ENTRY",
    "NORM": "COMPLETED_NORMALLY",
    "SCH": None,
    "EXP": None,
    "COMP": None,
}


@dataclass(frozen=True, slots=True)
class VisitRecord:
    """A visit with what else its transform needs: the visit scheduler's room, when one was looked up and found."""

    visit: Visit
    room: str | None = None
    room_open: bool = False


def is_future(visit: Visit, today: date) -> bool:
    """A visit of today or later."""
    return visit.start_date_time.date() >= today


def is_erroneous_future(visit: Visit, today: date) -> bool:
    """A visit more than a year ahead: a slip of the keyboard, whose room is treated as a past visit's."""
    try:
        year_ahead = today.replace(year=today.year + 1)
    except ValueError:
        year_ahead = date(today.year + 1, 2, 28)
    return visit.start_date_time.date() > year_ahead


def needs_room(visit: Visit, today: date) -> bool:
    """Whether the visit must take place in a room that the visit scheduler knows."""
    return is_future(visit, today) and not is_erroneous_future(visit, today)


def outcome_of(visit: Visit) -> OutcomeStatus | None:
    """The visit scheduler's outcome; None where it has none. Raises `Rejected` for an unknown code."""
    if visit.visit_outcome is not None:
        code = visit.visit_outcome.code
        if code not in OUTCOME_OF_OUTCOME:
            raise Rejected("unknown-visit-outcome", visitId=visit.visit_id, code=code)
        return OUTCOME_OF_OUTCOME[code]
    code = visit.visit_status.code
    if code not in OUTCOME_OF_STATUS:
        raise Rejected("unknown-visit-status", visitId=visit.visit_id, code=code)
    return OUTCOME_OF_STATUS[code]


def room_of(record: VisitRecord, today: date) -> tuple[str, str]:
    """Room and restriction. Raises `Rejected` when the room must be known and is not."""
    location = record.visit.agency_internal_location
    if not needs_room(record.visit, today):
        return (location.description if location is not None else UNKNOWN), UNKNOWN
    if record.room is None:
        raise Rejected(
            "no-room-mapping",
            visitId=record.visit.visit_id,
            prisonId=record.visit.prison_id,
            room=location.description if location is not None else None,
        )
    return record.room, "OPEN" if record.room_open else "CLOSED"


def times_of(visit: Visit, today: date) -> tuple[datetime, datetime]:
    """Start and end to the second; Hewell's future visits have two fixed sessions, chosen by NOMIS's start."""
    start, end = visit.start_date_time, visit.end_date_time
    if visit.prison_id == HEWELL and is_future(visit, today):
        first, last = (time(9), time(10)) if start.time() < time(12) else (time(13, 45), time(14, 45))
        start, end = datetime.combine(start.date(), first), datetime.combine(end.date(), last)
    return to_second(start), to_second(end)


def notes_of(visit: Visit, today: date) -> list[VisitNote]:
    """Comments, for future visits only; an empty text is a note too."""
    if not is_future(visit, today):
        return []
    texts: tuple[tuple[VisitNoteType, str | None], ...] = (
        ("VISIT_COMMENT", visit.comment_text),
        ("VISITOR_CONCERN", visit.visitor_concern_text),
    )
    return [VisitNote(type=kind, text=text) for kind, text in texts if text is not None]


def to_second(moment: datetime) -> datetime:
    """Without fractions of a second."""
    return moment - timedelta(microseconds=moment.microsecond)


def transform(record: VisitRecord, today: date) -> MigrateVisitRequest:
    """The whole request. Raises `Rejected`; a visit without a room is rejected for that before anything else."""
    visit = record.visit
    room, restriction = room_of(record, today)
    kind = VISIT_TYPES.get(visit.visit_type.code)
    if kind is None:
        raise Rejected("unknown-visit-type", visitId=visit.visit_id, code=visit.visit_type.code)
    start, end = times_of(visit, today)
    people = [visitor.person_id for visitor in visit.visitors]
    lead = visit.lead_visitor
    values: dict[str, Any] = {
        "actioned_by": visit.create_user_id if visit.modify_user_id is None else visit.modify_user_id,
        "prisoner_id": visit.offender_no,
        "prison_id": visit.prison_id,
        "start_timestamp": start,
        "end_timestamp": end,
        "visit_type": kind,
        "visit_status": "CANCELLED" if visit.visit_status.code == "CANC" else "BOOKED",
        "outcome_status": outcome_of(visit),
        "visit_room": room,
        "visit_restriction": restriction,
        "contact_list": [NomisPerson(nomis_person_id=person) for person in people],
        "visitors": [NomisPerson(nomis_person_id=person) for person in dict.fromkeys(people)],
        "legacy_data": LegacyData(lead_visitor_id=lead.person_id) if lead is not None else None,
        "visit_contact": contact_of(visit),
        "visit_notes": notes_of(visit, today),
        "create_date_time": to_second(visit.when_created),
        "modify_date_time": to_second(visit.when_updated) if visit.when_updated is not None else None,
    }
    return MigrateVisitRequest(**values)


def contact_of(visit: Visit) -> VisitContact | None:
    """The lead visitor's name and latest telephone."""
    lead = visit.lead_visitor
    if lead is None:
        return None
    return VisitContact(name=lead.full_name, telephone=lead.telephones[0] if lead.telephones else None)
