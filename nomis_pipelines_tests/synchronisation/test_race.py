"""Each record is announced three times at once, two consumers run, consumers die: one DPS record each, or in doubt."""

import asyncio
import random
from typing import Any, cast

import pytest

from nomis_pipelines.http import Conflict, OutcomeUnknown
from nomis_pipelines.ledger import Ledger, RecordKey, State
from nomis_pipelines.synchronisation import (
    Consumer,
    ConsumerOptions,
    Create,
    EventBody,
    SyncContext,
    Synchronisation,
    create_once,
    on,
)
from nomis_pipelines_tests.synchronisation.examples import context, event
from nomis_pipelines_tests.synchronisation.fake_sqs import FakeQueue
from nomis_pipelines_tests.synchronisation.test_creates import Client

pytestmark = pytest.mark.server


class Announced(EventBody):
    """An event of a record."""

    booking_id: int


class Dps:
    """The new service and the mapping service; now and then an answer to a write is lost."""

    def __init__(self, lost_answers: float = 0.0) -> None:
        self.rng = random.Random(11)
        self.lost_answers = lost_answers
        self.written: dict[int, int] = {}
        self.mapped: dict[int, str] = {}
        self.duplicates = 0


def records(dps: Dps) -> type[Synchronisation]:
    class Records(Synchronisation):
        queue = "eventbookings"
        switch_domain = "bookings"
        redelivery_seconds = (0,)

        # a key of its own for each event: nothing but the ledger keeps them apart
        @on("BOOKING-UPDATED", key=lambda event: id(event))
        async def changed(self, event: Announced) -> None:
            record = event.booking_id
            if record in dps.mapped:
                return

            async def find() -> str | None:
                return dps.mapped.get(record)

            async def write() -> str:
                await asyncio.sleep(dps.rng.random() * 0.01)
                dps.written[record] = dps.written.get(record, 0) + 1
                await asyncio.sleep(dps.rng.random() * 0.01)
                if dps.rng.random() < dps.lost_answers:
                    raise OutcomeUnknown("dps", "POST", "/records", reason="timeout")
                return f"dps-{record}-{dps.written[record]}"

            async def post(mapping: dict[str, Any]) -> None:
                await asyncio.sleep(dps.rng.random() * 0.01)
                if dps.mapped.setdefault(record, mapping["dpsId"]) != mapping["dpsId"]:
                    dps.duplicates += 1
                    raise Conflict("mapping", "POST", "/mapping")

            await create_once(
                self.context,
                Create(
                    key=RecordKey("records", "records", str(record)),
                    client=cast("Any", Client()),
                    find_mapping=find,
                    write=write,
                    dps_id_of=str,
                    mapping_of=lambda dps_id: {"nomisId": record, "dpsId": dps_id},
                    post_mapping=post,
                    dps_field="dpsId",
                ),
            )

    return Records


def consumer(dps: Dps, sync: SyncContext, queue: FakeQueue) -> Consumer:
    options = ConsumerOptions(idle_seconds=3, wait_seconds=1, visibility_seconds=3, concurrency=20, grace_seconds=0.01)
    return Consumer([records(dps)], context=sync, queue=cast("Any", queue), options=options)


async def test_three_events_at_once_and_two_consumers_make_one_record_each(ledger_url: str):
    dps, queue = Dps(), FakeQueue(max_receives=50)
    for record in range(100):
        for _ in range(3):
            queue.send(event(record))
    async with await Ledger.open(ledger_url) as first, await Ledger.open(ledger_url) as second:
        await asyncio.gather(*(consumer(dps, context(ledger=ledger), queue).run() for ledger in (first, second)))
    assert dps.written == dict.fromkeys(range(100), 1)
    assert len(dps.mapped) == 100
    assert (dps.duplicates, queue.messages, queue.dead) == (0, [], [])


async def test_consumers_that_die_and_answers_that_are_lost_leave_none_twice_and_none_untold(ledger_url: str):
    dps, queue = Dps(lost_answers=0.03), FakeQueue(max_receives=4)
    for record in range(100):
        for _ in range(3):
            queue.send(event(record))
    for _ in range(6):
        ledger = await Ledger.open(ledger_url, grace_seconds=0)
        run = asyncio.get_running_loop().create_task(consumer(dps, context(ledger=ledger), queue).run())
        await asyncio.sleep(0.05 + dps.rng.random() * 0.1)
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        await ledger.aclose()
    async with await Ledger.open(ledger_url, grace_seconds=0) as ledger:
        await consumer(dps, context(ledger=ledger), queue).run()
        doubtful = {int(record.nomis_key) for record in await ledger.records("records", states=[State.IN_DOUBT])}
    assert all(count == 1 for count in dps.written.values())
    assert doubtful | set(dps.mapped) == set(range(100))
    assert not doubtful & set(dps.mapped)
    assert dps.duplicates == 0
