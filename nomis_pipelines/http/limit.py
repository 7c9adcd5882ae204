"""How many calls of one service may be under way: a limit that finds its own height.

`GrowthRule` is the arithmetic, without clock or asyncio; `AdaptiveLimit` hands out the permits.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

STEP = 1.5
MINIMUM_SAMPLES = 20
FIRST_HOLD_SECONDS = 1.0
LONGEST_HOLD_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class _Trial:
    """A step being tried: height and latency (seconds) before it."""

    height: int
    latency: float


class GrowthRule:
    """Decides the limit from latencies and signs of overload. Times are seconds of any one clock.

    While the limit is used up it tries steps of half its height, each over a window of three round trips, the first of
    them not counted. A step is judged by the latencies before and after: with a service that has room latency stays and
    throughput follows the limit; with one at its end latency follows the limit. Nearer to the first, a step up is kept,
    and the next one tried at once; nearer to the second it is taken back, and after a pause, each time longer, a step
    down is tried, which is kept if it costs no throughput (never below the start). So the limit settles at the knee.
    Comparing neighbouring windows, not an all-time minimum, lets slow and fast endpoints of one service share a limit.

    Latency is worked out from throughput (Little's law: calls under way = throughput x latency). A mean over the calls
    answered first would leave out those that are kept waiting, and look fine just when a server is at its end.

    Overload halves the limit, once a round trip: calls sent before the last halving say nothing new.
    """

    def __init__(self, start: int, maximum: int) -> None:
        if not 1 <= start <= maximum:
            raise ValueError(f"the limit must start between 1 and its maximum {maximum}, not at {start}")
        self.limit = start
        self._start = start
        self._maximum = maximum
        self._trial: _Trial | None = None
        self._upwards = True
        self._hold = FIRST_HOLD_SECONDS
        self._hold_until = float("-inf")
        self._trouble = maximum  # the height at which the last step up failed
        self._halved_at = float("-inf")
        self._begin()

    def sample(self, now: float, *, in_flight: int, used_up: bool) -> None:
        """A call was answered, `in_flight` with it being under way; `used_up`: it left a limit that was fully used."""
        if self._skip > 0:
            self._skip -= 1
            self._window_start = now
            return
        if in_flight <= 1 and not used_up:
            self._begin()  # traffic paused, and time without calls would look like latency
            return
        self._samples += 1
        self._in_flight += in_flight
        if used_up:
            self._used_up += 1
        if self._samples >= self._needed:
            self._decide(now)

    def overloaded(self, started: float, now: float) -> bool:
        """A call that began at `started` timed out, or was refused with 429, 503 or 504; whether that counts."""
        if started < self._halved_at:
            return False
        self._wait(now)
        self._trial = None
        self._upwards = True
        self._trouble = self.limit
        self.limit = max(1, self.limit // 2)
        self._halved_at = now
        self._begin()
        return True

    def _decide(self, now: float) -> None:
        latency = self._in_flight / self._samples * (now - self._window_start) / self._samples
        used_up = self._used_up * 2 >= self._samples
        trial, self._trial = self._trial, None
        if trial is not None:
            self._judge(trial, latency, now, used_up=used_up)
        if used_up and now >= self._hold_until:
            self._try_step(latency)
        self._begin()

    def _judge(self, trial: _Trial, latency: float, now: float, *, used_up: bool) -> None:
        """Keep the step or take it back.

        At a latency halfway between unchanged and changed like the limit a step up gains half of what it could, and a
        step down loses half: below it either step is worth keeping.
        """
        worth_it = latency * 2 <= trial.latency * (1 + self.limit / trial.height)
        upwards = self.limit > trial.height
        if worth_it or (upwards and not used_up):
            if self.limit > self._trouble:
                self._hold = FIRST_HOLD_SECONDS
            return
        if upwards:
            self._trouble = self.limit
        self._upwards = not upwards
        self.limit = trial.height
        self._wait(now)

    def _try_step(self, latency: float) -> None:
        if self.limit >= self._maximum:
            self._upwards = False
        elif self.limit <= self._start:
            self._upwards = True
        step = max(self.limit + 1, int(self.limit * STEP)) if self._upwards else int(self.limit / STEP)
        height = min(self._maximum, step) if self._upwards else max(self._start, step)
        if height != self.limit:
            self._trial = _Trial(self.limit, latency)
            self.limit = height

    def _wait(self, now: float) -> None:
        self._hold_until = now + self._hold
        self._hold = min(self._hold * 2, LONGEST_HOLD_SECONDS)

    def _begin(self) -> None:
        self._skip = self.limit
        self._window_start = 0.0
        self._samples = self._used_up = self._in_flight = 0
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

    def answered(self, now: float) -> None:
        """A call got its answer `now` (by `clock`); its permit is still held."""
        used_up = bool(self._waiters) or self.in_flight >= self._rule.limit
        self._rule.sample(now, in_flight=self.in_flight, used_up=used_up)

    def overloaded(self, started: float) -> bool:
        """A call sent at `started` timed out, or was refused with 429, 503 or 504; whether the limit was halved."""
        return self._rule.overloaded(started, self.clock())

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
