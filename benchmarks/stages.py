"""What a visit's CPU goes to, by stage: HTTP, parsing and writing JSON, transforming, ledger, engine, Dagster.

    python -m benchmarks.stages [--records 20000]

A migration runs under py-spy, which looks at the process 250 times a second from outside and counts where it is; only
threads that use the CPU are counted. A sample belongs to the innermost function on its stack that has a stage, so a
library's time is its caller's. The process's CPU time is shared out by the counts.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.migration import migration_command, variables
from nomis_pipelines.sandbox import Sandbox

STAGES = (
    ("start: imports and definitions", re.compile(r"importlib|build_definitions|__init__\.py:\d+\)$")),
    ("HTTP: connections", re.compile(r"nomis_pipelines/http/(direct_wire|wire)\.py")),
    (
        "parsing and writing JSON",
        re.compile(r"_read \(nomis_pipelines/http/client|nomis_pipelines/http/encode|contracts/"),
    ),
    ("HTTP: limits, retries, tokens, errors", re.compile(r"nomis_pipelines/http/")),
    ("transform", re.compile(r"domains/visits/transform")),
    ("ledger", re.compile(r"nomis_pipelines/ledger/|psycopg")),
    ("telemetry", re.compile(r"nomis_pipelines/observability/")),
    ("engine and domain", re.compile(r"nomis_pipelines/(migration|domains)/")),
    ("Dagster, and the event loop itself", re.compile(r"dagster/")),
)


def stage_of(stack: str) -> str:
    """The stage of the innermost frame that has one."""
    for frame in reversed(stack.split(";")):
        for name, pattern in STAGES:
            if pattern.search(frame):
                return name
    return "everything else"


def main() -> None:
    """Profile a migration and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=20_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        profile = Path(folder) / "stacks"
        with Sandbox(state=Path(folder) / "sandbox", sqs=False, visits=options.records) as sandbox:
            profiler = str(Path(sys.executable).with_name("py-spy"))
            before, started = os.times(), time.perf_counter()
            subprocess.run(
                [profiler, "record", "--rate", "250", "--format", "raw", "--output", str(profile), "--",
                 *migration_command("visits")],
                env=variables(sandbox), check=True, capture_output=True,
            )  # fmt: skip
            after, seconds = os.times(), time.perf_counter() - started
        stages: Counter[str] = Counter()
        for line in profile.read_text().splitlines():
            stack, _, count = line.rpartition(" ")
            if "threading.py" not in stack.rpartition(";")[2]:
                stages[stage_of(stack)] += int(count)
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    total = stages.total()
    print(
        f"{options.records:,} visits, {seconds:.0f} s under the profiler, {cpu:.0f} s of CPU with the profiler's own\n"
    )
    print("| stage | share of the samples | samples, µs a visit |\n|---|---:|---:|")
    for name, count in stages.most_common():
        print(f"| {name} | {count / total:.0%} | {count / 250 / options.records * 1e6:,.0f} |")


if __name__ == "__main__":
    main()
