"""Promise: alerts are migrated and then follow NOMIS's events, with ledger, mapping service and DPS in agreement."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from nomis_pipelines.ledger import LedgerReader
from nomis_pipelines.sandbox import Sandbox, SandboxAdmin
from nomis_pipelines.sandbox.compare import disagreements
from nomis_pipelines.sandbox.emit import Emitter
from nomis_pipelines_tests.conftest import SANDBOX_TODAY
from nomis_pipelines_tests.e2e.support import bare, run

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]

PRISONERS = 150


@pytest.fixture(scope="module")
def world() -> Iterator[Sandbox]:
    """A sandbox with queues and a few prisoners."""
    with Sandbox(visits=10, prisoners=PRISONERS, seed=5, today=SANDBOX_TODAY, postgres=False) as made:
        yield made


@pytest.fixture
def environment(world: Sandbox, ledger_url: str) -> dict[str, str]:
    """What leads a command to the sandbox and a fresh ledger."""
    world.admin.reset()
    names = {name: value for name, value in world.environment.items() if name != "DAGSTER_HOME"}
    names |= {"NOMIS_PIPELINES_TODAY": SANDBOX_TODAY.isoformat(), "DATABASE_URL": ledger_url}
    return bare(names)


def migrate(environment: dict[str, str]) -> dict[str, Any]:
    ended = run(environment, "migrate", "alerts", "--json")
    assert ended.status == 0, ended.err
    return ended.result


def synchronise(environment: dict[str, str]) -> int:
    """Handle what is on the queue; how many messages."""
    ended = run(environment, "synchronise", "alerts", "--until-idle", "3", "--json")
    assert ended.status == 0, ended.err
    (report,) = json.loads(ended.out.strip().splitlines()[-1])
    assert report["failed"] == 0
    return report["handled"]


def in_dps(admin: SandboxAdmin, prisoner: str) -> dict[tuple[int, int], dict[str, Any]]:
    """NOMIS alert -> body, of a prisoner's alerts in DPS."""
    rows = [row for row in admin.records("/alerts", size=5000)["content"] if row["prisoner"] == prisoner]
    return {tuple(row["nomisKey"]): admin.alert(row["id"])["body"] for row in rows}


def prisoners_with_alerts(admin: SandboxAdmin) -> list[str]:
    return list(dict.fromkeys(row["prisoner"] for row in admin.records("/mappings/alerts", size=5000)["content"]))


def test_a_migration_ends_in_agreement_and_a_second_one_does_nothing(
    world: Sandbox, environment: dict[str, str], ledger_url: str
) -> None:
    result = migrate(environment)
    assert (result["estimated"], result["migrated"]) == (PRISONERS, PRISONERS)
    with LedgerReader(ledger_url) as reader:
        assert disagreements(world.admin, reader, "alerts") == []
    again = migrate(environment)
    assert (again["migrated"], again["skipped"]) == (0, PRISONERS)
    assert world.admin.agreement()["alerts"]["dps_surplus"] == 0


def test_after_the_migration_dps_follows_what_nomis_tells(
    world: Sandbox, environment: dict[str, str], ledger_url: str
) -> None:
    admin = world.admin
    migrate(environment)
    emit = Emitter(admin, world.environment)
    one, two, three, four, five, six, *_ = prisoners_with_alerts(admin)
    (old, *_), (doomed, *_) = in_dps(admin, two), in_dps(admin, three)
    inserted = emit.alert_inserted(one, "PEEP", "Ladder")
    emit.alert_updated(*old, comment="Reviewed twice")
    emit.alert_deleted(*doomed)
    moved = admin.prisoner(four)["bookings"][-1]
    admin.release(five)
    emit.booking_moved(moved, five)
    emit.prisoner_received(six, "NEW_ADMISSION")
    assert synchronise(environment) >= 6
    new = in_dps(admin, one)[int(inserted["bookingId"]), int(inserted["alertSeq"])]
    assert (new["alertCode"], new["description"]) == ("PEEP", "Ladder")
    assert in_dps(admin, two)[old]["description"] == "Reviewed twice"
    assert doomed not in in_dps(admin, three)
    latest = admin.prisoner(six)["bookings"][-1]
    assert {booking for booking, _ in in_dps(admin, six)} <= {latest}
    with LedgerReader(ledger_url) as reader:
        assert disagreements(admin, reader, "alerts") == []
    emit.prisoner_merged(one, two)
    assert synchronise(environment) == 1
    assert in_dps(admin, two) == {}
    kept = {booking for booking, _ in in_dps(admin, one)}
    assert kept == {admin.prisoner(one)["bookings"][-1]}
    with LedgerReader(ledger_url) as reader:
        assert disagreements(admin, reader, "alerts") == []
    assert admin.agreement()["alerts"]["dps_surplus"] == 0


def test_what_differs_is_found(world: Sandbox, environment: dict[str, str], ledger_url: str) -> None:
    admin = world.admin
    migrate(environment)
    one = prisoners_with_alerts(admin)[0]
    pair = next(row for row in admin.records("/mappings/alerts", size=5000)["content"] if row["prisoner"] == one)
    ended = run(environment, "sandbox", "emit", "alert-deleted", "--state", str(world.directory.path))
    assert ended.status == 0, ended.err
    admin.set_fault("status", "mapping", code=500, method="DELETE")
    Emitter(admin, world.environment).alert_deleted(*pair["nomisKey"])
    synchronise(environment)
    with LedgerReader(ledger_url) as reader:
        (found, *_) = [line for line in disagreements(admin, reader, "alerts") if line.startswith(one)]
    assert "in DPS None" in found
