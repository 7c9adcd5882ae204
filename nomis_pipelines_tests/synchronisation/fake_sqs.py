"""A queue that behaves like one of SQS: hides what it gives out, counts receives, moves poison to its dead letters."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from nomis_pipelines.synchronisation.sqs import BatchFailure, QueueAttributes, QueueError, SqsMessage

DLQ_ARN = "arn:aws:sqs:eu-west-2:000000000000:test-dlq"


@dataclass
class Stored:
    """A message on the queue."""

    body: str
    attributes: Mapping[str, Any]
    sent: float
    message_id: str = field(default_factory=lambda: str(uuid4()))
    visible_at: float = 0.0
    receives: int = 0
    receipt: str = ""
    received_at: list[float] = field(default_factory=list)
    visibilities: list[int] = field(default_factory=list)


class FakeQueue:
    """See `MessageQueue`. The clock is the event loop's. `down` makes every call fail."""

    def __init__(self, *, max_receives: int | None = 5, name: str = "test-queue") -> None:
        self.name = name
        self.max_receives = max_receives
        self.messages: list[Stored] = []
        self.dead: list[Stored] = []
        self.deleted: list[str] = []
        self.delete_batches: list[int] = []
        self.receive_calls: list[tuple[float, int]] = []
        self.down = False
        self.refuse_extensions = False
        self.failing_deletes = 0
        self.latency = 0.001

    @staticmethod
    def now() -> float:
        return asyncio.get_running_loop().time()

    def send(self, body: str, *, attributes: Mapping[str, Any] | None = None) -> Stored:
        stored = Stored(body, attributes or {}, self.now())
        self.messages.append(stored)
        return stored

    async def receive(self, maximum: int, *, wait_seconds: int, visibility_seconds: int) -> list[SqsMessage]:
        assert 1 <= maximum <= 10
        assert 0 <= wait_seconds <= 20
        await self._call()
        self.receive_calls.append((self.now(), maximum))
        deadline = self.now() + wait_seconds
        found = self._visible(maximum)
        for _ in range(wait_seconds * 20):
            if found or self.now() >= deadline:
                break
            await asyncio.sleep(0.05)
            found = self._visible(maximum)
        return [self._give(stored, visibility_seconds) for stored in found]

    async def delete(self, receipts: Sequence[str]) -> list[BatchFailure]:
        assert 1 <= len(receipts) <= 10
        await self._call()
        if self.failing_deletes:
            self.failing_deletes -= 1
            return [BatchFailure(receipt, "InternalError", gone=False) for receipt in receipts]
        self.delete_batches.append(len(receipts))
        for receipt in receipts:
            stored = self._with(receipt)
            if stored is not None:
                self.messages.remove(stored)
                self.deleted.append(stored.message_id)
        return []

    async def change_visibility(self, changes: Sequence[tuple[str, int]]) -> list[BatchFailure]:
        assert 1 <= len(changes) <= 10
        await self._call()
        failures: list[BatchFailure] = []
        for receipt, seconds in changes:
            stored = self._with(receipt)
            if stored is None or (self.refuse_extensions and seconds):
                failures.append(BatchFailure(receipt, "ReceiptHandleIsInvalid", gone=True))
            else:
                stored.visible_at = self.now() + seconds
                stored.visibilities.append(seconds)
        return failures

    async def attributes(self) -> QueueAttributes:
        await self._call()
        visible = sum(stored.visible_at <= self.now() for stored in self.messages)
        return QueueAttributes(
            visible=visible,
            in_flight=len(self.messages) - visible,
            delayed=0,
            arn="arn:aws:sqs:eu-west-2:000000000000:test-queue",
            dead_letter_arn=DLQ_ARN if self.max_receives else None,
            max_receive_count=self.max_receives,
        )

    async def _call(self) -> None:
        await asyncio.sleep(self.latency)
        if self.down:
            raise QueueError(f"queue {self.name}: EndpointConnectionError")

    def _visible(self, maximum: int) -> list[Stored]:
        found: list[Stored] = []
        for stored in list(self.messages):
            if stored.visible_at > self.now() or len(found) == maximum:
                continue
            if self.max_receives is not None and stored.receives >= self.max_receives:
                self.messages.remove(stored)
                self.dead.append(stored)
            else:
                found.append(stored)
        return found

    def _give(self, stored: Stored, visibility_seconds: int) -> SqsMessage:
        stored.receives += 1
        stored.receipt = f"{stored.message_id}/{stored.receives}"
        stored.visible_at = self.now() + visibility_seconds
        stored.received_at.append(self.now())
        return SqsMessage(
            message_id=stored.message_id,
            receipt=stored.receipt,
            body=stored.body,
            sent_milliseconds=int(stored.sent * 1000),
            receive_count=stored.receives,
            attributes=stored.attributes,
        )

    def _with(self, receipt: str) -> Stored | None:
        return next((stored for stored in self.messages if stored.receipt == receipt), None)
