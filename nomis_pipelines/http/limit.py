"""How many calls of one service may be under way: a limit that finds its own height.

`GrowthRule` is the arithmetic, without clock or asyncio; `AdaptiveLimit` hands out the permits.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable

GROWTH = 1.5
PAID_OFF = 0.5
MINIMUM_SAMPLES = 20
FIRST_HOLD_SECONDS = 1.0
LONGEST_HOLD_SECONDS = 30.0


class GrowthRule:
    """Decides the limit from latencies and signs of overload.

    While the limit is used up it climbs by half, one step a window of about two round trips, and keeps a step only if
    latency rose by less than half of what the step added: with a service that has room latency stays and throughput
    grows; with one at its end latency grows with the callers, and the step is taken back. Then it waits before trying
    again, each time longer. Comparing neighbouring windows rather than an all-time minimum lets slow and fast endpoints
    of one service share a limit. Overload halves the limit, once a round trip: calls sent before the last halving
    say nothing new. Times are seconds of any one clock.
    """

    def __init__(self, start: int, maximum: int) -> None:
        if not 1 <= start <= maximum:
            raise ValueError(f"the limit must start between 1 and its maximum {maximum}, not at {start}")
        self.limit = start
        self.maximum = maximum
        self._before: tuple[int, float] | None = None  # limit and latency before the step being tried
        self._hold = FIRST_HOLD_SECONDS
        self._hold_until = float("-inf")
        self._trouble = maximum  # the height at which the last step failed
        self._halved_at = float("-inf")
        self._begin(float("-inf"))

    def sample(self, started: float, now: float, *, used_up: bool) -> None:
        """A call that began at `started` was answered; `used_up`: it left a limit that was fully used."""
        if started < self._window_start:
            return
        self._samples += 1
        self._seconds += now - started
        if used_up:
            self._used_up += 1
        if self._samples >= self._needed:
            self._decide(now)

    def overloaded(self, started: float, now: float) -> None:
        """A call that began at `started` timed out, or was refused with 429 or 503."""
        if started < self._halved_at:
            return
        self._fail_step(now)
        self.limit = max(1, self.limit // 2)
        self._halved_at = now
        self._begin(now)

    def _decide(self, now: float) -> None:
        latency = self._seconds / self._samples
        was_used_up = self._used_up * 2 >= self._samples
        before, self._before = self._before, None
        if before is not None and was_used_up:
            height, earlier = before
            if latency > earlier * (1 + PAID_OFF * (self.limit / height - 1)):
                self._fail_step(now)
                self.limit = height
            elif self.limit > self._trouble:
                self._hold = FIRST_HOLD_SECONDS
        if was_used_up and now >= self._hold_until and self.limit < self.maximum:
            self._before = (self.limit, latency)
            self.limit = min(self.maximum, max(self.limit + 1, int(self.limit * GROWTH)))
        self._begin(now)

    def _fail_step(self, now: float) -> None:
        self._before = None
        self._trouble = self.limit
        self._hold_until = now + self._hold
        self._hold = min(self._hold * 2, LONGEST_HOLD_SECONDS)

    def _begin(self, now: float) -> None:
        self._window_start = now
        self._samples = self._used_up = 0
        self._seconds = 0.0
        self._needed = max(MINIMUM_SAMPLES, 2 * self.limit)


class AdaptiveLimit:
    """Permits for calls of one service, first come first served. Belongs to one event loop.

    The short way is `try_acquire()`, and only if that fails `await acquire()`; each permit is given back with
    `release()`. What happened in between is told with `answered` or `overloaded`.
    """

    def __init__(self, start: int, maximum: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.in_flight = 0
        self._rule = GrowthRule(min(start, maximum), maximum)
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._paused_until = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def limit(self) -> int:
        """The present height."""
        return self._rule.limit

    @property
    def waiting(self) -> int:
        """Callers waiting for a permit."""
        return len(self._waiters)

    def try_acquire(self) -> bool:
        """Take a permit if one is free and nobody was here before."""
        if self._waiters or self._paused_until or self.in_flight >= self._rule.limit:
            return False
        self.in_flight += 1
        return True

    async def acquire(self) -> None:
        """Take a permit, waiting for it if need be."""
        if self.try_acquire():
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self.release()  # granted in the same moment: hand it on
            else:
                self._waiters.remove(waiter)
            raise

    def release(self) -> None:
        """Give a permit back."""
        self.in_flight -= 1
        self._wake()

    def answered(self, started: float, now: float) -> None:
        """A call sent at `started` got its answer `now` (both by `clock`); its permit is still held."""
        used_up = bool(self._waiters) or self.in_flight >= self._rule.limit
        self._rule.sample(started, now, used_up=used_up)

    def overloaded(self, started: float) -> None:
        """A call sent at `started` timed out, or was refused with 429 or 503."""
        self._rule.overloaded(started, self.clock())

    def pause(self, seconds: float) -> None:
        """Give no permits for `seconds` (Retry-After asks everybody to wait, not one call)."""
        until = self.clock() + seconds
        if seconds <= 0 or until <= self._paused_until:
            return
        self._paused_until = until
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._resume)

    def pause_left(self) -> float:
        """Seconds until permits are given again."""
        return max(0.0, self._paused_until - self.clock()) if self._paused_until else 0.0

    def _resume(self) -> None:
        self._paused_until = 0.0
        self._timer = None
        self._wake()

    def _wake(self) -> None:
        waiters = self._waiters
        while waiters and not self._paused_until and self.in_flight < self._rule.limit:
            waiter = waiters.popleft()
            if not waiter.done():
                self.in_flight += 1
                waiter.set_result(None)
