"""How fast a domain migrates, against a bare loop that makes the same calls and nothing else, and in how much memory.

    python -m benchmarks.migration [--domain visits] [--records 50000] [--memory 10000 200000]

Each run is a process of its own (`nomis-pipelines migrate DOMAIN`) on a fresh sandbox without latency. The bare loop
uses the same client and the domain's own calls in the same order, without ledger, telemetry, history and Dagster.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from nomis_pipelines.sandbox import Sandbox
from nomis_pipelines.sandbox.data.prisons import PRISONS


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A domain as it is measured: what its records are, the filter that takes them, sizes, and the sandbox of a size.

    `size` is the number of records, or what the sandbox makes them from; `after` is the domain migrated before it.
    """

    records: str
    filter: Mapping[str, Any]
    size: int
    memory: tuple[int, ...]
    sandbox: Callable[[int], dict[str, Any]]
    has_floor: bool = True
    after: str | None = None


SUBJECTS = {
    "visits": Subject(
        records="visits", filter={"visitTypes": []}, size=50_000, memory=(10_000, 200_000),
        sandbox=lambda size: {"visits": size},
    ),
    # some six alerts each, which are one record
    "alerts": Subject(
        records="prisoners", filter={}, size=20_000, memory=(5_000,),
        sandbox=lambda size: {"visits": 10, "prisoners": size},
    ),
    # a bare loop would have to do what the engine does: parents first
    "locations": Subject(
        records="locations", filter={}, size=30_000, memory=(), has_floor=False,
        sandbox=lambda size: {"visits": 100, "locations": size},
    ),
    # no floor either: the limit of eight at once, which the card sets, is what is measured
    "incidents": Subject(
        records="incidents", filter={}, size=5_000, memory=(), has_floor=False,
        sandbox=lambda size: {"visits": 10 * size},
    ),
    # a bare loop would have to know what a prisoner's record is made of
    "court_sentencing": Subject(
        records="prisoners", filter={}, size=20_000, memory=(), has_floor=False,
        sandbox=lambda size: {"visits": 10, "prisoners": size},
    ),
    # a prison's share of one activity for every fifty visits
    "activities": Subject(
        records="activities", filter={"prisonId": "MDI"}, size=500_000, memory=(),
        sandbox=lambda size: {"visits": size},
    ),
    # a bare loop would have to migrate their activities
    "allocations": Subject(
        records="allocations", filter={"prisonId": "MDI"}, size=500_000, memory=(), after="activities", has_floor=False,
        sandbox=lambda size: {"visits": size},
    ),
    # one for every two visits
    "appointments": Subject(
        records="appointments", filter={"prisonIds": list(PRISONS)}, size=40_000, memory=(),
        sandbox=lambda size: {"visits": size},
    ),
    # one for every five visits
    "adjudications": Subject(
        records="adjudications", filter={}, size=100_000, memory=(),
        sandbox=lambda size: {"visits": size},
    ),
    # one for every four prisoners; a bare loop would have to know how parts become pairs
    "csip": Subject(
        records="reports", filter={}, size=40_000, memory=(), has_floor=False,
        sandbox=lambda size: {"visits": 10, "prisoners": size},
    ),
    # some thirty notes each, which are one record
    "case_notes": Subject(
        records="prisoners", filter={}, size=5_000, memory=(1_000,),
        sandbox=lambda size: {"visits": 10, "prisoners": size},
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """One process: records, seconds of the work itself, CPU seconds and peak memory (MiB) of the whole process."""

    name: str
    records: int
    seconds: float
    cpu: float
    peak: float

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.records / self.seconds

    def row(self, floor: "Measured | None") -> str:
        """As a row of Markdown."""
        ratio = f"{self.rate / floor.rate:.2f}" if floor is not None else ""
        micro = self.cpu / self.records * 1e6
        return f"| {self.name} | {self.records:,} | {self.rate:,.0f} | {micro:,.0f} | {self.peak:,.0f} | {ratio} |"


def run(name: str, command: list[str], environment: Mapping[str, str]) -> Measured:
    """Run a process that prints a JSON object with `migrated` or `done`, and `seconds`, on its last line."""
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(command, env=dict(environment), stdout=out, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        out.seek(0)
        lines = out.read().strip().splitlines()
    if status or not lines:
        raise SystemExit(f"{name} failed: {lines[-1] if lines else 'no output'}")
    result: dict[str, Any] = json.loads(lines[-1])
    return Measured(
        name=name,
        records=int(result["processed"] if "processed" in result else settled(result)),
        seconds=float(result["seconds"]),
        cpu=usage.ru_utime + usage.ru_stime,
        peak=usage.ru_maxrss / 1024,
    )


def settled(result: Mapping[str, Any]) -> int:
    """How many records a run dealt with, whatever became of them."""
    names = ("migrated", "skipped", "rejected", "failed", "unmapped", "in_doubt", "duplicates")
    return sum(int(result[name]) for name in names)


def migrate(domain: str, size: int, state: Path, *, with_floor: bool) -> tuple[Measured, Measured | None]:
    """Bare loop if wanted, then migration, of the same records: the sandbox forgets in between."""
    subject = SUBJECTS[domain]
    with Sandbox(state=state, sqs=False, **subject.sandbox(size)) as sandbox:
        environment = variables(sandbox)
        bare = [sys.executable, "-m", "benchmarks.migration", "--domain", domain, "--bare"]
        floor = run("bare loop", bare, environment) if with_floor else None
        sandbox.admin.reset("data")
        if subject.after:
            run(subject.after, migration_command(subject.after), environment)
        return run("migration", migration_command(domain), environment), floor


def variables(sandbox: Sandbox) -> dict[str, str]:
    """The environment of a run on the sandbox, with a Dagster instance that is thrown away."""
    left_out = ("DAGSTER_HOME", "HMPPS_SQS_QUEUES_AUDIT_QUEUE_NAME")
    return {name: value for name, value in {**os.environ, **sandbox.environment}.items() if name not in left_out}


def migration_command(domain: str, filter: Mapping[str, Any] | None = None) -> list[str]:
    """The command that migrates a domain: as it is measured, or by another filter."""
    wanted = json.dumps(SUBJECTS[domain].filter if filter is None else filter)
    return [sys.executable, "-m", "nomis_pipelines", "migrate", domain, "--filter", wanted, "--json"]


async def bare_loop(domain_name: str, concurrency: int = 128) -> None:
    """The calls of the migration and nothing else."""
    from nomis_pipelines.domains import domain
    from nomis_pipelines.http import HttpClients, Rejected as Refused
    from nomis_pipelines.migration.declaration import Failed, Ignored, MigrationContext, Rejected, Written
    from nomis_pipelines.migration.filters import filter_query
    from nomis_pipelines.observability import Telemetry
    from nomis_pipelines.settings import load_settings

    day = date.fromisoformat(time.strftime("%Y-%m-%d"))
    declared = domain(domain_name).migration
    async with HttpClients(load_settings()) as clients:
        context = MigrationContext(clients=clients, telemetry=Telemetry(), migration_id="bare", today=day)
        migration = declared(context)
        query = filter_query(declared.filter.model_validate(SUBJECTS[domain_name].filter))

        async def one(id: Any) -> None:
            if await migration.find_mapping(id) is not None:
                return
            record = await migration.read(id)
            try:
                made = await migration.write(migration.transform(record, day))
            except (Rejected, Ignored, Failed, Refused):
                return
            await migration.post_mapping(made.mapping if isinstance(made, Written) else migration.mapping(id, made))

        started, done, number = time.perf_counter(), 0, 0
        while True:
            page = await declared.ids.fetch(migration.nomis, query, number, 2000)
            ids = iter(page.ids)

            async def worker(source: Any) -> None:
                for id in source:
                    await one(id)

            await asyncio.gather(*(worker(ids) for _ in range(concurrency)))
            done, number = done + len(page.ids), number + 1
            if done >= page.total:
                break
    print(json.dumps({"processed": done, "seconds": time.perf_counter() - started}))


def main() -> None:
    """Run and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--domain", choices=SUBJECTS, default="visits")
    parser.add_argument("--records", type=int)
    parser.add_argument("--memory", type=int, nargs="*")
    parser.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        asyncio.run(bare_loop(options.domain))
        return
    subject = SUBJECTS[options.domain]
    what = subject.records
    print(
        f"| run | {what} | a second | CPU µs each | peak MiB | of the bare loop |\n|---|---:|---:|---:|---:|---:|",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as state:
        Path(state).chmod(0o755)
        size = options.records or subject.size
        measured, floor = migrate(options.domain, size, Path(state) / "main", with_floor=subject.has_floor)
        if floor is not None:
            print(floor.row(None))
        print(measured.row(floor), flush=True)
        for size in subject.memory if options.memory is None else options.memory:
            measured, floor = migrate(options.domain, size, Path(state) / f"memory-{size}", with_floor=False)
            print(measured.row(floor), flush=True)


if __name__ == "__main__":
    main()
