"""Promise: a migration may be run again at any time: what is done stays done, what is missing is taken up, and no
failure of the mapping service ever makes a second DPS record.
"""

import pytest

from nomis_pipelines.domains.visits import VISITS
from nomis_pipelines.ledger import Ledger, RecordKey, State
from nomis_pipelines.migration.engine import MigrationEngine
from nomis_pipelines_tests.fake_services import (
    FUTURE,
    FakePlatform,
    FakeServices,
    broken,
    conflict,
    error,
    migrate,
)

pytestmark = pytest.mark.server

MIGRATION = VISITS.migration


def key(number: int) -> RecordKey:
    return MIGRATION.record_key(str(number))


async def state_of(platform: FakePlatform, number: int) -> str | None:
    record = await platform.ledger.record(key(number))
    return record.state if record is not None else None


async def test_a_second_run_migrates_nothing_and_reads_no_visit(platform: FakePlatform, services: FakeServices) -> None:
    await migrate(platform, MIGRATION)
    services.calls.clear()
    again = await migrate(platform, MIGRATION)
    assert (again.tally.skipped, again.tally.migrated) == (9, 0)
    assert (services.called("read"), services.called("write"), services.called("record")) == (0, 0, 0)


async def test_what_an_earlier_attempt_wrote_is_only_mapped(platform: FakePlatform, services: FakeServices) -> None:
    services.order("record", 5, error(500), always=True)
    first = await migrate(platform, MIGRATION)
    assert first.tally.unmapped == 1
    services.allow("record", 5)
    services.calls.clear()
    second = await migrate(platform, MIGRATION)
    assert (second.tally.migrated, second.tally.skipped) == (1, 8)
    assert (services.called("read"), services.called("write"), services.copies(5)) == (0, 0, 1)
    assert services.mappings[5]["label"] == first.migration_id


async def test_a_reset_mapping_table_makes_everything_migrate_again(
    platform: FakePlatform, services: FakeServices
) -> None:
    await migrate(platform, MIGRATION)
    services.mappings.clear()
    again = await migrate(platform, MIGRATION)
    assert again.tally.migrated == 9
    assert [services.copies(number) for number in range(1, 10)] == [2] * 9
    assert {mapping["label"] for mapping in services.mappings.values()} == {again.migration_id}


async def test_a_record_in_doubt_is_never_written_again_by_itself(
    platform: FakePlatform, services: FakeServices
) -> None:
    services.order("write", 5, broken())
    await migrate(platform, MIGRATION)
    again = await migrate(platform, MIGRATION)
    assert (again.tally.in_doubt, again.tally.skipped) == (1, 8)
    assert services.copies(5) == 0
    assert await state_of(platform, 5) == State.IN_DOUBT


async def test_a_record_in_doubt_is_written_again_when_writing_twice_is_harmless(
    platform: FakePlatform, services: FakeServices
) -> None:
    class Idempotent(MIGRATION):
        """A domain whose write replaces."""

        idempotent_write = True

    services.order("write", 5, broken())
    assert (await migrate(platform, Idempotent)).tally.in_doubt == 1
    again = await migrate(platform, Idempotent)
    assert (again.tally.migrated, services.copies(5)) == (1, 1)


async def test_a_record_in_doubt_that_somebody_mapped_is_settled(
    platform: FakePlatform, services: FakeServices
) -> None:
    services.order("write", 5, broken())
    await migrate(platform, MIGRATION)
    services.mappings[5] = {"nomisId": 5, "vsipId": "by-hand", "mappingType": "MIGRATED"}
    again = await migrate(platform, MIGRATION)
    record = await platform.ledger.record(key(5))
    assert again.tally.skipped == 9
    assert record is not None
    assert (record.state, record.dps_id) == (State.MAPPED, "by-hand")


async def test_what_a_dead_process_was_writing_is_in_doubt_and_in_no_other_way_touched(
    platform: FakePlatform, services: FakeServices, ledger_url: str
) -> None:
    async with await Ledger.open(ledger_url) as dead:
        await dead.claim(key(5), migration_id="2026-03-09T10:00:00", partition="BXI|2026-02")
    run = await migrate(platform, MIGRATION)
    assert (run.tally.in_doubt, run.tally.migrated, services.copies(5)) == (1, 8, 0)


async def test_a_failed_record_is_tried_again_by_the_next_run(platform: FakePlatform, services: FakeServices) -> None:
    services.order("read", 5, error(500))
    services.order("write", 6, error(400))
    services.add(7, **FUTURE)
    assert (await migrate(platform, MIGRATION)).tally.migrated == 6
    services.rooms["BXI-VISITS-SOC_VIS"] = ("Main", True)
    again = await migrate(platform, MIGRATION)
    assert (again.tally.migrated, again.tally.skipped) == (3, 6)
    assert await platform.ledger.counts("visits") == {"mapped": 9}


async def test_retry_failed_works_under_the_migration_of_each_record(
    platform: FakePlatform, services: FakeServices
) -> None:
    services.order("read", 5, error(500))
    services.order("read", 5, error(500))
    services.order("write", 6, error(400))
    services.listing = [1, 2, 3, 4, 5]
    first = await migrate(platform, MIGRATION)
    services.listing = [6, 7, 8, 9]
    second = await migrate(platform, MIGRATION)
    services.calls.clear()
    engine = MigrationEngine(platform)

    tally = await engine.retry_failed(MIGRATION, states=[State.FAILED])
    assert (tally.listed, tally.migrated, tally.failed) == (2, 1, 1)
    tally = await engine.retry_failed(MIGRATION, states=[State.FAILED])
    assert (tally.listed, tally.migrated) == (1, 1)

    assert services.called("ids") + services.called("count") == 0
    assert services.mappings[5]["label"] == first.migration_id
    assert services.mappings[6]["label"] == second.migration_id
    migrated = {event["visitId"]: event["migrationId"] for event in events(platform)}
    assert (migrated["5"], migrated["6"]) == (first.migration_id, second.migration_id)
    row = await platform.ledger.migration(first.migration_id)
    assert row is not None
    assert (row.status, row.records_failed) == ("COMPLETED", 1)


def events(platform: FakePlatform) -> list[dict[str, str]]:
    return platform.telemetry.named("visits-migration-entity-migrated")


async def test_retry_failed_takes_up_rejected_records_only_when_told_to(
    platform: FakePlatform, services: FakeServices
) -> None:
    services.add(5, 6, **FUTURE)
    await migrate(platform, MIGRATION)
    await platform.ledger.dismiss([key(6)])
    services.rooms["BXI-VISITS-SOC_VIS"] = ("Main", True)
    engine = MigrationEngine(platform)
    assert (await engine.retry_failed(MIGRATION, states=[State.FAILED])).listed == 0
    tally = await engine.retry_failed(MIGRATION, states=[State.FAILED, State.REJECTED])
    assert (tally.listed, tally.migrated) == (1, 1)
    assert [await state_of(platform, 5), await state_of(platform, 6)] == [State.MAPPED, State.REJECTED]


async def test_retrying_keeps_the_partition_of_a_record_that_could_not_be_read(
    platform: FakePlatform, services: FakeServices
) -> None:
    services.order("read", 5, error(500), always=True)
    engine = MigrationEngine(platform)
    filter = MIGRATION.filter.model_validate({})
    run = await engine.start(MIGRATION, filter=filter, partition="BXI|2026-02", run_id=None, who="TESTER")
    page = await run.read_page(run.pages()[1])
    assert {item.partition for item in page.items} == {"BXI|2026-02"}
    await MigrationEngine(platform).retry_failed(MIGRATION, states=[State.FAILED])
    record = await platform.ledger.record(key(5))
    assert record is not None
    assert (record.state, record.partition) == (State.FAILED, "BXI|2026-02")


async def test_retry_mappings_records_the_pair_and_calls_neither_nomis_nor_dps(
    platform: FakePlatform, services: FakeServices
) -> None:
    for number in (3, 5, 7, 8):
        services.order("record", number, error(500), always=True)
    first = await migrate(platform, MIGRATION)
    services.allow("record", 3)
    services.order("record", 7, conflict({"nomisId": 7, "vsipId": "aa"}, {"nomisId": 7, "vsipId": "bb"}), always=True)
    services.order("record", 8, conflict(None), always=True)
    services.calls.clear()
    platform.telemetry.events.clear()
    tally = await MigrationEngine(platform).retry_mappings(MIGRATION)
    assert (tally.listed, tally.migrated, tally.duplicates, tally.unmapped) == (4, 1, 1, 2)
    assert {name for name, _ in services.calls} == {"record"}
    assert services.mappings[3]["label"] == first.migration_id
    assert "visits-migration-entity-migrated" not in platform.telemetry.names()
    assert [await state_of(platform, number) for number in (3, 5, 7, 8)] == [
        "mapped",
        "written",
        "duplicate",
        "written",
    ]


async def test_retry_mappings_takes_up_what_no_migration_wrote(platform: FakePlatform, services: FakeServices) -> None:
    mapping = {"nomisId": 5, "vsipId": "ref-sync", "label": None, "mappingType": "NOMIS_CREATED"}
    await platform.ledger.claim(key(5), migration_id=None, partition=None)
    await platform.ledger.written(key(5), dps_id="ref-sync", mapping=mapping)
    services.order("record", 5, conflict({"nomisId": 5, "vsipId": "aa"}, mapping))
    tally = await MigrationEngine(platform).retry_mappings(MIGRATION)
    assert (tally.duplicates, tally.failed) == (1, 0)
    assert await state_of(platform, 5) == State.DUPLICATE


async def test_no_failure_of_the_mapping_service_repeats_the_write(
    platform: FakePlatform, services: FakeServices
) -> None:
    for number in range(1, 10):
        services.order("record", number, error(500), error(500), broken(), conflict(None), error(503), error(429))
    for _ in range(4):
        await migrate(platform, MIGRATION)
        await MigrationEngine(platform).retry_mappings(MIGRATION)
    assert len(services.written) == 9
    assert len(services.mappings) == 9
    assert await platform.ledger.counts("visits") == {"mapped": 9}


async def test_a_record_written_by_another_run_since_the_page_was_read_is_only_mapped(
    platform: FakePlatform, services: FakeServices, ledger_url: str
) -> None:
    engine = MigrationEngine(platform)
    run = await engine.start(
        MIGRATION, filter=MIGRATION.filter.model_validate({}), partition=None, run_id=None, who="TESTER"
    )
    page = await run.transform_page(await run.read_page(run.pages()[1]))
    async with await Ledger.open(ledger_url) as other:
        await other.claim(key(5), migration_id="2026-03-09T10:00:00")
        await other.written(key(5), dps_id="theirs", mapping={"nomisId": 5, "vsipId": "theirs", "label": "other"})
    tally = await run.record_page(await run.write_page(page))
    assert (tally.migrated, services.copies(5), services.mappings[5]["vsipId"]) == (4, 0, "theirs")
    assert "5" not in {event["visitId"] for event in events(platform)}
