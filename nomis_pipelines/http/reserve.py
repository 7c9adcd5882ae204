"""A permit of the concurrency limit held over a block, for the calls made inside it."""

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType

from nomis_pipelines.http.limit import AdaptiveLimit

_CURRENT: ContextVar["Reservation | None"] = ContextVar("reserved_permit", default=None)


class Reservation:
    """`async with`: take a permit now, hold it to the end of the block.

    Calls made inside, also by tasks started inside (`shield`, `wait_for`), use this permit, one after another. Inside a
    block of the same limit it does nothing: the outer permit serves. A call that outlives the block (shielded from a
    cancel) keeps the permit until it ends. Take permits of several services always in the same order.
    """

    def __init__(self, limit: AdaptiveLimit, check: Callable[[], None]) -> None:
        self.limit = limit
        self._check = check
        self.ended = False
        self.outer: Reservation | None = None
        self._turn = asyncio.Lock()
        self._entered = False

    async def __aenter__(self) -> None:
        """Wait for the permit; `check` may raise, before and after."""
        self._check()
        if held(self.limit) is not None:
            return
        if not self.limit.try_acquire():
            await self.limit.acquire()
            try:
                self._check()
            except BaseException:
                self.limit.release()
                raise
        self.outer = _CURRENT.get()
        _CURRENT.set(self)
        self._entered = True

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the permit back, or leave that to the call still using it."""
        if not self._entered:
            return
        _CURRENT.set(self.outer)
        self.ended = True
        if not self._turn.locked():
            self.limit.release()

    async def use(self) -> bool:
        """Wait for the turn to use the permit; False if the block ended meanwhile."""
        await self._turn.acquire()
        if self.ended:
            self._turn.release()
        return not self.ended

    def done(self) -> None:
        """End one use."""
        self._turn.release()
        if self.ended:
            self.limit.release()


def held(limit: AdaptiveLimit) -> Reservation | None:
    """The permit of this limit held around us, if any."""
    reservation = _CURRENT.get()
    while reservation is not None and (reservation.limit is not limit or reservation.ended):
        reservation = reservation.outer
    return reservation
