"""Promise: a run that stops, for whatever reason, finishes what is in flight, says so in the history, and leaves no
record in `writing`; an outage never becomes a list of failures.
"""

from datetime import UTC, datetime

import pytest

from nomis_pipelines.domains.visits import VISITS
from nomis_pipelines.http import AuthError, CircuitOpen, ServiceError, WireRequest
from nomis_pipelines.ledger import Ledger, LedgerUnavailable, MigrationStatus, RecordKey
from nomis_pipelines.migration.engine import MigrationEngine
from nomis_pipelines.migration.run import MigrationRun
from nomis_pipelines.sandbox.postgres import EmbeddedPostgres
from nomis_pipelines_tests.fake_services import (
    Answer,
    FakePlatform,
    FakeServices,
    broken,
    error,
    json_answer,
    migrate,
    platform_on,
    work,
)

pytestmark = pytest.mark.server

MIGRATION = VISITS.migration


def key(number: int) -> RecordKey:
    return MIGRATION.record_key(str(number))


async def start(engine: MigrationEngine) -> MigrationRun:
    filter = MIGRATION.filter.model_validate({})
    return await engine.start(MIGRATION, filter=filter, partition=None, run_id=None, who="TESTER")


async def status_of(platform: FakePlatform, migration_id: str) -> MigrationStatus:
    row = await platform.ledger.migration(migration_id)
    assert row is not None
    return row.status


async def test_a_cancel_in_the_ledger_finishes_the_page_in_hand_and_begins_no_other(
    platform: FakePlatform, services: FakeServices
) -> None:
    engine = MigrationEngine(platform)
    run = await start(engine)

    async def cancelled_meanwhile(services: FakeServices, request: WireRequest) -> Answer:
        await platform.ledger.request_cancel(run.migration_id, datetime.now(UTC))
        return services.work(request)

    services.order("write", 2, cancelled_meanwhile)
    await work(run)
    assert run.tally.migrated == 4
    assert set(services.mappings) == {1, 2, 3, 4}
    row = await platform.ledger.migration(run.migration_id)
    assert row is not None
    assert row.status == MigrationStatus.CANCELLED
    assert (row.records_migrated, row.records_failed) == (4, 0)
    assert row.when_ended is not None
    assert await platform.ledger.counts("visits") == {"mapped": 4}


async def test_a_stop_between_writes_leaves_the_rest_untouched(platform: FakePlatform, services: FakeServices) -> None:
    run = await start(MigrationEngine(platform))
    run.concurrency = 1

    async def stopped_meanwhile(services: FakeServices, request: WireRequest) -> Answer:
        run.stop.request("SIGTERM")
        return services.work(request)

    services.order("write", 2, stopped_meanwhile)
    page = await run.transform_page(await run.read_page(run.pages()[0]))
    page.items.sort(key=lambda item: int(item.key.nomis_key))
    tally = await run.record_page(await run.write_page(page))
    assert tally.migrated == 2
    assert [services.copies(number) for number in range(1, 5)] == [1, 1, 0, 0]
    assert await platform.ledger.counts("visits") == {"mapped": 2}
    again = await migrate(platform, MIGRATION)
    assert (again.tally.skipped, again.tally.migrated) == (2, 7)


async def test_a_run_that_was_left_is_closed_as_cancelled_or_as_failed(
    platform: FakePlatform, services: FakeServices
) -> None:
    left, broken = MigrationEngine(platform), MigrationEngine(platform)
    cancelled, failed = await start(left), await start(broken)
    failed.failed = True
    await left.close_left_open()
    await broken.close_left_open()
    await left.close_left_open()
    assert await status_of(platform, cancelled.migration_id) == MigrationStatus.CANCELLED
    assert await status_of(platform, failed.migration_id) == MigrationStatus.FAILED
    assert platform.telemetry.names().count("visits-migration-cancelled") == 1
    assert "visits-migration-completed" not in platform.telemetry.names()


async def test_an_engine_that_never_started_has_nothing_to_close(platform: FakePlatform) -> None:
    engine = MigrationEngine(platform)
    await engine.close_left_open()
    with pytest.raises(RuntimeError, match="no migration has been started"):
        _ = engine.current


async def test_an_outage_of_dps_stops_the_run_and_marks_no_record_as_broken(
    services: FakeServices, ledger_url: str
) -> None:
    services.add(*range(1, 201))
    for number in range(30, 201):
        services.order("write", number, error(503), always=True)
    changes = {"NOMIS_PIPELINES_PAGE_SIZE": "100", "NOMIS_PIPELINES_BREAKER_SECONDS": "0.3"}
    async with platform_on(services, ledger_url, NOMIS_PIPELINES_HTTP_ATTEMPTS="3", **changes) as platform:
        engine = MigrationEngine(platform)
        run = await start(engine)
        with pytest.raises(CircuitOpen, match="visits"):
            await work(run)
        run.failed = True
        await engine.close_left_open()
        counts = await platform.ledger.counts("visits")
        assert not {"writing", "in_doubt"} & set(counts)
        assert await status_of(platform, run.migration_id) == MigrationStatus.FAILED
        reasons = await platform.ledger.counts_by_reason("visits")
        # those in hand while the breaker made up its mind; nothing near the 171 that cannot be written
        assert sum(found.count for found in reasons if found.reason != "not-sent") < 60

        for number in range(30, 201):
            services.allow("write", number)
    async with platform_on(services, ledger_url) as platform:
        again = await migrate(platform, MIGRATION)
        assert again.tally.migrated + again.tally.skipped == 200
        assert await platform.ledger.counts("visits") == {"mapped": 200}
        assert len(services.written) == 200


async def test_an_outage_of_the_mapping_service_loses_no_pair(services: FakeServices, ledger_url: str) -> None:
    services.add(*range(1, 101))
    for number in range(1, 101):
        services.order("record", number, error(503), always=True)
    async with platform_on(services, ledger_url, NOMIS_PIPELINES_BREAKER_SECONDS="0.3") as platform:
        with pytest.raises(CircuitOpen, match="mapping"):
            await migrate(platform, MIGRATION)
        assert await platform.ledger.counts("visits") == {"written": 100}
    for number in range(1, 101):
        services.allow("record", number)
    async with platform_on(services, ledger_url) as platform:
        assert (await migrate(platform, MIGRATION)).tally.migrated == 100
        assert len(services.written) == len(services.mappings) == 100


async def test_without_a_token_nothing_starts_and_the_history_stays_empty(
    platform: FakePlatform, services: FakeServices
) -> None:
    services.token = json_answer(401, {"error": "invalid_client"})
    with pytest.raises(AuthError, match="nomis POST /oauth/token answered 401"):
        await start(MigrationEngine(platform))
    assert await platform.ledger.history() == []
    assert platform.telemetry.events == []


async def test_a_token_that_runs_out_midway_stops_the_run_and_puts_nothing_in_doubt(
    platform: FakePlatform, services: FakeServices
) -> None:
    # a token without an end is asked for anew at each call
    services.token = json_answer(200, {"access_token": "t"})
    run = await start(MigrationEngine(platform))
    page = await run.transform_page(await run.read_page(run.pages()[0]))
    services.token = json_answer(401, {"error": "invalid_client"})
    with pytest.raises(AuthError):
        await run.write_page(page)
    assert services.written == []
    assert await platform.ledger.counts("visits") == {"failed": 4}
    assert {found.reason for found in await platform.ledger.counts_by_reason("visits")} == {"not-sent"}


async def test_when_the_ledger_goes_away_nothing_more_is_written_and_nothing_is_lost(
    services: FakeServices, postgres_server: EmbeddedPostgres, ledger_url: str
) -> None:
    name = ledger_url.rsplit("/", 1)[1]
    services.add(*range(10, 60))

    async def ledger_gone(services: FakeServices, request: WireRequest) -> Answer:
        # a rename would need the connections closed: forbidding new ones and cutting the old is an outage to us
        postgres_server_forbids(postgres_server, name, forbid=True)
        return services.work(request)

    services.order("write", 20, ledger_gone)
    async with platform_on(services, ledger_url, patience_seconds=0.5, NOMIS_PIPELINES_PAGE_SIZE="100") as platform:
        run = await start(MigrationEngine(platform))
        with pytest.raises(LedgerUnavailable):
            await work(run)
        postgres_server_forbids(postgres_server, name, forbid=False)
        doubtful = len(services.written) - (await platform.ledger.counts("visits")).get("written", 0)
    async with await Ledger.open(ledger_url, grace_seconds=0) as ledger:
        await ledger.doubt_abandoned("visits")
        counts = await ledger.counts("visits")
    assert "writing" not in counts
    assert doubtful <= counts.get("in_doubt", 0) <= 2 * 16
    async with platform_on(services, ledger_url) as platform:
        again = await migrate(platform, MIGRATION)
    assert again.tally.in_doubt == counts.get("in_doubt", 0)
    assert all(services.copies(number) <= 1 for number in range(1, 60))
    assert sum(services.copies(number) for number in range(1, 60)) >= 59 - again.tally.in_doubt


def postgres_server_forbids(server: EmbeddedPostgres, name: str, *, forbid: bool) -> None:
    """Let nobody into a database, and throw out who is there; or let them in again."""
    import psycopg
    from psycopg import sql

    with psycopg.connect(host="127.0.0.1", port=server.port, user="postgres", autocommit=True) as connection:
        allowed = sql.SQL("false" if forbid else "true")
        connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}").format(sql.Identifier(name), allowed))
        if forbid:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))


async def test_a_migration_whose_process_died_is_closed_by_the_next_start(
    platform: FakePlatform, services: FakeServices, ledger_url: str
) -> None:
    async with platform_on(services, ledger_url) as dead:
        abandoned = await start(MigrationEngine(dead))
    await migrate(platform, MIGRATION)
    assert await status_of(platform, abandoned.migration_id) == MigrationStatus.FAILED


@pytest.mark.parametrize(
    ("ordered", "fix"),
    [
        (error(401), "check the roles of the client in NOMIS_PRISONER_API_CLIENT_ID"),
        (error(403), "check the roles of the client in NOMIS_PRISONER_API_CLIENT_ID"),
        (error(404), "check API_BASE_URL_NOMIS"),
        (broken(), "check API_BASE_URL_NOMIS, and that the NOMIS API can be reached from here"),
    ],
)
async def test_a_start_that_fails_names_the_settings_to_check(
    ordered: Answer, fix: str, platform: FakePlatform, services: FakeServices
) -> None:
    services.order("count", 0, ordered, always=True)
    with pytest.raises(ServiceError) as caught:
        await start(MigrationEngine(platform))
    (note,) = caught.value.__notes__
    assert note == fix
