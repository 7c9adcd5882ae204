"""An outage opens the breaker after some patience; single failures, bad records and quiet times do not."""

from hypothesis import given, strategies as st

from nomis_pipelines.http import CircuitBreaker
from nomis_pipelines_tests.http.support import Clock


def broken(clock: Clock, patience: float = 15.0) -> CircuitBreaker:
    breaker = CircuitBreaker(patience, clock=clock)
    for _ in range(20):
        breaker.record(ok=False)
    return breaker


def test_it_opens_when_most_attempts_fail_for_longer_than_its_patience():
    clock = Clock()
    breaker = broken(clock)
    assert (breaker.is_suspect, breaker.is_open) == (True, False)
    clock.now += 14.9
    breaker.record(ok=False)
    assert not breaker.is_open
    clock.now += 0.2
    breaker.record(ok=False)
    assert breaker.is_open


def test_it_stays_open():
    clock = Clock()
    breaker = broken(clock, patience=0.0)
    breaker.record(ok=False)
    for _ in range(1000):
        breaker.record(ok=True)
    assert breaker.is_open


def test_nineteen_attempts_say_nothing():
    clock = Clock()
    breaker = CircuitBreaker(0.0, clock=clock)
    for _ in range(19):
        breaker.record(ok=False)
        clock.now += 100
    assert not breaker.is_suspect
    assert not breaker.is_open


def test_half_of_the_attempts_failing_is_not_most():
    clock = Clock()
    breaker = CircuitBreaker(0.0, clock=clock)
    for _ in range(500):
        breaker.record(ok=True)
        breaker.record(ok=False)
        clock.now += 1
    assert not breaker.is_open


def test_a_recovery_in_between_starts_the_patience_anew():
    clock = Clock()
    breaker = broken(clock)
    clock.now += 14
    for _ in range(25):
        breaker.record(ok=True)
    assert not breaker.is_suspect
    clock.now += 14
    for _ in range(25):
        breaker.record(ok=False)
    assert (breaker.is_suspect, breaker.is_open) == (True, False)


def test_time_without_attempts_does_not_open_it():
    clock = Clock()
    breaker = broken(clock)
    clock.now += 3600
    breaker.record(ok=True)
    assert not breaker.is_open


def test_old_attempts_are_forgotten():
    clock = Clock()
    breaker = CircuitBreaker(0.0, clock=clock)
    for _ in range(100_000):
        breaker.record(ok=True)
    for _ in range(52):
        breaker.record(ok=False)
    assert breaker.is_open


@given(st.lists(st.booleans(), max_size=400))
def test_it_never_opens_unless_most_of_the_last_hundred_failed(attempts: list[bool]):
    breaker = CircuitBreaker(0.0, clock=Clock())
    for index, ok in enumerate(attempts):
        breaker.record(ok=ok)
        last = attempts[max(0, index - 99) : index + 1]
        most_failed = len(last) >= 20 and last.count(False) * 2 > len(last)
        if breaker.is_open:
            assert most_failed
            return
        assert breaker.is_suspect == most_failed
