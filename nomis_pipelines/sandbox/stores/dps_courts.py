"""What the remand and sentencing service holds: one book a prisoner, kept whole in the journal."""

import hashlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from pydantic_core import from_json, to_json

from nomis_pipelines.sandbox.journal import Journal
from nomis_pipelines.sandbox.stores.court_book import KIND_OF, PARTS, Json, add_whole, empty, forget, view

PREFIX = 6


class DpsCourts:
    """Books by prisoner. The first bytes of an id tell whose book it began in, so no other index is needed."""

    KIND = b"l"
    MERGE_KIND = b"o"

    def __init__(self, journal: Journal, key: bytes) -> None:
        self._journal = journal
        self._seed = key
        self._places: dict[str, tuple[int, int]] = {}
        self._prisoners: dict[bytes, str] = {}

    def replay(self, payload: bytes, place: int) -> None:
        """Read one journal entry: prisoner, tab, book."""
        prisoner, _, book = payload.partition(b"\t")
        self._remember(prisoner.decode(), place + len(payload) - len(book), len(book))

    def replay_merge(self, payload: bytes, _place: int) -> None:
        """Read one journal entry: `[retained, removed]`."""
        self._take_over(*from_json(payload))

    def prisoners(self) -> list[str]:
        """Everybody of whom there is a book."""
        return list(self._places)

    def owner(self, dps_id: str) -> str | None:
        """Whose book an id is in, if it is in any."""
        try:
            return self._prisoners.get(UUID(dps_id).bytes[:PREFIX])
        except ValueError:
            return None

    def book(self, prisoner: str) -> Json:
        """A copy of a prisoner's book."""
        place = self._places.get(prisoner)
        return empty() if place is None else from_json(self._journal.read(*place))

    @contextmanager
    def changing(self, prisoner: str) -> Generator[Json]:
        """A prisoner's book to be changed; kept when the block ends well."""
        book = self.book(prisoner)
        yield book
        prefix, line = f"{prisoner}\t".encode(), to_json(book)
        place = self._journal.append(self.KIND, prefix + line)
        self._remember(prisoner, place + len(prefix), len(line))

    def new_id(self, prisoner: str, book: Json) -> str:
        """The next id of a book: a UUID that follows from seed, prisoner and order."""
        number: int = book["next"]
        book["next"] = number + 1
        return str(UUID(bytes=self._prefix(prisoner) + b"\x40\x00\x80" + number.to_bytes(7)))

    def add_whole(self, prisoner: str, cases: list[Json], *, delete_existing: bool = False) -> Json:
        """Add whole cases to a prisoner's book; what each part has become."""
        with self.changing(prisoner) as book:
            if delete_existing:
                forget(book)
            return add_whole(book, cases, lambda: self.new_id(prisoner, book))

    def merge(self, retained: str, removed: str) -> None:
        """Move what is in one book to another."""
        gone = self.book(removed)
        with self.changing(retained) as book:
            for part in PARTS:
                book[part] |= gone[part]
        self._journal.append(self.MERGE_KIND, to_json([retained, removed]))
        self._take_over(retained, removed)

    def rows(self) -> Iterator[tuple[str, str, str, list[int] | None]]:
        """Prisoner, kind, DPS id and NOMIS ids (where the body told them) of everything there is."""
        for prisoner in self._places:
            book = self.book(prisoner)
            for part in PARTS:
                for dps_id, each in book[part].items():
                    yield prisoner, KIND_OF[part], dps_id, each.get("nomis")

    def view(self, prisoner: str, nomis_of: Any) -> list[Json]:
        """A prisoner's cases as what they say, with NOMIS ids (see `court_book.view`)."""
        return view(self.book(prisoner), nomis_of)

    def clear(self) -> None:
        """Forget everything."""
        self._places.clear()
        self._prisoners.clear()

    def _prefix(self, prisoner: str) -> bytes:
        return hashlib.blake2b(prisoner.encode(), digest_size=PREFIX, key=self._seed, person=b"dpscourt").digest()

    def _remember(self, prisoner: str, place: int, length: int) -> None:
        self._places[prisoner] = (place, length)
        self._prisoners[self._prefix(prisoner)] = prisoner

    def _take_over(self, retained: str, removed: str) -> None:
        self._places.pop(removed, None)
        for prefix, prisoner in self._prisoners.items():
            if prisoner == removed:
                self._prisoners[prefix] = retained
        self._prisoners[self._prefix(removed)] = retained
