"""The messages in hand of one consumer: from their arrival until SQS has them back or they are deleted.

Here a message is sorted, waits for its key, is handled, and is given back the right way; and all of them are kept
hidden from other consumers meanwhile. Where they come from, and when to end, is the business of `consumer.py`.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from nomis_pipelines.http import CircuitOpen
from nomis_pipelines.observability import Telemetry
from nomis_pipelines.synchronisation.classify import Classifier
from nomis_pipelines.synchronisation.context import Delivery
from nomis_pipelines.synchronisation.failures import Failure, failure_of
from nomis_pipelines.synchronisation.lanes import Held, Lanes
from nomis_pipelines.synchronisation.options import ConsumerOptions
from nomis_pipelines.synchronisation.outage import OutageWatch
from nomis_pipelines.synchronisation.report import ConsumerReport, Outcome
from nomis_pipelines.synchronisation.settle import Settler
from nomis_pipelines.synchronisation.sqs import BATCH, MessageQueue, QueueAttributes, SqsMessage

_DRAIN_SECONDS = 15.0

log = logging.getLogger(__name__)


def _now() -> float:
    return asyncio.get_running_loop().time()


class Hands:
    """Takes messages, handles them in order and bounded, gives them back. `changed` is called when anything ended."""

    def __init__(
        self,
        queue: MessageQueue,
        classifier: Classifier,
        options: ConsumerOptions,
        *,
        redelivery_seconds: Sequence[int],
        report: ConsumerReport,
        telemetry: Telemetry,
        changed: Callable[[], None],
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.watch = OutageWatch(options.concurrency, _now)
        self.broken_service = ""
        self.last_active = 0.0
        self._queue_name = queue.name
        self._classifier = classifier
        self._options = options
        self._redelivery_seconds = tuple(redelivery_seconds)
        self._report = report
        self._telemetry = telemetry
        self._changed = changed
        self._wall_clock = wall_clock
        self._settler = Settler(queue, visibility_seconds=options.visibility_seconds, done=self._out_of_hands)
        self._lanes = Lanes()
        self._held: dict[str, Held] = {}
        self._running: dict[asyncio.Task[None], Held] = {}
        self._arrivals = 0
        self._mean_seconds = 0.01
        self._closing = False
        self._max_receives: int | None = None
        self._dead_letter_name = ""

    def know(self, attributes: QueueAttributes) -> None:
        """Take note of the queue's redrive policy: which receive is the last one."""
        self._max_receives = attributes.max_receive_count
        self._dead_letter_name = attributes.dead_letter_name

    @property
    def empty(self) -> bool:
        """Whether there is nothing in hand."""
        return not self._held

    @property
    def running(self) -> int:
        """How many handlers run."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """How many messages wait for their turn."""
        return self._lanes.waiting

    def room(self) -> int:
        """How many messages may be taken now: a whole batch or more, else 0; one by one while trying after an outage.

        As many as can be handled in half their visibility at the present speed, four times the concurrency at most.
        """
        if self.watch.trying:
            return 0 if self._held else 1
        concurrency = self._options.concurrency
        in_half_visibility = concurrency * self._options.visibility_seconds / 2 / self._mean_seconds
        limit = max(concurrency + BATCH, int(min(4 * concurrency, in_half_visibility)))
        room = limit - len(self._held)
        return room if room >= BATCH else 0

    def take(self, messages: Sequence[SqsMessage]) -> None:
        """Take messages as received, in this order."""
        hidden_until = _now() + self._options.visibility_seconds
        if messages:
            self.last_active = _now()
        for message in messages:
            known = self._held.get(message.message_id)
            if known is not None and not known.settled:
                # its visibility had lapsed in our hands: keep it, under the receipt that is good now
                known.receipt, known.hidden_until, known.lapsed = message.receipt, hidden_until, False
                continue
            self._arrivals += 1
            work = self._classifier.classify(message)
            held = Held(message=message, work=work, arrival=self._arrivals, hidden_until=hidden_until)
            self._held[message.message_id] = held
            self._sort(held)
        self.start_handlers()

    def start_handlers(self) -> None:
        """Start what may run now."""
        while len(self._running) < self.watch.permits:
            held = self._lanes.start()
            if held is None:
                return
            if held.lapsed or held.hidden_until < _now():
                self._let_go(held)
                continue
            task = asyncio.get_running_loop().create_task(self._handle(held))
            self._running[task] = held
            task.add_done_callback(self._ended)

    def give_back_waiting(self) -> None:
        """Show waiting messages to others at once.

        Not one that is at its last receive: it would go to the dead-letter queue untried, so it is handled still.
        """
        for held in self._lanes.remove(lambda held: not self._is_last(held)):
            self._return(held)

    def close(self) -> None:
        """From now on nothing new is handled."""
        self._closing = True
        self.give_back_waiting()

    async def finish(self) -> None:
        """Let what runs finish within the grace period, then cut it off; give everything back."""
        self.close()
        deadline = _now() + self._options.grace_seconds
        while self._running and _now() < deadline:
            await asyncio.wait(list(self._running), timeout=deadline - _now())
            await asyncio.sleep(0)  # the next of a key starts in a callback
        # a paused watch leaves some unstarted; those after the grace period must not start
        for held in self._lanes.remove(lambda held: True):
            self._fail(held, Failure("the consumer ended before its turn came"))
        for task in list(self._running):
            task.cancel()
        if self._running:
            await asyncio.wait(list(self._running))
            await asyncio.sleep(0)
        try:
            await asyncio.wait_for(self._settler.drain(), _DRAIN_SECONDS)
        except TimeoutError:
            log.warning("%d messages could not be given back in time and will come back", len(self._held))

    async def keep_hidden(self) -> None:
        """Extend the visibility of everything in hand, for ever."""
        visibility = self._options.visibility_seconds
        while True:
            await asyncio.sleep(visibility / 6)
            soon = _now() + visibility * 2 / 3
            try:
                await self._settler.extend(
                    [held for held in self._held.values() if held.hidden_until < soon and not held.lapsed]
                )
            except Exception:
                # without it every message would soon be handled twice: go on, whatever it was
                log.exception("visibility could not be extended")

    def _sort(self, held: Held) -> None:
        work = held.work
        if self._closing and not self._is_last(held):
            self._return(held)
        elif work.outcome is None:
            self._lanes.add(held)
        elif work.outcome is Outcome.MALFORMED:
            self._fail(held, Failure(work.reason, outcome=Outcome.MALFORMED))
        else:
            log.info("MessageID:%s %s was dropped: %s", held.message.message_id, work.event_type, work.reason)
            self._report.count(work.event_type, work.outcome)
            self._settler.delete(held)

    async def _handle(self, held: Held) -> None:
        work, started = held.work, _now()
        delivery = Delivery(
            event_type=work.event_type,
            message_id=held.message.message_id,
            receive_count=held.message.receive_count,
            last=self._is_last(held),
            telemetry_attributes=work.telemetry_attributes,
        )
        try:
            await work.handle(delivery)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises, its message takes the failure way
            self._failed(held, error)
        else:
            self.watch.worked()
            self._report.count(work.event_type, Outcome.HANDLED)
            self._report.delays.add(self._wall_clock() - work.published)
            self._settler.delete(held)
        finally:
            self._mean_seconds += (_now() - started - self._mean_seconds) / 20

    def _ended(self, task: asyncio.Task[None]) -> None:
        held = self._running.pop(task)
        self._lanes.end(held)
        if not held.settled:
            self._fail(held, Failure("it did not finish in time and was cut off"))
        self.last_active = _now()
        self.start_handlers()
        self._changed()

    def _failed(self, held: Held, error: Exception) -> None:
        failure = failure_of(error)
        self._fail(held, failure)
        if isinstance(error, CircuitOpen):
            self.broken_service = error.service
            self.give_back_waiting()
        elif failure.service:
            self.watch.unavailable(failure.service, held.message.message_id)
        else:
            self.watch.worked()  # nobody was unavailable

    def _fail(self, held: Held, failure: Failure) -> None:
        message, work = held.message, held.work
        if self._is_last(held):
            self._dead_letter(held, failure)
            return
        seconds = self._redelivery_seconds
        pause = failure.pause(seconds[min(message.receive_count, len(seconds)) - 1])
        log.warning(
            "MessageID:%s %s failed at receive %d, comes back in %d s: %s",
            message.message_id, work.event_type, message.receive_count, pause, failure.reason,
        )  # fmt: skip
        self._report.count(work.event_type, failure.outcome)
        self._settler.put_back(held, pause)

    def _dead_letter(self, held: Held, failure: Failure) -> None:
        message, work = held.message, held.work
        log.error(
            "MessageID:%s %s failed at its last retry (receive %d), it goes to %s: %s",
            message.message_id, work.event_type, message.receive_count, self._dead_letter_name, failure.reason,
        )  # fmt: skip
        self._report.count(work.event_type, Outcome.DEAD_LETTERED)
        self._telemetry.event(
            f"{work.alert_type}-sent-to-dlq",
            {
                "queueName": self._queue_name,
                "dlqName": self._dead_letter_name,
                "timeouts": self._redelivery_seconds,
                "maxReceiveCount": self._max_receives,
            },
        )
        self._settler.put_back(held, 0)

    def _let_go(self, held: Held) -> None:
        """Its turn came after SQS had shown it to others again: whoever gets it next handles it."""
        self._lanes.end(held)
        if self._is_last(held):
            self._fail(held, Failure("its visibility lapsed before its turn came"))
        else:
            self._report.count(held.work.event_type, Outcome.LAPSED)
            self._out_of_hands(held)

    def _return(self, held: Held) -> None:
        self._report.count(held.work.event_type, Outcome.RETURNED)
        self._settler.put_back(held, 0)

    def _is_last(self, held: Held) -> bool:
        return self._max_receives is not None and held.message.receive_count >= self._max_receives

    def _out_of_hands(self, held: Held) -> None:
        # given back, it may have come round again already
        if self._held.get(held.message.message_id) is held:
            del self._held[held.message.message_id]
        self._changed()
