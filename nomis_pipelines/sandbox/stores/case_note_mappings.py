"""The mapping service's table of case notes: a NOMIS id has one pair at most, a DPS id may be in several."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json

from nomis_pipelines.sandbox.data.world import london_now
from nomis_pipelines.sandbox.journal import Journal


class NotePair(NamedTuple):
    """One mapping but for its NOMIS id."""

    dps_id: str
    booking_id: int
    prisoner: str
    label: str | None
    mapping_type: str
    when_created: str


Row = tuple[int, int, str]
"""NOMIS id, booking, DPS id."""


class CaseNoteMappingTable:
    """All mappings of case notes."""

    KIND = b"}"

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._pairs: dict[int, NotePair] = {}
        self._by_dps_id: dict[str, dict[int, None]] = {}
        self._by_prisoner: dict[str, dict[int, None]] = {}

    def replay(self, payload: bytes, _place: int) -> None:
        """Read one journal entry: `["add", prisoner, label, type, when, rows]`, or `[what, key …]`."""
        what, *details = from_json(payload)
        self._apply(what, details)

    def get(self, note_id: int) -> NotePair | None:
        """The pair of a NOMIS note."""
        return self._pairs.get(note_id)

    def of_dps_id(self, dps_id: str) -> list[tuple[int, NotePair]]:
        """Every pair of a DPS note."""
        return self._found(self._by_dps_id.get(dps_id, ()))

    def of_prisoner(self, prisoner: str) -> list[tuple[int, NotePair]]:
        """Every pair of a prisoner."""
        return self._found(self._by_prisoner.get(prisoner, ()))

    def prisoners_of(self, label: str) -> int:
        """How many prisoners have pairs of a label."""
        return sum(
            any(self._pairs[note_id].label == label for note_id in notes) for notes in self._by_prisoner.values()
        )

    def conflict(self, rows: Iterable[Row]) -> tuple[Row, NotePair] | None:
        """The first row whose NOMIS id has a pair already, be it the very same, and that pair."""
        return next(((row, self._pairs[row[0]]) for row in rows if row[0] in self._pairs), None)

    def add(self, prisoner: str, label: str | None, mapping_type: str, rows: Sequence[Row]) -> None:
        """Store pairs that are in conflict with none."""
        when = london_now().isoformat(timespec="seconds")
        self._record("add", prisoner, label, mapping_type, when, rows)

    def merge(self, removed: str, retained: str) -> None:
        """Put all pairs of one prisoner under another."""
        self._record("merge", removed, retained)

    def move(self, booking_id: int, target: str) -> list[tuple[int, NotePair]]:
        """Put all pairs of a booking under a prisoner; which they are."""
        self._record("move", booking_id, target)
        return [(note_id, pair) for note_id, pair in self._pairs.items() if pair.booking_id == booking_id]

    def remove(self, how: str, what: int | str) -> None:
        """Remove the pairs of a `dps` id, the one of a `note`, or `all`; none is no error."""
        self._record(how, what)

    def items(self) -> Iterator[tuple[int, NotePair]]:
        """Every pair, in the order in which they came."""
        yield from self._pairs.items()

    def clear(self) -> None:
        """Forget everything."""
        for table in (self._pairs, self._by_dps_id, self._by_prisoner):
            table.clear()

    def __len__(self) -> int:
        return len(self._pairs)

    def _found(self, note_ids: Iterable[int]) -> list[tuple[int, NotePair]]:
        return [(note_id, self._pairs[note_id]) for note_id in note_ids]

    def _record(self, what: str, *details: Any) -> None:
        self._journal.append(self.KIND, to_json([what, *details]))
        self._apply(what, details)

    def _apply(self, what: str, details: Sequence[Any]) -> None:
        match what:
            case "add":
                prisoner, label, mapping_type, when, rows = details
                common = (prisoner, label, sys.intern(mapping_type), sys.intern(when))
                for note_id, booking_id, dps_id in rows:
                    self._store(note_id, NotePair(dps_id, booking_id, *common))
            case "merge":
                self._give(list(self._by_prisoner.get(details[0], ())), details[1])
            case "move":
                self._give(self._where(lambda pair: pair.booking_id == details[0]), details[1])
            case _:
                self._remove(what, details[0])

    def _where(self, wanted: Callable[[NotePair], bool]) -> list[int]:
        return [note_id for note_id, pair in self._pairs.items() if wanted(pair)]

    def _give(self, note_ids: Iterable[int], prisoner: str) -> None:
        for note_id in note_ids:
            pair = self._pairs[note_id]
            del self._by_prisoner[pair.prisoner][note_id]
            self._store(note_id, pair._replace(prisoner=prisoner))

    def _remove(self, how: str, what: int | str) -> None:
        match how:
            case "dps":
                doomed = list(self._by_dps_id.get(str(what), ()))
            case "note":
                doomed = [int(what)] if int(what) in self._pairs else []
            case _:
                doomed = list(self._pairs)
        for note_id in doomed:
            pair = self._pairs.pop(note_id)
            del self._by_dps_id[pair.dps_id][note_id]
            del self._by_prisoner[pair.prisoner][note_id]

    def _store(self, note_id: int, pair: NotePair) -> None:
        self._pairs[note_id] = pair
        self._by_dps_id.setdefault(pair.dps_id, {})[note_id] = None
        self._by_prisoner.setdefault(pair.prisoner, {})[note_id] = None
