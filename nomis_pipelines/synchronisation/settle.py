"""Giving messages back to SQS: deleted when done, shown again later when not, and kept hidden while in hand.

Everything goes in batches of ten. Whoever hands a message over does not wait: a message that SQS did not delete comes
back and is handled again, which handlers bear.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from nomis_pipelines.synchronisation.lanes import Held
from nomis_pipelines.synchronisation.sqs import BATCH, MessageQueue, QueueError

LINGER_SECONDS = 0.02
_DELETE_PAUSES = (0.1, 0.5, 2.0, 5.0)

log = logging.getLogger(__name__)


class Settler:
    """Collects deletes and returns for up to `LINGER_SECONDS`. `done` is called when a message is out of our hands."""

    def __init__(self, queue: MessageQueue, *, visibility_seconds: int, done: Callable[[Held], None]) -> None:
        self._queue = queue
        self._visibility_seconds = visibility_seconds
        self._done = done
        self._deletes: list[Held] = []
        self._returns: list[tuple[Held, int]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        # An extension on its way must not overtake a return of the same message: it would hide it again.
        self._visibility = asyncio.Lock()

    def delete(self, held: Held) -> None:
        """The message is done with."""
        held.settled = True
        self._deletes.append(held)
        self._schedule(len(self._deletes))

    def put_back(self, held: Held, seconds: int) -> None:
        """Show the message again after `seconds`; 0 at once."""
        held.settled = True
        self._returns.append((held, seconds))
        self._schedule(len(self._returns))

    async def extend(self, messages: Sequence[Held]) -> None:
        """Hide messages for the full visibility from now. One that SQS no longer lets us keep becomes `lapsed`."""
        for start in range(0, len(messages), BATCH):
            async with self._visibility:
                batch = [held for held in messages[start : start + BATCH] if not held.settled]
                if batch:
                    await self._extend(batch)

    async def drain(self) -> None:
        """Send everything now, and wait until it is through."""
        self._flush()
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _schedule(self, pending: int) -> None:
        if pending >= BATCH:
            self._flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._flush)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deletes, self._deletes = self._deletes, []
        returns, self._returns = self._returns, []
        for start in range(0, len(deletes), BATCH):
            self._spawn(self._delete(deletes[start : start + BATCH]))
        for start in range(0, len(returns), BATCH):
            self._spawn(self._return(returns[start : start + BATCH]))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _extend(self, batch: Sequence[Held]) -> None:
        now = asyncio.get_running_loop().time()
        try:
            failures = await self._queue.change_visibility([(held.receipt, self._visibility_seconds) for held in batch])
        except QueueError as error:
            log.warning("visibility of %d messages could not be extended: %s", len(batch), error)
            return
        refused = {failure.receipt for failure in failures}
        for held in batch:
            if held.receipt not in refused:
                held.hidden_until = now + self._visibility_seconds
            elif not held.settled:
                held.lapsed = True
                log.warning("MessageID:%s may be visible to others: SQS no longer extends it", held.message.message_id)

    async def _delete(self, batch: list[Held]) -> None:
        for pause in (*_DELETE_PAUSES, None):
            batch = await self._try_delete(batch)
            if not batch:
                return
            if pause is not None:
                await asyncio.sleep(pause)
        for held in batch:
            log.error("MessageID:%s is done with but could not be deleted: it will come back", held.message.message_id)
            self._done(held)

    async def _try_delete(self, batch: list[Held]) -> list[Held]:
        """Those still to be deleted."""
        receipts = [held.receipt for held in batch]
        try:
            failures = {failure.receipt: failure for failure in await self._queue.delete(receipts)}
        except QueueError as error:
            log.warning("%d messages could not be deleted yet: %s", len(batch), error)
            return batch
        again: list[Held] = []
        for held, receipt in zip(batch, receipts, strict=True):
            failure = failures.get(receipt)
            if failure is not None and not failure.gone:
                again.append(held)
                continue
            if failure is not None:
                log.warning("MessageID:%s was done with too late to be deleted", held.message.message_id)
            self._done(held)
        return again

    async def _return(self, batch: Sequence[tuple[Held, int]]) -> None:
        async with self._visibility:
            try:
                failures = await self._queue.change_visibility([(held.receipt, seconds) for held, seconds in batch])
            except QueueError as error:
                log.warning("%d messages come back only when their visibility ends: %s", len(batch), error)
                failures = []
        for failure in failures:
            log.info("a message comes back only when its visibility ends: %s", failure.code)
        for held, _ in batch:
            self._done(held)
