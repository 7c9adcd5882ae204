"""A world to break: sandbox, PostgreSQL of its own, run processes, one seeded source of chance, and what must hold."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nomis_pipelines.ledger import LedgerReader, Record, State
from nomis_pipelines.sandbox import Sandbox, SandboxAdmin
from nomis_pipelines.sandbox.postgres import EmbeddedPostgres
from nomis_pipelines_tests.conftest import SANDBOX_TODAY
from nomis_pipelines_tests.e2e.support import Ended, by_state, migrate, start

EVERYTHING = {"visitTypes": []}
CONCURRENCY = 24
ATTEMPTS = 6
"""How often a migration is started again before it counts as one that cannot be brought to its end."""
SURVIVABLE = {0, 1}
"""What a migration on a bad day may exit with: done, or done in part and saying so."""

SETTINGS = {
    "NOMIS_PIPELINES_TODAY": SANDBOX_TODAY.isoformat(),
    "NOMIS_PIPELINES_PAGE_SIZE": "250",
    "NOMIS_PIPELINES_HTTP_START_CONCURRENCY": str(CONCURRENCY),
    "NOMIS_PIPELINES_HTTP_MAX_CONCURRENCY": str(CONCURRENCY),
    "API_TIMEOUT": "2s",
    "API_MAPPING_TIMEOUT": "2s",
}


@dataclass(kw_only=True)
class ChaosWorld:
    """Visits that one disorder after another is let loose on. `chance` decides everything that is left to chance."""

    sandbox: Sandbox
    postgres: EmbeddedPostgres
    ledger_url: str
    visits: int
    chance: random.Random
    running: list[subprocess.Popen[str]] = field(default_factory=list[subprocess.Popen[str]])

    @property
    def admin(self) -> SandboxAdmin:
        """The sandbox's controls."""
        return self.sandbox.admin

    @property
    def environment(self) -> dict[str, str]:
        """What leads a run here; slow enough that there is a middle to break it in."""
        names = {name: value for name, value in self.sandbox.environment.items() if name != "DAGSTER_HOME"}
        return {**names, **SETTINGS, "DATABASE_URL": self.ledger_url}

    def slow_down(self) -> None:
        """Let writes take some milliseconds."""
        seed = self.chance.randrange(1_000_000)
        self.admin.set_fault("latency", "visits", distribution="lognormal", milliseconds=8, when="after", seed=seed)

    def begin(self, module: str = "nomis_pipelines", **settings: str) -> subprocess.Popen[str]:
        """Start a migration of everything in the background."""
        process = start({**self.environment, **settings}, EVERYTHING, module=module)
        self.running.append(process)
        return process

    def moment(self, process: subprocess.Popen[str], earliest: float = 0.05, latest: float = 0.9) -> None:
        """Wait until a share of the visits, left to chance, is written, or the process has ended."""
        at_least = int(self.visits * self.chance.uniform(earliest, latest))
        deadline = time.monotonic() + 120
        while self.in_dps() < at_least and process.poll() is None:
            assert time.monotonic() < deadline, f"{at_least} visits are not written after 120 s"
            time.sleep(0.01)

    def in_dps(self) -> int:
        """How many visits DPS holds."""
        return int(self.admin.agreement()["visits"]["dps_records"])

    def kill(self, process: subprocess.Popen[str]) -> None:
        """`kill -9`, with all that it started; calls that are out still arrive."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

    def end(self, process: subprocess.Popen[str]) -> Ended:
        """Wait for the end of a run."""
        out, err = process.communicate(timeout=180)
        assert "Traceback" not in err, err[-3000:]
        return Ended(process.returncode, out, err)

    def settle(self) -> Ended:
        """Take all faults back and migrate until a run gets to its end."""
        self.admin.clear_faults()
        ended = migrate(self.environment, EVERYTHING)
        for _ in range(ATTEMPTS):
            if ended.status == 0 and ended.result["status"] == "COMPLETED":
                return ended
            ended = migrate(self.environment, EVERYTHING)
        raise AssertionError(f"no run gets to its end: {ended.err[-2000:]}")

    def check(self) -> dict[str, set[int]]:
        """The invariants; the answer is the visits by their state in the ledger."""
        with LedgerReader(self.ledger_url) as reader:
            states = by_state(reader)
            listed = {int(record.nomis_key): record for record in _records(reader)}
        assert set(listed) == set(range(1, self.visits + 1)), "visits that the ledger knows nothing of, or too many"
        assert sum(len(numbers) for numbers in states.values()) == self.visits, "a visit in two states"
        assert not states.keys() & {State.WRITING, State.WRITTEN, State.FAILED}, {k: len(v) for k, v in states.items()}
        in_dps = list(self._stored("/visits"))
        pairs = {row["nomisKey"]: row["dps_id"] for row in self._stored("/mappings/visits")}
        known = {row["reference"] for row in in_dps}
        for number, reference in pairs.items():
            assert reference in known, f"visit {number} is mapped to {reference}, which DPS has not"
        for number in states.get(State.MAPPED, set()):
            assert pairs.get(number) == listed[number].dps_id, f"visit {number}: ledger and mapping service disagree"
        for row in in_dps:
            number, reference = row["nomisId"], row["reference"]
            assert pairs.get(number) == reference or _is_listed(listed[number], reference), (
                f"visit {number} is in DPS as {reference}: neither mapped nor listed ({listed[number].state})"
            )
        return states

    def _stored(self, path: str) -> Generator[dict[str, Any]]:
        number = 0
        while rows := self.admin.records(path, page=number, size=5000)["content"]:
            yield from rows
            number += 1

    def forget(self) -> None:
        """As on the first day: nothing stored, nothing known, nothing running."""
        import psycopg

        for process in self.running:
            if process.poll() is None:
                self.kill(process)
        self.running.clear()
        self.admin.reset()
        with psycopg.connect(self.ledger_url.replace("+psycopg", ""), autocommit=True) as connection:
            for table in ("record", "ledger_owner", "migration_progress", "migration_history"):
                connection.execute(f"DELETE FROM {table}")


def _records(reader: LedgerReader) -> Generator[Record]:
    after = None
    while page := reader.records("visits", states=list(State), after=after):
        yield from page
        after = page[-1].key


def _is_listed(record: Record, reference: str) -> bool:
    """Whether the ledger tells an operator of this DPS record."""
    if record.state is State.IN_DOUBT:
        return True
    if record.state is State.DUPLICATE:
        return reference in {record.dps_id, record.existing_dps_id}
    return reference == (record.details or {}).get("previousDpsId")


@contextlib.contextmanager
def chaos_world(folder: Path, *, visits: int, seed: int) -> Generator[ChaosWorld]:
    """A sandbox and a PostgreSQL of their own, in `folder`."""
    from nomis_pipelines.ledger.schema import upgrade

    folder.chmod(0o755)
    settings = {"fsync": "off", "max_connections": "60"}
    with (
        Sandbox(visits=visits, seed=seed, today=SANDBOX_TODAY, postgres=False, sqs=False) as sandbox,
        EmbeddedPostgres(folder / "data", settings=settings) as postgres,
    ):
        url = postgres.create_database("migration")
        upgrade(url)
        world = ChaosWorld(
            sandbox=sandbox, postgres=postgres, ledger_url=url, visits=visits, chance=random.Random(seed)
        )
        yield world
        for process in world.running:
            if process.poll() is None:
                world.kill(process)


def say(text: str) -> None:
    """What a reader of a failed test must know to repeat it."""
    sys.stdout.write(text + "\n")
