"""The consumer keeps order for each key, deletes only what was handled, and gives the rest back the right way."""

import asyncio
import json
import logging
import random

import pytest

from nomis_pipelines.synchronisation import Ended, Outcome, Redeliver
from nomis_pipelines_tests.synchronisation.examples import World, event
from nomis_pipelines_tests.synchronisation.fake_sqs import FakeQueue
from nomis_pipelines_tests.synchronisation.virtual_time import run_virtually


def test_every_message_is_handled_deleted_and_counted():
    async def scenario():
        world = World()
        for booking in range(95):
            world.queue.send(event(booking))
        report = await world.run()
        assert sorted(world.handlers.done) == [(booking, "") for booking in range(95)]
        assert world.queue.messages == []
        assert report.counts == {("BOOKING-UPDATED", Outcome.HANDLED): 95}
        assert report.ended is Ended.IDLE
        assert report.ok
        assert report.backlog is not None
        assert report.backlog.visible == 0

    run_virtually(scenario())


def test_messages_of_one_key_go_in_order_while_a_thousand_others_interleave():
    async def scenario():
        world = World(concurrency=40)
        rng = random.Random(7)
        steps = ["insert", "update", "delete"]
        others = [(booking, "") for booking in range(1000)]
        positions = sorted(rng.sample(range(1000), 30))
        for at, (booking, step) in enumerate(others):
            if at in positions:
                which = positions.index(at)
                world.queue.send(event(5000 + which % 10, steps[which // 10]))
            world.queue.send(event(booking, step))
            await asyncio.sleep(0.001)
        await world.run()
        for booking in range(5000, 5010):
            assert [step for each, step in world.handlers.done if each == booking] == steps
        assert world.handlers.most_of_one_key == 1
        assert world.handlers.most_at_once > 20

    run_virtually(scenario())


def test_never_more_handlers_than_the_concurrency_and_never_many_more_messages_in_hand():
    async def scenario():
        world = World(concurrency=5, visibility_seconds=30)
        world.handlers.seconds = 2.0
        for booking in range(100):
            world.queue.send(event(booking))
        most_hidden = 0

        async def watch():
            nonlocal most_hidden
            while True:
                await asyncio.sleep(0.1)
                hidden = sum(stored.visible_at > world.queue.now() for stored in world.queue.messages)
                most_hidden = max(most_hidden, hidden)

        watcher = asyncio.get_running_loop().create_task(watch())
        await world.run()
        watcher.cancel()
        assert world.handlers.most_at_once == 5
        assert most_hidden <= 20

    run_virtually(scenario())


def test_a_failing_message_comes_back_after_the_redelivery_seconds_and_then_lies_in_the_dead_letter_queue():
    async def scenario():
        world = World(idle_seconds=700)

        def act(booking):
            if booking.booking_id == 13:
                raise ValueError("Smith, John")

        world.handlers.act = act
        poison = world.queue.send(event(13))
        await world.run()
        assert [stored.message_id for stored in world.queue.dead] == [poison.message_id]
        waits = [later - earlier for earlier, later in zip(poison.received_at, poison.received_at[1:], strict=False)]
        assert waits == pytest.approx([1, 10, 60, 600], abs=0.6)
        assert poison.receives == 5

    run_virtually(scenario())


def test_the_last_receive_is_told_to_telemetry_exactly_once_with_its_properties():
    async def scenario():
        world = World(idle_seconds=700)
        world.handlers.act = lambda event: 1 / 0
        world.queue.send(event(1, event_type="BOOKING-DELETED"))
        report = await world.run()
        assert world.telemetry.events == [
            (
                "BOOKING-DELETED-sent-to-dlq",
                {
                    "queueName": "test-queue",
                    "dlqName": "test-dlq",
                    "timeouts": "[1, 10, 60, 600]",
                    "maxReceiveCount": "5",
                },
            )
        ]
        assert report.counts == {
            ("BOOKING-DELETED", Outcome.FAILED): 4,
            ("BOOKING-DELETED", Outcome.DEAD_LETTERED): 1,
        }
        assert [delivery.last for delivery in world.handlers.deliveries] == [False] * 4 + [True]

    run_virtually(scenario())


def test_without_a_redrive_policy_the_last_redelivery_time_repeats():
    async def scenario():
        world = World(FakeQueue(max_receives=None), idle_seconds=700, max_age_seconds=2500)
        world.handlers.act = lambda event: 1 / 0
        poison = world.queue.send(event(1))
        report = await world.run()
        waits = [later - earlier for earlier, later in zip(poison.received_at, poison.received_at[1:], strict=False)]
        assert waits == pytest.approx([1, 10, 60, 600, 600, 600, 600], abs=0.6)
        assert world.telemetry.events == []
        assert report.ended is Ended.MAX_AGE

    run_virtually(scenario())


def test_a_handler_may_ask_to_come_back_sooner():
    async def scenario():
        world = World(idle_seconds=30)

        def act(booking):
            if not world.handlers.done and len(world.handlers.deliveries) < 3:
                raise Redeliver("another process is at it", seconds=2)

        world.handlers.act = act
        message = world.queue.send(event(1))
        await world.run()
        waits = [later - earlier for earlier, later in zip(message.received_at, message.received_at[1:], strict=False)]
        assert waits == pytest.approx([2, 2], abs=0.6)
        assert world.handlers.done == [(1, "")]

    run_virtually(scenario())


def test_what_waits_behind_a_slow_create_comes_back_ever_later_and_is_no_dead_letter_meanwhile():
    async def scenario():
        world = World(idle_seconds=700)

        def act(booking):
            if asyncio.get_running_loop().time() < created_at:
                raise Redeliver("another process is at it", seconds=2, at_least=True)

        created_at = asyncio.get_running_loop().time() + 300
        world.handlers.act = act
        message = world.queue.send(event(1))
        await world.run()
        waits = [later - earlier for earlier, later in zip(message.received_at, message.received_at[1:], strict=False)]
        assert waits == pytest.approx([2, 10, 60, 600], abs=0.6)
        assert world.handlers.done == [(1, "")]
        assert world.queue.dead == []

    run_virtually(scenario())


def test_a_failing_message_does_not_hold_up_the_next_of_its_key():
    async def scenario():
        world = World(idle_seconds=30)

        def act(booking):
            if booking.step == "first" and len(world.handlers.deliveries) < 2:
                raise RuntimeError

        world.handlers.act = act
        world.queue.send(event(1, "first"))
        world.queue.send(event(1, "second"))
        await world.run()
        assert world.handlers.done == [(1, "second"), (1, "first")]

    run_virtually(scenario())


def test_messages_stay_hidden_while_a_slow_handler_runs_and_others_wait_behind_it():
    async def scenario():
        world = World(visibility_seconds=6)
        world.handlers.seconds = 40.0
        slow = [world.queue.send(event(1, str(step))) for step in range(3)]
        await world.run()
        assert [stored.receives for stored in slow] == [1, 1, 1]
        assert [step for _, step in world.handlers.done] == ["0", "1", "2"]
        assert all(set(stored.visibilities) == {6} for stored in slow)

    run_virtually(scenario())


def test_a_message_that_lapsed_before_its_turn_is_left_to_whoever_gets_it_next():
    async def scenario():
        world = World(visibility_seconds=6)
        world.handlers.seconds = 10.0
        world.queue.refuse_extensions = True
        world.queue.send(event(1, "first"))
        world.queue.send(event(1, "second"))
        report = await world.run()
        # the first is received again while it still runs: it is not run twice at the same time
        assert world.handlers.most_of_one_key == 1
        assert ("BOOKING-UPDATED", Outcome.HANDLED) in report.counts
        assert world.queue.messages == []

    run_virtually(scenario())


def test_nothing_is_deleted_before_its_handler_ended_and_deletes_go_in_batches():
    async def scenario():
        world = World(concurrency=40)
        seen: list[int] = []
        delete = world.queue.delete

        async def checked(receipts):
            done = {booking for booking, _ in world.handlers.done}
            for receipt in receipts:
                stored = world.queue._with(receipt)
                assert stored is not None
                booking = json.loads(json.loads(stored.body)["Message"])["bookingId"]
                assert booking in done
                seen.append(booking)
            return await delete(receipts)

        world.queue.delete = checked
        for booking in range(400):
            world.queue.send(event(booking))
        await world.run()
        assert len(seen) == 400
        assert len(world.queue.delete_batches) < 100

    run_virtually(scenario())


def test_a_delete_that_sqs_refuses_is_tried_again():
    async def scenario():
        world = World()
        world.queue.failing_deletes = 2
        world.queue.send(event(1))
        await world.run()
        assert world.queue.messages == []
        assert world.handlers.done == [(1, "")]

    run_virtually(scenario())


def test_a_stop_finishes_what_runs_and_shows_the_waiting_to_others_at_once():
    async def scenario():
        world = World(concurrency=4, idle_seconds=60)
        world.handlers.seconds = 3.0
        for step in range(6):
            world.queue.send(event(step % 2, str(step)))
        run = asyncio.get_running_loop().create_task(world.run())
        await asyncio.sleep(1.0)
        world.consumer.stop()
        await asyncio.sleep(0.1)
        assert sum(stored.visible_at <= world.queue.now() for stored in world.queue.messages) == 4
        report = await run
        assert sorted(world.handlers.done) == [(0, "0"), (1, "1")]
        assert [stored.visible_at <= world.queue.now() for stored in world.queue.messages] == [True] * 4
        assert report.ended is Ended.STOPPED
        assert report.total(Outcome.RETURNED) >= 4

    run_virtually(scenario())


def test_a_stop_cuts_off_what_does_not_finish_in_time():
    async def scenario():
        world = World(grace_seconds=2, idle_seconds=60)
        world.handlers.seconds = 100.0
        stored = world.queue.send(event(1))
        run = asyncio.get_running_loop().create_task(world.run())
        await asyncio.sleep(1.0)
        before = world.queue.now()
        world.consumer.stop()
        report = await run
        assert world.queue.now() - before < 4
        assert world.handlers.done == []
        assert stored.visibilities[-1] == 1
        assert report.total(Outcome.FAILED) == 1

    run_virtually(scenario())


def test_a_message_at_its_last_receive_is_not_returned_untried():
    async def scenario():
        world = World(FakeQueue(max_receives=1), concurrency=4, idle_seconds=60)
        world.handlers.seconds = 1.0
        for step in range(3):
            world.queue.send(event(1, str(step)))
        run = asyncio.get_running_loop().create_task(world.run())
        await asyncio.sleep(0.5)
        world.consumer.stop()
        await run
        assert [step for _, step in world.handlers.done] == ["0", "1", "2"]

    run_virtually(scenario())


def test_a_cancelled_run_stops_gracefully_too():
    async def scenario():
        world = World(concurrency=4, idle_seconds=60)
        world.handlers.seconds = 3.0
        world.queue.send(event(1, "running"))
        world.queue.send(event(1, "waiting"))
        run = asyncio.get_running_loop().create_task(world.run())
        await asyncio.sleep(1.0)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert world.handlers.done == [(1, "running")]
        assert [stored.visible_at <= world.queue.now() for stored in world.queue.messages] == [True]
        assert world.consumer.report.ended is Ended.STOPPED

    run_virtually(scenario())


def test_two_consumers_of_one_queue_share_the_work():
    async def scenario():
        queue = FakeQueue()
        first, second = World(queue, concurrency=4), World(queue, concurrency=4)
        for booking in range(300):
            queue.send(event(booking))
        await asyncio.gather(first.run(), second.run())
        both = first.handlers.done + second.handlers.done
        assert sorted(both) == [(booking, "") for booking in range(300)]
        assert first.handlers.done
        assert second.handlers.done

    run_virtually(scenario())


def test_an_outage_of_sqs_is_waited_out():
    async def scenario():
        world = World(idle_seconds=60)
        world.queue.send(event(1))
        run = asyncio.get_running_loop().create_task(world.run())
        await asyncio.sleep(2.0)
        world.queue.down = True
        await asyncio.sleep(20.0)
        world.queue.down = False
        world.queue.send(event(2))
        await run
        assert world.handlers.done == [(1, ""), (2, "")]

    run_virtually(scenario())


def test_delays_are_told_as_percentiles():
    async def scenario():
        world = World(concurrency=40)
        for booking in range(50):
            world.queue.send(event(booking))
        await asyncio.sleep(2.0)
        report = await world.run()
        metadata = report.as_metadata()
        assert 2.0 < metadata["delay_p50"] < 2.3
        assert metadata["delay_max"] >= metadata["delay_p99"] >= metadata["delay_p50"]
        assert metadata["handled"] == 50

    run_virtually(scenario())


def test_the_log_never_holds_what_an_unknown_error_says(caplog):
    caplog.set_level(logging.DEBUG)

    async def scenario():
        world = World()

        def act(booking):
            raise ValueError("SMITH born 1980-01-01")

        world.handlers.act = act
        world.queue.send(event(1))
        await world.run()

    run_virtually(scenario())
    assert "SMITH" not in caplog.text
    assert "ValueError at test_consumer.py" in caplog.text
    assert "MessageID:" in caplog.text
