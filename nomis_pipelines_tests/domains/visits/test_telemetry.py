"""Promise: every event of the visits card, section 5, is sent by a real run with exactly the published properties:
under the names of the code, and under those of the 2024 README beside them.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from nomis_pipelines.domains.visits import VISITS
from nomis_pipelines.ledger import State
from nomis_pipelines.migration.engine import MigrationEngine
from nomis_pipelines_tests.fake_services import (
    FUTURE,
    FakePlatform,
    FakeServices,
    conflict,
    error,
    migrate,
    platform_on,
)

pytestmark = pytest.mark.server

MIGRATION = VISITS.migration
ID = "<migration id>"
"""Stands for the id of the run, which is its time."""

Events = list[tuple[str, dict[str, str]]]


@pytest.fixture
def services() -> FakeServices:
    made = FakeServices()
    made.add(1)
    return made


@pytest.fixture
async def platform(services: FakeServices, ledger_url: str) -> AsyncIterator[FakePlatform]:
    async with platform_on(services, ledger_url, NOMIS_PIPELINES_HTTP_ATTEMPTS="1") as made:
        yield made


COMMON = {"migrationId": ID, "prisonId": "BXI", "offenderNo": "A0001AA", "startDateTime": "2026-03-02T14:00:00"}
AHEAD = {**COMMON, "startDateTime": "2026-03-12T14:00:00"}
MIGRATED = {**COMMON, "visitId": "1", "vsipVisitId": "ref-1", "room": "BXI-VISITS-SOC_VIS"}
STARTED = {"migrationId": ID, "estimatedCount": "1", "prisonIds": "[]", "visitTypes": "[SCON]",
           "ignoreMissingRoom": "false"}  # fmt: skip
STARTS: Events = [
    ("visits-migration-started", STARTED),
    ("nomis-migration-visits-started", {**STARTED, "fromDateTime": "", "toDateTime": ""}),
]
ENDS: Events = [
    ("visits-migration-completed", {"migrationId": ID, "estimatedCount": "1", "durationMinutes": "0",
                                    "properties": "{}"}),
]  # fmt: skip


def migrated(**changes: str) -> Events:
    properties = {**MIGRATED, **changes}
    return [("visits-migration-entity-migrated", properties), ("nomis-migration-visit-migrated", properties)]


def order(operation: str, answer: Any) -> Callable[[FakeServices], None]:
    return lambda services: services.order(operation, 1, answer, always=True)


def is_now(**fields: Any) -> Callable[[FakeServices], None]:
    return lambda services: services.add(1, **fields)


def in_a_mapped_room(services: FakeServices) -> None:
    services.add(1, **FUTURE)
    services.rooms["BXI-VISITS-SOC_VIS"] = ("Visits Main Room", True)


def at_hewell(services: FakeServices) -> None:
    services.add(1, **FUTURE, prisonId="HEI")
    services.rooms["BXI-VISITS-SOC_VIS"] = ("Visits Main Room", True)


def mapped(services: FakeServices) -> None:
    services.mappings[1] = {"nomisId": 1, "vsipId": "old", "mappingType": "MIGRATED"}


@dataclass(frozen=True)
class Case:
    """What happens to the one visit of a run, and the events between its start and its end."""

    name: str
    change: Callable[[FakeServices], None]
    events: Events = field(default_factory=list)


NO_ROOM = {**AHEAD, "visitId": "1"}
DUPLICATE = {"migrationId": ID, "duplicateVsipId": "ref-1", "duplicateNomisId": "1", "existingVsipId": "aa-11",
             "existingNomisId": "1", "durationMinutes": "0"}  # fmt: skip
CASES = [
    Case("migrated", lambda _: None, migrated()),
    Case("migrated without a room", is_now(agencyInternalLocation=None), migrated(room="UNKNOWN")),
    Case("migrated with a start on the minute", is_now(startDateTime="2026-03-02T14:00"), migrated()),
    Case("migrated into a mapped room", in_a_mapped_room, migrated(**AHEAD, room="Visits Main Room")),
    Case("migrated with the session of Hewell, told with NOMIS's start", at_hewell,
         migrated(**{**AHEAD, "prisonId": "HEI"}, room="Visits Main Room")),
    Case("mapped already", mapped),
    Case("no room mapping", is_now(**FUTURE),
         [("nomis-migration-visit-no-room-mapping", {**NO_ROOM, "agencyInternalLocation": "BXI-VISITS-SOC_VIS"})]),
    Case("no location", is_now(**FUTURE, agencyInternalLocation=None),
         [("nomis-migration-visit-no-room-mapping", {**NO_ROOM, "agencyInternalLocation": ""})]),
    Case("refused", order("write", error(422)),
         [("nomis-migration-visit-rejected", {**COMMON, "nomisId": "1", "room": "BXI-VISITS-SOC_VIS"})]),
    Case("an unknown code", is_now(visitType={"code": "XXX", "description": ""})),
    Case("a failed read", order("read", error(404))),
    Case("a failed write", order("write", error(500))),
    Case("a duplicate",
         order("record", conflict({"nomisId": 1, "vsipId": "aa-11", "label": "2026-03-09T10:00:00"},
                                  {"nomisId": 1, "vsipId": "ref-1"})),
         [*migrated(), ("nomis-migration-visit-duplicate", DUPLICATE)]),
    Case("a mapping refused for ever", order("record", error(500)),
         [*migrated(),
          ("nomis-migration-visit-mapping-failed", {"migrationId": ID, "nomisVisitId": "1", "vsipVisitId": "ref-1"})]),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "_"))
async def test_a_run_sends_exactly_these_events(case: Case, platform: FakePlatform, services: FakeServices) -> None:
    case.change(services)
    run = await migrate(platform, MIGRATION)
    assert sent(platform, run.migration_id) == [*STARTS, *case.events, *ENDS]


def sent(platform: FakePlatform, migration_id: str) -> Events:
    return [
        (name, {key: ID if value == migration_id else value for key, value in properties.items()})
        for name, properties in platform.telemetry.events
    ]


@pytest.mark.parametrize(
    ("filter", "told"),
    [
        (
            {"prisonIds": ["HEI", "BXI"], "visitTypes": ["SCON", "OFFI"]},
            {"prisonIds": "[HEI, BXI]", "visitTypes": "[SCON, OFFI]"},
        ),
        (
            {"fromDateTime": "2020-01-01T00:00:00", "toDateTime": "2020-01-02T01:02:03", "ignoreMissingRoom": True},
            {"fromDateTime": "2020-01-01T00:00", "toDateTime": "2020-01-02T01:02:03", "ignoreMissingRoom": "true"},
        ),
        ({"visitTypes": []}, {"visitTypes": "[]"}),
    ],
)
async def test_the_start_tells_the_filter(
    filter: dict[str, Any], told: dict[str, str], platform: FakePlatform, services: FakeServices
) -> None:
    services.visits.clear()
    run = await migrate(platform, MIGRATION, **filter)
    (first, second), expected = sent(platform, run.migration_id)[:2], {**STARTED, "estimatedCount": "0", **told}
    assert first == ("visits-migration-started", expected)
    assert second == ("nomis-migration-visits-started", {"fromDateTime": "", "toDateTime": "", **expected})


async def test_a_cancelled_run_ends_with_its_own_event(platform: FakePlatform) -> None:
    engine = MigrationEngine(platform)
    filter = MIGRATION.filter.model_validate({})
    run = await engine.start(MIGRATION, filter=filter, partition=None, run_id=None, who="TESTER")
    await platform.ledger.request_cancel(run.migration_id, datetime.now(UTC))
    run.stop.request("cancelled by an operator")
    await run.finish(datetime.now(UTC))
    assert sent(platform, run.migration_id)[2:] == [
        ("visits-migration-cancelled", {"migrationId": ID, "estimatedCount": "1", "durationMinutes": "0"})
    ]


async def test_a_retry_of_a_mapping_is_silent_but_for_a_duplicate(
    platform: FakePlatform, services: FakeServices
) -> None:
    services.order("record", 1, error(500), error(500))
    run = await migrate(platform, MIGRATION)
    platform.telemetry.events.clear()
    await MigrationEngine(platform).retry_mappings(MIGRATION)
    assert sent(platform, run.migration_id) == []


async def test_a_failed_record_that_is_retried_tells_the_migration_it_belongs_to(
    platform: FakePlatform, services: FakeServices
) -> None:
    services.order("read", 1, error(500))
    run = await migrate(platform, MIGRATION)
    platform.telemetry.events.clear()
    await MigrationEngine(platform).retry_failed(MIGRATION, states=[State.FAILED])
    assert sent(platform, run.migration_id) == migrated()
