"""The appointments of NOMIS: functions of the world and an id, like the visits, with the rooms they take place in.

One for two visits. Ids follow creation; the day of an appointment, by which NOMIS lists it, does not, so the days are
worked out once.
"""

from array import array
from bisect import bisect_left
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property, lru_cache
from typing import Any

from nomis_pipelines.sandbox.data.people import offender_no
from nomis_pipelines.sandbox.data.prisons import PRISONS
from nomis_pipelines.sandbox.data.world import Timeline, World, draws

FIRST_EVENT = 450_000_001
FIRST_ROOM = 900_001
ROOMS_A_PRISON = 8
VISITS_AN_APPOINTMENT = 2
UNMAPPED_PRISONS = ("SLI", "EWI", "MDI")
"""Here the last room is in no mapping."""

SUBTYPES = ("MEOP", "MEDE", "MEDO", "CHAP", "GYMW", "LACO", "OIC", "VLB", "ACTI", "EDUC", "IMM", "PROB")
_STARTS = tuple(time(h, m) for h, m in ((8, 30), (9, 0), (9, 15), (10, 30), (13, 30), (14, 5), (15, 0), (16, 20)))
_MINUTES = (15, 20, 30, 30, 45, 60, 60, 120)
_PAST = ("COMP",) * 8 + ("EXP", "EXP", "SCH", "CANC", "CANC")
_FUTURE = ("SCH",) * 7 + ("CANC",)
_COMMENTS = ("Bring glasses", "Escort needed", "", "Second attempt — first one missed", "Interpreter booked", "Fasting")
_USERS = tuple(f"{a}{b}_GEN" for a, b in ("AB", "CD", "EF", "GH", "KL", "MN", "PQ", "RS", "TU", "WX"))

Appointment = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class AppointmentFilter:
    """What `/appointments/ids` can be asked for: prisons, and the day of the appointment, both ends included."""

    prisons: frozenset[str]
    first: date | None = None
    last: date | None = None


class AppointmentData:
    """All appointments of a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.count = max(20, world.visits // VISITS_AN_APPOINTMENT)
        self.timeline = Timeline(world, self.count)
        self.prisoners = max(500, world.visits // 12)
        self.select = lru_cache(maxsize=256)(self._select)

    @cached_property
    def _prisons(self) -> tuple[str, ...]:
        return tuple(code for code, prison in PRISONS.items() for _ in range(prison.weight))

    @cached_property
    def _by_prison(self) -> "dict[str, tuple[array[int], array[int]]]":
        """Numbers of a prison's appointments and their days (ordinals), in the order of the days."""
        rows: dict[str, list[tuple[int, int]]] = {code: [] for code in PRISONS}
        for number in range(1, self.count + 1):
            drawn = self._draw(number)
            rows[self._prison(drawn)].append((self._start(number, drawn).toordinal(), number))
        sorted_rows = {code: sorted(found) for code, found in rows.items()}
        return {
            code: (array("q", (number for _, number in found)), array("q", (day for day, _ in found)))
            for code, found in sorted_rows.items()
        }

    def _select(self, wanted: AppointmentFilter) -> tuple[int, ...]:
        """The event ids of one filter, lowest first."""
        found: list[int] = []
        for code in wanted.prisons & PRISONS.keys():
            numbers, days = self._by_prison[code]
            first = 0 if wanted.first is None else bisect_left(days, wanted.first.toordinal())
            last = len(days) if wanted.last is None else bisect_left(days, wanted.last.toordinal() + 1)
            found += numbers[first:last]
        return tuple(FIRST_EVENT - 1 + number for number in sorted(found))

    def find(self, prisoner: str, created: datetime) -> int | None:
        """The appointment that a copy was made of, known by its creation (to the second) and its prisoner."""
        number = self.timeline.find_second(created)
        if number is None or self._prisoner(self._draw(number)) != prisoner:
            return None
        return FIRST_EVENT - 1 + number

    def appointment(self, event: int) -> Appointment | None:
        """An appointment as NOMIS gives it (appointments card, section 3), nulls left out; None for none."""
        number = event - FIRST_EVENT + 1
        if not 1 <= number <= self.count:
            return None
        drawn = self._draw(number)
        created, start, prison = self.timeline.created(number), self._start(number, drawn), self._prison(drawn)
        past = start.date() < self.world.until
        statuses = _PAST if past else _FUTURE
        appointment: Appointment = {
            "eventId": event,
            "bookingId": 1_500_000 + self._prisoner_number(drawn),
            "offenderNo": self._prisoner(drawn),
            "prisonId": prison,
            "startDateTime": start.isoformat(timespec="seconds"),
            "subtype": SUBTYPES[drawn[8] % len(SUBTYPES)],
            "status": statuses[drawn[9] % len(statuses)],
            "createdDate": created.isoformat(),
            "createdBy": _USERS[drawn[10] % len(_USERS)],
        }
        if drawn[11] % 200:
            appointment["internalLocation"] = room_id(prison, drawn[12] % ROOMS_A_PRISON)
        if drawn[13] % 10 < 8:
            end = start + timedelta(minutes=_MINUTES[drawn[14] % len(_MINUTES)], seconds=30 * (drawn[15] % 20 == 0))
            appointment["endDateTime"] = end.isoformat(timespec="seconds")
        if drawn[16] % 10 < 4:
            appointment["comment"] = _COMMENTS[drawn[17] % len(_COMMENTS)]
        if drawn[18] % 10 < 5:
            changed = created + timedelta(minutes=1 + drawn[19] % 3000, microseconds=drawn[20] * 15)
            appointment |= {"modifiedDate": changed.isoformat(), "modifiedBy": _USERS[drawn[21] % len(_USERS)]}
        return appointment

    def _draw(self, number: int) -> tuple[int, ...]:
        return draws(self.world.key, b"appoint", number)

    def _prison(self, drawn: tuple[int, ...]) -> str:
        return self._prisons[drawn[0] % len(self._prisons)]

    def _prisoner_number(self, drawn: tuple[int, ...]) -> int:
        return (drawn[1] | drawn[2] << 16) % self.prisoners

    def _prisoner(self, drawn: tuple[int, ...]) -> str:
        return offender_no(self._prisoner_number(drawn))

    def _start(self, number: int, drawn: tuple[int, ...]) -> datetime:
        days = drawn[3] % 21 if drawn[4] % 8 else 21 + drawn[3] % 200
        return datetime.combine(
            self.timeline.created(number).date() + timedelta(days=days), _STARTS[drawn[5] % len(_STARTS)]
        )


def room_id(prison: str, which: int) -> int:
    """The NOMIS id of a prison's room (from 0)."""
    return FIRST_ROOM + list(PRISONS).index(prison) * ROOMS_A_PRISON + which


def is_mapped_room(room: int) -> bool:
    """Whether this is a room of appointments, and in the mapping service from the beginning."""
    place, which = divmod(room - FIRST_ROOM, ROOMS_A_PRISON)
    if not 0 <= place < len(PRISONS):
        return False
    return which < ROOMS_A_PRISON - 1 or list(PRISONS)[place] not in UNMAPPED_PRISONS
