"""The history of migrations as other people see it (platform card, sections 2.3, 2.7, 2.9, 3.4), and live progress."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from nomis_pipelines.ledger import Ledger, LedgerError, LedgerReader, MigrationStatus
from nomis_pipelines_tests.ledger.conftest import OpenLedger, die

pytestmark = pytest.mark.server

SUMMER = datetime(2024, 6, 12, 9, 13, 56, 878627, tzinfo=UTC)


async def start(ledger: Ledger, now: datetime = SUMMER, **changes) -> str:
    options = {"migration_type": "VISITS", "domain": "visits", "filter_json": '{"prisonIds":["MDI"]}', "estimated": 7}
    return await ledger.start_migration(**{**options, "now": now, **changes})


async def test_an_id_is_londons_wall_clock_to_the_second(ledger: Ledger):
    assert await start(ledger) == "2024-06-12T10:13:56"
    assert await start(ledger, datetime(2024, 1, 2, 10, 13, 0, tzinfo=UTC)) == "2024-01-02T10:13:00"


async def test_twenty_starts_in_one_second_get_twenty_ids(open_ledger: OpenLedger):
    ledgers = [await open_ledger() for _ in range(4)]
    ids = await asyncio.gather(*(start(ledgers[number % 4]) for number in range(20)))
    assert sorted(ids) == [f"2024-06-12T10:{13 + (56 + n) // 60}:{(56 + n) % 60:02}" for n in range(20)]
    assert all(len(migration_id) == 19 for migration_id in ids)
    assert len(await ledgers[0].history("VISITS")) == 20


async def test_the_hour_that_comes_twice_in_autumn_has_ids_enough(ledger: Ledger):
    first = await start(ledger, datetime(2024, 10, 27, 0, 30, tzinfo=UTC))
    second = await start(ledger, datetime(2024, 10, 27, 1, 30, tzinfo=UTC))
    assert (first, second) == ("2024-10-27T01:30:00", "2024-10-27T01:30:01")


async def test_a_naive_start_is_refused(ledger: Ledger):
    with pytest.raises(LedgerError, match="aware"):
        await start(ledger, datetime(2024, 1, 1))


async def test_a_row_is_opened_followed_and_closed(ledger: Ledger):
    migration_id = await start(ledger, run_id="run-1", partition="MDI|2024-05")
    row = await ledger.migration(migration_id)
    assert row is not None
    assert (row.status, row.when_started, row.when_ended) == ("STARTED", SUMMER, None)
    assert (row.estimated_record_count, row.records_migrated, row.records_failed) == (7, 0, 0)
    await ledger.save_progress(migration_id, {"migrated": 3, "failed": 1, "processed": 4})
    progress = await ledger.progress(migration_id)
    assert progress is not None
    assert (progress.migrated, progress.failed, progress.processed, progress.estimated) == (3, 1, 4, 7)
    assert (progress.run_id, progress.partition, progress.domain) == ("run-1", "MDI|2024-05", "visits")
    await ledger.end_migration(migration_id, status="COMPLETED", migrated=6, failed=1, now=SUMMER + timedelta(hours=1))
    row = await ledger.latest("VISITS")
    assert row is not None
    assert (row.status, row.records_migrated, row.records_failed, row.active) == ("COMPLETED", 6, 1, False)
    assert row.when_ended == SUMMER + timedelta(hours=1)


async def test_a_cancel_is_seen_by_the_running_migration(ledger: Ledger):
    migration_id = await start(ledger)
    assert not await ledger.cancel_requested(migration_id)
    row = await ledger.request_cancel(migration_id, SUMMER)
    assert row is not None
    assert row.status is MigrationStatus.CANCELLED_REQUESTED
    assert await ledger.cancel_requested(migration_id)
    again = await ledger.request_cancel(migration_id, SUMMER + timedelta(minutes=1))
    assert again is not None
    assert (again.status, again.when_ended) == ("CANCELLED_REQUESTED", None)
    progress = await ledger.progress(migration_id)
    assert progress is not None
    assert progress.cancel_requested_at == SUMMER
    await ledger.end_migration(migration_id, status="CANCELLED", migrated=0, failed=0, now=SUMMER)
    assert await ledger.cancel_requested(migration_id)


async def test_cancelling_a_finished_migration_changes_its_row_but_blocks_nothing(ledger: Ledger):
    migration_id = await start(ledger)
    await ledger.end_migration(migration_id, status="COMPLETED", migrated=1, failed=0, now=SUMMER)
    row = await ledger.request_cancel(migration_id, SUMMER + timedelta(hours=1))
    assert row is not None
    assert (row.status, row.active, row.when_ended) == ("CANCELLED", False, SUMMER + timedelta(hours=1))


async def test_unknown_ids_are_told(ledger: Ledger):
    assert await ledger.migration("2020-01-01T00:00:00") is None
    assert await ledger.request_cancel("2020-01-01T00:00:00", SUMMER) is None
    assert not await ledger.cancel_requested("2020-01-01T00:00:00")
    assert await ledger.latest("VISITS") is None
    for work in (
        ledger.save_progress("2020-01-01T00:00:00", {"migrated": 1}),
        ledger.end_migration("2020-01-01T00:00:00", status="FAILED", migrated=0, failed=0, now=SUMMER),
        ledger.set_counts("2020-01-01T00:00:00", migrated=0, failed=0, now=SUMMER),
        ledger.set_filter("2020-01-01T00:00:00", "{}"),
    ):
        with pytest.raises(LedgerError, match="2020-01-01T00:00:00 is not in the history"):
            await work


async def test_only_ends_end_a_migration_and_only_counters_count(ledger: Ledger):
    migration_id = await start(ledger)
    with pytest.raises(LedgerError, match="cannot end as STARTED"):
        await ledger.end_migration(migration_id, status="STARTED", migrated=0, failed=0, now=SUMMER)
    with pytest.raises(LedgerError, match="no such counter: lost"):
        await ledger.save_progress(migration_id, {"lost": 1})


async def test_a_refresh_counts_anew_and_moves_the_end_of_completed_migrations_only(ledger: Ledger):
    migration_id = await start(ledger)
    with pytest.raises(LedgerError, match="is not completed"):
        await ledger.set_counts(migration_id, migrated=1, failed=0, now=SUMMER)
    await ledger.end_migration(migration_id, status="COMPLETED", migrated=1, failed=2, now=SUMMER)
    await ledger.set_counts(migration_id, migrated=3, failed=0, now=SUMMER + timedelta(days=1))
    row = await ledger.migration(migration_id)
    assert row is not None
    assert (row.records_migrated, row.records_failed, row.when_ended) == (3, 0, SUMMER + timedelta(days=1))


async def test_history_is_filtered_as_the_dashboard_expects(ledger: Ledger, ledger_url: str):
    hours = [SUMMER + timedelta(hours=number) for number in range(5)]
    filters = [
        '{"prisonIds":["MDI"]}',
        '{"prisonIds":["MDI","LEI"]}',
        '{"prisonIds":[]}',
        None,
        '{"prisonIds":["M_I"]}',
    ]
    ids = [await start(ledger, now, filter_json=text) for now, text in zip(hours, filters, strict=True)]
    other = await start(ledger, SUMMER, migration_type="ALERTS")
    await ledger.end_migration(ids[1], status="COMPLETED", migrated=1, failed=2, now=SUMMER)

    async def found(**options) -> list[str]:
        rows = await ledger.history(**options)
        with LedgerReader(ledger_url) as reader:
            assert reader.history(**options) == rows
        return [row.migration_id for row in rows]

    assert await found(migration_type="VISITS") == ids[::-1], "newest first"
    assert await found(migration_type="VISITS", from_=hours[1], to=hours[3]) == ids[3:0:-1], "both ends belong"
    assert await found(migration_type="VISITS", only_failures=True) == [ids[1]]
    assert await found(migration_type="VISITS", prison_id="MDI") == [ids[0]], "runs of exactly that prison"
    assert await found(migration_type="VISITS", prison_id="M_I") == [ids[4]], "no wildcards from outside"
    assert await found(migration_type=("VISITS", "ALERTS"), filter_contains="LEI") == [ids[1]]
    assert len(await found()) == 6
    assert await ledger.delete_history(["VISITS"]) == 5
    assert await found() == [other]
    assert await ledger.progress(ids[0]) is None


async def test_a_filter_can_be_rewritten(ledger: Ledger):
    migration_id = await start(ledger)
    await ledger.set_filter(migration_id, '{"prisonId":"MDI","nomisActivityEndDate":"2024-06-30"}')
    row = await ledger.migration(migration_id)
    assert row is not None
    assert row.filter == '{"prisonId":"MDI","nomisActivityEndDate":"2024-06-30"}'


async def test_migrations_whose_process_died_are_closed_as_failed_and_those_that_live_are_not(open_ledger: OpenLedger):
    dead, alive = await open_ledger(), await open_ledger()
    lost, running = await start(dead, run_id="run-1"), await start(alive, run_id="run-2")
    await dead.save_progress(lost, {"migrated": 5, "failed": 1, "in_doubt": 2})
    assert {row.run_id for row in await alive.active("VISITS")} == {"run-1", "run-2"}
    assert await alive.close_abandoned("VISITS", SUMMER) == []
    await die(dead)
    assert await alive.close_abandoned("ALERTS", SUMMER) == []
    assert await alive.close_abandoned("VISITS", SUMMER) == [lost]
    row = await alive.migration(lost)
    assert row is not None
    assert (row.status, row.records_migrated, row.records_failed) == ("FAILED", 5, 3)
    assert [row.migration_id for row in await alive.active()] == [running]


async def test_the_newest_progress_of_a_domain_a_partition_or_a_run_is_found(ledger: Ledger, ledger_url: str):
    first = await start(ledger, partition="MDI|2024-05", run_id="run-1")
    second = await start(ledger, partition="LEI|2024-05", run_id="run-2")
    with LedgerReader(ledger_url) as reader:
        for options, expected in (
            ({}, second),
            ({"partition": "MDI|2024-05"}, first),
            ({"run_id": "run-1"}, first),
            ({"partition": "BXI|2024-05"}, None),
        ):
            progress = await ledger.latest_progress("visits", **options)
            assert (progress.migration_id if progress else None) == expected
            assert reader.latest_progress("visits", **options) == progress
        assert reader.progress(first) == await ledger.progress(first)
        assert reader.latest("VISITS") == await ledger.latest("VISITS")
        assert reader.migration(first) == await ledger.migration(first)
        assert reader.active("VISITS") == await ledger.active("VISITS")
        assert not reader.cancel_requested(first)
