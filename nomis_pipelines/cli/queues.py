"""`nomis-pipelines queues`: look at the event queues and their dead letters, retry or purge them."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

import click

from nomis_pipelines.cli.common import plain_console

if TYPE_CHECKING:
    from nomis_pipelines.synchronisation import DeadLetters

T = TypeVar("T")
JSON = click.option("--json", "as_json", is_flag=True, help="As JSON.")


@click.group()
def queues() -> None:
    """The event queues and their dead letters. QUEUE is a queue id, such as eventvisits."""


@queues.command("list")
@JSON
def list_queues(as_json: bool) -> None:
    """How many messages are where."""

    async def counts(letters: "DeadLetters") -> list[dict[str, Any]]:
        return [asdict(await letters.counts(queue_id)) for queue_id in letters.queue_ids]

    found = _with_letters(counts)
    if as_json:
        click.echo(json.dumps(found))
        return
    from rich.table import Table

    table = Table()
    for name in ("queue id", "queue", "waiting", "in flight", "delayed", "dead letters"):
        table.add_column(name, justify="left" if "queue" in name else "right", overflow="fold")
    for row in found:
        numbers = (row["on_queue"], row["in_flight"], row["delayed"], row["on_dlq"])
        table.add_row(row["queue_id"], row["queue_name"], *map(str, numbers))
    plain_console().print(table)


@queues.command()
@click.argument("queue_id", metavar="QUEUE")
@click.option("--max", "maximum", type=click.IntRange(1, 1000), default=100, show_default=True)
def peek(queue_id: str, maximum: int) -> None:
    """Print dead letters as JSON, without removing them. They hold personal data: do not keep the output."""
    page = _with_letters(lambda letters: letters.peek(queue_id, maximum))
    click.echo(json.dumps(page.as_json(), indent=2))


@queues.command()
@click.argument("queue_id", metavar="[QUEUE]", required=False)
@JSON
def retry(queue_id: str | None, as_json: bool) -> None:
    """Put dead letters back on their queue; of every queue when none is named."""

    async def work(letters: "DeadLetters") -> dict[str, int]:
        return await letters.retry_all() if queue_id is None else {queue_id: await letters.retry(queue_id)}

    moved = _with_letters(work)
    click.echo(json.dumps(moved) if as_json else "\n".join(f"{name}: {count} retried" for name, count in moved.items()))


@queues.command()
@click.argument("queue_name", metavar="NAME")
@click.confirmation_option(prompt="Delete every message of this queue?")
def purge(queue_name: str) -> None:
    """Delete all messages of the queue or dead-letter queue with this SQS name."""
    click.echo(f"{_with_letters(lambda letters: letters.purge(queue_name))} messages purged")


def _with_letters(work: "Callable[[DeadLetters], Awaitable[T]]") -> T:
    from nomis_pipelines.domains import DOMAINS
    from nomis_pipelines.observability import build_telemetry
    from nomis_pipelines.settings import load_settings
    from nomis_pipelines.synchronisation import DeadLetters, QueueError, Sqs, UnknownQueue

    settings = load_settings()
    ids = list(dict.fromkeys(queue for domain in DOMAINS for queue in domain.queues))

    async def call() -> T:
        telemetry = build_telemetry(settings)
        try:
            async with Sqs.open(settings) as sqs:
                return await work(DeadLetters(sqs, settings, telemetry, ids))
        finally:
            telemetry.close()

    try:
        return asyncio.run(call())
    except (QueueError, UnknownQueue) as error:
        raise click.ClickException(str(error)) from None
