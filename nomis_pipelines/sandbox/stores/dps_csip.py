"""What the CSIP service holds: whole records, the bodies as they were last sent, with the ids of their parts."""

import hashlib
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json

from nomis_pipelines.sandbox.journal import Journal

Json = dict[str, Any]


class UnknownPart(LookupError):
    """A part came with an id that its record has not got."""


class Component(NamedTuple):
    """A part that a call made: what the service calls it, the NOMIS id it came with, its own id."""

    component: str
    legacy_id: int
    dps_id: str


class DpsCsip:
    """Records by id. Nothing is known again by its NOMIS id: what comes without an id is made, twice if sent twice."""

    KIND = b":"
    DELETE_KIND = b"<"

    def __init__(self, journal: Journal, key: bytes) -> None:
        self._journal = journal
        self._seed = key
        self._made = 0
        self._places: dict[str, tuple[int, int]] = {}

    def replay(self, payload: bytes, place: int) -> None:
        """Read one journal entry: how many ids were given so far, id, body, with tabs between."""
        made, dps_id, body = payload.split(b"\t", 2)
        self._made = int(made)
        self._places[dps_id.decode()] = (place + len(payload) - len(body), len(body))

    def replay_delete(self, payload: bytes, _place: int) -> None:
        """Read one journal entry: id."""
        del self._places[payload.decode()]

    def ids(self) -> list[str]:
        """The ids of all records."""
        return list(self._places)

    def record(self, dps_id: str) -> Json | None:
        """A copy of a record as it was last sent, every part with its id."""
        place = self._places.get(dps_id)
        return None if place is None else from_json(self._journal.read(*place))

    def make(self, body: Json) -> list[Component]:
        """Make a record with all its parts."""
        return self._put({**body, "id": self._new_id()}, {}, whole=True)

    def update(self, body: Json) -> list[Component] | None:
        """Let a record be what was sent; None when there is none of that id. Raises `UnknownPart`."""
        before = self.record(body["id"])
        if before is None:
            return None
        return self._put(body, {part["id"]: name for name, part in parts_of(before)}, whole=False)

    def delete(self, dps_id: str) -> bool:
        """Delete a record with all its parts; False when there is none."""
        if self._places.pop(dps_id, None) is None:
            return False
        self._journal.append(self.DELETE_KIND, dps_id.encode())
        return True

    def move(self, dps_id: str, target: str) -> None:
        """Give a record to another prisoner."""
        record = self.record(dps_id)
        if record is not None:
            self._store({**record, "prisonNumber": target})

    def rows(self) -> Iterator[tuple[int, str, int, str]]:
        """Of every record and each of its parts: the record's NOMIS id, the component, its NOMIS id, its DPS id."""
        for dps_id in self._places:
            record = self.record(dps_id) or {}
            yield record["legacyId"], "RECORD", record["legacyId"], dps_id
            for name, part in parts_of(record):
                yield record["legacyId"], name, part["legacyId"], part["id"]

    def clear(self) -> None:
        """Forget everything."""
        self._places.clear()
        self._made = 0

    def _put(self, body: Json, known: dict[str, str], *, whole: bool) -> list[Component]:
        made = [Component("RECORD", body["legacyId"], body["id"])] if whole else []
        if whole and "plan" in body:
            made.append(Component("PLAN", body["legacyId"], self._new_id()))
        for name, part in parts_of(body):
            if part.get("id") is None:
                part["id"] = self._new_id()
                made.append(Component(name, part["legacyId"], part["id"]))
            elif known.get(part["id"]) != name:
                raise UnknownPart(f"{name} {part['id']}")
        self._store(body)
        return made

    def _store(self, record: Json) -> None:
        prefix, line = f"{self._made}\t{record['id']}\t".encode(), to_json(record)
        place = self._journal.append(self.KIND, prefix + line)
        self._places[record["id"]] = (place + len(prefix), len(line))

    def _new_id(self) -> str:
        digest = hashlib.blake2b(b"%d" % self._made, digest_size=16, key=self._seed, person=b"dpscsip").digest()
        self._made += 1
        return str(uuid.UUID(bytes=digest, version=4))


def parts_of(record: Json) -> Iterator[tuple[str, Json]]:
    """Every part of a record that has a NOMIS id of its own, with what the service calls it."""
    referral, plan = record["referral"], record.get("plan") or {}
    yield from (("CONTRIBUTORY_FACTOR", each) for each in referral["contributoryFactors"])
    yield from (("INTERVIEW", each) for each in (referral.get("investigation") or {}).get("interviews", ()))
    yield from (("IDENTIFIED_NEED", each) for each in plan.get("identifiedNeeds", ()))
    for review in plan.get("reviews", ()):
        yield "REVIEW", review
        yield from (("ATTENDEE", each) for each in review["attendees"])
