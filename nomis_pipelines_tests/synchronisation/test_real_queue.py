"""The consumer, the sender and the maintenance of dead letters, against a server that speaks SQS."""

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from nomis_pipelines.synchronisation import (
    Consumer,
    ConsumerOptions,
    DeadLetters,
    Ended,
    EventBody,
    Outcome,
    QueueError,
    QueueMissing,
    QueueSender,
    Sqs,
    UnknownQueue,
)
from nomis_pipelines_tests.recording import RecordingTelemetry
from nomis_pipelines_tests.synchronisation.conftest import QueueWorld
from nomis_pipelines_tests.synchronisation.examples import Bookings, context, event

pytestmark = pytest.mark.server

ATTRIBUTES = {"eventType": {"DataType": "String", "StringValue": "BOOKING-UPDATED"}}


class Quick(Bookings):
    """Fails at once when it fails."""

    redelivery_seconds = (0,)


def consumer(world: QueueWorld, telemetry: RecordingTelemetry, **options):
    made: list[Quick] = []

    class Observed(Quick):
        def __init__(self, context):
            super().__init__(context)
            made.append(self)

    defaults = {"idle_seconds": 1.0, "max_age_seconds": 60, "wait_seconds": 1, "visibility_seconds": 10}
    sender = QueueSender(world.sqs, world.settings, telemetry)
    built = Consumer(
        [Observed],
        context=context(telemetry, settings=world.settings, queues=sender),
        queue=world.queue,
        options=ConsumerOptions(**(defaults | options)),
    )
    return built, made[0]


def dead_letters(world: QueueWorld, telemetry: RecordingTelemetry) -> DeadLetters:
    return DeadLetters(world.sqs, world.settings, telemetry, ["eventbookings", "audit", "eventunconfigured"])


async def test_messages_are_handled_and_gone(queues: QueueWorld):
    await asyncio.gather(*(queues.queue.send(event(booking)) for booking in range(35)))
    built, handlers = consumer(queues, RecordingTelemetry())
    report = await built.run()
    assert sorted(handlers.done) == [(booking, "") for booking in range(35)]
    attributes = await queues.queue.attributes()
    assert (attributes.visible, attributes.in_flight) == (0, 0)
    assert report.ended is Ended.IDLE
    assert report.delays.maximum > 0


async def test_a_failing_message_lands_in_the_dead_letter_queue(queues: QueueWorld):
    telemetry = RecordingTelemetry()
    # a queue moves a message to its dead letters when it is asked to give it out once more
    built, handlers = consumer(queues, telemetry, idle_seconds=3.0)
    handlers.act = lambda event: 1 / 0
    await queues.queue.send(event(1))
    report = await built.run()
    assert (await queues.dlq.attributes()).visible == 1
    assert report.total(Outcome.FAILED) == 2
    assert report.total(Outcome.DEAD_LETTERED) == 1
    assert telemetry.named("BOOKING-UPDATED-sent-to-dlq") == [
        {
            "queueName": queues.queue.name,
            "dlqName": queues.dlq.name,
            "timeouts": "[0]",
            "maxReceiveCount": "3",
        }
    ]


async def test_a_slow_message_stays_hidden(queues: QueueWorld):
    built, handlers = consumer(queues, RecordingTelemetry(), visibility_seconds=2)
    handlers.seconds = 5.0
    await queues.queue.send(event(1))
    await built.run()
    assert [delivery.receive_count for delivery in handlers.deliveries] == [1]


async def test_sigterm_ends_it_gracefully(queues: QueueWorld):
    built, handlers = consumer(queues, RecordingTelemetry(), idle_seconds=30)
    handlers.seconds = 1.0
    await queues.queue.send(event(1, "running"))
    await queues.queue.send(event(1, "waiting"))
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, built.stop)
    run = loop.create_task(built.run())
    while not handlers.running:  # noqa: ASYNC110 - no event to wait for
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.3)
    os.kill(os.getpid(), signal.SIGTERM)
    report = await run
    loop.remove_signal_handler(signal.SIGTERM)
    assert report.ended is Ended.STOPPED
    assert [step for _, step in handlers.done] == ["running"]
    await asyncio.sleep(0.05)
    assert (await queues.queue.attributes()).visible == 1


async def test_an_internal_message_is_sent_as_the_card_says_and_comes_round(queues: QueueWorld):
    class Mapping(EventBody):
        booking_id: int

    telemetry = RecordingTelemetry()
    sender = QueueSender(queues.sqs, queues.settings, telemetry)
    message_id = await sender.send_internal(
        "eventbookings", "RETRY_SYNCHRONISATION_MAPPING", Mapping(booking_id=7), {"bookingId": 7, "nothing": None}
    )
    assert telemetry.events == [("RETRY_SYNCHRONISATION_MAPPING", {"messageId": message_id})]
    (received,) = await queues.queue.receive(1, wait_seconds=0, visibility_seconds=0)
    assert json.loads(received.body) == {
        "Type": "RETRY_SYNCHRONISATION_MAPPING",
        "Message": '{"body":{"bookingId":7},"telemetryAttributes":{"bookingId":"7"}}',
    }
    assert received.event_type == "prisoner-from-nomis-synchronisation-RETRY_SYNCHRONISATION_MAPPING"
    built, handlers = consumer(queues, telemetry)
    await built.run()
    assert handlers.retried == [(7, {"bookingId": "7"})]


async def test_an_internal_message_may_be_delayed_by_at_most_a_quarter_of_an_hour(queues: QueueWorld):
    sender = QueueSender(queues.sqs, queues.settings, RecordingTelemetry())
    await sender.send_internal("eventbookings", "PERFORM", {"a": 1}, delay_seconds=20)
    attributes = await queues.queue.attributes()
    assert (attributes.visible, attributes.delayed) == (0, 1)
    with pytest.raises(ValueError, match="900"):
        await sender.send_internal("eventbookings", "PERFORM", {}, delay_seconds=901)


async def test_a_queue_that_is_not_there_is_named(queues: QueueWorld):
    with pytest.raises(QueueMissing, match="no-such-queue"):
        await queues.sqs.queue("no-such-queue").attributes()


async def test_dead_letters_are_listed_in_the_shape_of_the_card_and_stay(queues: QueueWorld):
    for booking in range(12):
        await queues.dlq.send(event(booking))
    await queues.dlq.send("not JSON")
    letters = dead_letters(queues, RecordingTelemetry())
    page = await letters.peek("eventbookings")
    answer = page.as_json()
    assert (answer["messagesFoundCount"], answer["messagesReturnedCount"]) == (13, 13)
    assert {message["body"]["Type"] for message in answer["messages"] if isinstance(message["body"], dict)} == {
        "Notification"
    }
    assert len((await letters.peek("eventbookings", 5)).messages) <= 5
    await asyncio.sleep(1.2)
    assert (await letters.counts("eventbookings")).on_dlq == 13


async def test_dead_letters_are_moved_one_by_one_where_the_server_cannot_with_their_attributes(queues: QueueWorld):
    for booking in range(12):
        await queues.dlq.send(event(booking), ATTRIBUTES)
    telemetry = RecordingTelemetry()
    letters = dead_letters(queues, telemetry)
    assert await letters.retry("eventbookings") == 12
    counts = await letters.counts("eventbookings")
    assert (counts.on_queue, counts.on_dlq) == (12, 0)
    assert telemetry.events == [("RetryDLQ", {"dlq-name": queues.dlq.name, "messages-found": "12"})]
    received = await queues.queue.receive(10, wait_seconds=0, visibility_seconds=1)
    assert {message.event_type for message in received} == {"BOOKING-UPDATED"}
    assert await letters.retry_all() == {"eventbookings": 0}
    assert len(telemetry.events) == 1


class Client:
    """The client, with one operation done differently."""

    def __init__(self, client: Any, operation: str, instead: Callable[..., Awaitable[Any]]) -> None:
        self.client = client
        setattr(self, operation, instead)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)


def refusing(world: QueueWorld, operation: str, code: str) -> QueueWorld:
    async def refuse(**arguments: Any) -> None:
        raise ClientError({"Error": {"Code": code}}, operation)

    return replace(world, sqs=Sqs(Client(world.sqs.client, operation, refuse)))


async def test_a_dead_letter_that_could_not_be_sent_is_not_deleted(queues: QueueWorld):
    await queues.dlq.send(event(1))
    full = refusing(queues, "send_message", "OverLimit")
    with pytest.raises(QueueError, match="OverLimit"):
        await dead_letters(full, RecordingTelemetry()).retry("eventbookings")
    attributes = await queues.dlq.attributes()
    assert attributes.visible + attributes.in_flight == 1


async def test_a_move_task_is_asked_for_by_arns_where_the_server_can(queues: QueueWorld):
    asked: list[dict] = []

    async def move(**arguments: Any) -> dict[str, Any]:
        asked.append(arguments)
        return {}

    await queues.dlq.send(event(1))
    able = replace(queues, sqs=Sqs(Client(queues.sqs.client, "start_message_move_task", move)))
    assert await dead_letters(able, RecordingTelemetry()).retry("eventbookings") == 1
    assert asked == [
        {
            "SourceArn": (await queues.dlq.attributes()).arn,
            "DestinationArn": (await queues.queue.attributes()).arn,
        }
    ]
    assert (await queues.dlq.attributes()).visible == 1


async def test_both_queues_can_be_purged_and_told_but_never_the_audit_queue(queues: QueueWorld):
    telemetry = RecordingTelemetry()
    letters = dead_letters(queues, telemetry)
    await queues.queue.send(event(1))
    await queues.dlq.send(event(1))
    await queues.dlq.send(event(2))
    assert await letters.purge(queues.queue.name) == 1
    assert await letters.purge(queues.dlq.name) == 2
    assert [(await queue.attributes()).visible for queue in (queues.queue, queues.dlq)] == [0, 0]
    assert telemetry.events == [
        ("PurgeQueue", {"queue-name": queues.queue.name, "messages-found": "1"}),
        ("PurgeQueue", {"queue-name": queues.dlq.name, "messages-found": "2"}),
    ]
    with pytest.raises(UnknownQueue):
        await letters.purge(queues.settings.queue("audit").queue_name)
    with pytest.raises(UnknownQueue):
        await letters.purge("")


async def test_a_purge_that_sqs_refuses_is_done_one_by_one(queues: QueueWorld):
    for booking in range(12):
        await queues.queue.send(event(booking))
    hasty = refusing(queues, "purge_queue", "AWS.SimpleQueueService.PurgeQueueInProgress")
    assert await dead_letters(hasty, RecordingTelemetry()).purge(queues.queue.name) == 12
    attributes = await queues.queue.attributes()
    assert attributes.visible + attributes.in_flight == 0


async def test_names_are_looked_up(queues: QueueWorld):
    letters = dead_letters(queues, RecordingTelemetry())
    assert letters.queue_ids == ["eventbookings"]
    assert letters.id_of_dlq(queues.dlq.name) == "eventbookings"
    with pytest.raises(UnknownQueue, match="other"):
        letters.id_of_dlq("other")
    with pytest.raises(UnknownQueue):
        letters.id_of_dlq("")
