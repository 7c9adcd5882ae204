"""Whether the ledger, the mapping service and DPS tell the same story: what `make run` ends with."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from nomis_pipelines.ledger import LedgerReader, Record, State
from nomis_pipelines.sandbox.control import SandboxAdmin

PAGE = 5000


@dataclass(frozen=True)
class Stores:
    """Where the sandbox keeps one domain: DPS records, mappings, and how a NOMIS id reads in the ledger."""

    records: str
    mappings: str
    dps_id: str
    nomis_key: str
    ledger_key: Callable[[Any], str]


STORES = {
    "visits": Stores("/visits", "/mappings/visits", "reference", "nomisId", str),
    "sentencing_adjustments": Stores(
        "/adjustments", "/mappings/adjustments", "id", "nomisKey", lambda key: "/".join(str(part) for part in key)
    ),
    "activities": Stores("/activities", "/mappings/activities", "id", "nomisKey", str),
    "allocations": Stores("/allocations", "/mappings/allocations", "id", "nomisKey", str),
}


def disagreements(admin: SandboxAdmin, reader: LedgerReader, domain: str) -> list[str]:
    """Every point on which the three differ, in words with ids; empty when they agree."""
    stores = STORES[domain]
    ledger = {record.nomis_key: record for record in _ledger(reader, domain)}
    pairs = {stores.ledger_key(row["nomisKey"]): str(row["dps_id"]) for row in _dump(admin, stores.mappings)}
    in_dps: dict[str, list[str]] = {}
    for row in _dump(admin, stores.records):
        key = stores.ledger_key(row[stores.nomis_key]) if row[stores.nomis_key] is not None else "unknown"
        in_dps.setdefault(key, []).append(str(row[stores.dps_id]))
    found: list[str] = []
    for key, record in ledger.items():
        found += _of_record(key, record, pairs.get(key), in_dps.get(key, []))
    found += [f"{key}: mapped to {dps_id}, unknown to the ledger" for key, dps_id in pairs.items() if key not in ledger]
    found += [
        f"{key}: in DPS as {', '.join(ids)}, unknown to the ledger" for key, ids in in_dps.items() if key not in ledger
    ]
    return found


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
