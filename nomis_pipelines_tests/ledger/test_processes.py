"""Real processes: two that want the same records, and one that is killed while it holds some."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process

import pytest

from nomis_pipelines.ledger import ClaimOutcome, Ledger, State
from nomis_pipelines_tests.ledger.conftest import OpenLedger, key

pytestmark = pytest.mark.server


async def start(program: str, url: str, count: int) -> Process:
    command = [sys.executable, "-m", "nomis_pipelines_tests.ledger.processes", program, url, str(count)]
    return await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)


async def line(process: Process) -> str:
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), 60)).decode().strip()


def tell(process: Process) -> None:
    assert process.stdin is not None
    process.stdin.write(b"\n")


async def test_of_two_processes_claiming_the_same_500_records_exactly_one_gets_each(ledger_url: str):
    processes = [await start("race", ledger_url, 500) for _ in range(2)]
    try:
        assert [await line(process) for process in processes] == ["ready", "ready"]
        for process in processes:
            tell(process)
        granted = [[int(number) for number in (await line(process)).split()] for process in processes]
        refused = {await line(process) for process in processes}
        assert sorted(granted[0] + granted[1]) == list(range(500))
        assert refused <= {"busy", ""}
    finally:
        for process in processes:
            tell(process)
            await asyncio.wait_for(process.wait(), 30)


async def test_what_a_killed_process_was_writing_is_in_doubt_and_what_it_had_written_is_not(
    open_ledger: OpenLedger, ledger_url: str
):
    process = await start("hold", ledger_url, 20)
    assert await line(process) == "holding"
    ledger: Ledger = await open_ledger()
    assert (await ledger.claim(key(1))).outcome is ClaimOutcome.BUSY
    assert await ledger.doubt_abandoned("visits") == 0
    process.send_signal(signal.SIGKILL)
    await process.wait()
    await until_dead(ledger)
    assert (await ledger.claim(key(1))).outcome is ClaimOutcome.IN_DOUBT
    assert (await ledger.claim(key(3), idempotent=True)).outcome is ClaimOutcome.GRANTED
    written = await ledger.claim(key(2))
    assert (written.outcome, written.dps_id) == (ClaimOutcome.WRITTEN, "d2")
    assert await ledger.doubt_abandoned("visits") == 8
    assert await ledger.counts("visits") == {State.IN_DOUBT: 9, State.WRITING: 1, State.WRITTEN: 10}


async def until_dead(ledger: Ledger) -> None:
    """PostgreSQL notices a closed connection within milliseconds; a loaded machine may take longer."""
    owner = ledger.owner - 1
    for _ in range(100):
        if not await ledger.alive([owner]):
            return
        await asyncio.sleep(0.05)
    pytest.fail("the dead process still holds its lock")
