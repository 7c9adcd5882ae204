"""Serving the queues of a domain: a consumer a queue, all on one event loop, until each has its reason to end."""

import asyncio
import logging
import signal
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from nomis_pipelines.platform import Platform
from nomis_pipelines.settings import SettingError, Settings
from nomis_pipelines.signals import on_signals
from nomis_pipelines.synchronisation.consumer import open_consumer
from nomis_pipelines.synchronisation.declaration import Synchronisation
from nomis_pipelines.synchronisation.options import ConsumerOptions
from nomis_pipelines.synchronisation.report import ConsumerReport

log = logging.getLogger(__name__)

Classes = Sequence[type[Synchronisation]]


@dataclass(frozen=True, kw_only=True)
class Served:
    """What the consumers of a domain did; `interrupted` tells that a signal ended them."""

    reports: list[ConsumerReport]
    interrupted: bool

    @property
    def ok(self) -> bool:
        """Whether all of them ended for a good reason."""
        return all(report.ok for report in self.reports)


def configured(queues: Mapping[str, Classes], settings: Settings) -> dict[str, Classes]:
    """Those of the queues that have a name in the environment; the others are told of in the log.

    Raises `SettingError` when none has.
    """
    found = {queue: classes for queue, classes in queues.items() if settings.has_queue(queue)}
    for queue in queues.keys() - found.keys():
        log.warning("queue %s is not consumed: HMPPS_SQS_QUEUES_%s_QUEUE_NAME is not set", queue, queue.upper())
    if not found:
        names = ", ".join(f"HMPPS_SQS_QUEUES_{queue.upper()}_QUEUE_NAME" for queue in queues)
        raise SettingError(f"{names} is not set: SQS name of the queue whose events are handled")
    return found


async def serve(queues: Mapping[str, Classes], platform: Platform, options: ConsumerOptions | None = None) -> Served:
    """Run a consumer for each queue to its end. SIGINT and SIGTERM let each finish what it has in hand and stop.

    Raises `QueueError` when a queue cannot be used at the start, after the other consumers have stopped.
    """
    interrupted = False
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        consumers = [
            await stack.enter_async_context(open_consumer(classes, platform, options)) for classes in queues.values()
        ]

        def stop(_number: signal.Signals) -> None:
            nonlocal interrupted
            interrupted = True
            for consumer in consumers:
                loop.call_soon_threadsafe(consumer.stop)

        with on_signals(stop):
            async with asyncio.TaskGroup() as group:
                running = [group.create_task(consumer.run()) for consumer in consumers]
    return Served(reports=[task.result() for task in running], interrupted=interrupted)
