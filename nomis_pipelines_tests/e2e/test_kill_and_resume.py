"""Promise: `kill -9` at any moment, however often, and DPS ends with no record twice and none missing but those that
are listed in doubt: at most twice the calls that were in flight, a kill. Where writing twice does no harm, none is.

By hand at full size: NOMIS_PIPELINES_KILL_VISITS=20000 pytest nomis_pipelines_tests/e2e/test_kill_and_resume.py -s
"""

import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from nomis_pipelines.domains import domain
from nomis_pipelines.ledger import LedgerReader, MigrationStatus, State
from nomis_pipelines.sandbox import Sandbox, SandboxAdmin
from nomis_pipelines_tests.conftest import SANDBOX_TODAY
from nomis_pipelines_tests.e2e.support import keys_by_state, migrate, rows, start

pytestmark = [pytest.mark.server, pytest.mark.timeout(900)]

VISITS = int(os.environ.get("NOMIS_PIPELINES_KILL_VISITS", "3000"))
KILLS = int(os.environ.get("NOMIS_PIPELINES_KILLS", "10"))
SEED = int(os.environ.get("NOMIS_PIPELINES_KILL_SEED", "20240612"))
CONCURRENCY = 12


@dataclass(frozen=True)
class Victim:
    """A migration to be killed: its records in the sandbox, and their keys there as the ledger writes them."""

    domain: str
    service: str
    filter: dict[str, Any]
    records: int
    kills: int
    key: Callable[[dict[str, Any]], str]
    refused: frozenset[State]
    """States of records that DPS will not take."""

    @property
    def idempotent(self) -> bool:
        """Whether a record in doubt is simply written again."""
        return domain(self.domain).migration.idempotent_write

    def held(self, sandbox: SandboxAdmin) -> int:
        """How many records DPS holds."""
        return int(sandbox.agreement()[self.domain]["dps_records"])

    def copies(self, sandbox: SandboxAdmin) -> list[str]:
        """The NOMIS key of every record in DPS, as often as it is there."""
        return [self.key(row) for row in rows(sandbox, f"/{self.domain}")]


VICTIMS = [
    Victim(
        "visits", "visits", {"visitTypes": []}, VISITS, KILLS, lambda row: str(row["nomisId"]),
        frozenset({State.REJECTED}),
    ),
    Victim(
        "adjudications", "adjudications", {}, VISITS // 5, KILLS // 2, lambda row: "/".join(map(str, row["nomisKey"])),
        frozenset({State.REJECTED, State.FAILED}),
    ),
]  # fmt: skip


@pytest.fixture
def killed_world() -> Iterator[Sandbox]:
    """Its own sandbox: another size of world than the others'."""
    with Sandbox(visits=VISITS, seed=SEED, today=SANDBOX_TODAY, postgres=False, sqs=False) as made:
        yield made


@pytest.mark.parametrize("victim", VICTIMS, ids=lambda victim: victim.domain)
def test_many_kills_leave_nothing_twice_and_nothing_missing(
    victim: Victim, killed_world: Sandbox, ledger_url: str
) -> None:
    sandbox = killed_world.admin
    environment = {name: value for name, value in killed_world.environment.items() if name != "DAGSTER_HOME"}
    environment |= {
        "DATABASE_URL": ledger_url,
        "NOMIS_PIPELINES_TODAY": SANDBOX_TODAY.isoformat(),
        "NOMIS_PIPELINES_PAGE_SIZE": "400",
        "NOMIS_PIPELINES_HTTP_START_CONCURRENCY": str(CONCURRENCY),
        "NOMIS_PIPELINES_HTTP_MAX_CONCURRENCY": str(CONCURRENCY),
    }
    sandbox.set_fault("latency", victim.service, distribution="lognormal", milliseconds=6, when="after", seed=SEED)
    moments = random.Random(SEED)
    say(f"\n{victim.records} {victim.domain}, {victim.kills} kills, seed {SEED}, at most {CONCURRENCY} calls in flight")
    with LedgerReader(ledger_url) as reader:
        before: set[str] = set()
        for number in range(victim.kills):
            target = int(victim.records * (number + moments.random()) / (victim.kills + 1.5))
            held = killed_at(victim, environment, sandbox, target, pause=moments.random() * 0.05)
            doubtful = in_the_air(victim, reader)
            new = doubtful - before
            say(f"kill {number + 1} after {held} records (wanted {target}): {len(new)} more may be in doubt")
            assert len(new) <= 2 * CONCURRENCY
            before = doubtful

        sandbox.clear_faults()
        last = migrate(environment, victim.filter, victim.domain)
        assert last.status == 0, last.err
        say(f"at the end: {last.result}")
        assert_whole(victim, sandbox, reader, last.result)


def assert_whole(victim: Victim, sandbox: SandboxAdmin, reader: LedgerReader, result: dict[str, Any]) -> None:
    """Assert that every record is in DPS once, or in doubt, or refused, and that the ledger knows which."""
    states = keys_by_state(reader, victim.domain)
    copies = victim.copies(sandbox)
    assert len(copies) == len(set(copies)), "a record is in DPS twice"
    doubt = states.get(State.IN_DOUBT, set())
    refused = set[str]().union(*(states.get(state, set()) for state in victim.refused))
    everything = set().union(*states.values())
    assert len(everything) == victim.records == result["estimated"]
    assert everything - set(copies) <= doubt | refused, "a record is missing that is not listed"
    assert not set(copies) & refused
    assert states[State.MAPPED] == set(copies) - doubt
    assert set(states) <= {State.MAPPED, State.IN_DOUBT, *victim.refused}
    assert len(doubt) <= (0 if victim.idempotent else 2 * CONCURRENCY * victim.kills)
    assert result["in_doubt"] == len(doubt)
    agreed = sandbox.agreement()[victim.domain]
    assert (agreed["mappings_without_dps"], agreed["mappings_to_another"]) == (0, 0)
    assert_nested(victim, sandbox)
    history = reader.history(domain(victim.domain).migration.migration_type)
    assert [row.status for row in history].count(MigrationStatus.COMPLETED) >= 1
    assert all(not row.active for row in history)


def assert_nested(victim: Victim, sandbox: SandboxAdmin) -> None:
    """Assert that every hearing of a charge that is in DPS is mapped, whether DPS told its id or it was looked up."""
    if victim.domain != "adjudications":
        return
    heard = {
        hearing["oicHearingId"]
        for row in rows(sandbox, "/adjudications")
        for hearing in sandbox.record("adjudications", row["id"])["body"]["hearings"]
    }
    assert heard
    assert heard == {row["nomisKey"] for row in rows(sandbox, "/mappings/hearings")}


def say(text: str) -> None:
    """What a reader of a failed test must know to repeat it."""
    sys.stdout.write(text + "\n")


def killed_at(victim: Victim, environment: dict[str, str], sandbox: SandboxAdmin, target: int, *, pause: float) -> int:
    """Run the migration and kill it when DPS holds `target` records, and a little later; how many it holds then."""
    process = start(environment, victim.filter, victim.domain)
    deadline = time.monotonic() + 300
    while victim.held(sandbox) < target:
        assert process.poll() is None, f"the run ended by itself: {process.communicate()[1][-3000:]}"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    time.sleep(pause)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
    while sandbox.counts()[victim.service]["in_flight"]:
        time.sleep(0.01)
    return victim.held(sandbox)


def in_the_air(victim: Victim, reader: LedgerReader) -> set[str]:
    """What the dead run had begun and not concluded, and what earlier ones had: all of it will be in doubt."""
    states = keys_by_state(reader, victim.domain)
    return states.get(State.WRITING, set()) | states.get(State.IN_DOUBT, set())
