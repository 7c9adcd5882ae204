"""Bounded concurrency within a page, and the signal that asks it to end early."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractContextManager
from typing import TypeVar

from nomis_pipelines.signals import on_signals

T = TypeVar("T")


class StopRequest:
    """Asks a run to stop: work in hand is finished and recorded, nothing new is begun."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self.by_signal = False

    def request(self, reason: str) -> None:
        """Ask for the stop; the first reason stays."""
        self.reason = self.reason or reason

    @property
    def requested(self) -> bool:
        """Whether somebody asked."""
        return self.reason is not None

    def on_signals(self) -> AbstractContextManager[None]:
        """While inside, SIGINT and SIGTERM ask for the stop instead of raising in the middle of a write."""

        def ask(number: signal.Signals) -> None:
            self.by_signal = True
            self.request(number.name)

        return on_signals(ask)


async def for_each(items: Iterable[T], work: Callable[[T], Awaitable[None]], *, limit: int, stop: StopRequest) -> None:
    """Run `work` over `items`, at most `limit` at once.

    `work` keeps its own failures; an exception that escapes it ends the whole: what is in hand is finished first (a
    write must never be abandoned half-way), then the first such exception is raised.
    """
    source = iter(items)
    failures: list[BaseException] = []

    async def worker() -> None:
        for item in source:
            if failures or stop.requested:
                return
            try:
                await work(item)
            except Exception as error:  # noqa: BLE001  # raised again below, once the others are done
                failures.append(error)

    async with asyncio.TaskGroup() as group:
        for _ in range(limit):
            group.create_task(worker())
    if failures:
        raise failures[0]
