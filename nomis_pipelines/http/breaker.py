"""The circuit breaker: an outage stops the run instead of turning it into a list of failures."""

import time
from collections import deque
from collections.abc import Callable

WINDOW = 100
AT_LEAST = 20


class CircuitBreaker:
    """Opens when more than half of the last attempts failed, and that has lasted `patience_seconds`.

    Looked at are the last 100 attempts, at least 20. Once open it stays open: the run stops, and the next run starts
    with a new one. It opens only on a failure, never because time went by without attempts.
    """

    def __init__(self, patience_seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.patience_seconds = patience_seconds
        self.is_open = False
        self._clock = clock
        self._attempts: deque[bool] = deque()
        self._failures = 0
        self._failing_since: float | None = None

    @property
    def is_suspect(self) -> bool:
        """Most recent attempts failed, though not yet for long enough to open."""
        return self._failing_since is not None

    def record(self, ok: bool) -> None:
        """Take note of one attempt: whether the service did its part."""
        attempts = self._attempts
        attempts.append(ok)
        if not ok:
            self._failures += 1
        if len(attempts) > WINDOW and not attempts.popleft():
            self._failures -= 1
        if self._failures * 2 <= len(attempts) or len(attempts) < AT_LEAST:
            self._failing_since = None
        elif self._failing_since is None:
            self._failing_since = self._clock()
        elif not ok and self._clock() - self._failing_since >= self.patience_seconds:
            self.is_open = True
