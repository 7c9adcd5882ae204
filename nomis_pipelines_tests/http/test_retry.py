"""Which answers are worth another attempt, and how long is waited before it."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from nomis_pipelines.http.retry import Action, RetryPolicy, action_for, retry_after_seconds

NOW = datetime(2024, 5, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "action"),
    [
        (429, Action.RETRY),
        (503, Action.RETRY),
        (502, Action.RETRY_IF_REPEATABLE),
        (504, Action.RETRY_IF_REPEATABLE),
        (500, Action.RAISE),
        (501, Action.RAISE),
        (400, Action.RAISE),
        (401, Action.RAISE),
        (404, Action.RAISE),
        (408, Action.RAISE),
        (409, Action.RAISE),
    ],
)
def test_the_status_decides_what_follows(status: int, action: Action):
    assert action_for(status) is action


def test_the_wait_doubles_up_to_its_cap():
    longest = RetryPolicy(random=lambda: 1.0)
    assert [longest.delay(attempt) for attempt in (1, 2, 3, 8, 1000)] == [0.1, 0.2, 0.4, 10.0, 10.0]


@given(st.integers(1, 10_000))
def test_the_wait_is_random_between_nothing_and_the_cap(attempt: int):
    assert 0.0 <= RetryPolicy().delay(attempt) <= 10.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("3600", 60.0),
        ("Wed, 01 May 2024 12:00:30 GMT", 30.0),
        ("Wed, 01 May 2024 12:00:30 -0000", 30.0),
        ("Wed, 01 May 2024 11:00:00 GMT", 0.0),
        ("Wed, 01 May 2024 13:00:00 GMT", 60.0),
        ("soon", None),
        ("-5", None),
        ("²", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_capped(text: str | None, seconds: float | None):
    assert retry_after_seconds(text, NOW) == seconds


@given(st.text(max_size=40))
def test_any_retry_after_is_harmless(text: str):
    seconds = retry_after_seconds(text, NOW)
    assert seconds is None or 0 <= seconds <= 60
