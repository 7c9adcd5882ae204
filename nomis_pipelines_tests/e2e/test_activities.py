"""Promise: a prison's activities and allocations are moved over by the commands, in order, and ended in NOMIS."""

import json
from datetime import timedelta

import pytest

from nomis_pipelines.ledger import LedgerReader
from nomis_pipelines.sandbox import SandboxAdmin
from nomis_pipelines.sandbox.compare import disagreements
from nomis_pipelines_tests.conftest import SANDBOX_TODAY
from nomis_pipelines_tests.e2e.support import Ended, run

pytestmark = pytest.mark.server

PRISON = "LPI"
START, LATER = SANDBOX_TODAY + timedelta(days=14), SANDBOX_TODAY + timedelta(days=21)


def migrated(environment: dict[str, str], domain: str) -> Ended:
    filter = {"prisonId": PRISON, "activityStartDate": START.isoformat()}
    ended = run(environment, "migrate", domain, "--filter", json.dumps(filter), "--json")
    assert ended.status == 0, ended.err
    return ended


def test_a_prison_is_moved_over(environment: dict[str, str], sandbox: SandboxAdmin) -> None:
    early = migrated(environment, "allocations")
    assert "are not migrated" in early.err
    assert early.result["reasons"] == {"activity-not-migrated": early.result["estimated"]}

    activities = migrated(environment, "activities").result
    assert activities["skipped"] > 0, "one that is never held"
    assert activities["migrated"] + activities["skipped"] == activities["estimated"]
    allocations = migrated(environment, "allocations")
    assert "are not migrated" not in allocations.err
    assert allocations.result["migrated"] == allocations.result["estimated"] == early.result["estimated"]
    again = migrated(environment, "activities").result
    assert (again["migrated"], again["skipped"]) == (0, again["estimated"])
    with LedgerReader(environment["DATABASE_URL"]) as reader:
        for domain in ("activities", "allocations"):
            assert disagreements(sandbox, reader, domain) == []

    first = str(activities["migration_id"])
    ended = run(environment, "act", "activities", "end", first)
    assert f"{activities['estimated']} activities of {PRISON} end in NOMIS on {START - timedelta(days=1)}" in ended.out
    moved = run(environment, "act", "activities", "move-start-dates", first, f"newActivityStartDate={LATER}", "--json")
    assert (moved.status, moved.result) == (0, [])
    refused = run(environment, "act", "activities", "move-start-dates", first, f"newActivityStartDate={START}")
    assert (refused.status, "must be after the current start date" in refused.err) == (1, True)
    with LedgerReader(environment["DATABASE_URL"]) as reader:
        row = reader.migration(first)
    assert row is not None
    assert json.loads(row.filter or "") == {
        "prisonId": PRISON,
        "activityStartDate": LATER.isoformat(),
        "nomisActivityEndDate": (LATER - timedelta(days=1)).isoformat(),
    }
    starts = {row["start"] for row in sandbox.records("/activities")["content"] if row["prison"] == PRISON}
    assert min(starts) == LATER.isoformat()


def test_an_action_that_is_none_is_refused_with_those_there_are(environment: dict[str, str]) -> None:
    ended = run(environment, "act", "activities", "begin", "2026-03-01T10:00:00")
    assert (ended.status, "end, move-start-dates" in ended.err) == (2, True)
    ended = run(environment, "act", "visits", "end", "2026-03-01T10:00:00")
    assert "visits has no actions" in ended.err
