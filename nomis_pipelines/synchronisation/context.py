"""What handlers get: the ways to other services, and what is known about the delivery in hand."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nomis_pipelines.http import HttpClients
from nomis_pipelines.observability import Telemetry
from nomis_pipelines.settings import Settings
from nomis_pipelines.synchronisation.sender import QueueSender

if TYPE_CHECKING:
    from nomis_pipelines.ledger import Ledger


@dataclass(frozen=True, kw_only=True)
class SyncContext:
    """What the handlers of one consumer share. Lives on one event loop."""

    clients: HttpClients
    ledger: "Ledger"
    telemetry: Telemetry
    queues: QueueSender
    settings: Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One delivery of a message, for handlers that take it as their second argument.

    `event_type` is the event's, or the `Type` of an internal message; `receive_count` counts this delivery too;
    `last` tells that a failure now ends in the dead-letter queue.
    """

    event_type: str
    message_id: str
    receive_count: int
    last: bool = False
    telemetry_attributes: Mapping[str, str] = field(default_factory=dict[str, str])
