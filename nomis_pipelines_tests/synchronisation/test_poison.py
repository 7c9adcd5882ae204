"""Poison messages end where the platform card says (section 4.3), their reason is told, and the queue keeps moving."""

import json
import logging

import pytest

from nomis_pipelines.http import Unavailable
from nomis_pipelines.synchronisation import Outcome
from nomis_pipelines_tests.synchronisation.examples import Bookings, World, event
from nomis_pipelines_tests.synchronisation.virtual_time import run_virtually

SECRET = "SMITH-1980"

POISON = {
    "not JSON": (f"this is not JSON {SECRET}", "malformed", "not JSON"),
    "not an object": (json.dumps([SECRET]), "malformed", "not a JSON object"),
    "no type": (json.dumps({"Message": SECRET}), "malformed", "no Type"),
    "no event type": (json.dumps({"Type": "Notification", "Message": SECRET}), "malformed", "eventType"),
    "no message": (
        json.dumps({"Type": "Notification", "MessageAttributes": {"eventType": {"Value": "BOOKING-UPDATED"}}}),
        "BOOKING-UPDATED",
        "no Message text",
    ),
    "wrong body": (event(SECRET), "BOOKING-UPDATED", "bookingId int_parsing"),
    "body without a field": (event(None), "BOOKING-UPDATED", "bookingId int_type"),
    "body that is text": (
        json.dumps(
            {
                "Type": "Notification",
                "Message": SECRET,
                "MessageAttributes": {"eventType": {"Value": "BOOKING-UPDATED"}},
            }
        ),
        "BOOKING-UPDATED",
        "json_invalid",
    ),
    "a megabyte that is not JSON": ("x" * 1_000_000, "malformed", "1000000 characters"),
    "a megabyte of a wrong body": (event("y" * 1_000_000), "BOOKING-UPDATED", "bookingId int_parsing"),
    "internal without a message": (json.dumps({"Type": "RETRY_SYNCHRONISATION_MAPPING"}), None, "no Message text"),
    "internal with a wrong body": (
        json.dumps({"Type": "RETRY_SYNCHRONISATION_MAPPING", "Message": json.dumps({"body": {"bookingId": SECRET}})}),
        None,
        "bookingId int_parsing",
    ),
    "a type that is no name": (json.dumps({"Type": f"<{SECRET}>"}), "malformed", "no Message text"),
}


@pytest.mark.parametrize(("body", "event_type", "reason"), POISON.values(), ids=POISON.keys())
def test_a_malformed_message_is_retried_and_dead_lettered_with_its_reason(body, event_type, reason, caplog):
    caplog.set_level(logging.DEBUG)
    event_type = event_type or "RETRY_SYNCHRONISATION_MAPPING"

    async def scenario():
        world = World(idle_seconds=700)
        world.queue.send(body)
        world.queue.send(event(1))
        report = await world.run()
        assert [stored.body for stored in world.queue.dead] == [body]
        assert world.handlers.done == [(1, "")]
        assert world.telemetry.names() == [f"{event_type}-sent-to-dlq"]
        assert report.counts[event_type, Outcome.MALFORMED] == 4
        assert report.counts[event_type, Outcome.DEAD_LETTERED] == 1

    run_virtually(scenario())
    assert reason in caplog.text
    assert SECRET not in caplog.text
    assert "yyyy" not in caplog.text


def test_an_unknown_event_type_is_logged_and_dropped():
    async def scenario():
        world = World()
        world.queue.send(event(1, event_type="OTHER-THING"))
        report = await world.run()
        assert world.queue.messages == world.queue.dead == []
        assert report.counts == {("OTHER-THING", Outcome.UNKNOWN): 1}
        assert world.telemetry.events == []

    run_virtually(scenario())


def test_an_event_switched_off_is_acknowledged_by_either_form_of_its_switch():
    async def scenario():
        environment = {
            "FEATURE_EVENT_BOOKING-INSERTED": "false",
            "FEATURE_EVENT_BOOKINGS_BOOKING-DELETED": "false",
            "FEATURE_EVENT_OTHER_BOOKING-UPDATED": "false",
        }
        world = World(environment=environment)
        for event_type in ("BOOKING-INSERTED", "BOOKING-DELETED", "BOOKING-UPDATED"):
            world.queue.send(event(1, event_type, event_type=event_type))
        report = await world.run()
        assert world.handlers.done == [(1, "BOOKING-UPDATED")]
        assert world.queue.messages == world.queue.dead == []
        assert report.total(Outcome.SKIPPED_SWITCH) == 2

    run_virtually(scenario())


def test_internal_messages_have_no_switch():
    async def scenario():
        world = World(environment={"FEATURE_EVENT_RETRY_SYNCHRONISATION_MAPPING": "false"})
        body = {"body": {"bookingId": 7}, "telemetryAttributes": {"offenderNo": "A1234KX"}}
        world.queue.send(json.dumps({"Type": "RETRY_SYNCHRONISATION_MAPPING", "Message": json.dumps(body)}))
        await world.run()
        assert world.handlers.retried == [(7, {"offenderNo": "A1234KX"})]

    run_virtually(scenario())


def test_a_failing_internal_message_is_told_by_the_event_type_of_its_attribute():
    async def scenario():
        world = World(idle_seconds=700)
        world.handlers.act = lambda event: 1 / 0
        name = "prisoner-from-nomis-synchronisation-RETRY_SYNCHRONISATION_MAPPING"
        world.queue.send(
            json.dumps({"Type": "RETRY_SYNCHRONISATION_MAPPING", "Message": '{"body": {"bookingId": 7}}'}),
            attributes={"eventType": {"DataType": "String", "StringValue": name}},
        )
        await world.run()
        assert world.telemetry.names() == [f"{name}-sent-to-dlq"]

    run_virtually(scenario())


@pytest.mark.parametrize("unknown_internal", ["drop", "fail"])
def test_an_unknown_internal_message_is_dropped_or_fails_as_declared(unknown_internal):
    class Declared(Bookings):
        pass

    Declared.unknown_internal = unknown_internal

    async def scenario():
        world = World(declared=Declared, idle_seconds=700)
        world.queue.send(json.dumps({"Type": "SOMETHING_ELSE", "Message": "{}"}))
        report = await world.run()
        assert len(world.queue.dead) == (unknown_internal == "fail")
        assert world.queue.messages == []
        assert report.counts["SOMETHING_ELSE", Outcome.UNKNOWN] == (unknown_internal == "drop")

    run_virtually(scenario())


def test_a_handler_that_meets_500_for_ever_ends_in_the_dead_letters_while_others_are_handled_at_once():
    async def scenario():
        world = World(idle_seconds=700)

        def act(booking):
            if booking.booking_id == 13:
                raise Unavailable("visits", "PUT", "/visits/{id}", 500)

        world.handlers.act = act
        poison = world.queue.send(event(13))
        for booking in range(20, 60):
            world.queue.send(event(booking))
        before = world.queue.now()
        report = await world.run()
        assert [stored.message_id for stored in world.queue.dead] == [poison.message_id]
        assert len(world.handlers.done) == 40
        assert report.delays.maximum < 1.0
        assert world.queue.now() - before > 670

    run_virtually(scenario())
