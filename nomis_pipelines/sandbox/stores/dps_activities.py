"""What the activities service was sent: activities, in a split regime by twos, and who was put on them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from pydantic_core import from_json, to_json

from nomis_pipelines.contracts.activities import NewActivity, NewAllocation
from nomis_pipelines.sandbox.data.activities import DAYS, FIRST_ACTIVITY, SPLIT_REGIME, ActivityData
from nomis_pipelines.sandbox.journal import Journal

FIRST_DPS_ACTIVITY = 5501
FIRST_DPS_ALLOCATION = 78_001

Sessions = frozenset[tuple[str, str]]
"""Time slot and day of the week (`AM`, `monday`) of each session."""


@dataclass(frozen=True, kw_only=True)
class DpsActivity:
    """An activity in DPS, with the course activity that it was made of, if it is like one."""

    id: int
    second: int | None
    prison: str
    start: date
    sessions: Sessions
    origin: int | None

    @property
    def ids(self) -> str:
        """Its id, or both, as text."""
        return str(self.id) if self.second is None else f"{self.id},{self.second}"


@dataclass(frozen=True, kw_only=True)
class DpsAllocation:
    """A prisoner on an activity, with the NOMIS allocation it was made of, if it is like one."""

    id: int
    activity: int
    prisoner: str
    origin: int | None


class DpsActivities:
    """Activities and allocations by their ids, and the bodies they were last sent with."""

    KIND = b"2"
    ALLOCATION_KIND = b"3"
    MOVE_KIND = b"4"

    def __init__(self, nomis: ActivityData, journal: Journal) -> None:
        self._nomis = nomis
        self._journal = journal
        self._activities: dict[int, DpsActivity] = {}
        self._seconds: dict[int, int] = {}
        self._allocations: dict[int, DpsAllocation] = {}
        self._on: set[tuple[int, str]] = set()
        self._bodies: dict[str, Any] = {}
        self._next = FIRST_DPS_ACTIVITY

    def replay(self, payload: bytes, _place: int) -> None:
        """Read one journal entry: the body of an activity."""
        self._make(NewActivity.model_validate_json(payload), from_json(payload))

    def replay_allocation(self, payload: bytes, _place: int) -> None:
        """Read one journal entry: the body of an allocation."""
        self._put(NewAllocation.model_validate_json(payload), from_json(payload))

    def replay_move(self, payload: bytes, _place: int) -> None:
        """Read one journal entry: `[ids, day]`."""
        ids, day = from_json(payload)
        self._start(ids, date.fromisoformat(day))

    def add(self, activity: NewActivity, body: Any) -> DpsActivity:
        """Make an activity."""
        self._journal.append(self.KIND, to_json(body))
        return self._make(activity, body)

    def get(self, activity_id: int) -> DpsActivity | None:
        """The activity of an id, which may be the second of two."""
        return self._activities.get(self._seconds.get(activity_id, activity_id))

    def is_on(self, prisoner: str, activity: DpsActivity) -> bool:
        """Whether a prisoner has been put on an activity."""
        return (activity.id, prisoner) in self._on

    def allocate(self, allocation: NewAllocation, body: Any) -> DpsAllocation:
        """Put a prisoner on an activity that there is."""
        self._journal.append(self.ALLOCATION_KIND, to_json(body))
        return self._put(allocation, body)

    def move_starts(self, prison: str, day: date, today: date) -> None:
        """Let a prison's activities that have not begun begin no earlier than a day."""
        late = [each.id for each in self._activities.values() if each.prison == prison and today < each.start < day]
        self._journal.append(self.MOVE_KIND, to_json([late, day]))
        self._start(late, day)

    def body(self, kind: str, id: int) -> Any:
        """What an `activity` or an `allocation` was made of; None when there is none."""
        return self._bodies.get(f"{kind}/{id}")

    def activities(self) -> list[DpsActivity]:
        """All activities, those of a split regime once."""
        return list(self._activities.values())

    def allocations(self) -> list[DpsAllocation]:
        """All allocations."""
        return list(self._allocations.values())

    def clear(self) -> None:
        """Forget everything."""
        for kept in (self._activities, self._seconds, self._allocations, self._on, self._bodies):
            kept.clear()
        self._next = FIRST_DPS_ACTIVITY

    def _make(self, activity: NewActivity, body: Any) -> DpsActivity:
        sessions = frozenset(
            (rule.time_slot, day) for rule in activity.schedule_rules for day in DAYS if getattr(rule, day)
        )
        number = self._nomis.find_activity(activity.prison_code, activity.description)
        split = activity.prison_code == SPLIT_REGIME and {"AM", "PM"} <= {slot for slot, _ in sessions}
        made = DpsActivity(
            id=self._next,
            second=self._next + 1 if split else None,
            prison=activity.prison_code,
            start=activity.start_date,
            sessions=sessions,
            origin=None if number is None else FIRST_ACTIVITY + number,
        )
        self._next += 2 if split else 1
        self._activities[made.id] = made
        self._bodies[f"activity/{made.id}"] = body
        if made.second is not None:
            self._seconds[made.second] = made.id
        return made

    def _put(self, allocation: NewAllocation, body: Any) -> DpsAllocation:
        activity = self._activities[self._seconds.get(allocation.activity_id, allocation.activity_id)]
        number = None if activity.origin is None else self._nomis.number_of(activity.origin)
        # in a split regime the bookings with odd numbers are on the second
        other = allocation.split_regime_activity_id if allocation.booking_id % 2 else None
        made = DpsAllocation(
            id=FIRST_DPS_ALLOCATION + len(self._allocations),
            activity=other or allocation.activity_id,
            prisoner=allocation.prisoner_number,
            origin=None if number is None else self._nomis.find_allocation(number, allocation.booking_id),
        )
        self._allocations[made.id] = made
        self._on.add((activity.id, made.prisoner))
        self._bodies[f"allocation/{made.id}"] = body
        return made

    def _start(self, ids: Sequence[int], day: date) -> None:
        for id in ids:
            self._activities[id] = replace(self._activities[id], start=day)


def repeated(records: Sequence[DpsActivity] | Sequence[DpsAllocation]) -> Iterator[tuple[int, list[int]]]:
    """Every NOMIS record that is here more than once, with the DPS ids."""
    found: dict[int, list[int]] = {}
    for record in records:
        if record.origin is not None:
            found.setdefault(record.origin, []).append(record.id)
    yield from ((origin, ids) for origin, ids in found.items() if len(ids) > 1)


def agreement(
    records: Sequence[DpsActivity] | Sequence[DpsAllocation], mapped: dict[int, int | None]
) -> dict[str, int]:
    """How records agree with the mappings: NOMIS id -> DPS id, None for what was passed over on purpose."""
    origins = [record.origin for record in records if record.origin is not None]
    by_id = {record.id: record.origin for record in records}
    pairs = {nomis: dps for nomis, dps in mapped.items() if dps is not None}
    return {
        "dps_records": len(records),
        "dps_distinct": len(set(origins)),
        "dps_surplus": len(origins) - len(set(origins)),
        "dps_unrecognised": len(records) - len(origins),
        "mappings": len(mapped),
        "mappings_of_nothing": len(mapped) - len(pairs),
        "dps_without_mapping": len(by_id.keys() - set(pairs.values())),
        "mappings_without_dps": sum(dps not in by_id for dps in pairs.values()),
        "mappings_to_another": sum(by_id.get(dps, nomis) != nomis for nomis, dps in pairs.items()),
    }
