"""What the adjustments service was sent: bodies stay in the journal, their places in memory."""

import hashlib
import uuid
from collections.abc import Iterator

from pydantic_core import from_json, to_json

from nomis_pipelines.sandbox.data.adjustments import Key
from nomis_pipelines.sandbox.journal import Journal
from nomis_pipelines.sandbox.stores.nomis_adjustments import NomisAdjustments


class DpsAdjustments:
    """Adjustments in DPS, each with the NOMIS adjustment it was made from, if it is like one."""

    KIND = b"D"
    UPDATE_KIND = b"U"
    DELETE_KIND = b"X"

    def __init__(self, nomis: NomisAdjustments, journal: Journal, key: bytes) -> None:
        self._nomis = nomis
        self._journal = journal
        self._seed = key
        self._created = 0
        self._bodies: dict[str, tuple[int, int]] = {}
        self._origins: dict[str, Key | None] = {}
        self._updates = 0

    def replay(self, payload: bytes, place: int) -> None:
        """Read one journal entry: id, category and number (or two dashes), body, with tabs between."""
        dps_id, category, number, body = payload.split(b"\t", 3)
        origin = None if category == b"-" else (category.decode(), int(number))
        self._remember(dps_id.decode(), origin, place + len(payload) - len(body), len(body))

    def replay_update(self, payload: bytes, place: int) -> None:
        """Read one journal entry: id, tab, body."""
        dps_id, _, body = payload.partition(b"\t")
        self._bodies[dps_id.decode()] = (place + len(dps_id) + 1, len(body))
        self._updates += 1

    def replay_delete(self, payload: bytes, _place: int) -> None:
        """Read one journal entry: id."""
        del self._bodies[payload.decode()]

    def add(self, body: bytes, *, booking_id: int, days: int, offender: str) -> str:
        """Store an adjustment; returns its id, a UUID that follows from seed and order."""
        digest = hashlib.blake2b(b"%d" % self._created, digest_size=16, key=self._seed, person=b"dpsadj").digest()
        dps_id = str(uuid.UUID(bytes=digest, version=4))
        origin = self._nomis.find(booking_id, days, offender)
        category, number = origin or ("-", "-")
        prefix = f"{dps_id}\t{category}\t{number}\t".encode()
        line = _one_line(body)
        place = self._journal.append(self.KIND, prefix + line)
        self._remember(dps_id, origin, place + len(prefix), len(line))
        return dps_id

    def update(self, dps_id: str, body: bytes) -> bool:
        """Replace an adjustment; False when there is none."""
        if dps_id not in self._bodies:
            return False
        line = _one_line(body)
        place = self._journal.append(self.UPDATE_KIND, dps_id.encode() + b"\t" + line)
        self._bodies[dps_id] = (place + len(dps_id) + 1, len(line))
        self._updates += 1
        return True

    def delete(self, dps_id: str) -> bool:
        """Delete an adjustment; False when there is none."""
        if dps_id not in self._bodies:
            return False
        self._journal.append(self.DELETE_KIND, dps_id.encode())
        del self._bodies[dps_id]
        return True

    def exists(self, dps_id: str) -> bool:
        """Whether there is an adjustment of this id."""
        return dps_id in self._bodies

    def body(self, dps_id: str) -> bytes | None:
        """An adjustment as it was last sent."""
        place = self._bodies.get(dps_id)
        return None if place is None else self._journal.read(*place)

    def origin(self, dps_id: str) -> Key | None:
        """The NOMIS adjustment that an adjustment was made from."""
        return self._origins.get(dps_id)

    def ids(self) -> list[str]:
        """The ids of all adjustments that have not been deleted."""
        return list(self._bodies)

    def duplicates(self) -> Iterator[tuple[Key, list[str]]]:
        """Every NOMIS adjustment that is here more than once, with the ids."""
        found: dict[Key, list[str]] = {}
        for dps_id in self._bodies:
            origin = self._origins[dps_id]
            if origin is not None:
                found.setdefault(origin, []).append(dps_id)
        yield from ((key, ids) for key, ids in found.items() if len(ids) > 1)

    def numbers(self) -> dict[str, int]:
        """How many there are, and how many of them are like a NOMIS adjustment, another one each."""
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

    def _remember(self, dps_id: str, origin: Key | None, place: int, length: int) -> None:
        self._bodies[dps_id] = (place, length)
        self._origins[dps_id] = origin
        self._created += 1


def _one_line(body: bytes) -> bytes:
    return to_json(from_json(body)) if b"\n" in body else body
