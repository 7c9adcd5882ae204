"""What a DPS service was sent: bodies stay in the journal, their places in memory."""

import hashlib
import uuid
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic_core import from_json, to_json

from nomis_pipelines.sandbox.journal import Journal, Replay

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, kw_only=True)
class Spelling(Generic[Key]):
    """How the keys of one kind of record lie in the journal: `fields` of them, with tabs between."""

    create: bytes
    update: bytes
    delete: bytes
    person: bytes
    fields: int
    write: Callable[[Key], str]
    read: Callable[[list[str]], Key]


class DpsRecords(Generic[Key]):
    """Records in DPS, each with the NOMIS record it was made from, if it is like one."""

    def __init__(self, spelling: Spelling[Key], journal: Journal, key: bytes) -> None:
        self._spelling = spelling
        self._journal = journal
        self._seed = key
        self._created = 0
        self._bodies: dict[str, tuple[int, int]] = {}
        self._origins: dict[str, Key | None] = {}
        self._updates = 0

    @property
    def replays(self) -> dict[bytes, Replay]:
        """What reads the journal's entries of each kind."""
        return {
            self._spelling.create: self._replay,
            self._spelling.update: self._replay_update,
            self._spelling.delete: self._replay_delete,
        }

    def store(self, body: bytes, origin: Key | None) -> str:
        """Store a record; returns its id."""
        spelling = self._spelling
        dps_id = self._new_id(body, self._created)
        written = "\t".join(["-"] * spelling.fields) if origin is None else spelling.write(origin)
        prefix = f"{dps_id}\t{written}\t".encode()
        line = _one_line(body)
        place = self._journal.append(spelling.create, prefix + line)
        self._remember(dps_id, origin, place + len(prefix), len(line))
        return dps_id

    def _new_id(self, body: bytes, number: int) -> str:
        """The id of the record that comes as the `number`-th (from 0): a UUID that follows from seed and order."""
        del body
        digest = hashlib.blake2b(b"%d" % number, digest_size=16, key=self._seed, person=self._spelling.person).digest()
        return str(uuid.UUID(bytes=digest, version=4))

    def update(self, dps_id: str, body: bytes) -> bool:
        """Replace a record; False when there is none."""
        if dps_id not in self._bodies:
            return False
        line = _one_line(body)
        place = self._journal.append(self._spelling.update, dps_id.encode() + b"\t" + line)
        self._bodies[dps_id] = (place + len(dps_id) + 1, len(line))
        self._updates += 1
        return True

    def delete(self, dps_id: str) -> bool:
        """Delete a record; False when there is none."""
        if dps_id not in self._bodies:
            return False
        self._journal.append(self._spelling.delete, dps_id.encode())
        del self._bodies[dps_id]
        return True

    def exists(self, dps_id: str) -> bool:
        """Whether there is a record of this id."""
        return dps_id in self._bodies

    def body(self, dps_id: str) -> bytes | None:
        """A record as it was last sent."""
        place = self._bodies.get(dps_id)
        return None if place is None else self._journal.read(*place)

    def origin(self, dps_id: str) -> Key | None:
        """The NOMIS record that a record was made from."""
        return self._origins.get(dps_id)

    def ids(self) -> list[str]:
        """The ids of all records that have not been deleted, in the order of their creation."""
        return list(self._bodies)

    def duplicates(self) -> Iterator[tuple[Key, list[str]]]:
        """Every NOMIS record that is here more than once, with the ids."""
        found: dict[Key, list[str]] = {}
        for dps_id in self._bodies:
            origin = self._origins[dps_id]
            if origin is not None:
                found.setdefault(origin, []).append(dps_id)
        yield from ((key, ids) for key, ids in found.items() if len(ids) > 1)

    def numbers(self) -> dict[str, int]:
        """How many there are, and how many of them are like a NOMIS record, another one each."""
        origins = [self._origins[dps_id] for dps_id in self._bodies]
        known = [origin for origin in origins if origin is not None]
        return {
            "dps_records": len(origins),
            "dps_distinct": len(set(known)),
            "dps_surplus": len(known) - len(set(known)),
            "dps_unrecognised": len(origins) - len(known),
            "dps_created": self._created,
            "dps_updates": self._updates,
        }

    def clear(self) -> None:
        """Forget everything."""
        self._bodies.clear()
        self._origins.clear()
        self._created = self._updates = 0

    def _replay(self, payload: bytes, place: int) -> None:
        dps_id, *written, body = payload.split(b"\t", self._spelling.fields + 1)
        origin = None if written[0] == b"-" else self._spelling.read([part.decode() for part in written])
        self._remember(dps_id.decode(), origin, place + len(payload) - len(body), len(body))

    def _replay_update(self, payload: bytes, place: int) -> None:
        dps_id, _, body = payload.partition(b"\t")
        self._bodies[dps_id.decode()] = (place + len(dps_id) + 1, len(body))
        self._updates += 1

    def _replay_delete(self, payload: bytes, _place: int) -> None:
        del self._bodies[payload.decode()]

    def _remember(self, dps_id: str, origin: Key | None, place: int, length: int) -> None:
        self._bodies[dps_id] = (place, length)
        self._origins[dps_id] = origin
        self._created += 1


def _one_line(body: bytes) -> bytes:
    return to_json(from_json(body)) if b"\n" in body else body
