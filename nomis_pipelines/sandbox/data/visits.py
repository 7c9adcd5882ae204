"""The visits of NOMIS: visit n is a function of the world and n; lists of them are arithmetic on a repeating cycle.

Prison and type of visit n come from a shuffled cycle of 1,000 places, so the k-th visit of some prisons and types
between two dates is found without looking at any other: a page costs the same however many visits there are.
"""

import random
from bisect import bisect_left
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property, lru_cache
from typing import Any

from nomis_pipelines.sandbox.data.people import full_name, offender_no, person_id, telephone
from nomis_pipelines.sandbox.data.prisons import PRISONS, Room
from nomis_pipelines.sandbox.data.world import Timeline, World, draws

CYCLE = 1000
OFFICIAL_IN_A_THOUSAND = 150

TYPES = {"SCON": "Social Contact", "OFFI": "Official Visit"}
STATUSES = {
    "SCH": "Scheduled", "CANC": "Cancelled", "NORM": "Normal Completion", "EXP": "Expired", "COMP": "Completed",
    "HMPOP": "Terminated By Staff", "OFFEND": "Offender Completed Early", "VISITOR": "Visitor Completed Early",
    "VDE": "Visitor Declined Entry", "TRANSF": "Transferred",
}  # fmt: skip
OUTCOMES = {
    "ADMIN": "Administrative Cancellation", "ADMIN_CANCEL": "Administrative Cancellation By NOMIS",
    "HMP": "Operational Reasons",
    "NO_ID": "No Identification", "NO_VO": "No Visiting Order", "NSHOW": "Visitor Did Not Arrive",
    "OFFCANC": "Offender Cancelled", "REFUSED": "Offender Refused Visit", "VISCANC": "Visitor Cancelled",
    "VO_CANCEL": "Visit Order Cancelled", "BATCH_CANC": "Batch Cancellation", "LOCKDOWN": "Lockdown",
}  # fmt: skip
KNOWN_OUTCOMES = tuple(code for code in OUTCOMES if code != "LOCKDOWN")
UNKNOWN_STATUS, UNKNOWN_OUTCOME = "TRANSF", "LOCKDOWN"  # codes that no table of the visits card knows
UNKNOWN_IN = 500  # one visit in so many has one of them
ERRONEOUS_IN = 100  # one in so many has a mistyped year
PAST_STATUSES = ("NORM",) * 12 + ("CANC",) * 5 + ("EXP", "COMP", "SCH", "HMPOP", "OFFEND", "VISITOR", "VDE")
FUTURE_STATUSES = ("SCH",) * 7 + ("CANC",)

_STARTS = tuple(time(h, m) for h, m in ((9, 0), (9, 30), (10, 15), (12, 0), (13, 30), (14, 0), (14, 30), (15, 45)))
_MINUTES = (30, 45, 60, 60, 90, 120, 120, 150)
_COMMENTS = (
    "Wheelchair access", "First visit", "Booked by telephone", "Birthday", "", "Visitor asks for a table near the door",
    "Two children under five", "Rebooked after cancellation — line 1\nline 2", "Please check the voucher",
    "Café not needed",
)  # fmt: skip
_CONCERNS = ("Needs interpreter", "Visitor uses oxygen", "Closed visit asked for by visitor", "")
_USERS = tuple(f"{a}{b}_GEN" for a, b in ("AB", "CD", "EF", "GH", "KL", "MN", "PQ", "RS", "TU", "WX"))

Visit = dict[str, Any]


def described(code: str, table: dict[str, str]) -> dict[str, str]:
    """A NOMIS code with its description."""
    return {"code": code, "description": table[code]}


@dataclass(frozen=True, kw_only=True)
class VisitFilter:
    """What `/visits/ids` can be asked for; empty means any. The dates are on creation and inclusive."""

    prisons: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    created_from: datetime | None = None
    created_to: datetime | None = None


@dataclass(frozen=True)
class VisitSelection:
    """The visits of one filter, in the order of creation: positions in the cycle, and the first and last number."""

    places: tuple[int, ...]
    before: int
    count: int

    def numbers(self, start: int, size: int) -> list[int]:
        """Up to `size` visit ids from the `start`-th (from 0) on."""
        places, length = self.places, len(self.places)
        first = self.before + start
        last = self.before + min(start + size, self.count)
        return [(rank // length) * CYCLE + places[rank % length] + 1 for rank in range(first, last)]


class VisitData:
    """All visits of a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.timeline = Timeline(world, world.visits)
        self.prisoners = max(500, world.visits // 12)
        self.select = lru_cache(maxsize=256)(self._select)

    @cached_property
    def cycle(self) -> tuple[tuple[str, str], ...]:
        """Prison and type of the visits 1 to 1,000, repeated for ever after."""
        cells: list[tuple[str, str]] = []
        for prison in PRISONS.values():
            official = round(prison.weight * OFFICIAL_IN_A_THOUSAND / 1000)
            cells += [(prison.code, "OFFI")] * official + [(prison.code, "SCON")] * (prison.weight - official)
        random.Random(self.world.seed).shuffle(cells)  # noqa: S311 - repeatable on purpose
        return tuple(cells)

    def _select(self, wanted: VisitFilter) -> VisitSelection:
        places = tuple(
            place
            for place, (prison, visit_type) in enumerate(self.cycle)
            if (not wanted.prisons or prison in wanted.prisons) and (not wanted.types or visit_type in wanted.types)
        )
        timeline = self.timeline
        first, end = 1, timeline.count + 1
        if wanted.created_from is not None:
            first = timeline.first_at_or_after(-(-(wanted.created_from - self.world.start) // _MILLISECOND))
        if wanted.created_to is not None:
            end = timeline.first_at_or_after(timeline.milliseconds(wanted.created_to) + 1)
        if not places or end <= first:
            return VisitSelection(places or (0,), 0, 0)
        before = _matches_up_to(places, first - 1)
        return VisitSelection(places, before, _matches_up_to(places, end - 1) - before)

    def prison_and_type(self, number: int) -> tuple[str, str]:
        """Prison and type code of a visit."""
        return self.cycle[(number - 1) % CYCLE]

    def exists(self, number: int) -> bool:
        """Whether there is a visit of this number."""
        return 1 <= number <= self.world.visits

    def prisoner(self, number: int) -> str:
        """The prison number on a visit."""
        return offender_no(self._prisoner(draws(self.world.key, b"visit", number)))

    def _prisoner(self, drawn: tuple[int, ...]) -> int:
        return (drawn[0] | drawn[1] << 16) % self.prisoners

    def find(self, prisoner: str, created: datetime) -> int | None:
        """The visit a copy was made of, known by its creation to the second and its prisoner."""
        number = self.timeline.find_second(created)
        return number if number is not None and self.prisoner(number) == prisoner else None

    def room(self, number: int) -> Room | None:
        """The room of a visit, None for the few that have none."""
        prison, visit_type = self.prison_and_type(number)
        return _room(prison, visit_type, draws(self.world.key, b"visit", number))

    def start(self, number: int) -> datetime:
        """When a visit begins: one day to two months after its creation, or in some far year by mistake."""
        return _start(self.timeline.created(number), self.world.until, draws(self.world.key, b"visit", number))

    def visit(self, number: int) -> Visit:
        """Visit `number` as NOMIS gives it (visits card, section 3), nulls left out."""
        drawn = draws(self.world.key, b"visit", number)
        prison, visit_type = self.prison_and_type(number)
        created = self.timeline.created(number)
        start = _start(created, self.world.until, drawn)
        prisoner = self._prisoner(drawn)
        visit: Visit = {
            "visitId": number,
            "offenderNo": offender_no(prisoner),
            "startDateTime": start.isoformat(),
            "endDateTime": (start + timedelta(minutes=_MINUTES[drawn[2] % len(_MINUTES)])).isoformat(),
            "prisonId": prison,
            "visitType": described(visit_type, TYPES),
            "createUserId": _USERS[drawn[3] % len(_USERS)],
            "whenCreated": created.isoformat(timespec="milliseconds" if created.microsecond else "seconds"),
        }
        _add_people(visit, prisoner, drawn)
        _add_outcome(visit, start.date() < self.world.until, drawn)
        _add_changes(visit, created, drawn)
        room = _room(prison, visit_type, drawn)
        if room is not None:
            visit["agencyInternalLocation"] = {"code": room.code, "description": room.description}
        if drawn[4] % 10 < 3:
            visit["commentText"] = _COMMENTS[drawn[5] % len(_COMMENTS)]
        if drawn[6] % 10 < 1:
            visit["visitorConcernText"] = _CONCERNS[drawn[7] % len(_CONCERNS)]
        return visit


_MILLISECOND = timedelta(milliseconds=1)


def _matches_up_to(places: tuple[int, ...], number: int) -> int:
    """How many of the visits 1 to `number` stand on one of these places of the cycle."""
    rounds, rest = divmod(number, CYCLE)
    return rounds * len(places) + bisect_left(places, rest)


def _room(prison: str, visit_type: str, drawn: tuple[int, ...]) -> Room | None:
    if drawn[8] % 100 == 0:
        return None
    rooms = PRISONS[prison].social if visit_type == "SCON" else PRISONS[prison].official
    return rooms[drawn[9] % len(rooms)]


def _start(created: datetime, until: date, drawn: tuple[int, ...]) -> datetime:
    at = _STARTS[drawn[10] % len(_STARTS)]
    if drawn[11] % ERRONEOUS_IN == 0:
        years = (2, 3, 10, 25)[drawn[12] % 4]
        return datetime.combine(until + timedelta(days=years * 365 + drawn[13] % 300), at)
    # most people book for the next four weeks
    days = 1 + drawn[12] % 28 if drawn[13] % 4 else 1 + drawn[12] % 60
    return datetime.combine(created.date() + timedelta(days=days), at)


def _add_people(visit: Visit, prisoner: int, drawn: tuple[int, ...]) -> None:
    first = drawn[14]
    people = [person_id(prisoner, (first + which) % 8) for which in range((1, 1, 2, 2, 3, 4)[drawn[15] % 6])]
    if drawn[16] % 97 == 0:
        people.append(people[0])  # NOMIS sometimes has a visitor twice
    elif drawn[16] % 97 == 1:
        people = []
    lead = people[0] if people and drawn[17] % 33 else None
    visit["visitors"] = [{"personId": person, "leadVisitor": person == lead} for person in people]
    if lead is not None:
        count = (0, 1, 1, 1, 2)[drawn[18] % 5]
        visit["leadVisitor"] = {
            "personId": lead,
            "fullName": full_name(lead),
            "telephones": [telephone(lead * 31 + which) for which in range(count)],
        }


def _add_outcome(visit: Visit, past: bool, drawn: tuple[int, ...]) -> None:
    statuses = PAST_STATUSES if past else FUTURE_STATUSES
    status = statuses[drawn[19] % len(statuses)]
    outcome = None
    if (status == "CANC" and drawn[20] % 10) or drawn[20] % 64 == 0:
        outcome = KNOWN_OUTCOMES[drawn[21] % len(KNOWN_OUTCOMES)]
    if drawn[22] % UNKNOWN_IN == 0:
        status, outcome = (UNKNOWN_STATUS, None) if drawn[23] % 2 else (status, UNKNOWN_OUTCOME)
    visit["visitStatus"] = described(status, STATUSES)
    if outcome is not None:
        visit["visitOutcome"] = described(outcome, OUTCOMES)


def _add_changes(visit: Visit, created: datetime, drawn: tuple[int, ...]) -> None:
    if drawn[24] % 10 >= 4:
        return
    visit["modifyUserId"] = "PRISONER_MANAGER_API" if drawn[25] % 15 == 0 else _USERS[drawn[25] % len(_USERS)]
    visit["whenUpdated"] = (created + timedelta(minutes=1 + drawn[26] % 1000)).isoformat(timespec="seconds")
