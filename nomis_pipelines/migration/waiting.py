"""Records that wait for their parents. Little more than keys is kept: a hundred thousand fit in some megabytes."""

from collections.abc import Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """What a record waits for: its parent's key, the same in words, and the circle of parents that it is part of."""

    parent: str
    message: str
    cycle: tuple[str, ...] = ()


class Waiting:
    """Which record waits for which other, by key. A record is ready as soon as its parent waits no longer."""

    def __init__(self) -> None:
        self._waits: dict[str, Wait] = {}

    def add(self, key: str, parent: str, message: str) -> None:
        """`key` cannot be written before `parent`."""
        self._waits[key] = Wait(parent=parent, message=message)

    def take_ready(self) -> list[str]:
        """Remove and give the records whose parent does not wait (any more)."""
        ready = [key for key, wait in self._waits.items() if wait.parent not in self._waits]
        for key in ready:
            del self._waits[key]
        return ready

    def take_orphans(self, keys: Iterable[str]) -> dict[str, Wait]:
        """Remove and give those of `keys` that wait again, for a parent that does not wait: it will not be mapped."""
        orphans = {
            key: self._waits[key] for key in keys if key in self._waits and self._waits[key].parent not in self._waits
        }
        for key in orphans:
            del self._waits[key]
        return orphans

    def take_rest(self) -> dict[str, Wait]:
        """Remove and give what is left when nothing is ready: circles of parents, and what hangs on them."""
        cycles = self._cycles()
        rest, self._waits = self._waits, {}
        return {key: replace(wait, cycle=cycles.get(key, ())) for key, wait in rest.items()}

    def _cycles(self) -> dict[str, tuple[str, ...]]:
        """The records that are their own ancestors, each with the keys of its circle, from the smallest on."""
        found: dict[str, tuple[str, ...]] = {}
        done: set[str] = set()
        for start in self._waits:
            path: dict[str, int] = {}
            key = start
            while key in self._waits and key not in done and key not in path:
                path[key] = len(path)
                key = self._waits[key].parent
            if key in path:
                cycle = list(path)[path[key] :]
                first = cycle.index(min(cycle))
                found |= dict.fromkeys(cycle, (*cycle[first:], *cycle[:first]))
            done |= path.keys()
        return found
