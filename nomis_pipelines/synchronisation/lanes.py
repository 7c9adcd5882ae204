"""Messages in hand, in order: one lane for each key, one message of a lane at work at a time.

SQS standard queues promise no order, and a failed message comes back behind newer ones in any case. So the order kept
is this: among the messages of a key that wait here, the one sent first goes first (by SQS's SentTimestamp, then
arrival), and the next begins only when it has ended, well or badly. When one fails, the next of its key goes on at once
instead of waiting for up to ten minutes: handlers read NOMIS afresh and act on what it says *now*, so a late older
event finds the newer state (an upsert that comes after its delete finds nothing in NOMIS and is skipped) and cannot
undo it.
"""

from bisect import insort
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from nomis_pipelines.synchronisation.classify import Work
from nomis_pipelines.synchronisation.sqs import SqsMessage


@dataclass(slots=True, eq=False)
class Held:
    """A message in hand. `hidden_until` (loop time) is when others may see it unless its visibility is extended.

    `lapsed`: SQS no longer lets us keep it. `settled`: a delete or a return is on its way; never extend it again.
    """

    message: SqsMessage
    work: Work
    arrival: int
    hidden_until: float
    receipt: str = ""
    lapsed: bool = False
    settled: bool = False

    def __post_init__(self) -> None:
        self.receipt = self.message.receipt

    @property
    def order(self) -> tuple[int, int]:
        """Place among the messages of its key."""
        return self.message.sent_milliseconds, self.arrival


@dataclass(slots=True)
class _Lane:
    waiting: list[Held] = field(default_factory=list[Held])
    busy: bool = False


class Lanes:
    """Add messages, start the next that may start, tell when it has ended."""

    def __init__(self) -> None:
        self._lanes: dict[str, _Lane] = {}
        self._ready: deque[str] = deque()
        self.waiting = 0

    def add(self, held: Held) -> None:
        """Put a message in its place in its lane."""
        key = held.work.key
        lane = self._lanes.setdefault(key, _Lane())
        insort(lane.waiting, held, key=lambda each: each.order)
        self.waiting += 1
        if len(lane.waiting) == 1 and not lane.busy:
            self._ready.append(key)

    def start(self) -> Held | None:
        """Take the next message whose key is free, lanes in turn; None when there is none."""
        while self._ready:
            lane = self._lanes.get(self._ready.popleft())
            if lane is not None and lane.waiting and not lane.busy:
                lane.busy = True
                self.waiting -= 1
                return lane.waiting.pop(0)
        return None

    def end(self, held: Held) -> None:
        """The started message has ended: its key is free again."""
        key = held.work.key
        lane = self._lanes[key]
        lane.busy = False
        if lane.waiting:
            self._ready.append(key)
        else:
            del self._lanes[key]

    def remove(self, unwanted: Callable[[Held], bool]) -> Iterator[Held]:
        """Take out waiting messages that are `unwanted`."""
        for key, lane in list(self._lanes.items()):
            keep = [held for held in lane.waiting if not unwanted(held)]
            if len(keep) < len(lane.waiting):
                removed = [held for held in lane.waiting if held not in keep]
                lane.waiting = keep
                self.waiting -= len(removed)
                yield from removed
            if not keep and not lane.busy:
                del self._lanes[key]
