"""Whether the ledger, the mapping service and DPS tell the same story: what `make run` ends with."""

from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from nomis_pipelines.ledger import LedgerReader, Record, State
from nomis_pipelines.sandbox.control import SandboxAdmin

PAGE = 5000
UNSETTLED = frozenset({State.WRITING, State.WRITTEN, State.IN_DOUBT, State.DUPLICATE})
"""What such a record is about may be in DPS once more than it is mapped."""


class Kept(Protocol):
    """Where the sandbox keeps one domain, and how to tell whether all agree."""

    def compare(self, admin: SandboxAdmin, ledger: Mapping[str, Record]) -> list[str]:
        """Every point on which the three differ; `ledger` by NOMIS key."""
        ...


@dataclass(frozen=True)
class Stores:
    """A domain whose records are pairs: DPS records, mappings, and how a NOMIS id reads in the ledger."""

    records: str
    mappings: str
    dps_id: str
    nomis_key: str
    ledger_key: Callable[[Any], str]

    def compare(self, admin: SandboxAdmin, ledger: Mapping[str, Record]) -> list[str]:
        """See `Kept`."""
        pairs = {self.ledger_key(row["nomisKey"]): str(row["dps_id"]) for row in _dump(admin, self.mappings)}
        in_dps: dict[str, list[str]] = {}
        for row in _dump(admin, self.records):
            key = self.ledger_key(row[self.nomis_key]) if row[self.nomis_key] is not None else "unknown"
            in_dps.setdefault(key, []).append(str(row[self.dps_id]))
        found: list[str] = []
        for key, record in ledger.items():
            found += _of_record(key, record, pairs.get(key), in_dps.get(key, []))
        found += [
            f"{key}: mapped to {dps_id}, unknown to the ledger" for key, dps_id in pairs.items() if key not in ledger
        ]
        found += [
            f"{key}: in DPS as {', '.join(ids)}, unknown to the ledger"
            for key, ids in in_dps.items()
            if key not in ledger
        ]
        return found


@dataclass(frozen=True)
class SetStores:
    """A domain whose records are whole sets, each of an `owner`: one ledger record for all of its pairs.

    Single members may be in the ledger too, under keys that `owner_of` leads to their owner.
    """

    records: str
    mappings: str
    owner: str
    owner_of: Callable[[str], str]

    def compare(self, admin: SandboxAdmin, ledger: Mapping[str, Record]) -> list[str]:
        """See `Kept`."""
        mapped = _by_owner(_dump(admin, self.mappings), self.owner, "dps_id")
        in_dps = _by_owner(_dump(admin, self.records), self.owner, "id")
        unsettled = {self.owner_of(key) for key, record in ledger.items() if record.state in UNSETTLED}
        migrated = {row[self.owner] for row in _dump(admin, self.mappings) if row["mapping_type"] == "MIGRATED"}
        found = [f"{owner}: migrated, unknown to the ledger" for owner in sorted(migrated - ledger.keys())]
        for owner in sorted((mapped.keys() | in_dps.keys()) - unsettled):
            ours, theirs = mapped[owner], in_dps[owner]
            found += [
                f"{owner}: {what} mapped to {ours[what]}, in DPS {theirs.get(what)}"
                for what in _differing(ours, theirs)
            ]
            found += [f"{owner}: {what} in DPS as {theirs[what]}, not mapped" for what in theirs.keys() - ours.keys()]
        for owner, record in ledger.items():
            # the other way round is no difference: events may have emptied a set since
            if record.state is State.MAPPED and not record.dps_id and owner in migrated:
                found.append(f"{owner}: migrated as an empty set by the ledger, not so by the mapping service")
        return found


def _joined(key: Sequence[Any]) -> str:
    return "/".join(str(part) for part in key)


STORES: dict[str, Kept] = {
    "visits": Stores("/visits", "/mappings/visits", "reference", "nomisId", str),
    "sentencing_adjustments": Stores("/adjustments", "/mappings/adjustments", "id", "nomisKey", _joined),
    "court_sentencing": SetStores(
        "/court-sentencing",
        "/mappings/court-sentencing",
        "prisoner",
        lambda key: key.partition("/")[0],
    ),
    "alerts": SetStores("/alerts", "/mappings/alerts", "prisoner", lambda key: key.partition("/")[0]),
    "locations": Stores("/locations", "/mappings/locations", "id", "nomisId", str),
    "activities": Stores("/activities", "/mappings/activities", "id", "nomisKey", str),
    "allocations": Stores("/allocations", "/mappings/allocations", "id", "nomisKey", str),
    "appointments": Stores("/appointments", "/mappings/appointments", "id", "nomisKey", str),
    "adjudications": Stores("/adjudications", "/mappings/adjudications", "id", "nomisKey", _joined),
    "incidents": Stores("/incidents", "/mappings/incidents", "id", "nomisKey", str),
    "csip": SetStores("/csip", "/mappings/csip", "report", lambda key: key.partition("/")[0]),
    "case_notes": SetStores("/case-notes", "/mappings/case-notes", "prisoner", str),
}


def disagreements(admin: SandboxAdmin, reader: LedgerReader, domain: str) -> list[str]:
    """Every point on which the three differ, in words with ids; empty when they agree."""
    return STORES[domain].compare(admin, {record.nomis_key: record for record in _ledger(reader, domain)})


def _of_record(key: str, record: Record, pair: str | None, in_dps: list[str]) -> list[str]:
    problems: list[str] = []
    if record.state is State.MAPPED:
        if pair != record.dps_id:
            problems.append(f"{key}: the ledger says mapped to {record.dps_id}, the mapping service {pair}")
        if record.dps_id and record.dps_id not in in_dps:
            problems.append(f"{key}: mapped to {record.dps_id}, which DPS does not have")
    expected = {State.MAPPED: 1, State.WRITTEN: 1, State.DUPLICATE: 2}.get(record.state, 0)
    if len(in_dps) > expected and record.state is not State.IN_DOUBT:
        problems.append(f"{key}: {record.state} in the ledger, {len(in_dps)} times in DPS ({', '.join(in_dps)})")
    return problems


def _by_owner(rows: Iterable[Mapping[str, Any]], owner: str, dps_id: str) -> dict[str, dict[str, str]]:
    """Owner -> NOMIS key -> DPS ids; a key that is there twice shows both."""
    found: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        key = row["nomisKey"]
        found[row[owner]]["unknown" if key is None else "/".join(map(str, key))].append(str(row[dps_id]))
    sets = {name: {key: ", ".join(sorted(ids)) for key, ids in each.items()} for name, each in found.items()}
    return defaultdict(dict, sets)


def _differing(ours: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    return [key for key, ids in ours.items() if theirs.get(key) != ids]


def _ledger(reader: LedgerReader, domain: str) -> Generator[Record]:
    after = None
    while page := reader.records(domain, states=list(State), after=after, limit=PAGE):
        yield from page
        after = page[-1].key


def _dump(admin: SandboxAdmin, path: str) -> Generator[dict[str, Any]]:
    number = 0
    while rows := admin.records(path, page=number, size=PAGE)["content"]:
        yield from rows
        number += 1
