"""Promise: all locations go over in one run, each after its parent, and then follow NOMIS's events."""

import json
from typing import Any

import pytest

from nomis_pipelines.ledger import LedgerReader, Record, State
from nomis_pipelines.sandbox import Sandbox, SandboxAdmin
from nomis_pipelines.sandbox.compare import disagreements
from nomis_pipelines.sandbox.data.locations import FIRST_LOCATION, NOT_PRISONS, LocationData
from nomis_pipelines.sandbox.data.world import World
from nomis_pipelines.sandbox.emit import Emitter
from nomis_pipelines_tests.e2e.support import Ended, run

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]

LOCATIONS = 1000
DATA = LocationData(World(locations=LOCATIONS))
PRISONS = 2  # finished ones; the third has no odd places yet
IGNORED = PRISONS * 2 * len(NOT_PRISONS)
REJECTED = {"parent-cycle": 3, "parent-missing": 1, "unknown-history-column": 1, "unknown-location-type": 1}


@pytest.fixture
def settings(environment: dict[str, str]) -> dict[str, str]:
    """Pages so small that trees reach over several, and messages that come back soon."""
    return {
        **environment,
        "NOMIS_PIPELINES_LOCATIONS_PAGE_SIZE": "150",
        "NOMIS_PIPELINES_VISIBILITY_SECONDS": "4",
    }


def migrate(settings: dict[str, str]) -> Ended:
    return run(settings, "migrate", "locations", "--filter", '{"fromDate": "2024-01-01"}', "--json")


def synchronise(settings: dict[str, str], seconds: int = 3) -> dict[str, Any]:
    ended = run(settings, "synchronise", "locations", "--until-idle", str(seconds), "--json")
    assert ended.status == 0, ended.err
    return next(each for each in json.loads(ended.out.strip().splitlines()[-1]) if each["queue"] == "eventlocations")


def in_dps(admin: SandboxAdmin) -> list[dict[str, Any]]:
    """What the locations service has, in the order in which it came."""
    return admin.records("/locations", size=5000)["content"]


def records(ledger_url: str) -> dict[int, Record]:
    with LedgerReader(ledger_url) as reader:
        found = reader.records("locations", states=list(State), limit=5000)
    return {int(record.nomis_key): record for record in found}


def none_before_its_parent(admin: SandboxAdmin) -> None:
    """Assert that each location came after its parent, under the DPS id of that parent, and none was refused one."""
    nomis_ids: dict[str, int] = {}
    for row in in_dps(admin):
        parent = (DATA.location(row["nomisId"]) or {}).get("parentLocationId")
        assert nomis_ids.get(row["parentId"]) == parent, f"location {row['nomisId']} came before its parent {parent}"
        nomis_ids[row["id"]] = row["nomisId"]
    assert admin.count("locations", "POST", "/migrate/location", "404") == 0


def all_agree(admin: SandboxAdmin, ledger_url: str) -> None:
    with LedgerReader(ledger_url) as reader:
        assert disagreements(admin, reader, "locations") == []


def test_one_run_brings_every_tree_over_parents_first(
    sandbox: SandboxAdmin, settings: dict[str, str], ledger_url: str
) -> None:
    sandbox.set_fault("latency", "mapping", distribution="lognormal", milliseconds=3, seed=5)
    ended = migrate(settings)
    assert ended.status == 0, ended.err
    result = ended.result
    rejected = {reason: count * PRISONS for reason, count in REJECTED.items()}
    assert (result["estimated"], result["skipped"], result["failed"]) == (LOCATIONS, IGNORED, 0)
    assert result["rejected"] == sum(rejected.values())
    assert result["migrated"] == LOCATIONS - IGNORED - sum(rejected.values())
    assert result["in_doubt"] == result["unmapped"] == result["duplicates"] == 0
    none_before_its_parent(sandbox)
    assert len(in_dps(sandbox)) == result["migrated"]
    all_agree(sandbox, ledger_url)

    ledger = records(ledger_url)
    assert {record.partition for record in ledger.values()} == {"all"}
    for orphan in DATA.odd("orphan"):
        parent = (DATA.location(orphan) or {})["parentLocationId"]
        assert (ledger[orphan].state, ledger[orphan].reason) == (State.REJECTED, "parent-missing")
        assert ledger[orphan].details == {"parent": str(parent)}
    members = DATA.odd("circle")
    for circle in (members[:3], members[3:]):
        for member in circle:
            details = {
                "parent": str((DATA.location(member) or {})["parentLocationId"]),
                "cycle": ", ".join(map(str, circle)),
            }
            assert (ledger[member].state, ledger[member].reason) == (State.REJECTED, "parent-cycle")
            assert ledger[member].details == details
    passed_over = [record for record in ledger.values() if record.reason == "ignored-prison"]
    assert len(passed_over) == IGNORED
    assert all(record.dismissed for record in passed_over)

    sandbox.clear_faults()
    again = migrate(settings).result
    assert again["migrated"] == 0
    assert again["rejected"] == result["rejected"]
    assert len(in_dps(sandbox)) == result["migrated"]


def test_a_parent_that_fails_takes_its_descendants_with_it_and_the_next_run_brings_them(
    sandbox: SandboxAdmin, settings: dict[str, str], ledger_url: str
) -> None:
    sandbox.set_fault("status", "locations", code=500, method="POST", path="/migrate/location", limit=2)
    first = migrate(settings).result
    assert first["failed"] > 2
    left = [record for record in records(ledger_url).values() if record.state is State.FAILED]
    reasons = {record.reason for record in left}
    assert "parent-not-migrated" in reasons
    waiting = next(record for record in left if record.reason == "parent-not-migrated")
    location = DATA.location(int(waiting.nomis_key)) or {}
    assert waiting.details is not None
    assert waiting.details["problem"] == (
        f"Parent NOMIS location {location['parentLocationId']} not yet migrated for NOMIS location "
        f"{waiting.nomis_key}, {location['description']}"
    )
    second = migrate(settings).result
    assert (second["failed"], second["migrated"]) == (0, first["failed"])
    none_before_its_parent(sandbox)
    assert sandbox.agreement()["locations"]["dps_surplus"] == 0
    all_agree(sandbox, ledger_url)


def test_events_are_followed_and_a_child_before_its_parent_heals(
    sandbox: SandboxAdmin, sandbox_server: Sandbox, settings: dict[str, str], ledger_url: str
) -> None:
    emit = Emitter(sandbox, sandbox_server.environment)
    cell = next(
        one for one in map(DATA.location, range(FIRST_LOCATION, FIRST_LOCATION + 9)) if one and "unitType" in one
    )
    assert migrate(settings).status == 0
    before = {row["nomisId"]: row["id"] for row in in_dps(sandbox)}

    changed, gone = cell["locationId"], cell["locationId"] + 1
    emit.location_updated(changed, "Checked")
    emit.location_profile(changed, "HOU_UNIT_ATT", "LC")
    emit.location_usage(changed, "PROP", 7)
    emit.location_deleted(gone)
    made = int(emit.location_created(changed, "099")["internalLocationId"])
    # the child's event comes first: NOMIS has both by then, the mapping service neither
    landing = sandbox.add_location(cell["parentLocationId"], locationCode="9", description="HEI-HB1-A-1-9")
    child = sandbox.add_location(changed, parentLocationId=landing["locationId"], description="HEI-HB1-A-1-9-001")
    emit.location_updated(child["locationId"], "child")
    assert synchronise(settings, seconds=1)["handled"] >= 5
    assert child["locationId"] not in {row["nomisId"] for row in in_dps(sandbox)}
    emit.location_updated(landing["locationId"], "parent")
    for seconds in (12, 65):  # it comes back after ten seconds, or after sixty if that was while the parent was made
        synchronise(settings, seconds)
        after = {row["nomisId"]: row for row in in_dps(sandbox)}
        if child["locationId"] in after:
            break

    body = sandbox.location(before[changed])["body"]
    assert (body["comments"], body["usage"][-1]) == ("Checked", {"usageType": "PROPERTY", "capacity": 7, "sequence": 0})
    assert "LISTENER_CELL" in body["attributes"]
    assert gone not in after
    assert sandbox.location(after[made]["id"])["body"]["code"] == "099"
    assert after[child["locationId"]]["parentId"] == after[landing["locationId"]]["id"]
    assert len(after) == len(before) + 2
    mapped = {row["nomisKey"] for row in sandbox.records("/mappings/locations", size=5000)["content"]}
    assert mapped == set(after)
