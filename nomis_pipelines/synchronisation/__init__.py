"""Following NOMIS: events from SQS queues, handled once each, in order for each entity.

A domain declares its handlers (`Synchronisation`, `on`, `on_internal`); a `Consumer` serves them; `create_once` guards
creates; `DeadLetters` lists, retries and purges what could not be handled.
"""

from nomis_pipelines.synchronisation.consumer import Consumer, open_consumer
from nomis_pipelines.synchronisation.context import Delivery, SyncContext
from nomis_pipelines.synchronisation.creates import (
    AlreadyMapped,
    Create,
    Created,
    Duplicate,
    complete_mapping,
    create_once,
    require_settled,
)
from nomis_pipelines.synchronisation.dead_letters import DeadLetterPage, DeadLetters, QueueCounts, UnknownQueue
from nomis_pipelines.synchronisation.declaration import DeclarationError, Synchronisation, on, on_internal
from nomis_pipelines.synchronisation.envelope import EventBody, MalformedMessage
from nomis_pipelines.synchronisation.errors import HandlerError, InDoubt, Redeliver
from nomis_pipelines.synchronisation.options import ConsumerOptions
from nomis_pipelines.synchronisation.replaced import settle_replaced
from nomis_pipelines.synchronisation.report import ConsumerReport, Delays, Ended, Outcome
from nomis_pipelines.synchronisation.sender import QueueSender
from nomis_pipelines.synchronisation.sqs import QueueAttributes, QueueError, QueueMissing, Sqs

__all__ = [
    "AlreadyMapped",
    "Consumer",
    "ConsumerOptions",
    "ConsumerReport",
    "Create",
    "Created",
    "DeadLetterPage",
    "DeadLetters",
    "DeclarationError",
    "Delays",
    "Delivery",
    "Duplicate",
    "Ended",
    "EventBody",
    "HandlerError",
    "InDoubt",
    "MalformedMessage",
    "Outcome",
    "QueueAttributes",
    "QueueCounts",
    "QueueError",
    "QueueMissing",
    "QueueSender",
    "Redeliver",
    "Sqs",
    "SyncContext",
    "Synchronisation",
    "UnknownQueue",
    "complete_mapping",
    "create_once",
    "on",
    "on_internal",
    "open_consumer",
    "require_settled",
    "settle_replaced",
]
