"""What a consumer did, as numbers that add up: counts, delays, backlog."""

import math
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from nomis_pipelines.synchronisation.sqs import QueueAttributes

_FIRST = 0.001
_GROWTH = 1.05
_LOG_GROWTH = math.log(_GROWTH)


class Outcome(StrEnum):
    """What became of one delivery of a message."""

    HANDLED = "handled"
    SKIPPED_SWITCH = "skipped-switch"
    UNKNOWN = "unknown"
    MALFORMED = "malformed"
    FAILED = "failed"
    DEAD_LETTERED = "dead-lettered"
    RETURNED = "returned"
    LAPSED = "lapsed"


class Ended(StrEnum):
    """Why a consumer ended. `CIRCUIT_OPEN` is the one that asks for attention."""

    RUNNING = "running"
    IDLE = "idle"
    MAX_AGE = "max-age"
    STOPPED = "stopped"
    CIRCUIT_OPEN = "circuit-open"
    FAILED = "failed"


@dataclass
class Delays:
    """Seconds, kept as counts in buckets that grow by 5 %: percentiles are right to 5 %, the maximum exactly."""

    buckets: Counter[int] = field(default_factory=Counter[int])
    maximum: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one delay; anything below a millisecond counts as one."""
        self.buckets[max(0, math.ceil(math.log(max(seconds, _FIRST) / _FIRST) / _LOG_GROWTH))] += 1
        self.maximum = max(self.maximum, seconds)

    def percentile(self, share: float) -> float | None:
        """The delay that `share` (0 to 1) of all do not exceed, in seconds; None when nothing was counted."""
        wanted = share * self.buckets.total()
        seen = 0
        for bucket in sorted(self.buckets):
            seen += self.buckets[bucket]
            if seen >= wanted:
                return min(_FIRST * _GROWTH**bucket, self.maximum)
        return None

    def __add__(self, other: Self) -> "Delays":
        return Delays(self.buckets + other.buckets, max(self.maximum, other.maximum))


@dataclass
class ConsumerReport:
    """What one consumer did; reports of one queue add up.

    `counts` is by event type and outcome, one for each *delivery*: a message that failed twice and then was handled
    counts three times. `delays` runs from the event's publication to the end of its handler. `service` is the one that
    a consumer ended for.
    """

    queue: str
    counts: Counter[tuple[str, Outcome]] = field(default_factory=Counter[tuple[str, Outcome]])
    delays: Delays = field(default_factory=Delays)
    backlog: QueueAttributes | None = None
    seconds: float = 0.0
    ended: Ended = Ended.RUNNING
    service: str = ""

    @property
    def ok(self) -> bool:
        """Whether the consumer ended for a good reason. Failed messages are no reason: they come back by themselves."""
        return self.ended not in {Ended.CIRCUIT_OPEN, Ended.FAILED}

    def count(self, event_type: str, outcome: Outcome) -> None:
        """Count one delivery."""
        self.counts[event_type, outcome] += 1

    def total(self, outcome: Outcome) -> int:
        """Deliveries with this outcome, of all event types."""
        return sum(count for (_, each), count in self.counts.items() if each is outcome)

    def by_event_type(self) -> dict[str, dict[str, int]]:
        """Counts as a table: event type, then outcome."""
        table: dict[str, dict[str, int]] = {}
        for (event_type, outcome), count in sorted(self.counts.items()):
            table.setdefault(event_type, {})[outcome.value] = count
        return table

    def as_metadata(self) -> dict[str, int | float | str]:
        """Everything but the table by event type, flat. Delays in seconds; what is not known is left out."""
        metadata: dict[str, int | float | str] = {"queue": self.queue, "ended": self.ended.value}
        if self.service:
            metadata["service"] = self.service
        metadata |= {outcome.value: self.total(outcome) for outcome in Outcome}
        metadata["seconds"] = round(self.seconds, 3)
        if self.seconds > 0:
            metadata["handled_per_second"] = round(self.total(Outcome.HANDLED) / self.seconds, 1)
        for name, share in (("delay_p50", 0.5), ("delay_p99", 0.99)):
            if (delay := self.delays.percentile(share)) is not None:
                metadata[name] = round(delay, 3)
        if self.delays.buckets:
            metadata["delay_max"] = round(self.delays.maximum, 3)
        if self.backlog is not None:
            metadata |= {"backlog": self.backlog.visible, "in_flight": self.backlog.in_flight}
            metadata["delayed"] = self.backlog.delayed
        return metadata

    def __add__(self, other: Self) -> "ConsumerReport":
        """Both together: counts and delays added, seconds of the longer, backlog and ending of the later."""
        return ConsumerReport(
            queue=self.queue,
            counts=self.counts + other.counts,
            delays=self.delays + other.delays,
            backlog=other.backlog or self.backlog,
            seconds=max(self.seconds, other.seconds),
            ended=other.ended if self.ok or not other.ok else self.ended,
            service=other.service or self.service,
        )
