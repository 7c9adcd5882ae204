"""How many handlers may run at once, given how the services behind them are doing.

A dead service must not use up the receives of every message of the queue, which would put them all in the dead-letter
queue within minutes. So when most recent handlers found a service unavailable, receiving pauses, each time for longer.
A pause ends with a ping of the service, which costs no message; then a single message goes first. One poison message
that makes its service answer 500 for ever changes nothing: several *different* messages must have failed, and most of
the recent ones.
"""

from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from typing import Final

WINDOW_SECONDS: Final = 60.0
WINDOW: Final = 20
DIFFERENT: Final = 5
FIRST_PERMITS: Final = 4
MAX_PAUSE_SECONDS: Final = 60.0


class _State(Enum):
    STEADY = auto()
    PAUSED = auto()
    TRYING = auto()


class OutageWatch:
    """Permits: few at the start and after an outage, one more for each success, none in a pause, one after it."""

    def __init__(self, concurrency: int, clock: Callable[[], float]) -> None:
        self._concurrency = concurrency
        self._clock = clock
        self._state = _State.STEADY
        self._permits = min(FIRST_PERMITS, concurrency)
        self._recent: deque[tuple[float, str | None]] = deque(maxlen=WINDOW)
        self.pause_seconds = 1.0
        self.service = ""

    @property
    def permits(self) -> int:
        """How many handlers may run now."""
        return {_State.STEADY: self._permits, _State.PAUSED: 0, _State.TRYING: 1}[self._state]

    @property
    def paused(self) -> bool:
        """No message may be started, or received, for `pause_seconds`."""
        return self._state is _State.PAUSED

    @property
    def trying(self) -> bool:
        """A pause is over, and one message finds out whether the outage is."""
        return self._state is _State.TRYING

    def worked(self) -> None:
        """A handler came to its end."""
        self._recent.append((self._clock(), None))
        if self._state is _State.TRYING:
            self._state = _State.STEADY
            self._permits = min(FIRST_PERMITS, self._concurrency)
            self._recent.clear()
        elif self._state is _State.STEADY:
            self._permits = min(self._concurrency, self._permits + 1)
            if self._permits == self._concurrency:
                self.pause_seconds = 1.0

    def unavailable(self, service: str, message_id: str) -> None:
        """A handler failed because `service` cannot be used."""
        self._recent.append((self._clock(), message_id))
        self.service = service
        if self._state is _State.TRYING:
            self.still_away()
        elif self._state is _State.STEADY and self._is_outage():
            self._state = _State.PAUSED

    def still_away(self) -> None:
        """The service does not answer: another, longer pause."""
        self._state = _State.PAUSED
        self.pause_seconds = min(MAX_PAUSE_SECONDS, self.pause_seconds * 2)

    def try_again(self) -> None:
        """The pause is over: let one message find out."""
        self._state = _State.TRYING

    def _is_outage(self) -> bool:
        oldest = self._clock() - WINDOW_SECONDS
        recent = [message_id for when, message_id in self._recent if when >= oldest]
        failed = [message_id for message_id in recent if message_id is not None]
        return len(set(failed)) >= min(DIFFERENT, self._concurrency) and len(failed) * 2 > len(recent)
