"""The activities of NOMIS and who is allocated to them: functions of the world and an id, like the visits.

A description ends with its activity's number, and a booking is on an activity once, so that a copy in DPS can be traced
to its origin.
"""

from datetime import date, timedelta
from functools import cached_property
from typing import Any

from nomis_pipelines.sandbox.data.people import offender_no
from nomis_pipelines.sandbox.data.prisons import PRISONS
from nomis_pipelines.sandbox.data.world import World, draws

FIRST_ACTIVITY = 90_000
FIRST_ALLOCATION = 300_000
FIRST_LOCATION = 77_000
FIRST_BOOKING = 2_000_000
PLACES = 16
"""Allocation numbers kept for each activity; at most `MOST_ALLOCATED` are used."""
MOST_ALLOCATED = 11
LOCATIONS_A_PRISON = 12
SPLIT_REGIME = "BLI"
"""The prison whose mornings and afternoons are two activities in DPS."""

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
WEEKDAYS = frozenset(DAYS[:5])
PROGRAMS = (
    ("KITCHENS", "Kitchen"), ("WORKSHOPS", "Workshop"), ("EDUCATION", "Maths level"), ("CLEANING", "Wing cleaning"),
    ("GYM", "Gym orderly"), ("LIBRARY", "Library"), ("GARDENS", "Gardens party"), ("INDUCTION", "Induction"),
)  # fmt: skip
_HOURS = {"AM": ("08:30", "11:45"), "PM": ("13:45", "16:30"), "ED": ("17:30", "19:00")}

Activity = dict[str, Any]
Allocation = dict[str, Any]


def _rule(slot: str, days: frozenset[str], start: str = "", end: str = "") -> dict[str, Any]:
    first, last = _HOURS[slot]
    hours = {"startTime": start or first, "endTime": end or last}
    return {**hours, **{day: day in days for day in DAYS}, "slotCategoryCode": slot}


_WEEKEND = frozenset(DAYS[5:])
SCHEDULES: tuple[tuple[dict[str, Any], ...], ...] = (
    (_rule("AM", WEEKDAYS),),
    (_rule("AM", WEEKDAYS), _rule("PM", WEEKDAYS)),
    (_rule("PM", WEEKDAYS - {"friday"}),),
    (_rule("ED", frozenset({"monday", "wednesday"})),),
    (_rule("AM", WEEKDAYS), _rule("AM", _WEEKEND, "09:15", "11:15")),
    # the same rule twice, and an afternoon that NOMIS calls an evening
    (_rule("AM", WEEKDAYS), _rule("AM", WEEKDAYS), _rule("ED", frozenset({"monday"}), "16:45", "18:15")),
)
_EXCLUSIONS: tuple[tuple[dict[str, str], ...], ...] = (
    (),
    ({"day": "MON"},),
    (),
    ({"day": "WED", "slot": "AM"}, {"day": "SAT", "slot": "AM"}),
    (),
    ({"day": "FRI", "slot": "PM"}, {"day": "FRI"}),
)


class ActivityData:
    """All activities and allocations of a world: one activity for every fifty visits, two a prison at least."""

    def __init__(self, world: World) -> None:
        self.world = world

    @property
    def count(self) -> int:
        """How many activities there are; their numbers are 1 to this."""
        return max(3 * len(PRISONS), self.world.visits // 50)

    @cached_property
    def by_prison(self) -> dict[str, list[int]]:
        """The numbers of each prison's activities."""
        found: dict[str, list[int]] = {code: [] for code in PRISONS}
        for number in range(1, self.count + 1):
            found[self.prison_of(number)].append(number)
        return found

    def prison_of(self, number: int) -> str:
        """The prison of an activity: each has some, the rest are spread by the prisons' weights."""
        codes = tuple(PRISONS)
        if number <= 2 * len(codes):
            return codes[number % len(codes)]
        mark = draws(self.world.key, b"actprsn", number)[0] % sum(prison.weight for prison in PRISONS.values())
        for code in codes:
            mark -= PRISONS[code].weight
            if mark < 0:
                return code
        return codes[0]

    def has_rules(self, number: int) -> bool:
        """Whether an activity is ever held."""
        return number % 12 != 7

    def number_of(self, course_activity_id: int) -> int | None:
        """The number of a course activity; None when there is none of the id."""
        number = course_activity_id - FIRST_ACTIVITY
        return number if 1 <= number <= self.count else None

    def activity(self, number: int) -> Activity:
        """An activity as NOMIS gives it (activities card, section 3), nulls left out."""
        drawn = draws(self.world.key, b"activity", number)
        code, name = PROGRAMS[drawn[0] % len(PROGRAMS)]
        prison = self.prison_of(number)
        activity: Activity = {
            "courseActivityId": FIRST_ACTIVITY + number,
            "programCode": code,
            "prisonId": prison,
            "startDate": self.start_of(number).isoformat(),
            "capacity": drawn[1] % 21,
            "description": f"{name} {number}",
            "excludeBankHolidays": drawn[2] % 3 > 0,
            "payPerSession": "F" if drawn[3] % 4 == 0 else "H",
            "outsideWork": drawn[4] % 20 == 0,
            "scheduleRules": list(self.schedule_of(number)),
            "payRates": _rates(drawn),
        }
        if drawn[5] % 15:
            place = drawn[6] % LOCATIONS_A_PRISON
            activity["internalLocationId"] = FIRST_LOCATION + tuple(PRISONS).index(prison) * LOCATIONS_A_PRISON + place
            activity["internalLocationCode"] = f"PL{place}"
            activity["internalLocationDescription"] = f"{prison}-WORK-PL{place}"
        return activity

    def start_of(self, number: int) -> date:
        """When an activity began; one in fifteen has yet to."""
        drawn = draws(self.world.key, b"actstart", number)
        if drawn[0] % 15 == 0:
            return self.world.until + timedelta(days=14 + drawn[1] % 30)
        return self.world.since - timedelta(days=drawn[1] % 2000)

    def schedule_of(self, number: int) -> tuple[dict[str, Any], ...]:
        """The rules by which an activity is held."""
        return SCHEDULES[number % len(SCHEDULES)] if self.has_rules(number) else ()

    def is_location(self, location: int) -> bool:
        """Whether a place inside a prison has this id."""
        return FIRST_LOCATION <= location < FIRST_LOCATION + LOCATIONS_A_PRISON * len(PRISONS)

    def allocations_of(self, number: int) -> list[int]:
        """The ids of those allocated to an activity; there is one at least."""
        many = draws(self.world.key, b"actmany", number)[0] % MOST_ALLOCATED + 1
        return [FIRST_ALLOCATION + number * PLACES + place for place in range(many)]

    def activity_of(self, allocation_id: int) -> int | None:
        """The number of an allocation's activity; None when there is no such allocation."""
        number, place = divmod(allocation_id - FIRST_ALLOCATION, PLACES)
        exists = 1 <= number <= self.count and place < len(self.allocations_of(number))
        return number if exists else None

    def end_of_allocation(self, allocation_id: int) -> date | None:
        """When an allocation is planned to end: one in eight, some time after the world's last day."""
        drawn = draws(self.world.key, b"allocend", allocation_id)
        return self.world.until + timedelta(days=60 + drawn[1] % 200) if drawn[0] % 8 == 0 else None

    def allocation(self, allocation_id: int) -> Allocation:
        """An allocation as NOMIS gives it (allocations card, section 3), nulls left out, without its end."""
        number, place = divmod(allocation_id - FIRST_ALLOCATION, PLACES)
        drawn = draws(self.world.key, b"allocatn", allocation_id)
        prison = self.prison_of(number)
        span = (self.world.until - self.world.since).days
        allocation: Allocation = {
            "prisonId": prison,
            "courseActivityId": FIRST_ACTIVITY + number,
            "nomisId": offender_no(number * 131 + place),
            "bookingId": self.booking_of(allocation_id),
            "startDate": (self.world.since + timedelta(days=drawn[0] % span)).isoformat(),
            "suspended": drawn[1] % 9 == 4,
            "exclusions": list(_EXCLUSIONS[drawn[2] % len(_EXCLUSIONS)]),
            "scheduleRules": list(self.schedule_of(number)),
            "activityStartDate": self.start_of(number).isoformat(),
        }
        if drawn[3] % 10:
            allocation["payBand"] = str(drawn[4] % 3 + 1)
        if drawn[5] % 25:
            allocation["livingUnitDescription"] = (
                f"{prison}-{'ABCD'[drawn[6] % 4]}-{drawn[7] % 4 + 1}-{drawn[8] % 60:03}"
            )
        return allocation

    def booking_of(self, allocation_id: int) -> int:
        """The booking of an allocation."""
        return FIRST_BOOKING + allocation_id - FIRST_ALLOCATION

    def find_activity(self, prison: str, description: str) -> int | None:
        """The number of the activity that a copy was made of."""
        tail = description.rpartition(" ")[2]
        number = int(tail) if tail.isascii() and tail.isdigit() else 0
        known = 1 <= number <= self.count and self.activity(number)["description"] == description
        return number if known and self.prison_of(number) == prison else None

    def find_allocation(self, number: int, booking: int) -> int | None:
        """The allocation to activity `number` that a copy was made of."""
        allocation_id = booking - FIRST_BOOKING + FIRST_ALLOCATION
        return allocation_id if self.activity_of(allocation_id) == number else None


def _rates(drawn: tuple[int, ...]) -> list[dict[str, Any]]:
    """What is paid, in pounds with up to three decimals; one activity in ten is unpaid."""
    if drawn[7] % 10 == 0:
        return []
    pence = 60 + drawn[8] % 120
    return [
        {"incentiveLevelCode": level, "payBand": str(band + 1), "rate": (pence * 10 + step * 125 + band * 50) / 1000}
        for step, level in enumerate(("BAS", "STD", "ENH"))
        for band in range(3)
    ]
