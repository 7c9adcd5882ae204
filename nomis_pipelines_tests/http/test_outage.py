"""A failing service stops the run, soon and once, instead of failing record after record."""

import asyncio

import pytest

from nomis_pipelines.http import (
    AuthError,
    CircuitBreaker,
    CircuitOpen,
    MaybeArrived,
    OutcomeUnknown,
    ServiceClient,
    ServiceError,
    WireResponse,
)
from nomis_pipelines_tests.http.support import Clock, ScriptedWire, client

BROKEN = MaybeArrived("connection closed")
OK = WireResponse(200, b"{}")


async def kind_of_failure(visits: ServiceClient) -> type[ServiceError]:
    with pytest.raises(ServiceError) as caught:
        await visits.get("/visits", str)
    return type(caught.value)


async def test_once_the_circuit_is_open_no_call_goes_out():
    clock, wire = Clock(), ScriptedWire([BROKEN])
    visits = client(wire, breaker=CircuitBreaker(15.0, clock=clock))
    for _ in range(19):
        with pytest.raises(OutcomeUnknown):
            await visits.post("/visits", {})
    for seconds in (0, 16):
        clock.now += seconds
        with pytest.raises(OutcomeUnknown):
            await visits.post("/visits", {})
    sent = len(wire.asked)
    with pytest.raises(CircuitOpen, match="most calls have failed for 15 s") as caught:
        await visits.get("/visits/{id}", str, path={"id": 1})
    assert caught.value.template == "/visits/{id}"
    assert len(wire.asked) == sent


async def test_while_the_breaker_makes_up_its_mind_repeatable_calls_go_on_trying():
    wire = ScriptedWire([BROKEN] * 40 + [OK])
    visits = client(wire)
    for _ in range(20):
        with pytest.raises(OutcomeUnknown):
            await visits.post("/visits", {})
    assert await visits.get("/visits", str) == "{}"
    assert len(wire.asked) == 41


async def test_a_call_under_way_ends_with_the_circuit():
    clock, wire = Clock(), ScriptedWire([BROKEN])
    visits = client(wire, breaker=CircuitBreaker(15.0, clock=clock))

    wire.at = {40: lambda: setattr(clock, "now", clock.now + 16)}
    results = await asyncio.gather(*(visits.get("/visits", str) for _ in range(10)), return_exceptions=True)
    assert {type(result) for result in results} == {CircuitOpen}
    assert len(wire.asked) == 40


@pytest.mark.parametrize("status", [401, 403, 500, 503])
async def test_refusing_everybody_is_an_outage_too(status: int):
    wire = ScriptedWire([WireResponse(status, b"")])
    visits = client(wire, breaker=CircuitBreaker(0.0))
    results = [await kind_of_failure(visits) for _ in range(30)]
    assert results[-1] is CircuitOpen


@pytest.mark.parametrize("status", [400, 404, 409, 422, 429])
async def test_bad_records_and_too_many_requests_are_no_outage(status: int):
    breaker = CircuitBreaker(0.0)
    visits = client(ScriptedWire([WireResponse(status, b"")]), breaker=breaker)
    for _ in range(50):
        with pytest.raises(Exception, match=str(status)):
            await visits.get("/visits", str)
    assert not breaker.is_suspect


async def test_being_without_a_token_is_an_outage():
    wire = ScriptedWire(tokens=[WireResponse(401, b"")])
    visits = client(wire, breaker=CircuitBreaker(0.0))
    results = [await kind_of_failure(visits) for _ in range(30)]
    assert (results[0], results[-1]) == (AuthError, CircuitOpen)
