"""How fast queued events are handled, and how soon under a steady stream.

    python -m benchmarks.synchronisation [--events 20000] [--steady 50] [--seconds 30]

A consumer process (`nomis-pipelines synchronise sentencing-adjustments`) on a fresh sandbox without latency: each event
is a new adjustment, so each is a read, a lookup, a write, a mapping and three commits of the ledger. The floor receives
and deletes messages and does nothing else; moto's server is the slowest part of both.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nomis_pipelines.domains.sentencing_adjustments.clients import AdjustmentCalls
from nomis_pipelines.domains.sentencing_adjustments.migration import adjustment_ids
from nomis_pipelines.domains.sentencing_adjustments.transform import KNOWN_TYPES, Adjustment
from nomis_pipelines.http import HttpClients
from nomis_pipelines.sandbox import Sandbox
from nomis_pipelines.settings import Settings
from nomis_pipelines.synchronisation import Sqs
from nomis_pipelines.synchronisation.sqs import SqsQueue

QUEUE = "eventsentencing"
IDLE_SECONDS = 4.0
BATCH = 10


def event(category: str, adjustment_id: int) -> str:
    """A NOMIS event that an adjustment was made, in its SNS envelope."""
    sentence = category == "SENTENCE"
    kind = "SENTENCE_ADJUSTMENT_UPSERTED" if sentence else "KEY_DATE_ADJUSTMENT_UPSERTED"
    body = {"offenderIdDisplay": "A0000AA", "bookingId": str(adjustment_id), "adjustmentId": str(adjustment_id)}
    if sentence:
        body["sentenceSeq"] = "1"
    attributes = {"eventType": {"Type": "String", "Value": kind}}
    return json.dumps({"Type": "Notification", "Message": json.dumps(body), "MessageAttributes": attributes})


async def events(settings: Settings, count: int) -> list[str]:
    """Events for `count` adjustments of NOMIS, but those of a type unknown to DPS: they come back for minutes."""
    async with HttpClients(settings) as clients:
        calls = AdjustmentCalls(clients)
        found: list[str] = []
        page = 0
        while len(found) < count:
            listed = await adjustment_ids(calls.nomis, {}, page, 500)
            if not listed.ids:
                raise SystemExit(f"the sandbox has only {len(found)} adjustments")
            read = await asyncio.gather(*map(calls.read, listed.ids))
            known = [key for key, adjustment in zip(listed.ids, read, strict=True) if is_known(adjustment)]
            found += [event(key.category, key.id) for key in known]
            page += 1
    return found[:count]


def is_known(adjustment: Adjustment) -> bool:
    """Whether DPS knows its type."""
    return adjustment.adjustment_type.code in KNOWN_TYPES


async def send(settings: Settings, bodies: Sequence[str], *, each_second: float | None = None) -> None:
    """Put messages on the queue, all at once in batches, or so many a second one by one."""
    async with Sqs.open(settings) as sqs:
        queue = sqs.queue(settings.queue(QUEUE).queue_name)
        if each_second is None:
            url = await sqs.url(queue.name)
            for start in range(0, len(bodies), BATCH):
                batch = bodies[start : start + BATCH]
                entries = [{"Id": str(place), "MessageBody": body} for place, body in enumerate(batch)]
                await sqs.client.send_message_batch(QueueUrl=url, Entries=entries)
            return
        started = time.perf_counter()
        for number, body in enumerate(bodies):
            await asyncio.sleep(max(0.0, started + number / each_second - time.perf_counter()))
            await queue.send(body, {})


async def floor(settings: Settings, bodies: Sequence[str]) -> float:
    """Messages a second of a loop that only receives and deletes."""
    await send(settings, bodies)
    async with Sqs.open(settings) as sqs:
        queue = sqs.queue(settings.queue(QUEUE).queue_name)
        started, seen = time.perf_counter(), 0

        async def drain(queue: SqsQueue) -> int:
            count = 0
            while messages := await queue.receive(BATCH, wait_seconds=0, visibility_seconds=60):
                await queue.delete([message.receipt for message in messages])
                count += len(messages)
            return count

        seen = sum(await asyncio.gather(*(drain(queue) for _ in range(4))))
        return seen / (time.perf_counter() - started)


def consumer() -> subprocess.Popen[str]:
    """Start a consumer that ends when the queue has been idle."""
    command = [sys.executable, "-m", "nomis_pipelines", "synchronise", "sentencing-adjustments"]
    options = ["--until-idle", str(IDLE_SECONDS), "--json"]
    return subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def report(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What the consumer says it did with the sentencing queue."""
    output, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"the consumer failed with status {process.returncode}")
    reports: list[dict[str, Any]] = json.loads(output.strip().splitlines()[-1])
    return next(found for found in reports if found["queue"] == QUEUE)


def main() -> None:
    """Run and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--steady", type=float, default=50.0, help="events a second")
    parser.add_argument("--seconds", type=float, default=30.0, help="of the steady stream")
    options = parser.parse_args()
    steady = int(options.steady * options.seconds)
    with tempfile.TemporaryDirectory() as state:
        Path(state).chmod(0o755)
        wanted = options.events + steady
        with Sandbox(state=Path(state) / "sandbox", visits=60_000, adjustments=wanted + 3000) as sandbox:
            os.environ.update(sandbox.environment)  # boto3 takes its credentials from there
            settings = Settings.load()
            bodies = asyncio.run(events(settings, wanted))
            bare = asyncio.run(floor(settings, bodies[:2000]))
            asyncio.run(send(settings, bodies[: options.events]))
            drained = report(consumer())
            rate = drained["handled"] / (drained["seconds"] - IDLE_SECONDS)
            print("| queued events | handled | a second | of the floor | failed |\n|---:|---:|---:|---:|---:|")
            counts = (f"{options.events:,}", f"{drained['handled']:,}", f"{rate:,.0f}", f"{rate / bare:.2f}")
            print("|", " | ".join((*counts, str(drained["failed"]))), "|", flush=True)
            warm = consumer()
            time.sleep(IDLE_SECONDS - 1)
            asyncio.run(send(settings, bodies[options.events :], each_second=options.steady))
            found = report(warm)
            print("\n| events a second | handled | p50 s | p99 s | slowest s |\n|---:|---:|---:|---:|---:|")
            delays = " | ".join(str(found[name]) for name in ("delay_p50", "delay_p99", "delay_max"))
            print(f"| {options.steady:g} | {found['handled']:,} | {delays} |")


if __name__ == "__main__":
    main()
