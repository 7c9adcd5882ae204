"""Promise: section 6 of the activities card, row by row."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from nomis_pipelines.contracts.activities import NewActivity
from nomis_pipelines.contracts.nomis_prisoner import Activity
from nomis_pipelines.domains.activities.transform import ActivityRecord, transform
from nomis_pipelines.http.encode import json_bytes
from nomis_pipelines.migration.declaration import Rejected
from nomis_pipelines_tests.domains.activities.examples import KITCHEN, KITCHEN_BODY, LOCATION, MORNINGS, rule

START = date(2026, 10, 5)


def sent(location: UUID | None = None, start: date = START, **changes: Any) -> NewActivity:
    body = transform(ActivityRecord(90110, start, Activity.model_validate({**KITCHEN, **changes}), location)).body
    assert body is not None
    return body


def test_worked_example_a_becomes_the_body_of_the_card_letter_for_letter() -> None:
    assert json_bytes(sent(UUID(LOCATION)), keep_nulls=True).decode() == KITCHEN_BODY


@pytest.mark.parametrize(
    ("nomis", "wanted", "expected"),
    [
        ("2019-04-01", START, START),
        ("2026-10-05", START, START),
        ("2026-11-02", START, date(2026, 11, 2)),
    ],
)
def test_the_start_is_the_later_of_the_activitys_own_and_the_wanted_one(
    nomis: str, wanted: date, expected: date
) -> None:
    assert sent(start=wanted, startDate=nomis).start_date == expected


@pytest.mark.parametrize("end", [None, "2026-01-01", "2027-01-31"])
def test_the_end_is_copied_and_not_compared_with_the_start(end: str | None) -> None:
    assert sent(endDate=end).end_date == (date.fromisoformat(end) if end else None)


def test_without_a_location_there_is_none() -> None:
    assert sent(None).dps_location_id is None


@pytest.mark.parametrize(("capacity", "expected"), [(0, 1), (1, 1), (12, 12)])
def test_the_capacity_is_at_least_one(capacity: int, expected: int) -> None:
    assert sent(capacity=capacity).capacity == expected


@pytest.mark.parametrize("description", ["", "x" * 60, "Maths level 1"])
def test_the_description_is_copied_whole(description: str) -> None:
    assert sent(description=description).description == description


@pytest.mark.parametrize("pay", ["H", "F"])
def test_both_ways_of_paying_are_copied(pay: str) -> None:
    assert sent(payPerSession=pay).pay_per_session == pay


def test_another_way_of_paying_is_rejected() -> None:
    with pytest.raises(Rejected, match="unknown-pay-per-session") as caught:
        sent(payPerSession="W")
    assert caught.value.details == {"code": "W"}


@pytest.mark.parametrize("excluded", [True, False])
def test_bank_holidays_are_turned_round(excluded: bool) -> None:
    assert sent(excludeBankHolidays=excluded).runs_on_bank_holiday is not excluded


@pytest.mark.parametrize("outside", [True, False])
def test_outside_work_is_copied(outside: bool) -> None:
    assert sent(outsideWork=outside).outside_work is outside


@pytest.mark.parametrize(
    ("start", "slot"),
    [("00:00", "AM"), ("08:30", "AM"), ("11:59", "AM"), ("12:00", "PM"), ("16:59", "PM"), ("17:00", "ED"),
     ("23:59", "ED")],
)  # fmt: skip
@pytest.mark.parametrize("category", ["AM", "PM", "ED"])
def test_the_slot_follows_from_the_hour_and_never_from_nomis_own_word(start: str, slot: str, category: str) -> None:
    body = sent(scheduleRules=[rule(start, "23:59", "M......", slotCategoryCode=category)])
    assert [each.time_slot for each in body.schedule_rules] == [slot]


def test_exact_repeats_of_a_rule_are_dropped_and_the_order_stays() -> None:
    evening = rule("17:30", "19:00", ".T.....")
    wider = {**MORNINGS, "saturday": True}
    body = sent(scheduleRules=[evening, MORNINGS, wider, MORNINGS, evening])
    assert [(each.start_time, each.saturday) for each in body.schedule_rules] == [
        ("17:30", False), ("08:30", False), ("08:30", True),
    ]  # fmt: skip


def test_rules_that_only_nomis_tells_apart_are_repeats() -> None:
    body = sent(scheduleRules=[MORNINGS, {**MORNINGS, "slotCategoryCode": "PM"}])
    assert len(body.schedule_rules) == 1


@pytest.mark.parametrize(
    ("pounds", "pence"),
    [(1.05, 105), (1.255, 125), (0.29, 29), (0.999, 99), (1.1, 110), (2, 200), (0, 0), (10.01, 1001), (-1.255, -125)],
)
def test_a_rate_in_pence_is_exact_and_loses_its_fraction(pounds: float, pence: int) -> None:
    body = sent(payRates=[{"incentiveLevelCode": "STD", "payBand": "2", "rate": pounds}])
    assert [each.rate for each in body.pay_rates] == [pence]


def test_pay_rates_stay_as_many_and_in_order() -> None:
    rate = {"incentiveLevelCode": "STD", "payBand": "2", "rate": 1.5}
    body = sent(payRates=[rate, {**rate, "payBand": "1"}, rate])
    assert [each.nomis_pay_band for each in body.pay_rates] == ["2", "1", "2"]
    assert sent(payRates=[]).pay_rates == []


def test_an_activity_without_rules_has_nothing_for_dps() -> None:
    assert transform(ActivityRecord(90111, START)).body is None
