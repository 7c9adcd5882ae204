"""A small domain to consume for, and messages for it."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, cast

from nomis_pipelines.settings import Settings
from nomis_pipelines.synchronisation import (
    Consumer,
    ConsumerOptions,
    Delivery,
    EventBody,
    SyncContext,
    Synchronisation,
    on,
    on_internal,
)
from nomis_pipelines_tests.recording import RecordingTelemetry
from nomis_pipelines_tests.synchronisation.fake_sqs import FakeQueue


class BookingEvent(EventBody):
    """An event of a booking."""

    booking_id: int
    step: str = ""


class BookingMapping(EventBody):
    """What a mapping retry holds."""

    booking_id: int


class Bookings(Synchronisation):
    """Remembers what it did; `act` says what to do with each step."""

    queue = "eventbookings"
    switch_domain = "bookings"

    def __init__(self, context: SyncContext) -> None:
        super().__init__(context)
        self.done: list[tuple[int, str]] = []
        self.retried: list[tuple[int, dict[str, str]]] = []
        self.deliveries: list[Delivery] = []
        self.at_once: dict[int, int] = {}
        self.most_at_once = 0
        self.most_of_one_key = 0
        self.running = 0
        self.seconds = 0.01
        self.act: Callable[[BookingEvent], None] = lambda event: None

    @on("BOOKING-INSERTED", "BOOKING-UPDATED", "BOOKING-DELETED", key=lambda event: event.booking_id)
    async def changed(self, event: BookingEvent, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        self.running += 1
        self.at_once[event.booking_id] = self.at_once.get(event.booking_id, 0) + 1
        self.most_at_once = max(self.most_at_once, self.running)
        self.most_of_one_key = max(self.most_of_one_key, self.at_once[event.booking_id])
        try:
            await asyncio.sleep(self.seconds)
            self.act(event)
            self.done.append((event.booking_id, event.step))
        finally:
            self.running -= 1
            self.at_once[event.booking_id] -= 1

    @on_internal("RETRY_SYNCHRONISATION_MAPPING", key=lambda mapping: mapping.booking_id)
    async def retry_mapping(self, mapping: BookingMapping, delivery: Delivery) -> None:
        self.retried.append((mapping.booking_id, dict(delivery.telemetry_attributes)))
        self.act(BookingEvent(booking_id=mapping.booking_id, step="retry"))


def event(booking_id: object, step: str = "", *, event_type: str = "BOOKING-UPDATED", **more: object) -> str:
    """An SNS notification as it lies on the queue."""
    return json.dumps(
        {
            "Type": "Notification",
            "MessageId": "m",
            "Message": json.dumps({"bookingId": booking_id, "step": step, "other": 1, **more}),
            "MessageAttributes": {"eventType": {"Type": "String", "Value": event_type}},
        }
    )


def settings(**environment: str) -> Settings:
    """Settings from just these variables."""
    return Settings.load(environment)


def context(telemetry: RecordingTelemetry | None = None, **more: Any) -> SyncContext:
    """A context whose parts are only there when a test gives them."""
    parts: dict[str, Any] = {"clients": None, "ledger": None, "queues": None, "settings": settings()}
    return SyncContext(telemetry=telemetry or RecordingTelemetry(), **(parts | more))


class World:
    """A queue, a consumer and its handlers."""

    def __init__(
        self,
        queue: FakeQueue | None = None,
        *,
        declared: type[Bookings] = Bookings,
        answers: Any = None,
        **options: Any,
    ) -> None:
        environment = options.pop("environment", {})
        self.queue = queue or FakeQueue()
        self.telemetry = RecordingTelemetry()
        defaults: dict[str, Any] = {"idle_seconds": 5, "max_age_seconds": None, "wait_seconds": 1, "concurrency": 8}
        made: list[Bookings] = []

        class Observed(declared):
            def __init__(self, context: SyncContext) -> None:
                super().__init__(context)
                made.append(self)

        self.consumer = Consumer(
            [Observed],
            context=context(self.telemetry, settings=settings(**environment)),
            queue=cast("Any", self.queue),
            options=ConsumerOptions(**(defaults | options)),
            answers=answers,
            wall_clock=lambda: asyncio.get_running_loop().time(),
        )
        self.handlers = made[0]

    async def run(self):
        return await self.consumer.run()
