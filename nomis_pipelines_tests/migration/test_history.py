"""Promise: the history, the telemetry of a run's life and the audit say what happened, as published."""

import re
from datetime import UTC, datetime

import pytest

from nomis_pipelines.domains.visits import VISITS
from nomis_pipelines.http import Unavailable
from nomis_pipelines.migration.declaration import minutes_since
from nomis_pipelines.migration.engine import MigrationEngine
from nomis_pipelines_tests.fake_services import FUTURE, FakePlatform, FakeServices, broken, error, migrate

MIGRATION = VISITS.migration


@pytest.mark.server
async def test_a_finished_migration_has_its_row_with_counts_and_the_filter_as_it_is_searched(
    platform: FakePlatform, services: FakeServices
) -> None:
    services.add(2, **FUTURE)
    services.order("read", 3, error(500), always=True)
    services.order("write", 4, broken(), always=True)
    before = datetime.now(UTC)
    run = await migrate(platform, MIGRATION, prisonIds=["MDI"], fromDateTime="2024-05-01T00:00:00")
    row = await platform.ledger.migration(run.migration_id)
    assert row is not None
    assert row.migration_type == "VISITS"
    assert row.status == "COMPLETED"
    assert (row.estimated_record_count, row.records_migrated, row.records_failed) == (9, 6, 3)
    assert row.filter == (
        '{"prisonIds":["MDI"],"visitTypes":["SCON"],"fromDateTime":"2024-05-01T00:00:00","ignoreMissingRoom":false}'
    )
    assert row.when_ended is not None
    assert before.replace(microsecond=0) <= row.when_started <= row.when_ended
    assert [found.migration_id for found in await platform.ledger.history("VISITS", prison_id="MDI")] == [
        run.migration_id
    ]


@pytest.mark.server
async def test_progress_knows_run_and_partition_and_grows_page_by_page(
    platform: FakePlatform, services: FakeServices
) -> None:
    engine = MigrationEngine(platform)
    filter = MIGRATION.filter.model_validate({"prisonIds": ["BXI"]})
    run = await engine.start(MIGRATION, filter=filter, partition="BXI|2026-02", run_id="run-1", who="TESTER")
    seen: list[int] = []
    for spec in run.pages():
        await run.record_page(await run.write_page(await run.transform_page(await run.read_page(spec))))
        progress = await platform.ledger.latest_progress("visits", partition="BXI|2026-02", run_id="run-1")
        assert progress is not None
        seen.append(progress.processed)
        assert progress.listed == progress.migrated == progress.processed
    assert seen == [4, 8, 9]
    record = await platform.ledger.record(MIGRATION.record_key("5"))
    assert record is not None
    assert (record.migration_id, record.partition) == (run.migration_id, "BXI|2026-02")


@pytest.mark.server
async def test_a_record_of_a_free_run_is_put_into_the_partition_of_its_creation(
    platform: FakePlatform, services: FakeServices
) -> None:
    services.add(5, whenCreated="2024-05-31T23:59:59")
    services.add(6, whenCreated="2024-06-01T00:00:00", prisonId="HEI")
    await migrate(platform, MIGRATION)
    rows = await platform.ledger.lookup("visits", ["1", "5", "6"])
    assert {number: row.partition for number, row in rows.items()} == {
        "1": "BXI|2026-02", "5": "BXI|2024-05", "6": "HEI|2024-06",
    }  # fmt: skip


@pytest.mark.server
async def test_starts_in_the_same_second_get_ids_of_their_own(platform: FakePlatform, services: FakeServices) -> None:
    services.visits.clear()
    ids = [(await migrate(platform, MIGRATION)).migration_id for _ in range(3)]
    assert len(set(ids)) == 3
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", migration_id) for migration_id in ids)


@pytest.mark.server
async def test_a_start_whose_count_fails_leaves_no_trace_but_the_error(
    platform: FakePlatform, services: FakeServices
) -> None:
    services.order("count", 0, error(500))
    with pytest.raises(Unavailable, match="nomis GET /visits/ids answered 500"):
        await migrate(platform, MIGRATION)
    assert await platform.ledger.history() == []
    assert platform.telemetry.events == []
    assert platform.audit.sent == []


@pytest.mark.server
async def test_the_start_is_audited_with_the_filter_and_who_did_it(
    platform: FakePlatform, services: FakeServices
) -> None:
    run = await migrate(platform, MIGRATION, prisonIds=["MDI"], toDateTime="2024-05-01T00:00:00")
    filter = {
        "prisonIds": ["MDI"],
        "visitTypes": ["SCON"],
        "toDateTime": "2024-05-01T00:00:00",
        "ignoreMissingRoom": False,
    }
    assert platform.audit.sent == [("MIGRATION_STARTED", "VISITS", run.migration_id, "TESTER", {"filter": filter})]


@pytest.mark.parametrize(
    ("migration_id", "now", "minutes"),
    [
        ("2026-03-10T10:00:00", "2026-03-10T10:00:59+00:00", 0),
        ("2026-03-10T10:00:00", "2026-03-10T10:59:59+00:00", 59),
        ("2026-07-10T10:00:00", "2026-07-10T09:01:00+00:00", 1),  # British Summer Time
        ("2026-03-10T10:00:02", "2026-03-10T10:00:00+00:00", 0),  # the next free second lies ahead of the clock
        ("", "2026-03-10T10:00:00+00:00", 0),
    ],
)
def test_a_duration_is_whole_minutes_of_london_time(migration_id: str, now: str, minutes: int) -> None:
    assert minutes_since(migration_id, datetime.fromisoformat(now)) == minutes
