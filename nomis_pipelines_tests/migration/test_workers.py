"""Promise: records of a page go side by side within a bound; what is begun is finished, whatever happens beside it."""

import asyncio
import os
import signal
import threading

import pytest

from nomis_pipelines.migration.workers import StopRequest, for_each


async def test_every_item_is_worked_and_never_more_than_the_limit_at_once() -> None:
    done: list[int] = []
    at_once = most = 0

    async def work(item: int) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.001)
        at_once -= 1
        done.append(item)

    await for_each(range(50), work, limit=7, stop=StopRequest())
    assert sorted(done) == list(range(50))
    assert most == 7


async def test_after_a_stop_request_work_in_hand_is_finished_and_nothing_is_begun() -> None:
    stop, begun, done = StopRequest(), list[int](), list[int]()

    async def work(item: int) -> None:
        begun.append(item)
        if item == 3:
            stop.request("enough")
        await asyncio.sleep(0.01)
        done.append(item)

    await for_each(range(100), work, limit=4, stop=stop)
    assert sorted(begun) == sorted(done) == [0, 1, 2, 3]


async def test_an_error_that_escapes_is_raised_when_the_others_are_through() -> None:
    done: list[int] = []

    async def work(item: int) -> None:
        await asyncio.sleep(0.01)
        if item == 1:
            raise LookupError("first")
        await asyncio.sleep(0.01)
        done.append(item)

    with pytest.raises(LookupError, match="first"):
        await for_each(range(100), work, limit=3, stop=StopRequest())
    assert done == [0, 2]


async def test_nothing_to_do_is_done_at_once() -> None:
    async def work(item: int) -> None:
        raise AssertionError(item)

    await for_each([], work, limit=3, stop=StopRequest())


def test_the_first_reason_of_a_stop_stays() -> None:
    stop = StopRequest()
    assert not stop.requested
    stop.request("first")
    stop.request("second")
    assert (stop.requested, stop.reason, stop.by_signal) == (True, "first", False)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_asks_for_the_stop_and_interrupts_nothing(number: signal.Signals) -> None:
    stop = StopRequest()
    before = signal.getsignal(number)
    with stop.on_signals():
        os.kill(os.getpid(), number)
        assert (stop.requested, stop.by_signal, stop.reason) == (True, True, number.name)
    assert signal.getsignal(number) is before


def test_in_another_thread_signals_are_left_alone() -> None:
    before, during = signal.getsignal(signal.SIGINT), list[object]()

    def inside() -> None:
        with StopRequest().on_signals():
            during.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert during == [before]
