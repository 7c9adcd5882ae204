"""Ledgers to test with, and a way to let a process die without starting one."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from nomis_pipelines.ledger import Ledger, RecordKey

OpenLedger = Callable[..., Awaitable[Ledger]]


def key(number: object = 1) -> RecordKey:
    """A record of the visits domain."""
    return RecordKey("visits", "visits", str(number))


async def die(ledger: Ledger) -> None:
    """What the end of a process looks like from outside: its connection is gone, nothing is tidied up."""
    ledger._flusher._task.cancel()
    await ledger._session.drop()
    await ledger._store.close()


@pytest.fixture
async def open_ledger(ledger_url: str) -> AsyncIterator[OpenLedger]:
    """Open as many ledgers on one database as a test likes."""
    opened: list[Ledger] = []

    async def make(**options: float) -> Ledger:
        ledger = await Ledger.open(ledger_url, **{"commit_milliseconds": 0, "patience_seconds": 5, **options})
        opened.append(ledger)
        return ledger

    yield make
    for ledger in opened:
        if not ledger._flusher._task.cancelled():
            await ledger.aclose()


@pytest.fixture
async def ledger(open_ledger: OpenLedger) -> Ledger:
    """One ledger."""
    return await open_ledger()
