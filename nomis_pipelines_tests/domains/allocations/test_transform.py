"""Promise: section 6 of the allocations card, row by row."""

from typing import Any

import pytest

from nomis_pipelines.contracts.activities import NewAllocation
from nomis_pipelines.contracts.nomis_prisoner import Allocation
from nomis_pipelines.domains.allocations.transform import DAYS, AllocationRecord, transform
from nomis_pipelines.http.encode import json_bytes
from nomis_pipelines.migration.declaration import Rejected
from nomis_pipelines_tests.domains.activities.examples import MORNINGS, rule
from nomis_pipelines_tests.domains.allocations.examples import ALLOCATION, ALLOCATION_BODY

EVERY_SESSION = [rule(start, "23:00", "MTWTFSS") for start in ("08:30", "13:45", "17:30")]


def sent(second: int | None = None, **changes: Any) -> NewAllocation:
    allocation = Allocation.model_validate({**ALLOCATION, **changes})
    return transform(AllocationRecord(330021, allocation, 5501, second)).body


def slots(**changes: Any) -> list[tuple[str, list[str]]]:
    return [(slot.time_slot, list(slot.days_of_week)) for slot in sent(**changes).exclusions]


def test_worked_example_a_becomes_the_body_of_the_card_letter_for_letter() -> None:
    assert json_bytes(sent(), keep_nulls=True).decode() == ALLOCATION_BODY


def test_worked_example_b_a_future_activity_gives_the_start() -> None:
    body = sent(startDate="2026-09-01", activityStartDate="2026-11-02", exclusions=[])
    assert (body.start_date.isoformat(), body.exclusions) == ("2026-11-02", [])


@pytest.mark.parametrize(
    ("start", "activity", "expected"),
    [
        ("2025-02-03", "2019-04-01", "2025-02-03"),
        ("2025-02-03", "2025-02-03", "2025-02-03"),
        ("2019-04-01", "2025-02-03", "2025-02-03"),
    ],
)
def test_the_start_is_the_later_of_the_allocations_and_the_activitys(start: str, activity: str, expected: str) -> None:
    assert sent(startDate=start, activityStartDate=activity).start_date.isoformat() == expected


def test_both_activities_of_a_split_regime_are_sent() -> None:
    body = sent(second=5502)
    assert (body.activity_id, body.split_regime_activity_id) == (5501, 5502)


@pytest.mark.parametrize(
    ("nomis", "dps", "value"),
    [
        ("nomisId", "prisonerNumber", "A1111AA"),
        ("bookingId", "bookingId", 7),
        ("prisonId", "prisonCode", "MDI"),
        ("endDate", "endDate", "2027-01-31"),
        ("endComment", "endComment", "x" * 300),
        ("suspended", "suspendedFlag", True),
        ("livingUnitDescription", "cellLocation", "LNI-A-1-001"),
        ("payBand", "nomisPayBand", "9"),
    ],
)
def test_what_is_copied(nomis: str, dps: str, value: object) -> None:
    assert sent(**{nomis: value}).model_dump(mode="json", by_alias=True)[dps] == value


@pytest.mark.parametrize(
    ("nomis", "dps"),
    [("endDate", "endDate"), ("endComment", "endComment"), ("livingUnitDescription", "cellLocation"),
     ("payBand", "nomisPayBand")],
)  # fmt: skip
def test_what_may_be_missing(nomis: str, dps: str) -> None:
    assert sent(**{nomis: None}).model_dump(by_alias=True)[dps] is None


def test_without_exclusions_or_without_rules_there_are_none() -> None:
    assert slots(exclusions=[]) == []
    assert slots(scheduleRules=[]) == []


@pytest.mark.parametrize("day", DAYS)
def test_every_day_has_its_name_and_its_flag(day: str) -> None:
    body = sent(exclusions=[{"day": day[:3], "slot": "AM"}], scheduleRules=EVERY_SESSION)
    (slot,) = body.exclusions
    values = slot.model_dump(by_alias=True)
    assert (slot.time_slot, list(slot.days_of_week), slot.week_number) == ("AM", [day], 1)
    assert [name for name in DAYS if values[name.lower()]] == [day]


def test_another_day_is_rejected() -> None:
    with pytest.raises(Rejected, match="unknown-exclusion-day"):
        sent(exclusions=[{"day": "XXX"}])


def test_an_exclusion_without_a_slot_is_for_the_whole_day() -> None:
    found = slots(exclusions=[{"day": "TUE"}], scheduleRules=EVERY_SESSION)
    assert found == [("AM", ["TUESDAY"]), ("PM", ["TUESDAY"]), ("ED", ["TUESDAY"])]


def test_slots_come_in_the_order_of_the_day_and_days_as_given_without_repeats() -> None:
    exclusions = [
        {"day": "FRI", "slot": "ED"}, {"day": "THU", "slot": "AM"}, {"day": "MON", "slot": "AM"}, {"day": "THU"},
    ]  # fmt: skip
    assert slots(exclusions=exclusions, scheduleRules=EVERY_SESSION) == [
        ("AM", ["THURSDAY", "MONDAY"]), ("PM", ["THURSDAY"]), ("ED", ["FRIDAY", "THURSDAY"]),
    ]  # fmt: skip


def test_an_exclusion_from_a_session_that_the_activity_does_not_have_is_dropped() -> None:
    exclusions = [{"day": "SAT", "slot": "AM"}, {"day": "MON", "slot": "PM"}, {"day": "MON", "slot": "ED"}]
    assert slots(exclusions=exclusions, scheduleRules=[MORNINGS]) == []


def test_any_rule_of_the_slot_will_do_and_nomis_own_word_for_it_is_not_asked() -> None:
    rules = [rule("16:45", "18:15", "M......", slotCategoryCode="ED"), rule("13:00", "14:00", ".T.....")]
    exclusions = [{"day": "TUE", "slot": "PM"}, {"day": "MON", "slot": "PM"}, {"day": "MON", "slot": "ED"}]
    assert slots(exclusions=exclusions, scheduleRules=rules) == [("PM", ["TUESDAY", "MONDAY"])]
