"""The mapping service's table of alerts: pairs unique on both sides, that come and go as a prisoner's set."""

import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pydantic_core import from_json, to_json

from nomis_pipelines.sandbox.data.alerts import AlertKey
from nomis_pipelines.sandbox.data.world import london_now
from nomis_pipelines.sandbox.journal import Journal

Pairs = Sequence[tuple[AlertKey, str]]
"""NOMIS alerts, each with its DPS id."""


class AlertPair(NamedTuple):
    """One mapping but for its NOMIS alert."""

    dps_id: str
    prisoner: str
    label: str | None
    mapping_type: str
    when_created: str


class AlertMappingTable:
    """All mappings of alerts."""

    KIND = b"m"

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._pairs: dict[AlertKey, AlertPair] = {}
        self._keys: dict[str, AlertKey] = {}
        self._by_prisoner: dict[str, dict[AlertKey, None]] = {}
        self._labels: dict[str, dict[str, str]] = {}

    def replay(self, payload: bytes, _place: int) -> None:
        """Read one journal entry: `[prisoner, label, type, when, pairs]`, or `[how, what]` for a removal."""
        entry = from_json(payload)
        if len(entry) == 2:
            self._remove(*entry)
        else:
            self._store(*entry)

    def get(self, key: AlertKey) -> AlertPair | None:
        """The pair of a NOMIS alert."""
        return self._pairs.get(key)

    def of_prisoner(self, prisoner: str) -> list[tuple[AlertKey, AlertPair]]:
        """Every pair of a prisoner."""
        return [(key, self._pairs[key]) for key in self._by_prisoner.get(prisoner, ())]

    def conflict(self, pairs: Pairs) -> tuple[AlertKey, str, AlertKey, AlertPair] | None:
        """The first pair one of whose ids is in the table already, as a pair of its own or another's, and that one."""
        for key, dps_id in pairs:
            known = key if key in self._pairs else self._keys.get(dps_id)
            if known is not None:
                return key, dps_id, known, self._pairs[known]
        return None

    def add(self, prisoner: str, label: str | None, mapping_type: str, pairs: Pairs) -> None:
        """Store pairs that are in conflict with none."""
        when = london_now().isoformat(timespec="seconds")
        self._journal.append(self.KIND, to_json([prisoner, label, mapping_type, when, pairs]))
        self._store(prisoner, label, mapping_type, when, pairs)

    def replace(self, prisoner: str, mapping_type: str, pairs: Pairs) -> None:
        """Put pairs in the place of all that the prisoner has, and of any that others have for these alerts."""
        self.remove("prisoner", prisoner)
        for key, dps_id in pairs:
            if key in self._pairs:
                self.remove("dps", self._pairs[key].dps_id)
            if dps_id in self._keys:
                self.remove("dps", dps_id)
        self.add(prisoner, None, mapping_type, pairs)

    def remove(self, how: str, what: str) -> None:
        """Remove the pair of a `dps` id, those of a `prisoner`, or `all`; none is no error."""
        self._journal.append(self.KIND, to_json([how, what]))
        self._remove(how, what)

    def prisoners_of(self, label: str) -> list[tuple[str, int, str]]:
        """The prisoners with pairs of a label: number, how many pairs, when they were made."""
        counted = (
            (prisoner, sum(self._pairs[key].label == label for key in self._by_prisoner.get(prisoner, ())), when)
            for prisoner, when in self._labels.get(label, {}).items()
        )
        return [(prisoner, count, when) for prisoner, count, when in counted if count]

    def items(self) -> Iterator[tuple[AlertKey, AlertPair]]:
        """Every pair, in the order in which they came."""
        yield from self._pairs.items()

    def clear(self) -> None:
        """Forget everything."""
        for table in (self._pairs, self._keys, self._by_prisoner, self._labels):
            table.clear()

    def __len__(self) -> int:
        return len(self._pairs)

    def _store(
        self, prisoner: str, label: str | None, mapping_type: str, when: str, pairs: Sequence[Sequence[object]]
    ) -> None:
        for key, dps_id in pairs:
            booking_id, sequence = key  # pyright: ignore[reportGeneralTypeIssues]  # from JSON: a list of two
            alert = (int(booking_id), int(sequence))
            pair = AlertPair(str(dps_id), prisoner, label, sys.intern(mapping_type), sys.intern(when))
            self._pairs[alert] = pair
            self._keys[pair.dps_id] = alert
            self._by_prisoner.setdefault(prisoner, {})[alert] = None
        if label is not None and pairs:
            self._labels.setdefault(label, {}).setdefault(prisoner, when)

    def _remove(self, how: str, what: str) -> None:
        match how:
            case "dps":
                doomed = [self._keys[what]] if what in self._keys else []
            case "prisoner":
                doomed = list(self._by_prisoner.get(what, ()))
            case _:
                doomed = list(self._pairs)
        for key in doomed:
            pair = self._pairs.pop(key)
            del self._keys[pair.dps_id]
            del self._by_prisoner[pair.prisoner][key]
