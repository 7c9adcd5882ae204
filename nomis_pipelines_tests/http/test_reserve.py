"""A permit may be taken before the work begins and serves the calls made inside the block: no second one is needed."""

import asyncio

import pytest

from nomis_pipelines.http import AdaptiveLimit, CircuitBreaker, CircuitOpen, WireRequest, WireResponse
from nomis_pipelines_tests.http.support import TOKEN, ScriptedWire, client


class GatedWire(ScriptedWire):
    """Answers calls only when the gate is open; knows how many it has at once."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.under_way = self.most = 0

    async def send(self, request: WireRequest) -> WireResponse:
        if request.url.endswith("/oauth/token"):
            return TOKEN
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await self.gate.wait()
            return await super().send(request)
        finally:
            self.under_way -= 1


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_calls_inside_use_the_reserved_permit():
    limit = AdaptiveLimit(1, 1)
    visits = client(ScriptedWire(), limit=limit)
    async with visits.reserved():
        assert limit.in_flight == 1
        await visits.get("/a", str)
        await visits.post("/b", None)
        assert limit.in_flight == 1
    assert limit.in_flight == 0


async def test_no_more_blocks_are_entered_than_the_limit_allows():
    limit = AdaptiveLimit(3, 3)
    visits = client(ScriptedWire(), limit=limit)
    inside = most = 0

    async def one() -> None:
        nonlocal inside, most
        async with visits.reserved():
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            await visits.get("/a", str)
            inside -= 1

    await asyncio.gather(*(one() for _ in range(30)))
    assert most == 3


async def test_a_nested_block_does_nothing():
    limit = AdaptiveLimit(1, 1)
    visits = client(ScriptedWire(), limit=limit)
    async with visits.reserved():
        async with visits.reserved():
            assert limit.in_flight == 1
        assert limit.in_flight == 1
        await visits.get("/a", str)
    assert limit.in_flight == 0


async def test_other_services_are_not_covered():
    here, there = AdaptiveLimit(1, 1), AdaptiveLimit(1, 1)
    visits, mapping = client(ScriptedWire(), limit=here), client(ScriptedWire(), limit=there)
    async with visits.reserved(), mapping.reserved():
        assert (here.in_flight, there.in_flight) == (1, 1)
        await visits.get("/a", str)
        await mapping.get("/a", str)
    async with visits.reserved():
        await mapping.get("/a", str)
    assert (here.in_flight, there.in_flight) == (0, 0)


async def test_tasks_started_inside_share_the_permit_one_after_another():
    limit = AdaptiveLimit(1, 1)
    wire = GatedWire()
    wire.gate.set()
    visits = client(wire, limit=limit)
    async with visits.reserved():
        await asyncio.gather(*(visits.get("/a", str) for _ in range(5)))
    assert (wire.most, limit.in_flight) == (1, 0)


async def test_other_tasks_have_no_part_in_it():
    limit = AdaptiveLimit(1, 1)
    visits = client(ScriptedWire(), limit=limit)
    async with visits.reserved():
        pass
    outsider: list[str] = []

    async def call() -> None:
        outsider.append(await visits.get("/a", str))

    release = asyncio.Event()

    async def holder() -> None:
        async with visits.reserved():
            await release.wait()

    holding = asyncio.create_task(holder())
    await turns()
    calling = asyncio.create_task(call())
    await turns()
    assert outsider == []
    release.set()
    await asyncio.gather(holding, calling)
    assert outsider == ["{}"]


async def test_a_shielded_call_that_outlives_the_block_keeps_the_permit_until_it_ends():
    limit = AdaptiveLimit(1, 1)
    wire = GatedWire()
    visits = client(wire, limit=limit)
    inner: list[asyncio.Task[None]] = []

    async def write() -> None:
        async with visits.reserved():
            inner.append(asyncio.create_task(visits.post("/a", None)))
            await asyncio.shield(inner[0])

    task = asyncio.create_task(write())
    await turns()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    assert (wire.under_way, limit.in_flight) == (1, 1)
    wire.gate.set()
    await inner[0]
    assert limit.in_flight == 0


async def test_an_error_or_a_cancel_inside_gives_the_permit_back():
    limit = AdaptiveLimit(1, 1)
    visits = client(GatedWire(), limit=limit)
    with pytest.raises(ZeroDivisionError):
        async with visits.reserved():
            raise ZeroDivisionError

    async def write() -> None:
        async with visits.reserved():
            await visits.post("/a", None)

    task = asyncio.create_task(write())
    await turns()
    assert limit.in_flight == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert limit.in_flight == 0


async def test_no_permit_is_given_when_the_circuit_is_open_even_to_those_who_waited():
    limit, breaker = AdaptiveLimit(1, 1), CircuitBreaker(0.0)
    visits = client(ScriptedWire(), limit=limit, breaker=breaker)

    async def enter() -> None:
        async with visits.reserved():
            raise AssertionError

    await limit.acquire()
    waiting = asyncio.create_task(enter())
    await turns()
    for _ in range(25):
        breaker.record(ok=False)
    limit.release()
    with pytest.raises(CircuitOpen):
        await waiting
    with pytest.raises(CircuitOpen):
        await enter()
    assert limit.in_flight == 0
