"""SQS as this package uses it: few calls, typed, in batches of ten.

Credentials come from boto3's own variables, endpoint and region from the settings. `MessageQueue` is what the consumer
needs of a queue; `SqsQueue` is the real one.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from pydantic_core import from_json

from nomis_pipelines.settings import Settings

BATCH = 10
MAX_WAIT_SECONDS = 20
MAX_DELAY_SECONDS = 900
MAX_VISIBILITY_SECONDS = 43_200

_NO_QUEUE = {"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"}


class QueueError(Exception):
    """SQS did not do what it was asked. The message names the queue and SQS's error code, never a message's content."""


class QueueMissing(QueueError):
    """There is no queue of that name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SqsMessage:
    """A received message. `sent_milliseconds` since the epoch; `receive_count` counts this receive."""

    message_id: str
    receipt: str
    body: str
    sent_milliseconds: int
    receive_count: int
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def event_type(self) -> str:
        """The SQS message attribute `eventType`, or empty."""
        value = self.attributes.get("eventType")
        return str(value.get("StringValue", "")) if isinstance(value, Mapping) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueAttributes:
    """Approximate numbers of messages, and where messages go after `max_receive_count` receives (None: nowhere)."""

    visible: int
    in_flight: int
    delayed: int
    arn: str = ""
    dead_letter_arn: str | None = None
    max_receive_count: int | None = None

    @property
    def dead_letter_name(self) -> str:
        """Name of the dead-letter queue, or empty."""
        return (self.dead_letter_arn or "").rpartition(":")[2]


@dataclass(frozen=True, slots=True)
class BatchFailure:
    """One entry of a batch that SQS refused. `gone`: the receipt is no longer good, so asking again is useless."""

    receipt: str
    code: str
    gone: bool


class MessageQueue(Protocol):
    """One queue. Every call raises `QueueError`; batches hold at most ten and tell which entries failed."""

    @property
    def name(self) -> str: ...

    async def receive(self, maximum: int, *, wait_seconds: int, visibility_seconds: int) -> list[SqsMessage]: ...

    async def delete(self, receipts: Sequence[str]) -> list[BatchFailure]: ...

    async def change_visibility(self, changes: Sequence[tuple[str, int]]) -> list[BatchFailure]: ...

    async def attributes(self) -> QueueAttributes: ...


class Sqs:
    """A connection to SQS, with the addresses of queues remembered. Open it with `Sqs.open(settings)`."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self._urls: dict[str, str] = {}

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings) -> AsyncGenerator["Sqs"]:
        """Connect, and close at the end."""
        # imported here: it costs a third of a second, which `nomis-pipelines --help` need not pay
        import aioboto3
        from aiobotocore.config import AioConfig

        config = AioConfig(
            connect_timeout=5,
            read_timeout=MAX_WAIT_SECONDS + 10,
            max_pool_connections=50,
            retries={"max_attempts": 3, "mode": "standard"},
        )
        client: Any = aioboto3.Session().client(
            "sqs", region_name=settings.aws_region, endpoint_url=settings.sqs_endpoint_url, config=config
        )
        async with client as connection:
            yield cls(connection)

    def queue(self, name: str) -> "SqsQueue":
        """The queue of this name; whether it exists shows on first use."""
        return SqsQueue(self, name)

    async def url(self, name: str) -> str:
        """The address of a queue, asked for once. Raises `QueueMissing`."""
        if name not in self._urls:
            answer = await self._guarded(name, self.client.get_queue_url(QueueName=name))
            self._urls[name] = answer["QueueUrl"]
        return self._urls[name]

    async def call(self, operation: str, queue_name: str, **arguments: Any) -> dict[str, Any]:
        """One SQS operation on a queue."""
        url = await self.url(queue_name)
        return await self._guarded(queue_name, getattr(self.client, operation)(QueueUrl=url, **arguments))

    async def start_move(self, source_arn: str, destination_arn: str, *, queue_name: str) -> None:
        """Have SQS move all messages of a dead-letter queue. Raises `QueueError` where the server cannot."""
        move = self.client.start_message_move_task(SourceArn=source_arn, DestinationArn=destination_arn)
        await self._guarded(queue_name, move)

    @staticmethod
    async def _guarded(queue_name: str, call: Any) -> dict[str, Any]:
        try:
            return await call
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in _NO_QUEUE:
                raise QueueMissing(f"there is no queue {queue_name}") from None
            raise QueueError(f"queue {queue_name}: SQS answered {code or 'an error'}") from error
        except NoCredentialsError as error:
            raise QueueError(f"queue {queue_name}: no AWS credentials (AWS_ACCESS_KEY_ID or a role)") from error
        except _connection_errors() as error:
            raise QueueError(f"queue {queue_name}: {type(error).__name__}") from error


class SqsQueue:
    """One queue of SQS (see `MessageQueue`)."""

    def __init__(self, sqs: Sqs, name: str) -> None:
        self.sqs = sqs
        self.name = name

    async def receive(self, maximum: int, *, wait_seconds: int, visibility_seconds: int) -> list[SqsMessage]:
        """Up to `maximum` (at most ten) messages, hidden from others for `visibility_seconds`."""
        answer = await self.sqs.call(
            "receive_message",
            self.name,
            MaxNumberOfMessages=min(maximum, BATCH),
            WaitTimeSeconds=wait_seconds,
            VisibilityTimeout=visibility_seconds,
            AttributeNames=["SentTimestamp", "ApproximateReceiveCount"],
            MessageAttributeNames=["All"],
        )
        return [_message(raw) for raw in answer.get("Messages", ())]

    async def delete(self, receipts: Sequence[str]) -> list[BatchFailure]:
        """Delete up to ten messages."""
        entries = [{"Id": str(at), "ReceiptHandle": receipt} for at, receipt in enumerate(receipts)]
        answer = await self.sqs.call("delete_message_batch", self.name, Entries=entries)
        return _failures(answer, receipts)

    async def change_visibility(self, changes: Sequence[tuple[str, int]]) -> list[BatchFailure]:
        """Hide up to ten messages for that many seconds from now; 0 shows them at once."""
        entries = [
            {"Id": str(at), "ReceiptHandle": receipt, "VisibilityTimeout": seconds}
            for at, (receipt, seconds) in enumerate(changes)
        ]
        answer = await self.sqs.call("change_message_visibility_batch", self.name, Entries=entries)
        return _failures(answer, [receipt for receipt, _ in changes])

    async def attributes(self) -> QueueAttributes:
        """Numbers of messages, ARN and redrive policy."""
        answer = await self.sqs.call(
            "get_queue_attributes",
            self.name,
            AttributeNames=[
                "ApproximateNumberOfMessages",
                "ApproximateNumberOfMessagesNotVisible",
                "ApproximateNumberOfMessagesDelayed",
                "QueueArn",
                "RedrivePolicy",
            ],
        )
        found: dict[str, str] = answer.get("Attributes", {})
        policy: dict[str, Any] = from_json(found["RedrivePolicy"]) if found.get("RedrivePolicy") else {}
        receives = policy.get("maxReceiveCount")
        return QueueAttributes(
            visible=int(found.get("ApproximateNumberOfMessages", 0)),
            in_flight=int(found.get("ApproximateNumberOfMessagesNotVisible", 0)),
            delayed=int(found.get("ApproximateNumberOfMessagesDelayed", 0)),
            arn=found.get("QueueArn", ""),
            dead_letter_arn=policy.get("deadLetterTargetArn"),
            max_receive_count=None if receives is None else int(receives),
        )

    async def send(
        self, body: str, attributes: Mapping[str, Mapping[str, Any]] | None = None, *, delay_seconds: int = 0
    ) -> str:
        """Send one message; its message id."""
        answer = await self.sqs.call(
            "send_message",
            self.name,
            MessageBody=body,
            MessageAttributes=dict(attributes or {}),
            DelaySeconds=delay_seconds,
        )
        return str(answer["MessageId"])

    async def purge(self) -> None:
        """Have SQS delete everything; refused within 60 seconds of the last time."""
        await self.sqs.call("purge_queue", self.name)


@cache
def _connection_errors() -> tuple[type[Exception], ...]:
    # aiohttp is imported when something went wrong, or a connection was opened: not to ask for the depth of a queue
    from aiohttp import ClientError as BrokenConnection

    return BotoCoreError, BrokenConnection, OSError, TimeoutError


def _message(raw: Mapping[str, Any]) -> SqsMessage:
    attributes: Mapping[str, str] = raw.get("Attributes", {})
    return SqsMessage(
        message_id=raw["MessageId"],
        receipt=raw["ReceiptHandle"],
        body=raw["Body"],
        sent_milliseconds=int(attributes.get("SentTimestamp", 0)),
        receive_count=int(attributes.get("ApproximateReceiveCount", 1)),
        attributes=raw.get("MessageAttributes", {}),
    )


def _failures(answer: Mapping[str, Any], receipts: Sequence[str]) -> list[BatchFailure]:
    return [
        BatchFailure(receipts[int(entry["Id"])], str(entry.get("Code", "")), bool(entry.get("SenderFault", False)))
        for entry in answer.get("Failed", ())
    ]
