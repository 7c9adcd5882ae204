"""From an allocation of NOMIS to what the activities service takes over (allocations card, section 6)."""

from dataclasses import dataclass
from typing import get_args

from nomis_pipelines.contracts.activities import DayOfWeek, ExcludedSlot, NewAllocation, TimeSlot
from nomis_pipelines.contracts.nomis_prisoner import Allocation, AllocationExclusion
from nomis_pipelines.domains.activities.transform import slot_of
from nomis_pipelines.migration.declaration import Rejected

DAYS: tuple[str, ...] = get_args(DayOfWeek.__value__)
SLOTS: tuple[TimeSlot, ...] = get_args(TimeSlot.__value__)
_DAY_OF = {day[:3]: day for day in DAYS}


@dataclass(frozen=True, slots=True)
class AllocationRecord:
    """An allocation as it was read, with the DPS activity, or the two of a split regime, that it belongs to."""

    id: int
    allocation: Allocation
    activity_id: int
    activity_id2: int | None


@dataclass(frozen=True, slots=True)
class AllocationRequest:
    """What to write for an allocation."""

    id: int
    body: NewAllocation


def transform(record: AllocationRecord) -> AllocationRequest:
    """The request for an allocation. Raises `Rejected` for a day that no week has."""
    allocation = record.allocation
    return AllocationRequest(
        record.id,
        NewAllocation(
            prison_code=allocation.prison_id,
            activity_id=record.activity_id,
            split_regime_activity_id=record.activity_id2,
            prisoner_number=allocation.nomis_id,
            booking_id=allocation.booking_id,
            cell_location=allocation.living_unit_description,
            nomis_pay_band=allocation.pay_band,
            # the activity's start in NOMIS, not the filter's: DPS itself pushes past ones forward
            start_date=max(allocation.start_date, allocation.activity_start_date),
            end_date=allocation.end_date,
            end_comment=allocation.end_comment,
            suspended_flag=allocation.suspended,
            exclusions=[slot for name in SLOTS if (slot := _excluded(allocation, name)) is not None],
        ),
    )


def _excluded(allocation: Allocation, slot: TimeSlot) -> ExcludedSlot | None:
    """The days on which the prisoner misses a session of this slot; None where there are none.

    An exclusion from a session that the activity does not have is dropped: DPS would refuse the allocation for it.
    """
    rules = [rule for rule in allocation.schedule_rules if slot_of(rule) == slot]
    asked = [_day_of(exclusion) for exclusion in allocation.exclusions if exclusion.slot in (None, slot)]
    days = list(dict.fromkeys(day for day in asked if any(getattr(rule, day.lower()) for rule in rules)))
    if not days:
        return None
    on = {day.lower(): day in days for day in DAYS}
    return ExcludedSlot.model_validate({"week_number": 1, "time_slot": slot, "days_of_week": days, **on}, by_name=True)


def _day_of(exclusion: AllocationExclusion) -> str:
    day = _DAY_OF.get(exclusion.day)
    if day is None:
        raise Rejected("unknown-exclusion-day", code=exclusion.day)
    return day
