"""What the ledger's durability costs: operations a second, and CPU of our own process for each.

Run: python benchmarks/ledger.py [records]. Starts a PostgreSQL of its own, with fsync on, and prints a Markdown table.
"""

import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
from sqlalchemy.ext.asyncio import create_async_engine

from nomis_pipelines.ledger import Ledger, RecordKey
from nomis_pipelines.ledger.address import Address
from nomis_pipelines.ledger.schema import upgrade
from nomis_pipelines.sandbox.postgres import EmbeddedPostgres

MAPPING = {"nomisId": 123456, "dpsId": "9f0c2e4e-1b7a-4e55-8a34-6f3f0e3c1a11", "label": "2026-08-20T10:13:56"}


@dataclass
class Measured:
    """One line of the table; times in seconds."""

    name: str
    operations: int
    elapsed: float
    cpu: float
    group: float = 1

    def line(self) -> str:
        """As a row of Markdown."""
        per_operation = self.cpu / self.operations * 1e6
        rate = self.operations / self.elapsed
        return f"| {self.name} | {rate:,.0f} | {per_operation:.1f} | {self.group:.0f} |"


async def measure(name: str, operations: int, work: Callable[[], Awaitable[float]]) -> Measured:
    """Time `work`, which says how many operations shared a commit."""
    wall, cpu = time.perf_counter(), time.process_time()
    group = await work()
    return Measured(name, operations, time.perf_counter() - wall, time.process_time() - cpu, group)


async def records(ledger: Ledger, prefix: str, count: int, concurrency: int) -> float:
    """Claim, write and map `count` records, `concurrency` at a time."""
    numbers = iter(range(count))
    before = ledger.commits, ledger.operations

    async def worker() -> None:
        for number in numbers:
            key = RecordKey("visits", "visits", f"{prefix}-{number}")
            await ledger.claim(key, migration_id="2026-08-20T10:13:56", partition="MDI|2024-05")
            await ledger.written(key, dps_id=f"dps-{number}", mapping=MAPPING)
            await ledger.mapped(key)

    await asyncio.gather(*(worker() for _ in range(concurrency)))
    return (ledger.operations - before[1]) / max(1, ledger.commits - before[0])


async def select_one_psycopg(url: str, count: int) -> float:
    """The floor: one trivial statement after another, nothing committed."""
    connection = await psycopg.AsyncConnection.connect(autocommit=True, **Address.parse(url).connect_options())
    async with connection:
        for _ in range(count):
            cursor = await connection.execute("SELECT 1")
            await cursor.fetchone()
    return 1


async def select_one_sqlalchemy(url: str, count: int) -> float:
    """The same through SQLAlchemy's AsyncEngine, a connection of the pool held."""
    engine = create_async_engine(Address.parse(url).url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        for _ in range(count):
            (await connection.exec_driver_sql("SELECT 1")).fetchone()
    await engine.dispose()
    return 1


async def run(url: str, count: int) -> list[Measured]:
    """All lines of the table."""
    lines = [
        await measure("`SELECT 1`, psycopg", 3000, lambda: select_one_psycopg(url, 3000)),
        await measure("`SELECT 1`, SQLAlchemy", 3000, lambda: select_one_sqlalchemy(url, 3000)),
    ]
    async with await Ledger.open(url) as ledger:
        await records(ledger, "warm-up", 500, 50)
        for concurrency in (1, 16, 50, 128, 512):
            number = count if concurrency > 1 else min(count, 500)
            name = f"claim, written, mapped; {concurrency} at a time"
            prefix = f"c{concurrency}"

            async def work(number: int = number, concurrency: int = concurrency, prefix: str = prefix) -> float:
                return await records(ledger, prefix, number, concurrency)

            lines.append(await measure(name, number * 3, work))
    return lines


def main() -> None:
    """Set up, measure, print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    folder = Path(tempfile.mkdtemp(prefix="nomis-pipelines-benchmark-"))
    folder.chmod(0o755)
    try:
        with EmbeddedPostgres(folder / "data") as server:
            upgrade(server.url())
            lines = asyncio.run(run(server.url(), count))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{os.cpu_count()} CPUs, Python {sys.version.split()[0]}, fsync on, {count:,} records a line\n")
    print("| what | operations/s | CPU µs/operation (our process) | operations a commit |\n|---|--:|--:|--:|")
    for line in lines:
        print(line.line())


if __name__ == "__main__":
    main()
