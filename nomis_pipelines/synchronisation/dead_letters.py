"""Dead letters of our queues: count, list, retry, purge (queue maintenance card)."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from nomis_pipelines.observability import Telemetry
from nomis_pipelines.settings import QueueConfig, Settings
from nomis_pipelines.synchronisation.sqs import BATCH, QueueError, Sqs, SqsMessage, SqsQueue

PEEK_SECONDS = 1
_MOVE_SECONDS = 60
_AUDIT = "audit"

log = logging.getLogger(__name__)


class UnknownQueue(Exception):
    """No queue of ours has this name, or it must not be touched."""


@dataclass(frozen=True, kw_only=True)
class QueueCounts:
    """Numbers of messages of one queue id, approximate as SQS gives them."""

    queue_id: str
    queue_name: str
    dlq_name: str
    on_queue: int
    in_flight: int
    delayed: int
    on_dlq: int


@dataclass(frozen=True, kw_only=True)
class DeadLetterPage:
    """What a look into a dead-letter queue showed. `messages` holds (message id, body as JSON or text)."""

    found: int
    messages: Sequence[tuple[str, Any]]

    def as_json(self) -> dict[str, Any]:
        """The answer of `GET /queue-admin/get-dlq-messages/{dlqName}`. Bodies hold personal data: never log it."""
        return {
            "messagesFoundCount": self.found,
            "messagesReturnedCount": len(self.messages),
            "messages": [{"messageId": message_id, "body": body} for message_id, body in self.messages],
        }


class DeadLetters:
    """Maintenance of the queues with these ids. Raises `UnknownQueue`, `QueueError`, `SettingError`.

    The audit queue is none of ours to purge, whoever lists it.
    """

    def __init__(self, sqs: Sqs, settings: Settings, telemetry: Telemetry, queue_ids: Sequence[str]) -> None:
        self._sqs = sqs
        self._telemetry = telemetry
        ids = [each for each in queue_ids if each != _AUDIT and settings.has_queue(each)]
        self._configs = {queue_id: settings.queue(queue_id) for queue_id in ids}

    @property
    def queue_ids(self) -> list[str]:
        """The ids of the queues that are configured."""
        return list(self._configs)

    def id_of_dlq(self, dlq_name: str) -> str:
        """The queue id whose dead-letter queue has this name."""
        for config in self._configs.values():
            if dlq_name and config.dlq_name == dlq_name:
                return config.queue_id
        raise UnknownQueue(f"no dead-letter queue is called {dlq_name}")

    async def counts(self, queue_id: str) -> QueueCounts:
        """How many messages are where."""
        config = self._config(queue_id)
        main = await self._sqs.queue(config.queue_name).attributes()
        dlq = self._dlq(config)
        return QueueCounts(
            queue_id=queue_id,
            queue_name=config.queue_name,
            dlq_name=config.dlq_name,
            on_queue=main.visible,
            in_flight=main.in_flight,
            delayed=main.delayed,
            on_dlq=(await dlq.attributes()).visible if dlq else 0,
        )

    async def peek(self, queue_id: str, max_messages: int = 100) -> DeadLetterPage:
        """Read up to `max_messages` dead letters; they are hidden for a second and stay where they are."""
        dlq = self._required_dlq(queue_id)
        found = (await dlq.attributes()).visible
        messages: dict[str, Any] = {}
        async for batch in _batches(dlq, min(found, max_messages), PEEK_SECONDS):
            before = len(messages)
            messages |= {message.message_id: _body(message.body) for message in batch}
            if len(messages) == before:
                break  # a second is over and they come round again
        return DeadLetterPage(found=found, messages=list(messages.items())[:max_messages])

    async def retry(self, queue_id: str) -> int:
        """Move all dead letters back to their queue, with a new count of receives; how many were found."""
        config, dlq = self._config(queue_id), self._required_dlq(queue_id)
        source = await dlq.attributes()
        if source.visible == 0:
            return 0
        main = self._sqs.queue(config.queue_name)
        try:
            await self._sqs.start_move(source.arn, (await main.attributes()).arn, queue_name=dlq.name)
        except QueueError as error:
            log.info("messages of %s are moved one by one: %s", dlq.name, error)
            await _move(dlq, main, source.visible)
        log.info("%d messages of %s go back to %s", source.visible, dlq.name, main.name)
        self._telemetry.event("RetryDLQ", {"dlq-name": dlq.name, "messages-found": source.visible})
        return source.visible

    async def retry_all(self) -> dict[str, int]:
        """Retry every queue; messages found, by queue id. A queue that fails is logged and left out."""
        found: dict[str, int] = {}
        for queue_id, config in self._configs.items():
            if config.dlq_name:
                try:
                    found[queue_id] = await self.retry(queue_id)
                except QueueError as error:
                    log.warning("dead letters of %s were not retried: %s", queue_id, error)
        return found

    async def purge(self, name: str) -> int:
        """Delete all messages of the queue or dead-letter queue called `name`; how many were found."""
        names = {name for config in self._configs.values() for name in (config.queue_name, config.dlq_name) if name}
        if name not in names:
            raise UnknownQueue(f"no queue is called {name}")
        queue = self._sqs.queue(name)
        found = (await queue.attributes()).visible
        if found == 0:
            return 0
        try:
            await queue.purge()
        except QueueError as error:
            # SQS purges a queue once in 60 seconds only
            log.info("messages of %s are deleted one by one: %s", name, error)
            async for batch in _batches(queue, found, _MOVE_SECONDS):
                await queue.delete([message.receipt for message in batch])
        log.info("%d messages of %s were purged", found, name)
        self._telemetry.event("PurgeQueue", {"queue-name": name, "messages-found": found})
        return found

    def _config(self, queue_id: str) -> QueueConfig:
        if queue_id not in self._configs:
            raise UnknownQueue(f"no queue has the id {queue_id}")
        return self._configs[queue_id]

    def _dlq(self, config: QueueConfig) -> SqsQueue | None:
        return self._sqs.queue(config.dlq_name) if config.dlq_name else None

    def _required_dlq(self, queue_id: str) -> SqsQueue:
        dlq = self._dlq(self._config(queue_id))
        if dlq is None:
            raise UnknownQueue(
                f"queue {queue_id} has no dead-letter queue: HMPPS_SQS_QUEUES_{queue_id.upper()}_DLQ_NAME is not set"
            )
        return dlq


async def _batches(queue: SqsQueue, maximum: int, visibility_seconds: int) -> AsyncGenerator[list[SqsMessage]]:
    """Batches until `maximum` messages were seen or there are no more."""
    seen = 0
    while seen < maximum:
        batch = await queue.receive(min(BATCH, maximum - seen), wait_seconds=1, visibility_seconds=visibility_seconds)
        if not batch:
            return
        seen += len(batch)
        yield batch


async def _move(dlq: SqsQueue, main: SqsQueue, maximum: int) -> None:
    """Send, and delete what was surely sent: a message may come twice, never not at all."""

    async def move(message: SqsMessage) -> None:
        await main.send(message.body, _sendable(message.attributes))
        await dlq.delete([message.receipt])

    async for batch in _batches(dlq, maximum, _MOVE_SECONDS):
        await asyncio.gather(*map(move, batch))


def _sendable(attributes: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Message attributes as they may be sent: without those that SQS itself has added."""
    fields = ("DataType", "StringValue", "BinaryValue")
    return {
        name: {field: value[field] for field in fields if field in value}
        for name, value in attributes.items()
        if not name.startswith("AWS.")
    }


def _body(text: str) -> Any:
    try:
        return from_json(text)
    except ValueError:
        return text
