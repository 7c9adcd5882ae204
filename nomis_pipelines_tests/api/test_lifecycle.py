"""Promise: history, active, cancel, refresh and dead letters show a migration as it is, and stop it when asked."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nomis_pipelines.domains.visits import VISITS
from nomis_pipelines.ledger import MigrationStatus, State
from nomis_pipelines.migration.engine import MigrationEngine
from nomis_pipelines.migration.run import MigrationRun
from nomis_pipelines_tests.api.support import HISTORY_2024, Api
from nomis_pipelines_tests.fake_services import broken, error, platform_on, work

pytestmark = pytest.mark.server

ACTIVE = [
    "recordsMigrated", "toBeProcessedCount", "beingProcessedCount", "recordsFailed", "migrationId", "whenStarted",
    "estimatedRecordCount", "migrationType", "status",
]  # fmt: skip
HISTORY = [
    "migrationId", "whenStarted", "whenEnded", "estimatedRecordCount", "filter", "recordsMigrated", "recordsFailed",
    "migrationType", "status", "id", "isNew",
]  # fmt: skip


async def start(api: Api, **body: Any) -> str:
    answer = await api.call("POST", "/migrate/visits", json=body)
    assert answer.status_code == 202, answer.text
    return answer.json()["migrationId"]


async def get(api: Api, path: str, *roles: str) -> Any:
    answer = await api.call("GET", path, *roles)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def active(api: Api) -> dict[str, Any]:
    return await get(api, "/migrate/history/active/VISITS")


async def row(api: Api, migration_id: str) -> dict[str, Any]:
    return await get(api, f"/migrate/history/{migration_id}")


@asynccontextmanager
async def begun(api: Api, migration_id: str) -> AsyncIterator[MigrationRun | None]:
    """The run that was launched, in another process as far as the ledger can tell."""
    run_id = f"run-{len(api.launcher.launched)}"
    api.launcher.runs[run_id] = "STARTED"
    async with platform_on(api.services, api.database_url, NOMIS_PIPELINES_PAGE_SIZE="4") as platform:
        engine = MigrationEngine(platform)
        filter = VISITS.migration.filter()
        yield await engine.take_over(VISITS.migration, migration_id, filter=filter, run_id=run_id)
        await engine.close_left_open()


async def run(api: Api, migration_id: str) -> None:
    """Work a migration to its end."""
    async with begun(api, migration_id) as migration:
        assert migration is not None
        await work(migration)


async def test_active_follows_a_migration_from_start_to_end(api: Api) -> None:
    assert list(await active(api)) == ACTIVE
    assert set((await active(api)).values()) == {None, 0}
    migration_id = await start(api)
    seen = await active(api)
    assert (seen["status"], seen["toBeProcessedCount"], seen["beingProcessedCount"]) == ("STARTED", 9, 0)
    async with begun(api, migration_id) as migration:
        assert migration is not None
        first, *others = migration.pages()
        page = await migration.read_page(first)
        await api.context.platform.ledger.save_progress(migration_id, migration.tally.counts())
        seen = await active(api)
        assert (seen["toBeProcessedCount"], seen["beingProcessedCount"]) == (5, 4)
        await migration.record_page(await migration.write_page(await migration.transform_page(page)))
        seen = await active(api)
        assert (seen["recordsMigrated"], seen["toBeProcessedCount"], seen["beingProcessedCount"]) == (4, 5, 0)
        for spec in others:
            page = await migration.transform_page(await migration.read_page(spec))
            await migration.record_page(await migration.write_page(page))
        await migration.finish(datetime.now(UTC))
    seen = await active(api)
    assert seen == {
        "recordsMigrated": 9, "toBeProcessedCount": 0, "beingProcessedCount": 0, "recordsFailed": 0,
        "migrationId": migration_id, "whenStarted": seen["whenStarted"], "estimatedRecordCount": 9,
        "migrationType": "VISITS", "status": "COMPLETED",
    }  # fmt: skip
    assert await get(api, "/migrate/visits/active-migration") == seen


async def test_a_history_row_is_the_contracts(api: Api) -> None:
    migration_id = await start(api, prisonIds=["BXI"])
    waiting = await row(api, migration_id)
    assert list(waiting) == HISTORY
    assert (waiting["whenEnded"], waiting["recordsMigrated"], waiting["recordsFailed"]) == (None, 0, 0)
    await run(api, migration_id)
    ended = await row(api, migration_id)
    assert ended == {
        "migrationId": migration_id, "whenStarted": ended["whenStarted"], "whenEnded": ended["whenEnded"],
        "estimatedRecordCount": 9,
        "filter": '{"prisonIds":["BXI"],"visitTypes":["SCON"],"ignoreMissingRoom":false}',
        "recordsMigrated": 9, "recordsFailed": 0, "migrationType": "VISITS", "status": "COMPLETED",
        "id": migration_id, "isNew": False,
    }  # fmt: skip
    began = datetime.fromisoformat(ended["whenStarted"])
    assert began.tzinfo is None
    assert abs(began - datetime.fromisoformat(migration_id)) < timedelta(seconds=2)
    assert await get(api, "/migrate/history/all/VISITS") == [ended]
    assert await get(api, "/migrate/visits/history") == [ended]
    assert await get(api, f"/migrate/visits/history/{migration_id}") == ended
    assert await get(api, "/history", HISTORY_2024) == [ended]


async def test_the_mappings_are_counted_by_the_ledger_when_their_service_cannot_be_asked(api: Api) -> None:
    migration_id = await start(api)
    await run(api, migration_id)
    api.services.answers["/migration-id/" + migration_id.replace(":", "%3A")] = broken()
    assert (await active(api))["recordsMigrated"] == 9
    assert (await api.call("POST", f"/migrate/refresh/{migration_id}")).status_code == 204
    assert (await row(api, migration_id))["recordsMigrated"] == 9


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["BXI", "HEI", "BXI,HEI"]),
        ("?prisonId=BXI", ["BXI"]),
        ("?prisonId=B", []),
        ("?includeOnlyFailures=true", ["HEI"]),
        ("?includeOnlyFailures=false", ["BXI", "HEI", "BXI,HEI"]),
        ("?fromDateTime=2026-06-02T12:00:00", ["HEI", "BXI,HEI"]),
        ("?fromDateTime=2026-06-02T12:00:01", ["BXI,HEI"]),
        ("?toDateTime=2026-06-02T12:00", ["BXI", "HEI"]),
        ("?fromDateTime=2026-06-02T00:00&toDateTime=2026-06-02T23:00", ["HEI"]),
    ],
)
async def test_the_history_is_searched_as_the_contract_says(api: Api, query: str, found: list[str]) -> None:
    ledger = api.context.platform.ledger
    for day, prisons in enumerate(["BXI", "HEI", "BXI,HEI"], 1):
        now = datetime(2026, 6, day, 11, tzinfo=UTC)  # noon in London
        listed = ",".join(f'"{prison}"' for prison in prisons.split(","))
        migration_id = await ledger.start_migration(
            migration_type="VISITS", domain="visits", filter_json=f'{{"prisonIds":[{listed}]}}', estimated=1, now=now
        )
        await ledger.end_migration(migration_id, status="COMPLETED", migrated=1, failed=int(prisons == "HEI"), now=now)
    for path in ("/migrate/history/all/VISITS", "/migrate/visits/history"):
        rows = await get(api, path + query)
        shown = [each["filter"].removeprefix('{"prisonIds":[').removesuffix("]}").replace('"', "") for each in rows]
        assert shown == found[::-1]
    assert await get(api, f"/migrate/history/all/SENTENCING_ADJUSTMENTS{query}") == []
    rows = await get(api, "/history?migrationTypes=VISITS&filterContains=HEI", HISTORY_2024)
    assert len(rows) == 2


async def test_the_history_of_2024_can_be_cleared_but_for_what_runs(api: Api) -> None:
    await run(api, await start(api))
    running = await start(api)
    assert (await api.call("DELETE", "/history", HISTORY_2024)).status_code == 204
    assert [each["migrationId"] for each in await get(api, "/history", HISTORY_2024)] == [running]


@pytest.mark.parametrize("path", ["/migrate/cancel/{}", "/migrate/visits/{}/cancel"])
async def test_a_cancel_before_the_run_begins_ends_both(api: Api, path: str) -> None:
    migration_id = await start(api)
    answer = await api.call("POST", path.format(migration_id))
    assert (answer.status_code, answer.content) == (202, b"")
    assert api.launcher.runs == {"run-1": "CANCELED"}
    assert (await row(api, migration_id))["status"] == "CANCELLED"
    assert (await row(api, migration_id))["whenEnded"] is not None
    names = [name for name in api.telemetry.names() if name.startswith("visits-migration-cancel")]
    assert names == ["visits-migration-cancel-requested", "visits-migration-cancelled"]
    assert set(api.telemetry.named(names[1])[0]) == {"migrationId", "estimatedCount", "durationMinutes"}
    async with begun(api, migration_id) as migration:
        assert migration is None, "a run that began all the same has nothing to work"


async def test_a_cancel_that_dagster_does_not_hear_of_is_seen_when_the_run_begins(api: Api) -> None:
    migration_id = await start(api)
    api.launcher.away = True
    assert (await api.call("POST", f"/migrate/cancel/{migration_id}")).status_code == 202
    assert (await row(api, migration_id))["status"] == "CANCELLED_REQUESTED"
    async with begun(api, migration_id) as migration:
        assert migration is not None
        assert migration.stop.requested
        await migration.finish(datetime.now(UTC))
    assert (await row(api, migration_id))["status"] == "CANCELLED"
    assert api.services.written == []


async def test_a_cancel_while_it_runs_stops_it_and_starts_are_refused_until_then(api: Api) -> None:
    migration_id = await start(api)
    async with begun(api, migration_id) as migration:
        assert migration is not None
        first, second, _ = migration.pages()
        page = await migration.write_page(await migration.transform_page(await migration.read_page(first)))
        assert (await api.call("POST", f"/migrate/cancel/{migration_id}")).status_code == 202
        assert api.launcher.runs == {"run-1": "STARTED"}, "what is in hand is finished first"
        assert (await api.call("POST", "/migrate/visits", json={})).status_code == 409
        await migration.record_page(page)
        assert (await migration.read_page(second)).items == []
        await migration.finish(datetime.now(UTC))
    ended = await row(api, migration_id)
    assert (ended["status"], ended["recordsMigrated"]) == ("CANCELLED", 4)
    await start(api)


async def test_a_migration_that_has_ended_can_be_cancelled_as_ever(api: Api) -> None:
    migration_id = await start(api)
    await run(api, migration_id)
    assert (await api.call("POST", f"/migrate/cancel/{migration_id}")).status_code == 202
    assert (await row(api, migration_id))["status"] == "CANCELLED"


async def test_a_migration_whose_process_died_is_cancelled_at_once(api: Api) -> None:
    migration_id = await start(api)
    async with platform_on(api.services, api.database_url) as platform:
        assert await platform.ledger.take_over(migration_id, "run-1")
    assert (await api.call("POST", f"/migrate/cancel/{migration_id}")).status_code == 202
    assert (await row(api, migration_id))["status"] == "CANCELLED"


async def test_a_retry_goes_on_with_a_migration_whose_first_run_died(api: Api) -> None:
    migration_id = await start(api)
    async with platform_on(api.services, api.database_url) as platform:
        assert await platform.ledger.take_over(migration_id, "run-1")
    api.launcher.launched *= 2  # the retry is run-2
    await run(api, migration_id)
    assert (await row(api, migration_id))["status"] == "COMPLETED"


async def test_a_living_run_cannot_be_robbed_of_its_migration(api: Api) -> None:
    migration_id = await start(api)
    async with begun(api, migration_id) as migration:
        assert migration is not None
        async with platform_on(api.services, api.database_url) as platform:
            assert await platform.ledger.take_over(migration_id, "another-run") is None


async def test_a_refresh_counts_what_was_retried_meanwhile(api: Api) -> None:
    migration_id = await start(api)
    api.services.order("read", 5, error(500))
    api.services.order("write", 6, error(400), error(400))
    await run(api, migration_id)
    before = await row(api, migration_id)
    assert (before["recordsMigrated"], before["recordsFailed"]) == (7, 2)
    api.services.allow("read", 5)
    async with platform_on(api.services, api.database_url) as platform:
        await MigrationEngine(platform).retry_failed(VISITS.migration, states=[State.FAILED])
    answer = await api.call("POST", f"/migrate/refresh/{migration_id}")
    assert (answer.status_code, answer.content) == (204, b"")
    after = await row(api, migration_id)
    assert (after["recordsMigrated"], after["recordsFailed"], after["status"]) == (8, 1, "COMPLETED")
    assert after["whenEnded"] > before["whenEnded"]


async def test_only_completed_migrations_are_refreshed(api: Api) -> None:
    migration_id = await start(api)
    answer = await api.call("POST", f"/migrate/refresh/{migration_id}")
    assert answer.status_code == 400
    assert answer.json()["userMessage"] == f"Bad Request: Migration {migration_id} is not completed"


async def test_dead_letters_are_what_failed_was_rejected_or_is_in_doubt(api: Api) -> None:
    migration_id = await start(api)
    api.services.order("read", 2, error(404))
    api.services.order("write", 4, error(422))
    api.services.order("write", 6, broken())
    await run(api, migration_id)
    assert (await row(api, migration_id))["recordsFailed"] == 3
    assert (await active(api))["recordsFailed"] == 3
    letters = await get(api, "/migrate/dead-letter-queue/VISITS")
    assert (letters["messagesFoundCount"], letters["messagesReturnedCount"]) == (3, 3)
    assert letters["messages"][0] == {
        "messageId": "visits:2",
        "body": {
            "type": "MIGRATE_ENTITY",
            "context": {
                "type": "VISITS", "migrationId": migration_id, "estimatedCount": 9, "body": {"visitId": 2},
                "properties": {},
            },
        },
        "state": "failed",
        "reason": "nomis-404",
    }  # fmt: skip
    assert [each["state"] for each in letters["messages"]] == ["failed", "rejected", "in_doubt"]
    path = "/migrate/dead-letter-queue/VISITS"
    assert await get(api, f"{path}/count") == 3
    answer = await api.call("DELETE", path)
    assert (answer.status_code, answer.content) == (204, b"")
    left = await get(api, path)
    assert [each["messageId"] for each in left["messages"]] == ["visits:6"], "in doubt: somebody must decide"
    assert await get(api, f"{path}/count") == 1
    kept = await api.context.platform.ledger.record(VISITS.migration.record_key("2"))
    assert kept is not None
    assert (kept.state, kept.dismissed) == (State.FAILED, True)


async def test_rows_of_types_that_no_domain_has_are_shown_and_not_changed(api: Api) -> None:
    ledger = api.context.platform.ledger
    now = datetime(2024, 6, 1, tzinfo=UTC)
    old = await ledger.start_migration(
        migration_type="OLDTHINGS", domain="oldthings", filter_json=None, estimated=1, now=now
    )
    assert (await row(api, old))["filter"] is None
    for action in ("cancel", "refresh"):
        answer = await api.call("POST", f"/migrate/{action}/{old}")
        assert answer.status_code == 400
        assert "OLDTHINGS" in answer.json()["userMessage"]
    kept = await ledger.migration(old)
    assert kept is not None
    assert kept.status is MigrationStatus.STARTED
