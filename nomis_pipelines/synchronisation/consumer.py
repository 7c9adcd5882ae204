"""The consumer of one queue: receives, has messages handled, and ends when there is a reason to.

What it promises: a message is deleted only after its handler ended well; at most `concurrency` handlers run, and never
two of one key; messages in hand stay hidden from other consumers until they are done with, and no more are taken than
can be handled in about half their visibility; a failing one comes back after the queue's redelivery seconds and ends in
the dead-letter queue; a dead service makes it pause instead of failing everything. Any number may serve one queue.

It knows no Dagster. `Consumer.run` is the whole life of one.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from nomis_pipelines.http import Unavailable
from nomis_pipelines.platform import Platform
from nomis_pipelines.settings import SettingError
from nomis_pipelines.synchronisation.classify import Classifier
from nomis_pipelines.synchronisation.context import SyncContext
from nomis_pipelines.synchronisation.declaration import HandlerSet, Synchronisation
from nomis_pipelines.synchronisation.hands import Hands
from nomis_pipelines.synchronisation.options import ConsumerOptions
from nomis_pipelines.synchronisation.report import ConsumerReport, Ended, Outcome
from nomis_pipelines.synchronisation.sender import QueueSender
from nomis_pipelines.synchronisation.sqs import BATCH, MessageQueue, QueueAttributes, QueueError, Sqs, SqsMessage

_SQS_PAUSES = (1.0, 2.0, 5.0, 10.0, 30.0)

log = logging.getLogger(__name__)


class Consumer:
    """Serves one queue with the handlers of one or more `Synchronisation` classes. Runs once."""

    def __init__(
        self,
        classes: Sequence[type[Synchronisation]],
        *,
        context: SyncContext,
        queue: MessageQueue,
        options: ConsumerOptions | None = None,
        answers: Callable[[str], Awaitable[bool]] | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`answers` tells whether a service answers again after an outage; by default it is pinged.

        Raises `DeclarationError` when the classes do not fit together.
        """
        handlers = HandlerSet.of(classes, context)
        self.options = options or ConsumerOptions.from_settings(context.settings)
        self.report = ConsumerReport(queue=handlers.queue)
        self._queue = queue
        self._context = context
        self._answers = answers or self._ping
        self._changed = asyncio.Event()
        self._hands = Hands(
            queue,
            Classifier(handlers, context.settings),
            self.options,
            redelivery_seconds=handlers.redelivery_seconds,
            report=self.report,
            telemetry=context.telemetry,
            changed=self._changed.set,
            wall_clock=wall_clock,
        )
        self._started = 0.0
        self._stopping = False
        self._given_up = False

    def stop(self) -> None:
        """Receive no more, give back what waits, let what runs finish; `run` ends when the poll in flight is over.

        Call it on the event loop, from a signal handler too; again is harmless.
        """
        self._stopping = True
        self._hands.close()
        self._changed.set()

    async def run(self) -> ConsumerReport:
        """Serve the queue until there is a reason to end; what was done.

        Cancelling it stops gracefully too, then raises; `report` tells what was done. Raises `QueueError` when the
        queue cannot be used at the start (`QueueMissing`: there is none); later failures of SQS are waited out.
        """
        loop = asyncio.get_running_loop()
        self._started = self._hands.last_active = loop.time()
        await self._look_at_queue()
        helpers = [loop.create_task(self._hands.keep_hidden()), loop.create_task(self._tell_progress())]
        try:
            await self._receive_until_over()
        except BaseException as error:
            self.report.ended = Ended.STOPPED if isinstance(error, asyncio.CancelledError) else Ended.FAILED
            raise
        finally:
            await self._hands.finish()
            for helper in helpers:
                helper.cancel()
            self.report.seconds = loop.time() - self._started
        self.report.backlog = await self._backlog()
        log.info("%s ended: %s", self.report.queue, self.report.as_metadata())
        return self.report

    async def _look_at_queue(self) -> None:
        attributes = await self._queue.attributes()
        self._hands.know(attributes)
        if attributes.max_receive_count is None:
            log.warning("queue %s has no redrive policy: failing messages come back for ever", self._queue.name)

    async def _receive_until_over(self) -> None:
        burst, failures = 1, 0
        while not self._is_over():
            if self._hands.broken_service or self._hands.watch.paused:
                await self._wait_for_service()
                continue
            room = self._hands.room()
            if room == 0:
                await self._wait(1.0)
                continue
            burst = max(1, min(burst, room // BATCH))
            try:
                messages = await self._receive(burst, room)
            except QueueError as error:
                pause = _SQS_PAUSES[min(failures, len(_SQS_PAUSES) - 1)]
                failures += 1
                log.warning("nothing received, next try in %.0f s: %s", pause, error)
                await self._wait(pause, for_change=False)
                continue
            failures = 0
            burst = min(burst + 1, self.options.receivers) if len(messages) == burst * BATCH else 1
            self._hands.take(messages)

    async def _receive(self, burst: int, room: int) -> list[SqsMessage]:
        """One long poll, or several short ones at once when messages pile up, in the order of sending."""
        visibility = self.options.visibility_seconds
        if burst == 1:
            return await self._queue.receive(
                min(room, BATCH), wait_seconds=self._poll_seconds(), visibility_seconds=visibility
            )
        # short ones: a long poll that finds nothing would hold back what the others have found
        polls = [self._queue.receive(BATCH, wait_seconds=0, visibility_seconds=visibility) for _ in range(burst)]
        answers = await asyncio.gather(*polls, return_exceptions=True)
        received = [message for answer in answers if isinstance(answer, list) for message in answer]
        for answer in answers:
            if isinstance(answer, BaseException) and not (received and isinstance(answer, QueueError)):
                raise answer
        return sorted(received, key=lambda message: message.sent_milliseconds)

    def _poll_seconds(self) -> int:
        options, now = self.options, asyncio.get_running_loop().time()
        limits: list[float] = [options.wait_seconds]
        if options.idle_seconds is not None and self._hands.empty:
            limits.append(self._hands.last_active + options.idle_seconds - now)
        if options.max_age_seconds is not None:
            limits.append(self._started + options.max_age_seconds - now)
        return max(1, int(min(limits)))

    def _is_over(self) -> bool:
        options, report, hands = self.options, self.report, self._hands
        now = asyncio.get_running_loop().time()
        if self._stopping:
            report.ended = Ended.STOPPED
        elif self._given_up:
            report.ended, report.service = Ended.CIRCUIT_OPEN, hands.broken_service
        elif options.max_age_seconds is not None and now - self._started >= options.max_age_seconds:
            report.ended = Ended.MAX_AGE
        elif options.idle_seconds is not None and hands.empty and now - hands.last_active >= options.idle_seconds:
            report.ended = Ended.IDLE
        return report.ended is not Ended.RUNNING

    async def _wait_for_service(self) -> None:
        """Sit out a pause, then ping: only a service that answers is worth a message.

        With an open circuit this process can do no more (the breaker stays open), so the consumer ends, to be started
        anew; but not before the service answers, or each new process would use up a receive of many messages.
        """
        hands = self._hands
        service = hands.broken_service or hands.watch.service
        if not hands.watch.paused:
            hands.watch.still_away()
        log.warning("%s does not answer: no message is received for %.0f s", service, hands.watch.pause_seconds)
        await self._wait(hands.watch.pause_seconds, for_change=False)
        hands.last_active = asyncio.get_running_loop().time()
        if self._stopping:
            return
        if not await self._answers(service):
            hands.watch.still_away()
        elif hands.broken_service:
            self._given_up = True
        else:
            hands.watch.try_again()
            hands.start_handlers()

    async def _ping(self, service: str) -> bool:
        try:
            return await self._context.clients.client(service).ping() < 500
        except KeyError:
            return True  # no service of ours, but the ledger, say: a message finds out
        except (Unavailable, SettingError):
            return False

    async def _tell_progress(self) -> None:
        before = 0
        while True:
            await asyncio.sleep(self.options.report_seconds)
            backlog = await self._backlog()
            handled = self.report.total(Outcome.HANDLED)
            log.info(
                "%s: %d handled (%.1f a second), %d failed, %d dead-lettered; %d running, %d waiting, %s on the queue",
                self.report.queue, handled, (handled - before) / self.options.report_seconds,
                self.report.total(Outcome.FAILED), self.report.total(Outcome.DEAD_LETTERED),
                self._hands.running, self._hands.waiting, "?" if backlog is None else backlog.visible,
            )  # fmt: skip
            before = handled

    async def _backlog(self) -> QueueAttributes | None:
        try:
            return await self._queue.attributes()
        except QueueError:
            return None

    async def _wait(self, seconds: float, *, for_change: bool = True) -> None:
        """So many seconds, or until a stop, or until something changes in hand."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while not self._stopping and loop.time() < deadline:
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), deadline - loop.time())
            except TimeoutError:
                return
            if for_change:
                return


@asynccontextmanager
async def open_consumer(
    classes: Sequence[type[Synchronisation]], platform: Platform, options: ConsumerOptions | None = None
) -> AsyncGenerator[Consumer]:
    """A consumer on its own connection to SQS, with the platform's clients, ledger and telemetry.

    Raises `SettingError` when the queue has no name, `DeclarationError` when the classes do not fit together.
    """
    queue_name = platform.settings.queue(classes[0].queue).queue_name
    async with Sqs.open(platform.settings) as sqs:
        context = SyncContext(
            clients=platform.clients,
            ledger=platform.ledger,
            telemetry=platform.telemetry,
            queues=QueueSender(sqs, platform.settings, platform.telemetry),
            settings=platform.settings,
        )
        yield Consumer(classes, context=context, queue=sqs.queue(queue_name), options=options)
