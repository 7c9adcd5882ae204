"""Events as they arrive, handed to a domain's handlers at the HTTP edge, with everything that was sent remembered."""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import respx

from nomis_pipelines.ledger import Ledger
from nomis_pipelines.synchronisation import Delivery, QueueSender, SyncContext, Synchronisation
from nomis_pipelines.synchronisation.declaration import HandlerSet
from nomis_pipelines.synchronisation.envelope import Notification, parse_body, parse_envelope
from nomis_pipelines_tests import world
from nomis_pipelines_tests.recording import RecordingTelemetry


class RecordingQueues(QueueSender):
    """Keeps the internal messages instead of sending them."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, Any, dict[str, str]]] = []

    async def send_internal(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, queue_id: str, kind: str, body: Any, telemetry_attributes: Mapping[str, str], delay_seconds: int = 0
    ) -> None:
        self.sent.append((queue_id, kind, body, dict(telemetry_attributes)))


@dataclass
class Consumer:
    """Hands messages to handlers, one at a time."""

    classes: Sequence[type[Synchronisation]]
    context: SyncContext
    telemetry: RecordingTelemetry
    queues: RecordingQueues
    calls: list[str] = field(default_factory=list[str])

    async def receive(self, text: str) -> None:
        """One message as SQS gives it; the calls it made are in `calls`, as `GET nomis /path`."""
        first = len(respx.calls)
        handlers = HandlerSet.of(self.classes, self.context)
        envelope = parse_envelope(text, reads_type=handlers.reads_type)
        if isinstance(envelope, Notification):
            kind, bound, attributes = envelope.event_type, handlers.events[envelope.event_type], {}
        else:
            kind, bound = envelope.type, handlers.internals[envelope.type]
            attributes = envelope.telemetry_attributes
        body = parse_body(bound.handler.body, envelope.body, kind)
        delivery = Delivery(event_type=kind, message_id="m-1", receive_count=1, telemetry_attributes=attributes)
        try:
            await bound(body, delivery)
        finally:
            self.calls = [
                f"{call.request.method} {call.request.url.host.split('.')[0]} {call.request.url.path}"
                for call in list(respx.calls)[first:]
                if call.request.url.host != "auth.test"
            ]

    async def event(self, event_type: str, **body: object) -> None:
        """One NOMIS event with its SNS envelope."""
        await self.receive(notification(event_type, body))


def notification(event_type: str, body: Mapping[str, object]) -> str:
    """An event in its envelope (platform card, section 4.5)."""
    attributes = {"eventType": {"Type": "String", "Value": event_type}}
    return json.dumps({"Type": "Notification", "Message": json.dumps(body), "MessageAttributes": attributes})


@asynccontextmanager
async def consumer(ledger_url: str, *classes: type[Synchronisation], **changes: str) -> AsyncGenerator[Consumer]:
    """A consumer over httpx, with a real ledger; respx must be listening. `changes` are settings by variable name."""
    settings = world.settings(**changes)
    telemetry, queues = RecordingTelemetry(), RecordingQueues()
    respx.post(f"{world.AUTH}/oauth/token").respond(json={"access_token": "t", "expires_in": 600})
    async with await Ledger.open(ledger_url) as ledger, world.clients(settings) as clients:
        context = SyncContext(clients=clients, ledger=ledger, telemetry=telemetry, queues=queues, settings=settings)
        yield Consumer(classes, context, telemetry, queues)
