"""Promise: adjustments are functions of seed and id, listed by arithmetic, and traceable from their copies."""

from datetime import date, datetime

import pytest
from hypothesis import given, settings, strategies as st

from nomis_pipelines.contracts.nomis_prisoner import KeyDateAdjustment, SentenceAdjustment
from nomis_pipelines.sandbox.data.adjustments import (
    FIRST_BOOKING,
    KEY_DATE,
    LISTED,
    PATTERNS,
    SENTENCE,
    AdjustmentData,
    end_of,
    start_of,
)
from nomis_pipelines.sandbox.data.world import World

DATA = AdjustmentData(World(seed=3, adjustments=777, until=date(2026, 3, 10)))
KEYS = [DATA.key_at(place) for place in range(777)]
days = st.dates(min_value=date(2023, 12, 20), max_value=date(2026, 3, 20))


def test_the_list_names_each_adjustment_once_and_both_kinds_from_one_on() -> None:
    assert len(set(KEYS)) == 777
    assert {category for category, _ in KEYS} == {SENTENCE, KEY_DATE}
    assert (KEY_DATE, 1) in KEYS
    assert (SENTENCE, 1) in KEYS
    assert [DATA.place_of(key) for key in KEYS] == list(range(777))


@settings(max_examples=50, deadline=None)
@given(first=st.none() | days, last=st.none() | days)
def test_dates_select_by_creation_and_both_are_inclusive(first: date | None, last: date | None) -> None:
    created = [DATA.timeline.created(place + 1).date() for place in range(777)]
    expected = [
        place for place, day in enumerate(created) if (first is None or day >= first) and (last is None or day <= last)
    ]
    begin, end = DATA.range(start_of(first), end_of(last))
    assert list(range(begin, end)) == expected


@given(category=st.sampled_from([SENTENCE, KEY_DATE]), number=st.integers(0, 900))
def test_every_adjustment_is_what_the_contract_says_and_traceable(category: str, number: int) -> None:
    adjustment = DATA.adjustment((category, number))
    if adjustment is None:
        assert DATA.place_of((category, number)) is None
        return
    model = SentenceAdjustment if category == SENTENCE else KeyDateAdjustment
    assert model.model_validate(adjustment, by_alias=True, by_name=False).id == number
    found = DATA.find(adjustment["bookingId"], adjustment["adjustmentDays"], adjustment["offenderNo"])
    assert found == (category, number)
    assert DATA.find(adjustment["bookingId"], adjustment["adjustmentDays"], "A0000ZZ") is None


def test_hidden_adjustments_can_be_read_but_are_not_listed() -> None:
    readable = [(SENTENCE, number) for number in range(1, 700) if DATA.adjustment((SENTENCE, number))]
    hidden = [key for key in readable if DATA.adjustment(key)["hiddenFromUsers"]]
    assert hidden
    assert not set(hidden) & set(KEYS)
    assert set(readable) - set(hidden) == {key for key in KEYS if key[0] == SENTENCE}


def test_a_booking_lists_its_adjustments_and_the_pattern_repeats() -> None:
    for booking in range(FIRST_BOOKING, FIRST_BOOKING + 2 * len(PATTERNS)):
        pattern = PATTERNS[(booking - FIRST_BOOKING) % len(PATTERNS)]
        kinds = "".join(
            "K" if key[0] == KEY_DATE else "H" if slot.hidden else "S" for key, slot in DATA.of_booking(booking)
        )
        assert kinds == pattern
    assert DATA.of_booking(FIRST_BOOKING - 1) == []
    assert not DATA.booking_exists(FIRST_BOOKING - 1)


def test_the_world_has_nulls_unknown_types_and_released_people() -> None:
    data = AdjustmentData(World(seed=3, adjustments=20_000, until=date(2026, 3, 10)))
    found = [data.adjustment(data.key_at(place)) for place in range(20_000)]
    types = {adjustment["adjustmentType"]["code"] for adjustment in found}
    assert types == {
        "RX", "UR", "S240A", "RSR", "RST", "APPEAL", "ADA", "RADA", "UAL", "LAL", "SREM", "HDC",
    }  # fmt: skip
    for name in ("adjustmentDate", "adjustmentFromDate", "comment"):
        assert 0 < sum(name in adjustment for adjustment in found) < len(found), name
    assert min(adjustment["adjustmentDays"] for adjustment in found) < 0
    assert {adjustment["bookingSequence"] for adjustment in found} == {1, 2, 3}
    assert any(adjustment["prisonId"] == "OUT" for adjustment in found)


def test_the_last_turn_of_the_pattern_may_be_incomplete() -> None:
    data = AdjustmentData(World(adjustments=len(LISTED) + 1, until=date(2026, 3, 10)))
    assert data.key_at(len(LISTED)) == (SENTENCE, len([1 for p in PATTERNS for letter in p if letter != "K"]) + 1)
    assert data.place_of((KEY_DATE, data.highest(KEY_DATE))) is None


@pytest.mark.parametrize("day", [None, date(2024, 5, 1)])
def test_a_day_reaches_from_its_first_to_its_last_moment(day: date | None) -> None:
    begin, end = start_of(day), end_of(day)
    assert (begin, end) == (None, None) if day is None else begin < datetime(2024, 5, 1, 23, 59) < end
