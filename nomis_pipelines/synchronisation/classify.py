"""What is to be done with a received message: a pure decision, without any call (platform card, section 4.3)."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from nomis_pipelines.settings import Settings
from nomis_pipelines.synchronisation.context import Delivery
from nomis_pipelines.synchronisation.declaration import BoundHandler, HandlerSet
from nomis_pipelines.synchronisation.envelope import (
    MalformedMessage,
    Notification,
    parse_body,
    parse_envelope,
    shown_event_type,
)
from nomis_pipelines.synchronisation.report import Outcome
from nomis_pipelines.synchronisation.sqs import SqsMessage


@dataclass(slots=True, kw_only=True)
class Work:
    """A message understood: either `handler` with `body` and `key`, or an `outcome` settled already and its `reason`.

    `alert_type` is the event type in `<eventType>-sent-to-dlq`. `published` is in seconds since the epoch.
    """

    event_type: str
    alert_type: str
    published: float
    handler: BoundHandler | None = None
    body: Any = None
    key: str = ""
    telemetry_attributes: dict[str, str] = field(default_factory=dict[str, str])
    outcome: Outcome | None = None
    reason: str = ""

    async def handle(self, delivery: Delivery) -> None:
        """Call the handler."""
        if self.handler is not None:
            await self.handler(self.body, delivery)


class Classifier:
    """Decides by the handlers of one queue and the feature switches."""

    def __init__(self, handlers: HandlerSet, settings: Settings) -> None:
        self._handlers = handlers
        self._settings = settings
        self._enabled: dict[str, bool] = {}

    def classify(self, message: SqsMessage) -> Work:
        """Never raises: what cannot be read is `malformed`, with a reason that holds nothing of the message."""
        published = message.sent_milliseconds / 1000
        try:
            return self._read(message, published)
        except MalformedMessage as error:
            event_type = shown_event_type(error.event_type or message.event_type)
            return Work(
                event_type=event_type,
                alert_type=event_type,
                published=published,
                outcome=Outcome.MALFORMED,
                reason=str(error),
            )

    def _read(self, message: SqsMessage, published: float) -> Work:
        envelope = parse_envelope(message.body, reads_type=self._handlers.reads_type)
        if isinstance(envelope, Notification):
            event_type = shown_event_type(envelope.event_type)
            work = Work(event_type=event_type, alert_type=event_type, published=_earlier(published, envelope.timestamp))
            if not self._is_enabled(envelope.event_type):
                return _settled(work, Outcome.SKIPPED_SWITCH, "its feature switch is off")
            work.handler = self._handlers.events.get(envelope.event_type)
            if work.handler is None:
                return _settled(work, Outcome.UNKNOWN, "nobody handles this event type")
        else:
            event_type = shown_event_type(envelope.type)
            alert_type = shown_event_type(message.event_type or envelope.type)
            work = Work(event_type=event_type, alert_type=alert_type, published=published)
            work.handler = self._handlers.internals.get(envelope.type)
            if work.handler is None:
                outcome = Outcome.UNKNOWN if self._handlers.unknown_internal == "drop" else Outcome.MALFORMED
                return _settled(work, outcome, "nobody handles this internal type")
            work.telemetry_attributes = envelope.telemetry_attributes
        work.body = parse_body(work.handler.handler.body, envelope.body, event_type)
        work.key = _key(work.handler, work.body, event_type)
        return work

    def _is_enabled(self, event_type: str) -> bool:
        if event_type not in self._enabled:
            if len(self._enabled) > 1000:  # broken messages may bring any number of types
                self._enabled.clear()
            self._enabled[event_type] = self._settings.event_enabled(self._handlers.switch_domain, event_type)
        return self._enabled[event_type]


def _settled(work: Work, outcome: Outcome, reason: str) -> Work:
    work.outcome, work.reason = outcome, reason
    return work


def _key(handler: BoundHandler, body: Any, event_type: str) -> str:
    try:
        key = handler.handler.key(body)
    except Exception as error:  # noqa: BLE001 - whatever a domain's function raises, the message has no place in any order
        raise MalformedMessage(f"its key cannot be told: {type(error).__name__}", event_type=event_type) from None
    return "|".join(map(str, key)) if isinstance(key, tuple) else str(key)  # pyright: ignore[reportUnknownVariableType]


def _earlier(seconds: float, timestamp: str) -> float:
    try:
        published = datetime.fromisoformat(timestamp)
    except ValueError:
        return seconds
    return min(seconds, published.timestamp()) if published.tzinfo else seconds
