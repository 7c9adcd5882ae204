"""From a course activity of NOMIS to what the activities service takes over (activities card, section 6)."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from nomis_pipelines.contracts.activities import ActivityPay, ActivityRule, NewActivity, TimeSlot
from nomis_pipelines.contracts.nomis_prisoner import Activity, PayRate, ScheduleRule
from nomis_pipelines.migration.declaration import Rejected

NOON, EVENING = 12, 17


@dataclass(frozen=True, slots=True)
class ActivityRecord:
    """An activity as it was read; `activity` is None for one without schedule rules, which is not read at all.

    `start` is the day from which DPS shall run it, `location` where DPS knows its place.
    """

    id: int
    start: date
    activity: Activity | None = None
    location: UUID | None = None


@dataclass(frozen=True, slots=True)
class ActivityRequest:
    """What to write for an activity; without a body there is nothing for DPS, only a mapping that says so."""

    id: int
    body: NewActivity | None


def transform(record: ActivityRecord) -> ActivityRequest:
    """The request for an activity. Raises `Rejected` when NOMIS pays in a way that DPS does not know."""
    activity = record.activity
    if activity is None:
        return ActivityRequest(record.id, None)
    if activity.pay_per_session not in ("H", "F"):
        raise Rejected("unknown-pay-per-session", code=activity.pay_per_session)
    return ActivityRequest(
        record.id,
        NewActivity(
            program_service_code=activity.program_code,
            prison_code=activity.prison_id,
            start_date=max(activity.start_date, record.start),
            end_date=activity.end_date,
            dps_location_id=record.location,
            capacity=max(1, activity.capacity),
            description=activity.description,
            pay_per_session=activity.pay_per_session,
            runs_on_bank_holiday=not activity.exclude_bank_holidays,
            outside_work=activity.outside_work,
            schedule_rules=_rules_of(activity.schedule_rules),
            pay_rates=[_pay_of(rate) for rate in activity.pay_rates],
        ),
    )


def slot_of(rule: ScheduleRule) -> TimeSlot:
    """The part of the day that a rule begins in. NOMIS's own word for it is not asked: its slots may be mislabelled."""
    hour = int(rule.start_time.partition(":")[0])
    return "AM" if hour < NOON else "PM" if hour < EVENING else "ED"


def _rules_of(rules: list[ScheduleRule]) -> list[ActivityRule]:
    """The rules in their order, exact repeats once; several in one slot stay apart, DPS merges them."""
    converted = [ActivityRule(**rule.model_dump(), time_slot=slot_of(rule)) for rule in rules]
    return [rule for place, rule in enumerate(converted) if rule not in converted[:place]]


def _pay_of(rate: PayRate) -> ActivityPay:
    # by way of its shortest text, so that 1.255 pounds is 125 pence; the fraction is dropped
    pence = int(Decimal(str(rate.rate)) * 100)
    return ActivityPay(incentive_level=rate.incentive_level_code, nomis_pay_band=rate.pay_band, rate=pence)
