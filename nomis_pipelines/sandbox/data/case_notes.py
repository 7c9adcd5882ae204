"""Case notes of NOMIS on generated bookings: functions of the world and a booking, like the alerts.

A note's id tells its booking. The last booking of somebody who had one before begins with copies of notes of the one
before, as merges used to make them; here and there a note was entered twice.
"""

from datetime import datetime, time, timedelta
from typing import Any, NamedTuple

from nomis_pipelines.sandbox.data.alerts import FIRST_BOOKING, AlertData
from nomis_pipelines.sandbox.data.people import full_name
from nomis_pipelines.sandbox.data.prisons import PRISONS
from nomis_pipelines.sandbox.data.world import World, draws

FIRST_NOTE = 40_000_000
MOST_A_BOOKING = 128
MOST_COPIES = 3
COPIED = "MERGE"
FROM_DPS = "DPS_SYNCHRONISATION_CASENOTES"
SCREEN = "OIDCNOTE"

Note = dict[str, Any]


class Kind(NamedTuple):
    """A type with one of its sub-types."""

    type: str
    type_description: str
    sub_type: str
    sub_type_description: str


KINDS = (
    Kind("GEN", "General", "OSE", "Offender supervisor entry"),
    Kind("GEN", "General", "HIS", "History sheet entry"),
    Kind("KA", "Key worker activity", "KS", "Key worker session"),
    Kind("KA", "Key worker activity", "KE", "Key worker entry"),
    Kind("POS", "Positive behaviour", "IEP_ENC", "Incentive encouragement"),
    Kind("NEG", "Negative behaviour", "IEP_WARN", "Incentive warning"),
    Kind("ALERT", "Alert", "ACTIVE", "Made active"),
    Kind("CNOTE", "Case note", "OUTCOME", "Outcome"),
)
"""The last one DPS does not know; it is drawn once in a great while."""
_COUNTS = (0, 1, 2, 4, 6, 9, 12, 15, 18, 22, 26, 30, 36, 42, 60, 90)
_TEXTS = (
    "Settled in well", "Spoke about work in the gardens", "Late for work twice this week",
    "Asked for a move nearer to his family —\r\nform handed over", "Key worker session: nothing to add",
    "Cell kept tidy",
)  # fmt: skip
_ADDED = ("Typo fixed", "See wing log", "Spoke again the day after")


class CaseNoteData:
    """The generated notes, whatever has been changed since left aside."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._bookings = AlertData(world)

    def booking_of(self, note_id: int) -> int:
        """The booking that a generated note would be on."""
        return FIRST_BOOKING + (note_id - FIRST_NOTE) // MOST_A_BOOKING

    def note(self, note_id: int) -> Note | None:
        """One generated note; None for none."""
        return next((note for note in self.notes(self.booking_of(note_id)) if note["caseNoteId"] == note_id), None)

    def notes(self, booking_id: int) -> list[Note]:
        """The notes of a generated booking as NOMIS gives them (case notes card, section 3), nulls left out."""
        prisoner = self._bookings.owner(booking_id)
        if prisoner is None:
            return []
        copies: list[Note] = []
        bookings = self._bookings.bookings(prisoner)
        if len(bookings) > 1 and booking_id == bookings[-1]:
            first, made = _id(booking_id, 0), datetime.combine(self._world.since, time(3))
            copies = [
                copied(note, first + place, booking_id, made)
                for place, note in enumerate(self._own(booking_id - 1)[:MOST_COPIES])
            ]
        return copies + self._own(booking_id)

    def _own(self, booking_id: int) -> list[Note]:
        count = _COUNTS[draws(self._world.key, b"notes", booking_id)[0] % len(_COUNTS)]
        notes: list[Note] = []
        for place in range(MOST_COPIES, MOST_COPIES + count):
            note_id = _id(booking_id, place)
            drawn = draws(self._world.key, b"note", note_id)
            twice = bool(notes) and drawn[0] % 37 == 0
            notes.append(notes[-1] | {"caseNoteId": note_id} if twice else self._note(note_id, booking_id, drawn))
        return notes

    def _note(self, note_id: int, booking_id: int, drawn: tuple[int, ...]) -> Note:
        day = self._world.since + timedelta(days=drawn[1] % (self._world.until - self._world.since).days)
        written = datetime.combine(day, time(7 + drawn[2] % 13, drawn[3] % 60, drawn[4] % 60))
        kind = KINDS[-1] if drawn[5] % 401 == 0 else KINDS[drawn[5] % (len(KINDS) - 1)]
        by_dps = drawn[6] % 6 == 0
        prison = None if drawn[7] % 211 == 0 else tuple(PRISONS)[drawn[7] % len(PRISONS)]
        return {
            "caseNoteId": note_id,
            "bookingId": booking_id,
            **coded(kind),
            "noteSourceCode": "AUTO" if kind.type == "ALERT" else "EXT" if drawn[8] % 9 == 0 else "INST",
            "occurrenceDateTime": (written - timedelta(minutes=drawn[9] % 90)).isoformat(),
            "creationDateTime": written.isoformat(),
            "createdDatetime": written.isoformat(),
            **written_by(drawn[10] % 400, drawn[11] % 23),
            **({} if prison is None else {"prisonId": prison}),
            "caseNoteText": _TEXTS[drawn[12] % len(_TEXTS)],
            "amendments": [_amendment(written, drawn[14 + which], which) for which in range(_amended(drawn[13]))],
            "auditModuleName": FROM_DPS if by_dps else SCREEN,
            "sourceSystem": "DPS" if by_dps else "NOMIS",
        }


def coded(kind: Kind) -> Note:
    """Type and sub-type of a note."""
    return {
        "caseNoteType": {"code": kind.type, "description": kind.type_description},
        "caseNoteSubType": {"code": kind.sub_type, "description": kind.sub_type_description},
    }


def written_by(staff: int, which: int = 0) -> Note:
    """Who wrote a note."""
    first, _, last = full_name(staff).upper().partition(" ")
    username = f"{last[:5]}{staff}_GEN"
    return {
        "authorStaffId": 480_000 + staff,
        "authorUsername": username,
        **({} if which == 7 else {"authorFirstName": first}),
        "authorLastName": last,
        "createdUsername": username,
    }


def copied(note: Note, note_id: int, booking_id: int, made: datetime) -> Note:
    """A note as a merge copies it to another booking."""
    return note | {
        "caseNoteId": note_id,
        "bookingId": booking_id,
        "createdDatetime": made.isoformat(timespec="seconds"),
        "auditModuleName": COPIED,
    }


def _id(booking_id: int, place: int) -> int:
    return FIRST_NOTE + (booking_id - FIRST_BOOKING) * MOST_A_BOOKING + place


def _amended(drawn: int) -> int:
    return (0, 0, 0, 0, 0, 0, 1, 2)[drawn % 8]


def _amendment(written: datetime, drawn: int, which: int) -> Note:
    known = {"authorStaffId": 480_000 + drawn % 400, "authorFirstName": "ANNE", "authorLastName": "OTHER"}
    return {
        "text": _ADDED[drawn % len(_ADDED)],
        "authorUsername": f"AOTHER{drawn % 90}_GEN",
        **({} if drawn % 11 == 0 else known),
        "createdDateTime": (written + timedelta(hours=1 + which, minutes=drawn % 50)).isoformat(),
        "sourceSystem": "DPS" if drawn % 5 == 0 else "NOMIS",
    }
