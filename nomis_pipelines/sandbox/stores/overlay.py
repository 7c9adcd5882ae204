"""What was changed in NOMIS since the world was made: records changed, added or deleted, kept in the journal."""

from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

from pydantic_core import from_json, to_json

from nomis_pipelines.sandbox.journal import Journal

Key = TypeVar("Key", bound=Hashable)
Fields = dict[str, Any]


class Overlay(Generic[Key]):
    """Changes over generated records. `key_of` makes a key of its parts in the journal."""

    def __init__(self, kind: bytes, journal: Journal, key_of: Callable[[list[Any]], Key]) -> None:
        self.added: dict[Key, Fields] = {}
        self._kind = kind
        self._journal = journal
        self._key_of = key_of
        self._changes: dict[Key, Fields] = {}
        self._gone: set[Key] = set()

    def replay(self, payload: bytes, _place: int) -> None:
        """Read one journal entry: `[what, key …, fields]`."""
        what, *parts, fields = from_json(payload)
        self._apply(what, self._key_of(parts), fields)

    def current(self, key: Key, generated: Callable[[Key], Fields | None]) -> Fields | None:
        """A record as it is now; None when there is none, or no more."""
        if key in self._gone:
            return None
        record = self.added.get(key) or generated(key)
        return None if record is None else record | self._changes.get(key, {})

    def is_gone(self, key: Key) -> bool:
        """Whether a record has been deleted."""
        return key in self._gone

    @property
    def gone(self) -> int:
        """How many have been deleted."""
        return len(self._gone)

    def add(self, key: Key, fields: Fields) -> None:
        """Make a record."""
        self._record("add", key, fields)

    def change(self, key: Key, fields: Fields) -> None:
        """Change fields of a record."""
        self._record("change", key, fields)

    def remove(self, key: Key) -> None:
        """Delete a record."""
        self._record("remove", key, {})

    def clear(self) -> None:
        """Back to the generated world."""
        self.added.clear()
        self._changes.clear()
        self._gone.clear()

    def _record(self, what: str, key: Key, fields: Fields) -> None:
        parts = key if isinstance(key, tuple) else (key,)
        self._journal.append(self._kind, to_json([what, *parts, fields]))
        self._apply(what, key, fields)

    def _apply(self, what: str, key: Key, fields: Fields) -> None:
        match what:
            case "change":
                self._changes[key] = self._changes.get(key, {}) | fields
            case "add":
                self.added[key] = fields
            case _:
                self._gone.add(key)
