"""What the alerts service was sent: bodies stay in the journal, their places in memory."""

import hashlib
import uuid
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json

from nomis_pipelines.sandbox.data.alerts import AlertKey
from nomis_pipelines.sandbox.journal import Journal


class Kept(NamedTuple):
    """One alert: whose it is, where its body lies, and the NOMIS alert it was made from, if it is like one."""

    prisoner: str
    place: int
    length: int
    origin: AlertKey | None


class DpsAlerts:
    """Alerts in DPS by their id, and by prisoner."""

    KIND = b"e"
    DELETE_KIND = b"x"

    def __init__(self, journal: Journal, key: bytes) -> None:
        self._journal = journal
        self._seed = key
        self._created = 0
        self._updates = 0
        self._kept: dict[str, Kept] = {}
        self._by_prisoner: dict[str, dict[str, None]] = {}

    def replay(self, payload: bytes, place: int) -> None:
        """Read one journal entry: id, prisoner, booking, sequence (or two dashes), body, with tabs between."""
        dps_id, prisoner, booking, sequence, body = payload.split(b"\t", 4)
        origin = None if booking == b"-" else (int(booking), int(sequence))
        kept = Kept(prisoner.decode(), place + len(payload) - len(body), len(body), origin)
        self._remember(dps_id.decode(), kept)

    def replay_delete(self, payload: bytes, _place: int) -> None:
        """Read one journal entry: id."""
        self._forget(payload.decode())

    def add(self, prisoner: str, body: dict[str, Any], origin: AlertKey | None) -> str:
        """Store an alert; returns its id, a UUID that follows from seed and order."""
        digest = hashlib.blake2b(b"%d" % self._created, digest_size=16, key=self._seed, person=b"dpsalert").digest()
        dps_id = str(uuid.UUID(bytes=digest, version=4))
        self._store(dps_id, prisoner, body, origin)
        return dps_id

    def update(self, dps_id: str, body: dict[str, Any]) -> bool:
        """Replace the body of an alert; False when there is none."""
        kept = self._kept.get(dps_id)
        if kept is None:
            return False
        self._store(dps_id, kept.prisoner, body, kept.origin)
        return True

    def delete(self, dps_id: str) -> bool:
        """Delete an alert; False when there is none."""
        if dps_id not in self._kept:
            return False
        self._journal.append(self.DELETE_KIND, dps_id.encode())
        self._forget(dps_id)
        return True

    def of_prisoner(self, prisoner: str) -> Sequence[str]:
        """The ids of a prisoner's alerts."""
        return tuple(self._by_prisoner.get(prisoner, ()))

    def get(self, dps_id: str) -> Kept | None:
        """What is known of an alert but for its body."""
        return self._kept.get(dps_id)

    def body(self, dps_id: str) -> dict[str, Any] | None:
        """An alert as it was last sent."""
        kept = self._kept.get(dps_id)
        return None if kept is None else from_json(self._journal.read(kept.place, kept.length))

    def ids(self) -> list[str]:
        """The ids of all alerts that have not been deleted."""
        return list(self._kept)

    def duplicates(self) -> Iterator[tuple[AlertKey, list[str]]]:
        """Every NOMIS alert that is here more than once, with the ids."""
        found: dict[AlertKey, list[str]] = {}
        for dps_id, kept in self._kept.items():
            if kept.origin is not None:
                found.setdefault(kept.origin, []).append(dps_id)
        yield from ((origin, ids) for origin, ids in found.items() if len(ids) > 1)

    def numbers(self) -> dict[str, int]:
        """How many there are, and how many of them are like a NOMIS alert, another one each."""
        known = [kept.origin for kept in self._kept.values() if kept.origin is not None]
        return {
            "dps_records": len(self._kept),
            "dps_distinct": len(set(known)),
            "dps_surplus": len(known) - len(set(known)),
            "dps_unrecognised": len(self._kept) - len(known),
            "dps_created": self._created,
            "dps_updates": self._updates,
        }

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()
        self._by_prisoner.clear()
        self._created = self._updates = 0

    def _store(self, dps_id: str, prisoner: str, body: dict[str, Any], origin: AlertKey | None) -> None:
        booking, sequence = origin or ("-", "-")
        prefix = f"{dps_id}\t{prisoner}\t{booking}\t{sequence}\t".encode()
        line = to_json(body)
        place = self._journal.append(self.KIND, prefix + line)
        self._remember(dps_id, Kept(prisoner, place + len(prefix), len(line), origin))

    def _remember(self, dps_id: str, kept: Kept) -> None:
        if dps_id in self._kept:
            self._updates += 1
        else:
            self._created += 1
            self._by_prisoner.setdefault(kept.prisoner, {})[dps_id] = None
        self._kept[dps_id] = kept

    def _forget(self, dps_id: str) -> None:
        kept = self._kept.pop(dps_id)
        del self._by_prisoner[kept.prisoner][dps_id]
