"""The live line of a running migration: how many are done, how fast, how long it will take, what failed."""

import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress as RichProgress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from nomis_pipelines.ledger import LedgerUnavailable, Progress

INTERVAL_SECONDS = 0.5
PLAIN_EVERY = 10
"""Without a terminal a line is printed every so many looks."""


class LiveProgress:
    """Asks `look` twice a second, in a thread of its own, and draws what it says until the block ends."""

    def __init__(self, look: Callable[[], Progress | None], title: str) -> None:
        self._look = look
        self._title = title
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="progress", daemon=True)
        self._bar = RichProgress(
            SpinnerColumn(),
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[trouble]}"),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
        )

    def __enter__(self) -> Self:
        self._bar.start()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._bar.stop()

    def _watch(self) -> None:
        task = self._bar.add_task(self._title, total=None, rate="starting", trouble="")
        looks = 0
        while True:
            ending = self._ended.wait(INTERVAL_SECONDS)
            progress = self._seen()
            if progress is not None:
                self._draw(task, progress)
                if self._bar.disable and (ending or looks % PLAIN_EVERY == 0):
                    print(_sentence(self._title, progress), file=sys.stderr, flush=True)  # noqa: T201  # a log without a terminal
                looks += 1
            if ending:
                return

    def _seen(self) -> Progress | None:
        try:
            return self._look()
        except LedgerUnavailable:
            return None  # the migration waits for the ledger too, and says so: the line goes on when it is back

    def _draw(self, task: int, progress: Progress) -> None:
        speed = self._bar.tasks[0].speed
        self._bar.update(
            task,  # pyright: ignore[reportArgumentType]  # rich's TaskID is an int
            completed=progress.processed,
            total=max(progress.estimated, progress.processed),
            rate=f"{speed:.0f}/s" if speed else "",
            trouble=_trouble(progress),
        )


def _trouble(progress: Progress) -> str:
    counts = {"rejected": progress.rejected, "failed": progress.failed, "in doubt": progress.in_doubt,
              "duplicates": progress.duplicates, "unmapped": progress.unmapped}  # fmt: skip
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def _sentence(title: str, progress: Progress) -> str:
    trouble = _trouble(progress)
    return f"{title}: {progress.processed} of {progress.estimated} done{', ' + trouble if trouble else ''}"
