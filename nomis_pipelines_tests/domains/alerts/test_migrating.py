"""Promise: prisoners are migrated once each whatever goes wrong; the repair puts right what the migration cannot."""

from collections import Counter
from typing import Any

import pytest

from nomis_pipelines.domains.alerts import ALERTS, delete_surplus
from nomis_pipelines.domains.alerts.clients import AlertKey
from nomis_pipelines.domains.alerts.migration import AlertsMigration
from nomis_pipelines.domains.alerts.repairs import Prisoner, resynchronise
from nomis_pipelines.ledger import Record, RecordKey, State
from nomis_pipelines.migration.doubts import Adoption, DoubtError, adopt
from nomis_pipelines.migration.duplicates import resolve_duplicates
from nomis_pipelines.migration.engine import MigrationEngine
from nomis_pipelines.migration.reconcile import Reconciler
from nomis_pipelines.migration.reconciliation import Scope, Standing
from nomis_pipelines.migration.run import MigrationRun
from nomis_pipelines.sandbox.faults import FAULT
from nomis_pipelines.sandbox.server import SandboxServer
from nomis_pipelines.synchronisation import SyncContext
from nomis_pipelines_tests.domains.alerts.conftest import SMALL
from nomis_pipelines_tests.domains.alerts.examples import key
from nomis_pipelines_tests.domains.events import RecordingQueues
from nomis_pipelines_tests.fake_services import FakePlatform, migrate

pytestmark = pytest.mark.server

MIGRATED = "alerts-migration-entity-migrated"
TO_MIGRATE = ("nomis", "GET", "/prisoners/{offenderNo}/alerts/to-migrate")
WRITE = ("alerts", "POST", "/migrate/{prisonNumber}/alerts")
RECORD = ("mapping", "POST", "/mapping/alerts/{offenderNo}/all")


def fault(services: SandboxServer, kind: str, service: str, **options: Any) -> None:
    services.set_fault(FAULT.validate_python({"kind": kind, "service": service, **options}))


def calls(services: SandboxServer, operation: tuple[str, str, str]) -> int:
    service, method, path = operation
    rows = services.counts()[service]["requests"]
    return sum(sum(row["outcomes"].values()) for row in rows if (row["method"], row["path"]) == (method, path))


def sets(services: SandboxServer) -> dict[str, list[dict[str, Any]]]:
    """Every prisoner with the alerts of the latest booking."""
    nomis = services.stores.nomis_alerts
    numbers, _ = nomis.prisoners(0, SMALL.prisoners)
    return {number: nomis.latest(number) or [] for number in numbers}


def with_alerts(services: SandboxServer, at_least: int = 2) -> list[str]:
    return [number for number, alerts in sets(services).items() if len(alerts) >= at_least]


def in_dps(services: SandboxServer) -> Counter[tuple[int, int]]:
    dps = services.stores.dps_alerts
    return Counter(kept.origin for dps_id in dps.ids() if (kept := dps.get(dps_id)) and kept.origin)


def agree(services: SandboxServer) -> bool:
    numbers = services.agreement()["alerts"]
    wrong = ("dps_surplus", "dps_unrecognised", "dps_without_mapping", "mappings_without_dps", "mappings_to_another")
    return not any(numbers[name] for name in wrong)


async def record(platform: FakePlatform, nomis_key: str) -> Record:
    found = await platform.ledger.record(key(nomis_key))
    assert found is not None
    return found


async def repair(platform: FakePlatform, number: str) -> None:
    context = SyncContext(
        clients=platform.clients, ledger=platform.ledger, telemetry=platform.telemetry, queues=RecordingQueues(),
        settings=platform.settings,
    )  # fmt: skip
    await resynchronise(context, Prisoner(offender_no=number))


def numbers_of(run: MigrationRun) -> dict[str, int]:
    return {name: count for name, count in run.tally.counts().items() if count and name not in {"listed"}}


async def test_every_prisoner_is_migrated_once_the_empty_ones_too_and_a_second_run_does_nothing(
    platform: FakePlatform, services: SandboxServer
) -> None:
    everybody = sets(services)
    alerts = sum(len(each) for each in everybody.values())
    assert 0 < sum(not each for each in everybody.values()) < len(everybody), "some have none"
    run = await migrate(platform, AlertsMigration)
    assert numbers_of(run) == {"migrated": SMALL.prisoners}
    assert [calls(services, each) for each in (TO_MIGRATE, WRITE, RECORD)] == [SMALL.prisoners] * 3
    assert in_dps(services) == Counter(
        (alert["bookingId"], alert["alertSequence"]) for each in everybody.values() for alert in each
    )
    assert agree(services)
    assert services.agreement()["alerts"]["mappings"] == alerts
    told = {properties["offenderNo"]: properties["alertCount"] for properties in platform.telemetry.named(MIGRATED)}
    assert told == {number: str(len(each)) for number, each in everybody.items()}
    for number, each in everybody.items():
        assert (await record(platform, number)).dps_id == (number if each else "")
    again = await migrate(platform, AlertsMigration)
    assert numbers_of(again) == {"skipped": SMALL.prisoners}
    assert [calls(services, each) for each in (WRITE, RECORD)] == [SMALL.prisoners] * 2


async def test_the_dates_of_the_filter_are_told_and_kept_and_restrict_nothing(
    platform: FakePlatform, services: SandboxServer
) -> None:
    run = await migrate(platform, AlertsMigration, fromDate="2025-01-01", toDate="2025-01-02")
    assert run.tally.migrated == SMALL.prisoners
    assert platform.telemetry.named("alerts-migration-started") == [
        {
            "migrationId": run.migration_id,
            "estimatedCount": str(SMALL.prisoners),
            "fromDate": "2025-01-01",
            "toDate": "2025-01-02",
        }
    ]
    row = await platform.ledger.migration(run.migration_id)
    assert row is not None
    assert row.filter == '{"fromDate":"2025-01-01","toDate":"2025-01-02"}'
    assert [name for name in platform.telemetry.names() if name != MIGRATED] == [
        "alerts-migration-started",
        "alerts-migration-completed",
    ]


async def test_the_count_of_a_migration_is_one_of_prisoners_with_mappings(
    platform: FakePlatform, services: SandboxServer
) -> None:
    run = await migrate(platform, AlertsMigration)
    answer = await platform.clients.client("mapping").get(
        AlertsMigration.migrated_path, dict[str, Any], path={"migrationId": run.migration_id}, query={"size": 1}
    )
    assert answer["totalElements"] == len(with_alerts(services, 1))


async def test_mappings_that_are_refused_are_recorded_later_and_dps_is_not_asked_again(
    platform: FakePlatform, services: SandboxServer
) -> None:
    fault(services, "status", "mapping", code=400, method="POST")
    run = await migrate(platform, AlertsMigration)
    assert numbers_of(run) == {"unmapped": SMALL.prisoners}
    assert len(platform.telemetry.named(MIGRATED)) == SMALL.prisoners, "told whatever becomes of the mapping"
    services.clear_faults()
    tally = await MigrationEngine(platform).retry_mappings(AlertsMigration)
    assert tally.migrated == SMALL.prisoners
    assert calls(services, WRITE) == SMALL.prisoners
    assert len(platform.telemetry.named(MIGRATED)) == SMALL.prisoners
    assert agree(services)


async def test_an_answer_of_the_mapping_service_that_was_lost_makes_no_duplicate(
    platform: FakePlatform, services: SandboxServer
) -> None:
    fault(services, "drop_after", "mapping", method="POST", limit=10)
    run = await migrate(platform, AlertsMigration)
    assert numbers_of(run) == {"migrated": SMALL.prisoners}
    assert agree(services)


async def test_a_pair_of_another_makes_a_duplicate_that_the_repair_puts_right(
    platform: FakePlatform, services: SandboxServer
) -> None:
    number = with_alerts(services)[0]
    alert = sets(services)[number][0]
    services.stores.alert_mappings.add(
        "A9999ZZ", None, "NOMIS_CREATED", [((alert["bookingId"], alert["alertSequence"]), "another")]
    )
    run = await migrate(platform, AlertsMigration)
    assert numbers_of(run) == {"migrated": SMALL.prisoners - 1, "duplicates": 1}
    (told,) = platform.telemetry.named("nomis-migration-alerts-duplicate")
    assert (told["offenderNo"], told["migrationId"]) == (number, run.migration_id)
    assert (told["existingDpsAlertId"], told["existingNomisBookingId"]) == ("another", str(alert["bookingId"]))
    assert calls(services, RECORD) == SMALL.prisoners, "not tried again"
    found = await record(platform, number)
    assert (found.state, found.dps_id, found.existing_dps_id) == (State.DUPLICATE, number, number)
    (left,) = await resolve_duplicates(AlertsMigration, delete_surplus, platform, dry_run=False)
    assert left.action.startswith("left: ")
    await repair(platform, number)
    assert (await record(platform, number)).state is State.MAPPED
    assert agree(services)


async def test_a_prisoner_partly_made_by_events_is_rejected_until_repaired_and_one_wholly_made_is_done(
    platform: FakePlatform, services: SandboxServer
) -> None:
    partly, wholly = with_alerts(services)[:2]
    dps, table = services.stores.dps_alerts, services.stores.alert_mappings
    for number, count in ((partly, 1), (wholly, 99)):
        for alert in sets(services)[number][:count]:
            made = (alert["bookingId"], alert["alertSequence"])
            table.add(number, None, "NOMIS_CREATED", [(made, dps.add(number, {"alertCode": "XA"}, made))])
    run = await migrate(platform, AlertsMigration)
    assert numbers_of(run) == {"migrated": SMALL.prisoners - 2, "skipped": 1, "rejected": 1}
    assert set(in_dps(services).values()) == {1}, "nothing beside what the events made"
    found = await record(platform, partly)
    assert (found.state, found.reason) == (State.REJECTED, "partly-synchronised")
    reconciled = await Reconciler(platform, AlertsMigration).run(Scope())
    assert reconciled.totals()[Standing.REJECTED] == 1
    assert reconciled.totals()[Standing.MAPPED] == SMALL.prisoners - 1
    await repair(platform, partly)
    assert (await record(platform, partly)).state is State.MAPPED
    again = await migrate(platform, AlertsMigration)
    assert numbers_of(again) == {"skipped": SMALL.prisoners}
    assert agree(services)


async def test_a_set_that_dps_refuses_fails_alone_and_is_migrated_once_it_is_mended(
    platform: FakePlatform, services: SandboxServer
) -> None:
    number = with_alerts(services)[0]
    nomis = services.stores.nomis_alerts
    alert = sets(services)[number][0]
    at = (alert["bookingId"], alert["alertSequence"])
    nomis.change(at, {"alertCode": {"code": "NEW1", "description": "x"}})
    run = await migrate(platform, AlertsMigration)
    assert numbers_of(run) == {"migrated": SMALL.prisoners - 1, "failed": 1}
    assert (await record(platform, number)).reason == "alerts-400"
    assert not [name for name in platform.telemetry.names() if name.endswith("entity-failed")]
    nomis.change(at, {"alertCode": alert["alertCode"]})
    tally = await MigrationEngine(platform).retry_failed(AlertsMigration, states=[State.FAILED])
    assert tally.migrated == 1
    assert agree(services)


async def test_a_set_whose_answer_was_lost_is_in_doubt_and_settled_by_the_repair_only(
    platform: FakePlatform, services: SandboxServer
) -> None:
    number = with_alerts(services)[0]
    fault(services, "drop_after", "alerts", path=f"/migrate/{number}/*", limit=1)
    run = await migrate(platform, AlertsMigration)
    assert numbers_of(run) == {"migrated": SMALL.prisoners - 1, "in_doubt": 1}
    with pytest.raises(DoubtError, match="run the repair resynchronise of the prisoner"):
        await adopt(platform, AlertsMigration, key(number), "some-id")
    again = await migrate(platform, AlertsMigration)
    assert numbers_of(again) == {"skipped": SMALL.prisoners - 1, "in_doubt": 1}
    await repair(platform, number)
    assert (await record(platform, number)).state is State.MAPPED
    assert set(in_dps(services).values()) == {1}
    assert agree(services)


async def test_after_the_mapping_table_was_reset_those_with_alerts_are_migrated_again(
    platform: FakePlatform, services: SandboxServer
) -> None:
    await migrate(platform, AlertsMigration)
    services.stores.alert_mappings.clear()
    run = await migrate(platform, AlertsMigration)
    some = len(with_alerts(services, 1))
    assert numbers_of(run) == {"migrated": some, "skipped": SMALL.prisoners - some}


async def test_an_alert_in_doubt_that_is_found_in_dps_is_adopted_and_mapped_as_one_pair(
    platform: FakePlatform, services: SandboxServer
) -> None:
    number = with_alerts(services)[0]
    alert = sets(services)[number][0]
    made = AlertKey(number, alert["bookingId"], alert["alertSequence"])
    dps_id = services.stores.dps_alerts.add(number, {"alertCode": "XA"}, (made.booking_id, made.sequence))
    await platform.ledger.claim(made.ledger_key)
    await platform.ledger.in_doubt(made.ledger_key)
    assert await adopt(platform, AlertsMigration, made.ledger_key, dps_id) is Adoption.TO_BE_MAPPED
    assert (await MigrationEngine(platform).retry_mappings(AlertsMigration)).migrated == 1
    pair = services.stores.alert_mappings.get((made.booking_id, made.sequence))
    assert pair is not None
    assert (pair.dps_id, pair.prisoner, pair.label, pair.mapping_type) == (dps_id, number, None, "NOMIS_CREATED")


async def test_a_surplus_alert_that_an_event_made_is_found_by_the_retry_of_mappings_and_deleted(
    platform: FakePlatform, services: SandboxServer
) -> None:
    number = with_alerts(services)[0]
    alert = sets(services)[number][0]
    made = AlertKey(number, alert["bookingId"], alert["alertSequence"])
    at = (made.booking_id, made.sequence)
    kept, surplus = (services.stores.dps_alerts.add(number, {"alertCode": "XA"}, at) for _ in range(2))
    services.stores.alert_mappings.add(number, None, "NOMIS_CREATED", [(at, kept)])
    ledger_key: RecordKey = made.ledger_key
    await platform.ledger.claim(ledger_key)
    mapping = {
        "dpsAlertId": surplus, "nomisBookingId": made.booking_id, "nomisAlertSequence": made.sequence,
        "offenderNo": number, "mappingType": "NOMIS_CREATED",
    }  # fmt: skip
    await platform.ledger.written(ledger_key, dps_id=surplus, mapping=mapping)
    assert (await MigrationEngine(platform).retry_mappings(AlertsMigration)).duplicates == 1
    found = await record(platform, str(made))
    assert (found.dps_id, found.existing_dps_id) == (surplus, kept)
    (resolved,) = await resolve_duplicates(AlertsMigration, ALERTS.delete_surplus, platform, dry_run=False)
    assert (resolved.surplus, resolved.kept, resolved.action) == (surplus, kept, "deleted")
    assert services.stores.dps_alerts.of_prisoner(number) == (kept,)
