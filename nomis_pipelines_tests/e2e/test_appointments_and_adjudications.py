"""Promise: appointments and adjudications of a prison and month migrate through the command, and DPS, mapping service
and ledger agree; run again, nothing is written.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from nomis_pipelines.ledger import LedgerReader
from nomis_pipelines.sandbox import SandboxAdmin
from nomis_pipelines.sandbox.compare import disagreements
from nomis_pipelines_tests.e2e.support import migrate, rows

pytestmark = pytest.mark.server

HEWELL: dict[str, Any] = {"prisonIds": ["HEI"], "fromDate": "2024-03-01", "toDate": "2024-06-30"}


@pytest.mark.parametrize("domain", ["appointments", "adjudications"])
def test_a_prison_migrates_and_all_three_agree(domain: str, environment: dict[str, str], sandbox: SandboxAdmin) -> None:
    first = migrate(environment, HEWELL, domain)
    assert first.status == 0, first.err
    result = first.result
    assert result["migrated"] > 20
    assert result["migrated"] + result["skipped"] + result["rejected"] + result["failed"] == result["estimated"]
    assert len(rows(sandbox, f"/mappings/{domain}")) == result["migrated"]
    with LedgerReader(environment["DATABASE_URL"]) as reader:
        assert disagreements(sandbox, reader, domain) == []
        again = migrate(environment, HEWELL, domain).result
        assert (again["migrated"], again["duplicates"]) == (0, 0)
        assert len(rows(sandbox, f"/{domain}")) == result["migrated"]
        assert disagreements(sandbox, reader, domain) == []
    told = [json.loads(line) for line in Path(environment["NOMIS_PIPELINES_TELEMETRY_FILE"]).read_text().splitlines()]
    migrated = [event for event in told if event["name"] == f"{domain}-migration-entity-migrated"]
    assert len(migrated) == result["migrated"]


def test_appointments_of_no_prison_are_refused_by_nomis_in_words(
    environment: dict[str, str], sandbox: SandboxAdmin
) -> None:
    ended = migrate(environment, {"fromDate": "2024-03-01"}, "appointments")
    assert ended.status == 1
    assert "nomis GET /appointments/ids answered 400" in ended.err
    assert rows(sandbox, "/appointments") == []


def test_a_charge_that_was_raised_in_dps_is_found_under_its_plain_number(
    environment: dict[str, str], sandbox: SandboxAdmin
) -> None:
    assert migrate(environment, {}, "adjudications").status == 0
    numbers = [row["dps_id"] for row in rows(sandbox, "/mappings/adjudications")]
    plain = [number for number in numbers if "-" not in number]
    assert 0 < len(plain) < len(numbers) / 10
    hearings = {row["dps_id"] for row in rows(sandbox, "/mappings/hearings")}
    assert len(hearings) == len(rows(sandbox, "/mappings/hearings")) > len(numbers) / 2
