"""A dead service makes the consumer pause: it must not use up the receives of all messages."""

import asyncio

from nomis_pipelines.http import CircuitOpen, Rejected, Unavailable
from nomis_pipelines.ledger import LedgerUnavailable
from nomis_pipelines.synchronisation import Ended, Outcome
from nomis_pipelines.synchronisation.outage import OutageWatch
from nomis_pipelines_tests.synchronisation.examples import World, event
from nomis_pipelines_tests.synchronisation.virtual_time import run_virtually


class Service:
    """A service that is away at times, answering pings when it is not."""

    def __init__(self) -> None:
        self.away = True
        self.error: Exception = Unavailable("visits", "GET", "/visits/{id}", 503)
        self.pings = 0

    def act(self, _: object) -> None:
        if self.away:
            raise self.error

    async def answers(self, name: str) -> bool:
        assert name in {"visits", "ledger"}
        self.pings += 1
        return not self.away


def outage(service: Service, *, messages: int, seconds: float, **options):
    async def scenario():
        world = World(answers=service.answers, concurrency=40, **options)
        world.handlers.act = service.act
        for booking in range(messages):
            world.queue.send(event(booking))
        asyncio.get_running_loop().call_later(seconds, setattr, service, "away", False)
        started = world.queue.now()
        report = await world.run()
        return world, report, world.queue.now() - started

    return run_virtually(scenario())


def test_a_quarter_of_an_hour_of_outage_dead_letters_nothing_and_all_is_handled_afterwards():
    world, report, _ = outage(Service(), messages=500, seconds=900)
    assert sorted(booking for booking, _ in world.handlers.done) == list(range(500))
    assert world.queue.dead == []
    assert report.total(Outcome.FAILED) < 15


def test_an_outage_in_which_pings_are_answered_uses_up_one_receive_a_pause():
    service = Service()

    async def answers(name: str) -> bool:
        service.pings += 1
        return True

    service.answers = answers
    world, report, _ = outage(service, messages=500, seconds=900)
    assert len(world.handlers.done) == 500
    assert report.total(Outcome.FAILED) < 15 + 6 + 900 / 60
    assert service.pings < 30


def test_the_ledger_away_is_an_outage_too():
    service = Service()
    service.error = LedgerUnavailable("db:5432/ledger cannot be reached")
    world, report, _ = outage(service, messages=100, seconds=120)
    assert len(world.handlers.done) == 100
    assert report.total(Outcome.FAILED) < 30


def test_an_open_circuit_ends_the_consumer_when_the_service_answers_again():
    service = Service()
    service.error = CircuitOpen("visits", "GET", "/visits/{id}")
    world, report, seconds = outage(service, messages=200, seconds=100)
    assert report.ended is Ended.CIRCUIT_OPEN
    assert not report.ok
    assert report.as_metadata()["service"] == "visits"
    assert 100 < seconds < 200
    assert world.queue.dead == []
    assert len(world.queue.messages) == 200
    assert all(stored.receives <= 1 for stored in world.queue.messages)


def test_a_stop_ends_a_pause_at_once():
    async def scenario():
        service = Service()
        world = World(answers=service.answers, concurrency=8)
        world.handlers.act = service.act
        for booking in range(50):
            world.queue.send(event(booking))
        run = asyncio.get_running_loop().create_task(world.run())
        await asyncio.sleep(100)
        before = world.queue.now()
        world.consumer.stop()
        await run
        assert world.queue.now() - before < 1

    run_virtually(scenario())


def test_a_few_different_failures_among_successes_are_no_outage():
    now = 0.0
    watch = OutageWatch(40, lambda: now)
    for number in range(20):
        watch.unavailable("visits", f"m{number}") if number % 3 == 0 else watch.worked()
    assert not watch.paused


def test_one_message_failing_again_and_again_is_no_outage():
    watch = OutageWatch(40, lambda: 0.0)
    for _ in range(100):
        watch.unavailable("visits", "the same")
    assert not watch.paused


def test_failures_long_ago_are_forgotten():
    now = 0.0
    watch = OutageWatch(40, lambda: now)
    for number in range(20):
        watch.unavailable("visits", f"m{number}")
        now += 30
    assert not watch.paused


def test_a_message_that_fails_for_another_reason_tells_that_the_service_is_back():
    service = Service()

    async def scenario():
        world = World(answers=service.answers, concurrency=40, idle_seconds=30)
        refused = Rejected("visits", "GET", "/visits/{id}", 400)

        def act(booking):
            if not service.away and booking.booking_id % 2:
                raise refused
            service.act(booking)

        world.handlers.act = act
        for booking in range(60):
            world.queue.send(event(booking))
        asyncio.get_running_loop().call_later(20, setattr, service, "away", False)
        await world.run()
        assert len(world.handlers.done) == 30

    run_virtually(scenario())
