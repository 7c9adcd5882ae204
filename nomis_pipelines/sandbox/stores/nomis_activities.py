"""The activities and allocations of NOMIS as they are now: the generated ones, with the ends they were given since."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta

from pydantic_core import from_json, to_json

from nomis_pipelines.sandbox.data.activities import FIRST_ACTIVITY, Activity, ActivityData, Allocation
from nomis_pipelines.sandbox.data.world import World
from nomis_pipelines.sandbox.journal import Journal


class NomisActivities:
    """Only ends are stored: by course activity id, and by allocation id for those allocated."""

    KIND = b"1"

    def __init__(self, world: World, journal: Journal) -> None:
        self.data = ActivityData(world)
        self._world = world
        self._journal = journal
        self._ends: dict[int, date] = {}
        self._allocation_ends: dict[int, date] = {}

    def replay(self, payload: bytes, _place: int) -> None:
        """Read one journal entry: `[activities, allocations, day]`, the ids whose end became that day."""
        activities, allocations, day = from_json(payload)
        self._apply(activities, allocations, date.fromisoformat(day))

    def activity_ids(self, prison: str, course_activity_id: int | None) -> list[tuple[int, bool]]:
        """Ids of the activities that can be migrated, with whether each is ever held: those that go on after today."""
        numbers = self._numbers(prison, course_activity_id)
        return [(FIRST_ACTIVITY + number, self.data.has_rules(number)) for number in numbers]

    def activity(self, course_activity_id: int) -> Activity | None:
        """An activity as it is now."""
        number = self.data.number_of(course_activity_id)
        if number is None:
            return None
        end = self._ends.get(course_activity_id)
        return self.data.activity(number) | ({"endDate": end.isoformat()} if end else {})

    def allocation_ids(self, prison: str, course_activity_id: int | None, active_on: date | None) -> list[int]:
        """Ids of the allocations that can be migrated: to activities that are held, and not ended by a day."""
        day = active_on or self._world.london_today() + timedelta(days=1)
        held = [number for number in self._numbers(prison, course_activity_id) if self.data.has_rules(number)]
        ids = (allocation for number in held for allocation in self.data.allocations_of(number))
        return [id for id in ids if (end := self._end_of(id)) is None or end >= day]

    def allocation(self, allocation_id: int) -> Allocation | None:
        """An allocation as it is now."""
        if self.data.activity_of(allocation_id) is None:
            return None
        allocation, end = self.data.allocation(allocation_id), self._end_of(allocation_id)
        if end is not None:
            allocation |= {"endDate": end.isoformat(), "endComment": f"Planned: course {allocation_id % 7 + 1} ends"}
            if allocation_id in self._allocation_ends:
                allocation["endReasonCode"] = "OTH"
        return allocation

    def end(self, course_activity_ids: Sequence[int], day: date) -> None:
        """End activities and those allocated to them, unless they have ended by today (activities card, section 3)."""
        today = self._world.london_today()
        self._set_ends(course_activity_ids, day, lambda end: end is None or end >= today)

    def move_end(self, course_activity_ids: Sequence[int], old: date, new: date) -> None:
        """Give another end to those that end on one day."""
        self._set_ends(course_activity_ids, new, lambda end: end == old)

    def clear(self) -> None:
        """Back to the generated world."""
        self._ends.clear()
        self._allocation_ends.clear()

    def _numbers(self, prison: str, course_activity_id: int | None) -> list[int]:
        today = self._world.london_today()
        return [
            number
            for number in self.data.by_prison.get(prison, [])
            if course_activity_id in (None, FIRST_ACTIVITY + number)
            and self._ends.get(FIRST_ACTIVITY + number, date.max) > today
        ]

    def _end_of(self, allocation_id: int) -> date | None:
        return self._allocation_ends.get(allocation_id) or self.data.end_of_allocation(allocation_id)

    def _set_ends(self, ids: Sequence[int], day: date, takes: Callable[[date | None], bool]) -> None:
        numbers = [number for id in ids if (number := self.data.number_of(id)) is not None]
        activities = [id for id in ids if self.data.number_of(id) is not None and takes(self._ends.get(id))]
        allocations = [
            allocation
            for number in numbers
            for allocation in self.data.allocations_of(number)
            if takes(self._end_of(allocation))
        ]
        self._journal.append(self.KIND, to_json([activities, allocations, day]))
        self._apply(activities, allocations, day)

    def _apply(self, activities: Sequence[int], allocations: Sequence[int], day: date) -> None:
        self._ends |= dict.fromkeys(activities, day)
        self._allocation_ends |= dict.fromkeys(allocations, day)
