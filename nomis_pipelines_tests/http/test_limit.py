"""The concurrency limit finds the height a service can bear, and hands out its permits fairly.

Services are simulated: a closed crowd of callers in front of a station with so many workers, so much work a call and so
much network delay. No test here waits for real time, save the two about pauses (milliseconds).
"""

import asyncio
import heapq
import random
from dataclasses import dataclass

import pytest
from hypothesis import given, strategies as st

from nomis_pipelines.http import AdaptiveLimit
from nomis_pipelines.http.limit import GrowthRule


@dataclass
class Station:
    """A simulated service: `workers` at a time, `work` seconds a call (give or take `jitter`), `network` seconds."""

    network: float = 0.0
    work: float = 0.0
    workers: int = 1
    jitter: float = 0.0

    def run(self, rule: GrowthRule, seconds: float, calls: int = 1_000_000) -> list[tuple[float, int]]:
        """Drive the rule with a crowd that always wants more; (time, limit) at each answer."""
        dice = random.Random(1)
        free = [0.0] * self.workers
        under_way: list[tuple[float, float]] = []
        history: list[tuple[float, int]] = []
        now = 0.0
        while now < seconds and len(history) < calls:
            while len(under_way) < rule.limit:
                work = self.work * (1 + self.jitter * (dice.random() * 2 - 1))
                done = max(now + self.network / 2, heapq.heappop(free)) + work
                heapq.heappush(free, done)
                delay = self.network * (1 + self.jitter * (dice.random() * 2 - 1))
                heapq.heappush(under_way, (done + delay / 2, now))
            now, _ = under_way[0]
            rule.sample(now, in_flight=len(under_way), used_up=True)
            heapq.heappop(under_way)
            history.append((now, rule.limit))
        return history


def test_a_distant_service_gets_enough_calls_within_three_seconds():
    # 400 visits/s x 4 calls x 50 ms = 80 under way, all at one service
    history = Station(network=0.05, workers=1000, jitter=0.3).run(GrowthRule(16, 128), 10)
    assert next(moment for moment, limit in history if limit >= 80) < 3
    late = [limit for moment, limit in history if moment > 3]
    assert sum(late) / len(late) > 110


def test_a_saturated_service_is_not_flooded():
    history = Station(work=0.005, jitter=0.3).run(GrowthRule(16, 128), 60)
    late = [limit for moment, limit in history if moment > 5]
    assert max(late) <= 36
    assert sum(late) / len(late) < 20


def test_a_service_with_a_few_workers_is_used_to_its_end_and_not_much_further():
    # 40 workers of 20 ms behind 20 ms of network: the knee is at 80
    history = Station(network=0.02, work=0.02, workers=40, jitter=0.3).run(GrowthRule(16, 128), 60)
    late = [limit for moment, limit in history if moment > 20]
    assert 60 < sum(late) / len(late) < 128


def test_a_limit_that_is_too_high_comes_down_when_that_costs_nothing():
    rule = GrowthRule(16, 128)
    rule.limit = 128
    history = Station(work=0.002, jitter=0.3).run(rule, 120)
    assert history[-1][1] <= 36


def test_slow_calls_are_no_reason_to_stop():
    history = Station(network=2.0, workers=1000, jitter=0.5).run(GrowthRule(16, 128), 120)
    assert history[-1][1] > 80


@given(
    network=st.floats(0.001, 0.3),
    work=st.floats(0.0005, 0.05),
    workers=st.integers(1, 200),
    start=st.integers(1, 128),
    jitter=st.floats(0, 0.5),
)
def test_whatever_the_service_the_limit_stays_in_its_bounds(
    network: float, work: float, workers: int, start: int, jitter: float
):
    history = Station(network, work, workers, jitter).run(GrowthRule(start, 128), 60, calls=1500)
    assert all(1 <= limit <= 128 for _, limit in history)


@given(
    st.lists(st.tuples(st.floats(0, 2), st.sampled_from(["answer", "idle answer", "overload"])), max_size=300),
    st.integers(1, 64),
)
def test_whatever_happens_the_limit_stays_in_its_bounds(events: list[tuple[float, str]], start: int):
    rule = GrowthRule(start, 64)
    now = 0.0
    for seconds, event in events:
        began, now = now, now + seconds
        if event == "overload":
            rule.overloaded(began, now)
        else:
            rule.sample(now, in_flight=rule.limit, used_up=event == "answer")
        assert 1 <= rule.limit <= 64


def test_a_limit_that_is_not_used_up_does_not_grow():
    rule = GrowthRule(16, 128)
    for n in range(10_000):
        rule.sample(n / 100, in_flight=5, used_up=False)
    assert rule.limit == 16


def test_time_without_calls_is_not_taken_for_latency():
    rule = GrowthRule(4, 128)
    now = 0.0
    for _ in range(30):
        for _ in range(12):  # less than a window, then a pause
            now += 0.01
            rule.sample(now, in_flight=4, used_up=True)
        rule.sample(now, in_flight=1, used_up=False)
        now += 60
    assert rule.limit == 4


def test_overload_halves_once_a_round_trip():
    rule = GrowthRule(64, 128)
    for _ in range(50):
        rule.overloaded(0.0, 1.0)  # fifty calls of one round trip, all refused
    assert rule.limit == 32
    rule.overloaded(1.5, 2.0)
    assert rule.limit == 16
    for moment in range(3, 20):
        rule.overloaded(moment, moment + 0.5)
    assert rule.limit == 1


def test_it_grows_again_after_an_overload():
    rule = GrowthRule(64, 128)
    rule.overloaded(-1.0, 0.0)
    history = Station(network=0.05, workers=1000).run(rule, 10)
    assert history[0][1] == 32
    assert history[-1][1] > 100


@pytest.mark.parametrize(("start", "maximum"), [(0, 10), (11, 10), (1, 0)])
def test_nonsense_is_refused(start: int, maximum: int):
    with pytest.raises(ValueError, match="start"):
        GrowthRule(start, maximum)


async def test_permits_are_given_first_come_first_served():
    limit = AdaptiveLimit(1, 1)
    order: list[int] = []

    async def caller(number: int) -> None:
        await limit.acquire()
        order.append(number)
        await asyncio.sleep(0)
        limit.release()

    await asyncio.gather(*(caller(number) for number in range(20)))
    assert order == list(range(20))
    assert limit.in_flight == 0


async def test_nobody_overtakes_those_who_wait():
    limit = AdaptiveLimit(1, 1)
    await limit.acquire()
    waiter = asyncio.create_task(limit.acquire())
    await asyncio.sleep(0)
    limit.release()
    assert not limit.try_acquire()
    await waiter


async def test_a_cancelled_waiter_leaves_its_place():
    limit = AdaptiveLimit(1, 1)
    await limit.acquire()
    first, second = asyncio.create_task(limit.acquire()), asyncio.create_task(limit.acquire())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    limit.release()
    await second
    assert (limit.in_flight, limit.waiting) == (1, 0)


async def test_a_permit_given_to_a_waiter_cancelled_in_the_same_moment_is_handed_on():
    limit = AdaptiveLimit(1, 1)
    await limit.acquire()
    first, second = asyncio.create_task(limit.acquire()), asyncio.create_task(limit.acquire())
    await asyncio.sleep(0)
    limit.release()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await asyncio.wait_for(second, 1)
    assert limit.in_flight == 1


async def test_after_a_halving_permits_wait_until_enough_are_back():
    limit = AdaptiveLimit(4, 4)
    for _ in range(4):
        await limit.acquire()
    limit.overloaded(limit.clock())
    waiter = asyncio.create_task(limit.acquire())
    await asyncio.sleep(0)
    for expected in (4, 3, 2):
        assert (limit.in_flight, waiter.done()) == (expected, False)
        limit.release()
        await asyncio.sleep(0)
    assert waiter.done()
    assert limit.in_flight == 2


async def test_a_pause_holds_everybody_back():
    limit = AdaptiveLimit(4, 4)
    limit.pause(0.05)
    assert not limit.try_acquire()
    began = limit.clock()
    await asyncio.gather(*(limit.acquire() for _ in range(4)))
    assert limit.clock() - began >= 0.045
    assert limit.pause_left() == 0


async def test_a_longer_pause_wins_over_a_shorter_one():
    limit = AdaptiveLimit(4, 4)
    limit.pause(0.06)
    limit.pause(0.01)
    limit.pause(0.0)
    began = limit.clock()
    await limit.acquire()
    assert limit.clock() - began >= 0.05


@given(st.integers(1, 8), st.lists(st.sampled_from(["acquire", "release", "cancel", "overload"]), max_size=60))
def test_permits_are_never_lost_nor_invented(start: int, actions: list[str]):
    async def play() -> None:
        limit = AdaptiveLimit(start, 8)
        tasks: list[asyncio.Task[None]] = []
        held = 0
        for action in actions:
            if action == "acquire":
                tasks.append(asyncio.create_task(limit.acquire()))
            elif action == "cancel" and tasks:
                tasks.pop(len(tasks) // 2).cancel()
            elif action == "overload":
                limit.overloaded(limit.clock())
            elif held:
                held -= 1
                limit.release()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            held += sum(task.done() for task in tasks)
            tasks = [task for task in tasks if not task.done()]
            assert limit.in_flight == held
            assert limit.waiting == len(tasks)
            assert not tasks or held >= limit.limit
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(play())
