"""Promise: section 5 of the incidents card: every branch of a migration, its calls, bodies and exact telemetry."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import httpx
import pytest
import respx

from nomis_pipelines.domains.incidents import INCIDENTS, delete_surplus
from nomis_pipelines.domains.incidents.migration import GRID, IncidentsMigration
from nomis_pipelines.ledger import State
from nomis_pipelines.migration.engine import MigrationEngine
from nomis_pipelines.migration.filters import run_filter
from nomis_pipelines_tests import world
from nomis_pipelines_tests.domains.edge import EdgePlatform, edge, page
from nomis_pipelines_tests.domains.incidents.examples import (
    CONFLICT_TEXT,
    DPS_ID,
    DUPLICATE,
    INCIDENT,
    PAIR,
    REPORT,
    REPORT_URL,
    UPSERT,
    dps_answers,
    in_nomis,
    mapped,
    pair_answers,
    reported,
    sent,
)
from nomis_pipelines_tests.domains.migrations import ID, MINUTES, Events, calls_to, migrated

KEY = IncidentsMigration.record_key("501")
FILTER = {"fromDate": "2025-06-01", "toDate": "2025-06-30"}
IDS = f"{world.NOMIS}/incidents/ids"
P = "incidents-migration-entity"
STARTED: Events = [("incidents-migration-started", {"migrationId": ID, "estimatedCount": "1", **FILTER})]
COMPLETED: Events = [
    ("incidents-migration-completed",
     {"migrationId": ID, "estimatedCount": "1", "durationMinutes": MINUTES, "properties": "{}"})
]  # fmt: skip
MIGRATED: Events = [(f"{P}-migrated", {"nomisIncidentId": "501", "dpsIncidentId": DPS_ID, "migrationId": ID})]


def told(what: str, reason: str) -> Events:
    """A conflict or a failure of the incident."""
    return [(f"{P}-migration-{what}", {"nomisIncidentId": "501", "reason": reason, "migrationId": ID})]


CONFLICT = told("conflict", CONFLICT_TEXT)
DUPLICATED: Events = [
    ("incidents-migration-nomis-duplicate", {"migrationId": ID, **DUPLICATE, "durationMinutes": MINUTES})
]


def held(then: Callable[[], object] = reported) -> Callable[[], object]:
    """DPS has a report of the incident already."""

    def change() -> None:
        dps_answers(409)
        then()

    return change


@dataclass(frozen=True)
class Case:
    """One way that an incident may go: what it ends as, and what is told of it."""

    name: str
    change: Callable[[], object]
    state: State | None
    events: Events = field(default_factory=list[Any])
    reason: str | None = None

    def __str__(self) -> str:
        return self.name


FAILED = State.FAILED
CASES = [
    Case("made", lambda: None, State.MAPPED, MIGRATED),
    Case("made, answered with 200", lambda: dps_answers(200), State.MAPPED, MIGRATED),
    Case("1: mapped already", mapped, None),
    Case("1: the mapping service fails", lambda: mapped().respond(500), FAILED, reason="mapping-500"),
    Case("2: not in NOMIS", lambda: in_nomis(404), FAILED,
         told("failed", "nomis GET /incidents/{incidentId} answered 404"), "nomis-404"),
    Case("2: NOMIS fails", lambda: in_nomis(500), FAILED,
         told("failed", "nomis GET /incidents/{incidentId} answered 500"), "nomis-500"),
    Case("3: DPS refuses", lambda: dps_answers(400), FAILED,
         told("failed", "incidents POST /sync/upsert answered 400"), "incidents-400"),
    Case("3: DPS fails", lambda: dps_answers(503), FAILED,
         told("failed", "incidents POST /sync/upsert answered 503"), "incidents-503"),
    Case("C: held by DPS", held(), State.MAPPED, [*CONFLICT, *MIGRATED]),
    Case("C: held, and not found", held(lambda: reported(404)), FAILED, CONFLICT, "incidents-404"),
    Case("C: held, and the look-up fails", held(lambda: reported(500)), FAILED, CONFLICT, "incidents-500"),
    Case("4: a duplicate", lambda: pair_answers(409), State.DUPLICATE, [*MIGRATED, *DUPLICATED]),
    Case("4: held, then a duplicate", held(lambda: (reported(), pair_answers(409))), State.DUPLICATE,
         [*CONFLICT, *MIGRATED, *DUPLICATED]),
    Case("4: the pair is not recorded", lambda: pair_answers(500), State.WRITTEN, MIGRATED, "mapping-refused"),
]  # fmt: skip


@pytest.fixture
async def platform(ledger_url: str) -> AsyncIterator[EdgePlatform]:
    async with edge(ledger_url) as made:
        respx.get(IDS).mock(return_value=page({"incidentId": 501}))
        in_nomis()
        mapped(found=False)
        dps_answers()
        pair_answers()
        yield made


@pytest.mark.server
@pytest.mark.parametrize("case", CASES, ids=str)
async def test_an_incident_ends_as_the_card_says_with_its_events(case: Case, platform: EdgePlatform) -> None:
    case.change()
    run, events = await migrated(platform, IncidentsMigration, **FILTER)
    assert events == [*STARTED, *case.events, *COMPLETED]
    record = await platform.ledger.record(KEY)
    assert (record.state if record else None) is case.state
    assert dict(run.tally.reasons) == ({case.reason: 1} if case.reason else {})


@pytest.mark.server
async def test_worked_example_10_1_call_by_call(platform: EdgePlatform) -> None:
    upsert, pair = dps_answers(), pair_answers()
    run, events = await migrated(platform, IncidentsMigration, **FILTER)
    assert calls_to(world.NOMIS) == ["GET /incidents/ids", "GET /incidents/ids", "GET /incidents/501"]
    assert calls_to(world.INCIDENTS) == ["POST /sync/upsert"]
    assert calls_to(world.MAPPING) == [
        "GET /mapping/incidents/nomis-incident-id/501", "POST /mapping/incidents"
    ]  # fmt: skip
    listed = [call.request.url.query.decode() for call in respx.calls if call.request.url.path == "/incidents/ids"]
    window = "fromDate=2025-06-01&toDate=2025-06-30&page=0&size="
    assert listed == [f"{window}1", f"{window}2000"]
    assert sent(upsert) == {"initialMigration": True, "incidentReport": REPORT}
    assert sent(pair) == {**PAIR, "label": run.migration_id}
    assert events == [*STARTED, *MIGRATED, *COMPLETED]


@pytest.mark.server
async def test_worked_example_10_1_with_a_conflict_call_by_call(platform: EdgePlatform) -> None:
    held()()
    pair = pair_answers()
    run, _ = await migrated(platform, IncidentsMigration, **FILTER)
    assert calls_to(world.INCIDENTS) == ["POST /sync/upsert", "GET /incident-reports/reference/501"]
    assert sent(pair) == {**PAIR, "label": run.migration_id}


@pytest.mark.server
async def test_dates_that_are_not_given_are_not_sent(platform: EdgePlatform) -> None:
    respx.get(IDS).mock(return_value=page(total=0))
    await migrated(platform, IncidentsMigration)
    listed = [call.request.url.query.decode() for call in respx.calls if call.request.url.path == "/incidents/ids"]
    assert listed == ["page=0&size=1"], "no page is asked for where there is nothing"


@pytest.mark.server
async def test_what_is_mapped_is_left_alone_with_the_line_that_screens_count(
    platform: EdgePlatform, caplog: pytest.LogCaptureFixture
) -> None:
    mapped()
    with caplog.at_level(logging.INFO, logger="nomis_pipelines"):
        run, _ = await migrated(platform, IncidentsMigration, **FILTER)
    assert run.tally.skipped == 1
    assert calls_to(world.INCIDENTS) == []
    assert any(line.startswith("Will not migrate the incident since") for line in caplog.messages)


@pytest.mark.server
async def test_the_agency_switch_is_not_asked(platform: EdgePlatform) -> None:
    await migrated(platform, IncidentsMigration, **FILTER)
    assert not any("/agency-switches/" in call for call in calls_to(world.NOMIS))


@pytest.mark.server
async def test_a_pair_that_was_not_recorded_is_recorded_later_with_its_label_and_untold(platform: EdgePlatform) -> None:
    pair_answers(500)
    run, _ = await migrated(platform, IncidentsMigration, **FILTER)
    platform.telemetry.events.clear()
    pair = pair_answers()
    assert (await MigrationEngine(platform).retry_mappings(IncidentsMigration)).migrated == 1
    assert sent(pair) == {**PAIR, "label": run.migration_id}
    assert calls_to(world.INCIDENTS) == ["POST /sync/upsert"]
    assert platform.telemetry.events == []


@pytest.mark.server
@pytest.mark.parametrize("lost", [httpx.ReadError("cut"), httpx.Response(201, text="<html>")])
async def test_a_report_whose_answer_was_lost_is_never_in_doubt_for_long(platform: EdgePlatform, lost: Any) -> None:
    respx.post(UPSERT).mock(side_effect=[lost, httpx.Response(409)])
    reported()
    await migrated(platform, IncidentsMigration, **FILTER)
    run, events = await migrated(platform, IncidentsMigration, **FILTER)
    assert events == [*STARTED, *CONFLICT, *MIGRATED, *COMPLETED]
    assert (run.tally.migrated, run.tally.in_doubt) == (1, 0)


@pytest.mark.server
async def test_a_failed_incident_is_migrated_by_the_retry(platform: EdgePlatform) -> None:
    dps_answers(500)
    await migrated(platform, IncidentsMigration, **FILTER)
    platform.telemetry.events.clear()
    dps_answers()
    assert (await MigrationEngine(platform).retry_failed(IncidentsMigration, states=[State.FAILED])).migrated == 1
    assert platform.telemetry.names() == [f"{P}-migrated"]


@pytest.mark.server
async def test_no_more_than_eight_are_in_hand_at_once(platform: EdgePlatform) -> None:
    ids = list(range(501, 531))
    respx.get(IDS).mock(return_value=page(*({"incidentId": each} for each in ids)))
    respx.get(url__regex=rf"{world.MAPPING}/mapping/incidents/nomis-incident-id/\d+").respond(404)
    in_hand, most = 0, 0

    async def read(request: httpx.Request) -> httpx.Response:
        nonlocal in_hand, most
        in_hand += 1
        most = max(most, in_hand)
        for _ in range(20):
            await asyncio.sleep(0)
        in_hand -= 1
        number = int(request.url.path.rsplit("/", 1)[1])
        return httpx.Response(200, json={**INCIDENT, "incidentId": number})

    def made(request: httpx.Request) -> httpx.Response:
        number = json.loads(request.content)["incidentReport"]["incidentId"]
        return httpx.Response(201, json={"id": f"{DPS_ID[:-3]}{number}"})

    respx.get(url__regex=rf"{world.NOMIS}/incidents/\d+").mock(side_effect=read)
    respx.post(UPSERT).mock(side_effect=made)
    run, _ = await migrated(platform, IncidentsMigration, **FILTER)
    assert run.tally.migrated == len(ids)
    assert most == 8


@pytest.mark.server
async def test_a_free_filter_notes_the_month_of_each_incident(platform: EdgePlatform) -> None:
    await migrated(platform, IncidentsMigration)
    record = await platform.ledger.record(KEY)
    assert record is not None
    assert record.partition == "2025-06"


@pytest.mark.server
async def test_the_stray_report_of_a_duplicate_can_be_deleted(platform: EdgePlatform) -> None:
    gone = respx.delete(REPORT_URL).respond(404)
    await delete_surplus(platform.clients, DPS_ID)
    assert gone.call_count == 1
    assert INCIDENTS.delete_surplus is delete_surplus


def test_a_month_is_its_first_to_its_last_day_of_creation() -> None:
    values = run_filter(IncidentsMigration, {}, "2024-02").model_dump()
    assert values == {"from_date": date(2024, 2, 1), "to_date": date(2024, 2, 29)}


def test_an_incident_of_before_the_grid_has_no_partition() -> None:
    assert GRID.key(datetime(2009, 12, 31, 23, 59)) is None
    assert GRID.key(datetime(2010, 1, 1)) == "2010-01"


def test_its_names_are_those_of_the_card() -> None:
    assert (IncidentsMigration.migration_type, IncidentsMigration.telemetry_name) == ("INCIDENTS", "incidents")
    assert IncidentsMigration.message_id("501") == {"incidentId": 501}
    paths = INCIDENTS.paths
    assert (paths.in_2024, paths.role_2024, paths.today) == ("incidents", "ROLE_MIGRATE_INCIDENT_REPORTS", None)
