"""Promise: incidents go over once each whatever answers are lost, and then follow NOMIS's events in any order."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from nomis_pipelines.ledger import LedgerReader
from nomis_pipelines.sandbox import Sandbox, SandboxAdmin
from nomis_pipelines.sandbox.compare import disagreements
from nomis_pipelines.sandbox.data.incidents import FIRST_INCIDENT
from nomis_pipelines.sandbox.emit import Emitter
from nomis_pipelines_tests.e2e.support import migrate, rows, run

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]

LOST, UNMAPPED = 7, 3
UPSERT, PAIRS = "/sync/upsert", "/mapping/incidents"


def told(environment: dict[str, str]) -> Counter[str]:
    """How often each event was told."""
    lines = Path(environment["NOMIS_PIPELINES_TELEMETRY_FILE"]).read_text().splitlines()
    return Counter(json.loads(line)["name"] for line in lines)


def agree(sandbox: SandboxAdmin, ledger_url: str, *, gone: int = 0, left_alone: int = 0) -> None:
    """Assert that ledger, mapping service and DPS say the same, and that DPS has what NOMIS has now.

    The ledger is not told of deletions.
    """
    with LedgerReader(ledger_url) as reader:
        found = disagreements(sandbox, reader, "incidents")
    assert [problem for problem in found if not problem.startswith(f"{gone}:")] == []
    for row in (row for row in rows(sandbox, "/incidents") if row["nomisKey"] != left_alone):
        incident = sandbox.nomis_incident(row["nomisKey"])
        report = sandbox.record("incidents", row["id"])["body"]["incidentReport"]
        assert shown(report) == shown(incident)


def shown(record: dict[str, Any]) -> dict[str, Any]:
    """What incident and report spell alike."""
    names = ("incidentId", "type", "title", "description", "offenderParties", "createDateTime", "lockedResponse")
    return {name: record.get(name) for name in names}


def test_every_incident_is_migrated_once_though_answers_are_lost(
    sandbox: SandboxAdmin, environment: dict[str, str], ledger_url: str
) -> None:
    sandbox.set_fault("drop_after", "incidents", method="POST", path=UPSERT, limit=LOST)
    sandbox.set_fault("status", "mapping", code=500, method="POST", path=PAIRS, limit=UNMAPPED)
    sandbox.switch_incidents("MDI", on=True)
    ended = migrate(environment, {"fromDate": "2024-01-01"}, "incidents")
    assert ended.status == 0, ended.err
    result, count = ended.result, sandbox.agreement()["incidents"]["dps_records"]
    assert result["estimated"] == result["migrated"] == count > 0
    assert result["failed"] == result["in_doubt"] == result["unmapped"] == result["duplicates"] == 0
    assert sandbox.agreement()["incidents"]["dps_surplus"] == 0
    events = told(environment)
    assert events["incidents-migration-entity-migrated"] == count
    assert 1 <= events["incidents-migration-entity-migration-conflict"] <= LOST
    assert events["incidents-migration-entity-migration-failed"] == 0
    agree(sandbox, ledger_url)
    again = migrate(environment, {}, "incidents").result
    assert (again["migrated"], again["skipped"]) == (0, count)


def test_events_of_incidents_are_followed_and_those_that_come_early_heal(
    sandbox: SandboxAdmin, sandbox_server: Sandbox, environment: dict[str, str], ledger_url: str
) -> None:
    environment["NOMIS_PIPELINES_VISIBILITY_SECONDS"] = "4"
    emit = Emitter(sandbox, sandbox_server.environment).incidents
    assert migrate(environment, {"toDate": "2024-03-31"}, "incidents").status == 0
    before = {row["nomisKey"]: row["id"] for row in rows(sandbox, "/incidents")}
    changed, gone = [i for i in before if sandbox.nomis_incident(i)["offenderParties"]][:2]
    in_use = {agency_of(sandbox, incident) for incident in (changed, gone, FIRST_INCIDENT)}
    left_alone = next(i for i in before if agency_of(sandbox, i) not in in_use)

    emit.changed(changed, "Looked into")
    emit.party_changed(changed)
    emit.party_deleted(changed)
    emit.party_deleted(gone)  # the incident has gone as well by the time that this is read
    emit.deleted(gone)
    emit.announce("DELETED-CASES", gone)  # a second copy
    # a change is told of before the insert, the insert twice, and DPS's answer to the create is lost
    sandbox.set_fault("drop_after", "incidents", method="POST", path=UPSERT, limit=1)
    made = int(sandbox.add_incident(FIRST_INCIDENT)["incidentId"])
    emit.changed(made, "Told of too early")
    emit.announce("INSERTED", made)
    emit.announce("INSERTED", made)
    # where DPS is in charge, NOMIS's changes are left alone
    sandbox.switch_incidents(agency_of(sandbox, left_alone), on=True)
    emit.changed(left_alone, "Not for DPS")
    ended = run(environment, "synchronise", "incidents", "--until-idle", "12", "--json")
    assert ended.status == 0, ended.err

    after = {row["nomisKey"]: row["id"] for row in rows(sandbox, "/incidents")}
    assert set(after) == set(before) - {gone} | {made}
    assert after[changed] == before[changed]
    agree(sandbox, ledger_url, gone=gone, left_alone=left_alone)
    assert sandbox.record("incidents", after[left_alone])["body"]["initialMigration"] is True
    events = told(environment)
    p = "incidents-synchronisation"
    assert events[f"{p}-agency-skipped"] == events[f"{p}-deleted-ignored"] == events[f"{p}-deleted-success"] == 1
    assert events[f"{p}-deleted-child-failed"] == 1
    assert events[f"{p}-deleted-child-success"] == 1
    assert events[f"{p}-updated-success"] == 3
    assert events[f"{p}-created-ignored"] == 1


def agency_of(sandbox: SandboxAdmin, incident: int) -> str:
    return sandbox.nomis_incident(incident)["agency"]["code"]
