"""Promise: section 5 of the CSIP card: ids, calls, the whole mapping, telemetry, and what is left alone."""

from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import httpx
import pytest
import respx

from nomis_pipelines.domains.csip import CSIP, delete_surplus
from nomis_pipelines.domains.csip.migration import CsipMigration
from nomis_pipelines.domains.csip.parts import PARTS_ONLY, PartsKey, report_key
from nomis_pipelines.ledger import RecordKey, State
from nomis_pipelines.migration.declaration import Rejected
from nomis_pipelines.migration.doubts import Adoption, DoubtError, adopt
from nomis_pipelines.migration.engine import MigrationEngine
from nomis_pipelines.migration.filters import filter_json, filter_query, run_filter
from nomis_pipelines.migration.start import context_of
from nomis_pipelines_tests.domains.csip.examples import (
    BODY,
    NEW_FACTOR,
    RECORD,
    REPORT,
    WHOLE,
    Services,
    another,
    conflict,
    full_mapping,
    made,
    uuid,
)
from nomis_pipelines_tests.domains.edge import MIGRATION_ID, EdgePlatform, edge, page
from nomis_pipelines_tests.domains.migrations import ID, MINUTES, migrated

D1, M4, M5 = "PUT csip /sync/csip-records", "POST mapping /all", "POST mapping /children/all"
DAYS = {"fromDate": "2024-11-01", "toDate": "2024-11-30"}
STARTED = ("csip-migration-started", {"migrationId": ID, "estimatedCount": "1", **DAYS})
COMPLETED = (
    "csip-migration-completed",
    {"migrationId": ID, "estimatedCount": "1", "durationMinutes": MINUTES, "properties": "{}"},
)
MIGRATED = (
    "csip-migration-entity-migrated",
    {"nomisCSIPId": str(REPORT), "dpsCSIPId": RECORD, "migrationId": ID},
)
MAPPING = full_mapping("MIGRATED", MIGRATION_ID, **WHOLE)


@pytest.fixture
async def services() -> Services:
    """The report of the worked examples is in NOMIS, and not mapped."""
    return Services(mapped={})


@pytest.fixture
async def platform(ledger_url: str, services: Services) -> AsyncIterator[EdgePlatform]:
    async with edge(ledger_url) as made_platform:
        services.answer("GET nomis /csip/ids", page({"csipId": REPORT}))
        services.listen()
        yield made_platform


async def state(platform: EdgePlatform, key: RecordKey | None = None) -> State | None:
    record = await platform.ledger.record(key or report_key(REPORT))
    return record.state if record is not None else None


def test_the_declaration_is_that_of_the_card() -> None:
    assert (CsipMigration.migration_type, CsipMigration.telemetry_name) == ("CSIP", "csip")
    assert CsipMigration.migrated_path == "/mapping/csip/migration-id/{migrationId}"
    assert (CSIP.paths.today, CSIP.paths.in_2024, CSIP.paths.role_2024) == (None, "csip", "ROLE_MIGRATE_CSIP")
    assert CSIP.queues == ["eventcsip"]
    assert CSIP.repairs == ()


def test_a_partition_is_a_month_of_creation() -> None:
    filter = run_filter(CsipMigration, {}, "2024-02")
    assert filter.model_dump() == {"from_date": date(2024, 2, 1), "to_date": date(2024, 2, 29)}
    assert filter_query(filter) == {"fromDate": date(2024, 2, 1), "toDate": date(2024, 2, 29)}
    assert filter_json(run_filter(CsipMigration, {}, None)) == "{}"


def test_keys_in_the_ledger_lead_back_to_ids() -> None:
    for id in (REPORT, PartsKey(REPORT)):
        assert CsipMigration.parse_key(None, str(id)) == id  # pyright: ignore[reportArgumentType] - needs no run
        assert CsipMigration.message_id(str(id)) == {"csipId": REPORT}
    with pytest.raises(ValueError, match="8101/factors"):
        CsipMigration.message_id("8101/factors")


@pytest.mark.server
async def test_the_worked_example(platform: EdgePlatform, services: Services) -> None:
    _, events = await migrated(platform, CsipMigration, **DAYS)
    assert events == [STARTED, MIGRATED, COMPLETED]
    assert services.writes == [(D1, {**BODY, "actionedAt": MIGRATION_ID}), (M4, MAPPING)]
    listed = [call.request.url.query.decode() for call in respx.calls if call.request.url.path == "/csip/ids"]
    assert listed == [f"fromDate=2024-11-01&toDate=2024-11-30&page=0&size={size}" for size in (1, 2000)]
    assert await state(platform) is State.MAPPED


@pytest.mark.server
async def test_days_that_are_not_given_are_neither_asked_for_nor_told(platform: EdgePlatform) -> None:
    _, events = await migrated(platform, CsipMigration)
    assert events[0] == ("csip-migration-started", {"migrationId": ID, "estimatedCount": "1"})
    listed = [call.request.url.query.decode() for call in respx.calls if call.request.url.path == "/csip/ids"]
    assert listed[0] == "page=0&size=1"


@pytest.mark.server
@pytest.mark.parametrize("mapping_type", ["MIGRATED", "NOMIS_CREATED", "DPS_CREATED"])
async def test_what_is_mapped_is_left_alone_whoever_mapped_it(
    platform: EdgePlatform, services: Services, mapping_type: str
) -> None:
    services.mapped = {REPORT: full_mapping(mapping_type)}
    run, events = await migrated(platform, CsipMigration, **DAYS)
    assert (events, run.tally.skipped, services.writes) == ([STARTED, COMPLETED], 1, [])
    assert f"/csip/{REPORT}" not in [call.request.url.path for call in respx.calls]


@pytest.mark.server
async def test_a_409_is_told_of_after_the_record(platform: EdgePlatform, services: Services) -> None:
    services.answer(M4, conflict(another(), MAPPING))
    _, events = await migrated(platform, CsipMigration, **DAYS)
    duplicate = {
        "migrationId": ID, "existingNomisCSIPId": str(REPORT), "duplicateNomisCSIPId": str(REPORT),
        "existingDPSCSIPId": uuid(9), "duplicateDPSCSIPId": RECORD, "durationMinutes": MINUTES,
    }  # fmt: skip
    assert events == [STARTED, MIGRATED, ("csip-nomis-migration-duplicate", duplicate), COMPLETED]
    assert await state(platform) is State.DUPLICATE


@pytest.mark.server
async def test_a_409_that_shows_our_own_report_is_the_mapping_recorded(
    platform: EdgePlatform, services: Services
) -> None:
    services.answer(M4, conflict(full_mapping("MIGRATED", MIGRATION_ID), MAPPING))
    _, events = await migrated(platform, CsipMigration, **DAYS)
    assert events == [STARTED, MIGRATED, COMPLETED]
    assert await state(platform) is State.MAPPED


@pytest.mark.server
@pytest.mark.parametrize("status", [400, 404, 500])
async def test_a_mapping_that_fails_is_retried_whole_without_dps(
    platform: EdgePlatform, services: Services, status: int
) -> None:
    services.answer(M4, httpx.Response(status))
    run, events = await migrated(platform, CsipMigration, **DAYS)
    assert events == [STARTED, MIGRATED, COMPLETED]
    assert (run.tally.unmapped, await state(platform)) == (1, State.WRITTEN)
    services.forget(M4)
    assert (await MigrationEngine(platform).retry_mappings(CsipMigration)).migrated == 1
    # label and parts are kept, unlike in the card's poorer message
    assert services.written(M4)[-1] == MAPPING
    assert (len(services.written(D1)), await state(platform)) == (1, State.MAPPED)


@pytest.mark.server
@pytest.mark.parametrize(
    ("call", "answer", "stored"),
    [
        (f"GET mapping /nomis-csip-id/{REPORT}", httpx.Response(500), State.FAILED),
        (f"GET nomis /csip/{REPORT}", httpx.Response(404), State.FAILED),
        (f"GET nomis /csip/{REPORT}", httpx.Response(500), State.FAILED),
        (D1, httpx.Response(400, json={}), State.FAILED),
        (D1, httpx.Response(500), State.FAILED),
        (D1, httpx.Response(502), State.IN_DOUBT),  # it may have arrived: nobody may guess
        (D1, made(("CONTRIBUTORY_FACTOR", 51)), State.IN_DOUBT),  # which record was made is not said
    ],
)
async def test_what_cannot_be_read_or_written_has_no_event_and_no_mapping(
    platform: EdgePlatform, services: Services, call: str, answer: httpx.Response, stored: State
) -> None:
    services.answer(call, answer)
    _, events = await migrated(platform, CsipMigration, **DAYS)
    assert (events, services.written(M4)) == ([STARTED, COMPLETED], [])
    assert await state(platform) is stored


@pytest.mark.server
async def test_what_dps_cannot_do_without_rejects_the_report(platform: EdgePlatform, services: Services) -> None:
    services.reports[REPORT]["plans"][0]["referredBy"] = None
    run, _ = await migrated(platform, CsipMigration, **DAYS)
    assert (dict(run.tally.reasons), await state(platform)) == ({"missing-value": 1}, State.REJECTED)
    assert services.writes == []


@pytest.mark.server
async def test_a_201_will_do_as_well(platform: EdgePlatform, services: Services) -> None:
    whole = made(("CONTRIBUTORY_FACTOR", 51), ("PLAN", REPORT), record=True)
    services.answer(D1, httpx.Response(201, content=whole.content))
    _, events = await migrated(platform, CsipMigration, **DAYS)
    assert events == [STARTED, MIGRATED, COMPLETED]
    assert services.written(M4) == [full_mapping("MIGRATED", MIGRATION_ID, factorMappings=[51])]


@pytest.mark.server
async def test_a_report_in_doubt_is_not_adopted_by_one_id(platform: EdgePlatform, services: Services) -> None:
    services.answer(D1, httpx.Response(502))
    await migrated(platform, CsipMigration, **DAYS)
    with pytest.raises(DoubtError, match="Delete the record in DPS, then have it written again"):
        await adopt(platform, CsipMigration, report_key(REPORT), RECORD)


@pytest.mark.server
async def test_parts_in_doubt_are_settled_by_the_record_they_belong_to(
    platform: EdgePlatform, services: Services
) -> None:
    key = PartsKey(REPORT).ledger_key
    services.mapped = {REPORT: full_mapping("MIGRATED", **WHOLE)}
    await platform.ledger.claim(key)
    await platform.ledger.in_doubt(key, details={})
    with pytest.raises(DoubtError, match=f"is mapped to DPS record {RECORD}"):
        await adopt(platform, CsipMigration, key, uuid(9))
    assert await adopt(platform, CsipMigration, key, RECORD) is Adoption.MAPPED_ALREADY
    assert await state(platform, key) is State.MAPPED


@pytest.mark.server
async def test_mappings_of_parts_that_an_event_left_are_retried_as_such(
    platform: EdgePlatform, services: Services
) -> None:
    key, parts = PartsKey(REPORT).ledger_key, full_mapping("NOMIS_CREATED", factorMappings=[NEW_FACTOR])
    await platform.ledger.claim(key)
    await platform.ledger.written(key, dps_id=RECORD, mapping={**parts, PARTS_ONLY: True})
    assert (await MigrationEngine(platform).retry_mappings(CsipMigration)).migrated == 1
    assert services.writes == [(M5, parts)]
    assert await state(platform, key) is State.MAPPED


@pytest.mark.server
async def test_parts_that_an_event_could_not_send_are_never_migrated(platform: EdgePlatform) -> None:
    migration: Any = CsipMigration(context_of(platform, MIGRATION_ID, None))
    with pytest.raises(Rejected, match="made-by-an-event"):
        await migration.read(PartsKey(REPORT))


@pytest.mark.server
@pytest.mark.parametrize("status", [204, 404])
async def test_a_surplus_record_is_deleted_in_dps(platform: EdgePlatform, services: Services, status: int) -> None:
    services.answer(f"DELETE csip /sync/csip-records/{RECORD}", httpx.Response(status))
    await delete_surplus(platform.clients, RECORD)
    ((_, body),) = services.writes
    assert body.keys() == {"actionedAt", "actionedBy", "activeCaseloadId"}
