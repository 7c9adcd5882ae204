"""When a failed attempt is made again, and how long to wait before.

One table says what each status means for us; 429 and 503 say that the request was not processed, so even a POST may
go again. 502 and 504 come from a proxy that does not know what became of the request.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto

RETRY_AFTER_CAP_SECONDS = 60.0


class Action(Enum):
    """What follows from the status of an answer outside 2xx."""

    RETRY = auto()
    """Not processed: any call may be made again."""
    RETRY_IF_REPEATABLE = auto()
    """Perhaps processed: again if that does no harm, else the outcome is unknown."""
    RAISE = auto()
    """The answer stands."""


_ACTIONS = {429: Action.RETRY, 503: Action.RETRY, 502: Action.RETRY_IF_REPEATABLE, 504: Action.RETRY_IF_REPEATABLE}


def action_for(status: int) -> Action:
    """What to do about an answer with this status."""
    return _ACTIONS.get(status, Action.RAISE)


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """At most `attempts` attempts; between them a random wait up to `base_seconds` doubled each time (full jitter)."""

    attempts: int = 5
    base_seconds: float = 0.1
    cap_seconds: float = 10.0
    random: Callable[[], float] = random.random

    def delay(self, attempt: int) -> float:
        """Seconds to wait after the failed attempt number `attempt` (from 1)."""
        # beyond 2^20 the cap has long been reached, and a float would overflow in the end
        return self.random() * min(self.cap_seconds, self.base_seconds * 2.0 ** min(attempt - 1, 20))


def retry_after_seconds(text: str | None, now: datetime) -> float | None:
    """Seconds asked for by a Retry-After header (seconds or an HTTP date), from 0 to the cap; None if unreadable."""
    if not text:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), RETRY_AFTER_CAP_SECONDS)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), RETRY_AFTER_CAP_SECONDS)
