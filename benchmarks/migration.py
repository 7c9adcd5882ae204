"""How fast visits migrate, against a bare loop that makes the same calls and does nothing else, and in how much memory.

    python -m benchmarks.migration [--visits 50000] [--memory 10000 200000]

Each run is a process of its own (`nomis-pipelines migrate visits`) on a fresh sandbox without latency. The bare loop
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
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nomis_pipelines.sandbox import Sandbox

EVERYTHING = json.dumps({"visitTypes": []})


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
        records=int(result["processed"] if "processed" in result else _processed(result)),
        seconds=float(result["seconds"]),
        cpu=usage.ru_utime + usage.ru_stime,
        peak=usage.ru_maxrss / 1024,
    )


def _processed(result: Mapping[str, Any]) -> int:
    names = ("migrated", "skipped", "rejected", "failed", "unmapped", "in_doubt", "duplicates")
    return sum(int(result[name]) for name in names)


def migrate(visits: int, state: Path, *, with_floor: bool) -> tuple[Measured, Measured | None]:
    """Bare loop if wanted, then migration, of the same visits: the sandbox forgets in between."""
    with Sandbox(state=state, visits=visits, sqs=False) as sandbox:
        environment = {**os.environ, **sandbox.environment}
        environment.pop("DAGSTER_HOME", None)
        environment.pop("HMPPS_SQS_QUEUES_AUDIT_QUEUE_NAME", None)
        bare = [sys.executable, "-m", "benchmarks.migration", "--bare"]
        floor = run("bare loop", bare, environment) if with_floor else None
        sandbox.admin.reset("data")
        command = [sys.executable, "-m", "nomis_pipelines", "migrate", "visits", "--filter", EVERYTHING, "--json"]
        return run(f"migration of {visits:,}", command, environment), floor


async def bare_loop(concurrency: int = 128) -> None:
    """The calls of the migration and nothing else."""
    from nomis_pipelines.domains.visits.migration import VisitsFilter, VisitsMigration, visit_ids
    from nomis_pipelines.http import HttpClients
    from nomis_pipelines.migration.declaration import MigrationContext, Rejected
    from nomis_pipelines.migration.filters import filter_query
    from nomis_pipelines.observability import Telemetry
    from nomis_pipelines.settings import load_settings

    today = time.strftime("%Y-%m-%d")
    async with HttpClients(load_settings()) as clients:
        from datetime import date

        day = date.fromisoformat(today)
        context = MigrationContext(clients=clients, telemetry=Telemetry(), migration_id="bare", today=day)
        migration = VisitsMigration(context)
        query = filter_query(VisitsFilter.model_validate({"visitTypes": []}))

        async def one(visit_id: int) -> None:
            if await migration.find_mapping(visit_id) is not None:
                return
            record = await migration.read(visit_id)
            try:
                reference = await migration.write(migration.transform(record, day))
            except Rejected:
                return
            await migration.post_mapping(migration.mapping(visit_id, reference))

        started, done, number = time.perf_counter(), 0, 0
        while True:
            page = await visit_ids(migration.nomis, query, number, 2000)
            ids = iter(page.ids)

            async def worker(source: Any) -> None:
                for visit_id in source:
                    await one(visit_id)

            await asyncio.gather(*(worker(ids) for _ in range(concurrency)))
            done, number = done + len(page.ids), number + 1
            if done >= page.total:
                break
    print(json.dumps({"processed": done, "seconds": time.perf_counter() - started}))


def main() -> None:
    """Run and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visits", type=int, default=50_000)
    parser.add_argument("--memory", type=int, nargs="*", default=[10_000, 200_000])
    parser.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        asyncio.run(bare_loop())
        return
    head = "| run | visits | a second | CPU µs a visit | peak MiB | of the bare loop |\n|---|---:|---:|---:|---:|---:|"
    print(head, flush=True)
    with tempfile.TemporaryDirectory() as state:
        Path(state).chmod(0o755)
        measured, floor = migrate(options.visits, Path(state) / "main", with_floor=True)
        if floor is not None:
            print(floor.row(None))
        print(measured.row(floor), flush=True)
        for size in options.memory:
            measured, floor = migrate(size, Path(state) / f"memory-{size}", with_floor=False)
            print(measured.row(floor), flush=True)


if __name__ == "__main__":
    main()
