"""The tables of the mapping service: pairs unique on both sides, counted by label, and the rooms."""

import sys
import time
from collections.abc import Hashable, Iterator
from typing import Generic, NamedTuple, TypeVar, cast

from pydantic_core import from_json, to_json

from nomis_pipelines.sandbox.data.prisons import PRISONS
from nomis_pipelines.sandbox.data.world import london_now
from nomis_pipelines.sandbox.journal import Journal

Key = TypeVar("Key", bound=Hashable)


class Pair(NamedTuple):
    """One mapping but for its NOMIS key."""

    dps_id: str
    label: str | None
    mapping_type: str
    when_created: str


class MappingTable(Generic[Key]):
    """Pairs of one kind. The key is whatever JSON makes of it: a number, or a list kept as a tuple."""

    def __init__(self, name: str, kind: bytes, journal: Journal) -> None:
        self.name = name
        self.kind = kind
        self._journal = journal
        self._pairs: dict[Key, Pair] = {}
        self._keys: dict[str, Key] = {}
        self._labels: dict[str | None, list[Key]] = {}
        self._second = 0
        self._when = ""

    def replay(self, payload: bytes, _place: int) -> None:
        """Read one journal entry: `[key, dps id, label, type, when]`, or `[how, what]` for a removal."""
        entry = from_json(payload)
        if len(entry) == 2:
            self._remove(entry[0], entry[1])
            return
        key, dps_id, label, mapping_type, when = entry
        self._store(cast("Key", _as_key(key)), Pair(dps_id, label, sys.intern(mapping_type), sys.intern(when)))

    def get(self, key: Key) -> Pair | None:
        """The pair of a NOMIS key."""
        return self._pairs.get(key)

    def by_dps_id(self, dps_id: str) -> tuple[Key, Pair] | None:
        """The pair of a DPS id."""
        key = self._keys.get(dps_id)
        return None if key is None else (key, self._pairs[key])

    def add(self, key: Key, dps_id: str, label: str | None, mapping_type: str) -> tuple[Key, Pair] | None:
        """Store a pair. The same again changes nothing; a pair that contradicts one in the table is not stored and that
        one is returned (visits card, section 2; sentencing adjustments card, section 2)."""
        known = self._pairs.get(key)
        if known is not None:
            return None if known.dps_id == dps_id else (key, known)
        other = self._keys.get(dps_id)
        if other is not None:
            return other, self._pairs[other]
        pair = Pair(dps_id, label, sys.intern(mapping_type), self._now())
        self._journal.append(self.kind, to_json([key, dps_id, label, mapping_type, pair.when_created]))
        self._store(key, pair)
        return None

    def page(self, label: str, start: int, size: int) -> tuple[list[tuple[Key, Pair]], int]:
        """The pairs of a label, in the order in which they came, and how many there are."""
        keys = self._labels.get(label, [])
        return [(key, self._pairs[key]) for key in keys[start : start + size]], len(keys)

    def latest_migrated(self) -> tuple[Key, Pair] | None:
        """The pair migrated last."""
        for key in reversed(self._pairs):
            if self._pairs[key].mapping_type == "MIGRATED":
                return key, self._pairs[key]
        return None

    def remove_dps_id(self, dps_id: str) -> None:
        """Remove one pair, if it is there."""
        if dps_id in self._keys:
            self._removal("dps", dps_id)

    def remove_label(self, label: str) -> None:
        """Remove the pairs of a label."""
        self._removal("label", label)

    def remove_all(self, *, only_migrated: bool) -> None:
        """Remove every pair, or every migrated one."""
        self._removal("type", "MIGRATED" if only_migrated else "")

    def items(self) -> Iterator[tuple[Key, Pair]]:
        """Every pair, in the order in which they came."""
        yield from self._pairs.items()

    def clear(self) -> None:
        """Forget everything."""
        self._pairs.clear()
        self._keys.clear()
        self._labels.clear()

    def __len__(self) -> int:
        return len(self._pairs)

    def _store(self, key: Key, pair: Pair) -> None:
        keys = self._labels.get(pair.label)
        if keys is None:
            keys = self._labels[pair.label] = []
        elif keys:
            # a million pairs share one label: keep one text of it
            pair = pair._replace(label=self._pairs[keys[-1]].label)
        keys.append(key)
        self._pairs[key] = pair
        self._keys[pair.dps_id] = key

    def _removal(self, how: str, what: str) -> None:
        self._journal.append(self.kind, to_json([how, what]))
        self._remove(how, what)

    def _remove(self, how: str, what: str) -> None:
        if how == "dps":
            key = self._keys.pop(what)
            self._labels[self._pairs.pop(key).label].remove(key)
            return
        doomed = list(self._labels.get(what, ())) if how == "label" else self._of_type(what)
        for key in doomed:
            del self._keys[self._pairs.pop(key).dps_id]
        self._labels = {label: [key for key in keys if key in self._pairs] for label, keys in self._labels.items()}

    def _of_type(self, mapping_type: str) -> list[Key]:
        return [key for key, pair in self._pairs.items() if not mapping_type or pair.mapping_type == mapping_type]

    def _now(self) -> str:
        second = int(time.time())
        if second != self._second:
            self._second, self._when = second, london_now().isoformat(timespec="seconds")
        return self._when


def _as_key(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


class RoomMappings:
    """Names of NOMIS visit rooms in the visit scheduler, by prison and description."""

    KIND = b"R"

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._rooms: dict[str, dict[str, tuple[str, bool]]] = {}
        self.clear()

    def replay(self, payload: bytes, _place: int) -> None:
        """Read one journal entry: `[prison, description, name, is open]`, without the last two for a removal."""
        self._apply(from_json(payload))

    def get(self, prison: str, description: str) -> tuple[str, bool] | None:
        """Name and openness of a room."""
        return self._rooms.get(prison, {}).get(description)

    def of_prison(self, prison: str) -> list[tuple[str, str, bool]]:
        """Description, name and openness of a prison's mapped rooms, by description."""
        return [(description, *room) for description, room in sorted(self._rooms.get(prison, {}).items())]

    def add(self, prison: str, description: str, vsip: str, *, is_open: bool) -> bool:
        """Map a room; False when it is mapped already."""
        if self.get(prison, description) is not None:
            return False
        self._record([prison, description, vsip, is_open])
        return True

    def remove(self, prison: str, description: str) -> None:
        """Remove a room, if it is there."""
        if self.get(prison, description) is not None:
            self._record([prison, description])

    def clear(self) -> None:
        """Back to the rooms that are there from the beginning."""
        self._rooms = {
            prison.code: {room.description: (room.vsip, room.is_open) for room in prison.rooms if room.vsip}
            for prison in PRISONS.values()
        }

    def _record(self, entry: list[object]) -> None:
        self._journal.append(self.KIND, to_json(entry))
        self._apply(entry)

    def _apply(self, entry: list[object]) -> None:
        prison, description, *room = entry
        rooms = self._rooms.setdefault(str(prison), {})
        if room:
            rooms[str(description)] = (str(room[0]), bool(room[1]))
        else:
            del rooms[str(description)]
