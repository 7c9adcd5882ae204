"""Promise: `kill -9` at any moment, however often, and the visit scheduler ends with no visit twice and none missing
but those that are listed in doubt: at most twice the calls that were in flight, a kill.

By hand at full size: NOMIS_PIPELINES_KILL_VISITS=20000 pytest nomis_pipelines_tests/e2e/test_kill_and_resume.py -s
"""

import os
import random
import signal
import sys
import time
from collections.abc import Iterator

import pytest

from nomis_pipelines.ledger import LedgerReader, MigrationStatus, State
from nomis_pipelines.sandbox import Sandbox, SandboxAdmin
from nomis_pipelines_tests.conftest import SANDBOX_TODAY
from nomis_pipelines_tests.e2e.support import by_state, migrate, start, written

pytestmark = [pytest.mark.server, pytest.mark.timeout(900)]

VISITS = int(os.environ.get("NOMIS_PIPELINES_KILL_VISITS", "3000"))
KILLS = int(os.environ.get("NOMIS_PIPELINES_KILLS", "10"))
SEED = int(os.environ.get("NOMIS_PIPELINES_KILL_SEED", "20240612"))
CONCURRENCY = 12
EVERYTHING = {"visitTypes": []}


@pytest.fixture
def killed_world() -> Iterator[Sandbox]:
    """Its own sandbox: another size of world than the others'."""
    with Sandbox(visits=VISITS, seed=SEED, today=SANDBOX_TODAY, postgres=False, sqs=False) as made:
        yield made


def test_ten_kills_leave_nothing_twice_and_nothing_missing(killed_world: Sandbox, ledger_url: str) -> None:
    sandbox = killed_world.admin
    environment = {name: value for name, value in killed_world.environment.items() if name != "DAGSTER_HOME"}
    environment |= {
        "DATABASE_URL": ledger_url,
        "NOMIS_PIPELINES_TODAY": SANDBOX_TODAY.isoformat(),
        "NOMIS_PIPELINES_PAGE_SIZE": "400",
        "NOMIS_PIPELINES_HTTP_START_CONCURRENCY": str(CONCURRENCY),
        "NOMIS_PIPELINES_HTTP_MAX_CONCURRENCY": str(CONCURRENCY),
    }
    sandbox.set_fault("latency", "visits", distribution="lognormal", milliseconds=6, when="after", seed=SEED)
    moments = random.Random(SEED)
    say(f"\n{VISITS} visits, {KILLS} kills, seed {SEED}, at most {CONCURRENCY} calls in flight")
    with LedgerReader(ledger_url) as reader:
        before: set[int] = set()
        for number in range(KILLS):
            target = int(VISITS * (number + moments.random()) / (KILLS + 1.5))
            held = killed_at(environment, sandbox, target, pause=moments.random() * 0.05)
            doubtful = in_the_air(reader)
            new = doubtful - before
            say(f"kill {number + 1} after {held} visits (wanted {target}): {len(new)} more may be in doubt")
            assert len(new) <= 2 * CONCURRENCY
            before = doubtful

        sandbox.clear_faults()
        last = migrate(environment, EVERYTHING)
        assert last.status == 0, last.err
        states = by_state(reader)
        copies = written(sandbox)
        say(f"at the end: {last.result}")
        assert len(copies) == len(set(copies)), "a visit is in DPS twice"
        doubt = states.get(State.IN_DOUBT, set())
        refused = states.get(State.REJECTED, set())
        everything = set().union(*states.values())
        assert everything == set(range(1, VISITS + 1))
        assert everything - set(copies) <= doubt | refused, "a visit is missing that is not listed"
        assert not set(copies) & refused
        assert states[State.MAPPED] == set(copies) - doubt
        assert set(states) <= {State.MAPPED, State.REJECTED, State.IN_DOUBT}
        assert len(doubt) <= 2 * CONCURRENCY * KILLS
        assert last.result["in_doubt"] == len(doubt)
        assert last.result["estimated"] == len(everything)
        rows = reader.history("VISITS")
        assert [row.status for row in rows].count(MigrationStatus.COMPLETED) >= 1
        assert all(not row.active for row in rows)


def say(text: str) -> None:
    """What a reader of a failed test must know to repeat it."""
    sys.stdout.write(text + "\n")


def killed_at(environment: dict[str, str], sandbox: SandboxAdmin, target: int, *, pause: float) -> int:
    """Run the migration and kill it when DPS holds `target` visits, and a little later; how many it holds then."""
    process = start(environment, EVERYTHING)
    deadline = time.monotonic() + 300
    while sandbox.agreement()["visits"]["dps_records"] < target:
        assert process.poll() is None, f"the run ended by itself: {process.communicate()[1][-3000:]}"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    time.sleep(pause)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
    while sandbox.counts()["visits"]["in_flight"]:
        time.sleep(0.01)
    return int(sandbox.agreement()["visits"]["dps_records"])


def in_the_air(reader: LedgerReader) -> set[int]:
    """What the dead run had begun and not concluded, and what earlier ones had: all of it will be in doubt."""
    states = by_state(reader)
    return states.get(State.WRITING, set()) | states.get(State.IN_DOUBT, set())
