"""How fast visits migrate under conditions: slow services, one run process or two; and what surrounds the work.

    python -m benchmarks.conditions [--records 12000]

Every line is a migration of its own (`nomis-pipelines migrate visits`) on a fresh sandbox with default settings, with
latency injected into every service of the sandbox. Two processes share the visits by prison. The last table
is about what does not depend on records: starting, Dagster's share, and how its event log grows.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.migration import migration_command, settled, variables
from nomis_pipelines.sandbox import Sandbox
from nomis_pipelines.sandbox.data.prisons import PRISONS

LATENCIES = (0, 20, 50, 100)


def halves() -> list[dict[str, Any]]:
    """Two filters that part the visits evenly: each prison, the largest first, goes to the half that has less."""
    lists: list[list[str]] = [[], []]
    loads = [0, 0]
    for prison in sorted(PRISONS.values(), key=lambda each: -each.weight):
        lighter = loads.index(min(loads))
        lists[lighter].append(prison.code)
        loads[lighter] += prison.weight
    return [{"prisonIds": codes, "visitTypes": []} for codes in lists]


def migrate(environment: Mapping[str, str], filters: Sequence[Mapping[str, Any]]) -> tuple[int, float, float]:
    """Runs at once, one a filter: records, seconds of the longest run's work, CPU seconds of all processes."""
    processes = [
        subprocess.Popen(
            migration_command("visits", filter),
            env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
        for filter in filters
    ]  # fmt: skip
    before = os.times()
    results: list[dict[str, Any]] = []
    for process in processes:
        out, _ = process.communicate()
        if process.returncode:
            raise SystemExit(f"a migration failed: {out[-500:]}")
        results.append(json.loads(out.strip().splitlines()[-1]))
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return sum(map(settled, results)), max(float(result["seconds"]) for result in results), cpu


def under_conditions(state: Path, records: int) -> None:
    """The table of latencies and processes."""
    print("| latency of every service | run processes | visits | a second | CPU µs a visit | of no latency |")
    print("|---:|---:|---:|---:|---:|---:|", flush=True)
    best = 0.0
    cases = [(latency, 1) for latency in LATENCIES] + [(0, 2), (50, 2)]
    for latency, runs in cases:
        with Sandbox(state=state / f"{latency}-{runs}", sqs=False, visits=records) as sandbox:
            if latency:
                sandbox.admin.set_fault("latency", "*", milliseconds=latency)
            filters = [{"visitTypes": []}] if runs == 1 else halves()
            done, seconds, cpu = migrate(variables(sandbox), filters)
        rate = done / seconds
        best = best or rate
        print(
            f"| {latency} ms | {runs} | {done:,} | {rate:,.0f} | {cpu / done * 1e6:,.0f} | {rate / best:.2f} |",
            flush=True,
        )


def seconds_of(command: Sequence[str], environment: Mapping[str, str]) -> float:
    """How long a command takes."""
    started = time.perf_counter()
    subprocess.run(command, env=dict(environment), check=True, capture_output=True)
    return time.perf_counter() - started


def surroundings(state: Path, records: int) -> None:
    """The table of start-up, Dagster's overhead a page and a run, and the growth of the event log."""
    python = sys.executable
    with Sandbox(state=state / "around", sqs=False, visits=records) as sandbox:
        environment = variables(sandbox)
        rows: dict[str, str] = {}
        for what, module in (("the definitions", "nomis_pipelines.definitions"), ("dagster alone", "dagster")):
            rows[f"loading {what}"] = f"{seconds_of([python, '-c', f'import {module}'], environment):.1f} s"
        database = sandbox.environment["NOMIS_PIPELINES_DAGSTER_DATABASE_URL"]
        home = state / "home"
        home.mkdir()
        (home / "dagster.yaml").write_text(json.dumps({"storage": {"postgres": {"postgres_url": database}}}))
        stored = {**environment, "DAGSTER_HOME": str(home)}
        # a run of nothing, then one of everything: the difference is the pages'
        nothing = migration_command("visits", {"toDateTime": "1990-01-01T00:00:00"})
        rows["a run of no records, whole process"] = f"{seconds_of(nothing, stored):.1f} s"
        first_rows, first_bytes = event_log(database)
        everything = migration_command("visits")
        subprocess.run(everything, env=stored, check=True, capture_output=True)
        all_rows, all_bytes = event_log(database)
        again = time.perf_counter()
        out = subprocess.run(everything, env=stored, check=True, capture_output=True, text=True).stdout
        whole = time.perf_counter() - again
        work = float(json.loads(out.strip().splitlines()[-1])["seconds"])
        rows["a process around a run: start, checks, report"] = f"{whole - work:.1f} s"
        each = 100_000 / records
        rows["events in Dagster's log, 100,000 records"] = f"{(all_rows - first_rows) * each:,.0f}"
        rows["growth of Dagster's log, 100,000 records"] = f"{(all_bytes - first_bytes) * each / 1e6:,.1f} MB"
    print("\n| what | figure |\n|---|---:|")
    for name, figure in rows.items():
        print(f"| {name} | {figure} |")


def event_log(database: str) -> tuple[int, int]:
    """Rows and bytes of Dagster's event log, indexes included."""
    with psycopg.connect(database) as connection:
        row = connection.execute(
            "SELECT (SELECT count(*) FROM event_logs), pg_total_relation_size('event_logs')"
        ).fetchone()
    if row is None:
        raise SystemExit("Dagster's database has no event log")
    return row[0], row[1]


def main() -> None:
    """Measure and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=12_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        state.chmod(0o755)
        under_conditions(state, options.records)
        surroundings(state, options.records)


if __name__ == "__main__":
    main()
