"""Promise: sections 3 to 5, 9 and 10 of the appointments card: calls, bodies, telemetry of real runs, partitions."""

import json
import logging
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import httpx
import pytest
import respx

from nomis_pipelines.domains.appointments import APPOINTMENTS
from nomis_pipelines.domains.appointments.migration import GRID
from nomis_pipelines.ledger import State
from nomis_pipelines.migration.doubts import Adoption, DoubtError, adopt
from nomis_pipelines.migration.engine import MigrationEngine
from nomis_pipelines.migration.filters import FilterError, run_filter
from nomis_pipelines.migration.reconcile import Reconciler
from nomis_pipelines.migration.reconcile_report import completeness
from nomis_pipelines.migration.reconciliation import EARLIER, LATER, Scope, Standing
from nomis_pipelines_tests import world
from nomis_pipelines_tests.domains.appointments.examples import (
    DPS_ID,
    EVENT,
    EXAMPLE_A,
    EXAMPLE_A_BODY,
    FILTER,
    ROOM,
    record,
    services,
)
from nomis_pipelines_tests.domains.edge import EdgePlatform, edge
from nomis_pipelines_tests.domains.migrations import ID, MINUTES, Events, calls_to, migrated

MIGRATION = APPOINTMENTS.migration
KEY = MIGRATION.record_key(str(EVENT))
DPS, PAIRS = f"{world.ACTIVITIES}/migrate-appointment", f"{world.MAPPING}/mapping/appointments"
LOCATION = f"{world.MAPPING}/api/locations/nomis/{ROOM}"
PAIR = {"appointmentInstanceId": DPS_ID, "nomisEventId": EVENT, "mappingType": "MIGRATED"}
STARTED: Events = [
    ("appointments-migration-started",
     {"migrationId": ID, "estimatedCount": "1", "fromDate": "2026-10-05", "toDate": "2026-12-31", "prisonIds": "[LNI]"})
]  # fmt: skip
MIGRATED: Events = [
    ("appointments-migration-entity-migrated",
     {"nomisEventId": str(EVENT), "appointmentInstanceId": str(DPS_ID), "migrationId": ID})
]  # fmt: skip
IGNORED: Events = [
    ("appointments-migration-entity-ignored",
     {"nomisEventId": str(EVENT), "reason": "DPS returned null indicating they ignored the appointment",
      "migrationId": ID})
]  # fmt: skip
COMPLETED: Events = [
    ("appointments-migration-completed",
     {"migrationId": ID, "estimatedCount": "1", "durationMinutes": MINUTES, "properties": "{}"})
]  # fmt: skip


@pytest.fixture
async def platform(ledger_url: str) -> AsyncIterator[EdgePlatform]:
    async with edge(ledger_url) as made:
        services()
        yield made


async def state(platform: EdgePlatform) -> State | None:
    record = await platform.ledger.record(KEY)
    return record.state if record is not None else None


def conflict(existing: dict[str, Any] | None, duplicate: dict[str, Any] | None = None) -> httpx.Response:
    more = {"existing": existing, "duplicate": duplicate or PAIR}
    return httpx.Response(409, json={"status": "409 CONFLICT", "errorCode": 1409, "moreInfo": more})


@pytest.mark.server
async def test_worked_example_a_an_appointment_is_migrated(platform: EdgePlatform) -> None:
    run, events = await migrated(platform, MIGRATION, **FILTER)
    assert events == [*STARTED, *MIGRATED, *COMPLETED]
    assert calls_to(DPS) == ["POST /migrate-appointment"]
    listed = [call.request.url.query.decode() for call in respx.calls if call.request.url.path == "/appointments/ids"]
    shared = "fromDate=2026-10-05&toDate=2026-12-31&prisonIds=LNI&page=0&size="
    assert listed == [f"{shared}1", f"{shared}2000"]
    bodies = {str(call.request.url): call.request.content.decode() for call in respx.calls}
    assert bodies[DPS] == EXAMPLE_A_BODY
    assert json.loads(bodies[PAIRS]) == {**PAIR, "label": run.migration_id}
    assert await state(platform) is State.MAPPED


@pytest.mark.server
async def test_worked_example_c_dps_drops_it_and_is_asked_again_by_the_next_run(platform: EdgePlatform) -> None:
    respx.post(DPS).respond(201)
    run, events = await migrated(platform, MIGRATION, **FILTER)
    assert events == [*STARTED, *IGNORED, *COMPLETED]
    assert (run.tally.migrated, run.tally.failed, run.tally.rejected) == (0, 0, 0)
    assert "POST /mapping/appointments" not in calls_to(world.MAPPING)
    again, events = await migrated(platform, MIGRATION, **FILTER)
    assert events == [*STARTED, *IGNORED, *COMPLETED]
    assert calls_to(DPS) == ["POST /migrate-appointment"] * 2
    assert again.tally.skipped == 1


@pytest.mark.server
async def test_worked_example_d_a_mapping_that_fails_is_retried_without_dps(platform: EdgePlatform) -> None:
    respx.post(PAIRS).respond(503)
    run, events = await migrated(platform, MIGRATION, **FILTER)
    assert events == [*STARTED, *MIGRATED, *COMPLETED]
    assert (run.tally.unmapped, await state(platform)) == (1, State.WRITTEN)
    posted = respx.post(PAIRS).respond(201)
    tally = await MigrationEngine(platform).retry_mappings(MIGRATION)
    assert tally.migrated == 1
    # the label is kept, unlike in the service before us: with it the counts are right (section 11)
    assert json.loads(posted.calls.last.request.content) == {**PAIR, "label": run.migration_id}
    assert calls_to(DPS) == ["POST /migrate-appointment"]
    assert await state(platform) is State.MAPPED


@pytest.mark.server
async def test_a_second_record_in_dps_is_told_under_the_odd_name_after_the_usual_event(platform: EdgePlatform) -> None:
    existing = {**PAIR, "appointmentInstanceId": 10, "label": "2022-02-14T09:58:45", "whenCreated": "2022-02-14T09:58"}
    respx.post(PAIRS).mock(return_value=conflict(existing))
    _, events = await migrated(platform, MIGRATION, **FILTER)
    duplicate = {
        "migrationId": ID, "duplicateAppointmentInstanceId": str(DPS_ID), "duplicateNomisEventId": str(EVENT),
        "existingAppointmentInstanceId": "10", "existingNomisEventId": str(EVENT), "durationMinutes": MINUTES,
    }  # fmt: skip
    assert events == [*STARTED, *MIGRATED, ("nomis-migration-appointment-duplicate", duplicate), *COMPLETED]
    assert await state(platform) is State.DUPLICATE


@pytest.mark.server
async def test_a_clash_of_two_posts_names_no_pair_and_is_no_failure_of_ours(platform: EdgePlatform) -> None:
    respx.post(PAIRS).mock(side_effect=[conflict(None), httpx.Response(201)])
    run, events = await migrated(platform, MIGRATION, **FILTER)
    assert events == [*STARTED, *MIGRATED, *COMPLETED]
    assert (run.tally.migrated, await state(platform)) == (1, State.MAPPED)


@pytest.mark.server
@pytest.mark.parametrize("mapping_type", ["MIGRATED", "APPOINTMENT_CREATED", None])
async def test_what_is_mapped_is_logged_and_left_alone_whoever_mapped_it(
    platform: EdgePlatform, caplog: pytest.LogCaptureFixture, mapping_type: str | None
) -> None:
    respx.get(f"{PAIRS}/nomis-event-id/{EVENT}").respond(
        json={"appointmentInstanceId": 5, "nomisEventId": EVENT, "mappingType": mapping_type}
    )
    with caplog.at_level(logging.INFO):
        run, events = await migrated(platform, MIGRATION, **FILTER)
    assert events == [*STARTED, *COMPLETED]
    assert run.tally.skipped == 1
    assert calls_to(f"{world.NOMIS}/appointments/{EVENT}") == []
    (line,) = [text for text in caplog.messages if text.startswith("Will not migrate")]
    assert line.startswith("Will not migrate the appointment since it is migrated already,")


@pytest.mark.server
@pytest.mark.parametrize(
    ("change", "reason", "stored"),
    [
        (lambda: respx.get(f"{PAIRS}/nomis-event-id/{EVENT}").respond(500), "mapping-500", State.FAILED),
        (lambda: respx.get(f"{world.NOMIS}/appointments/{EVENT}").respond(404), "nomis-404", State.FAILED),
        (lambda: respx.get(LOCATION).respond(500), "mapping-500", State.FAILED),
        (lambda: respx.get(LOCATION).respond(404), "no-location-mapping", State.FAILED),
        (lambda: services({**EXAMPLE_A, "internalLocation": None}), "no-internal-location", State.REJECTED),
        (lambda: services({**EXAMPLE_A, "startDateTime": None}), "no-start-date-time", State.REJECTED),
    ],
)
async def test_what_cannot_be_read_or_transformed_never_reaches_dps_and_has_no_event(
    platform: EdgePlatform, change: Any, reason: str, stored: State
) -> None:
    change()
    run, events = await migrated(platform, MIGRATION, **FILTER)
    assert events == [*STARTED, *COMPLETED]
    assert calls_to(DPS) == []
    assert (dict(run.tally.reasons), await state(platform)) == ({reason: 1}, stored)


@pytest.mark.server
@pytest.mark.parametrize(
    ("answer", "stored"),
    [
        (httpx.Response(400, json={}), State.FAILED),
        (httpx.Response(406, json={}), State.FAILED),
        (httpx.Response(409, json={}), State.FAILED),
        (httpx.Response(500), State.FAILED),
        (httpx.Response(502), State.IN_DOUBT),  # it may have arrived: nobody may guess
        (httpx.Response(201, json={"series": 1}), State.IN_DOUBT),
        (httpx.Response(201, text="<html>"), State.IN_DOUBT),
    ],
)
async def test_a_refusal_by_dps_has_no_event_and_no_mapping(
    platform: EdgePlatform, answer: httpx.Response, stored: State
) -> None:
    respx.post(DPS).mock(return_value=answer)
    _, events = await migrated(platform, MIGRATION, **FILTER)
    assert events == [*STARTED, *COMPLETED]
    assert "POST /mapping/appointments" not in calls_to(world.MAPPING)
    assert await state(platform) is stored


@pytest.mark.server
async def test_a_room_is_looked_up_once_for_all_its_appointments(platform: EdgePlatform) -> None:
    events = range(1, 6)
    respx.get(f"{world.NOMIS}/appointments/ids").respond(
        json={"content": [{"eventId": event} for event in events], "totalElements": 5, "size": 2000}
    )
    for event in events:
        respx.get(f"{world.NOMIS}/appointments/{event}").respond(json={**EXAMPLE_A, "eventId": event})
        respx.get(f"{PAIRS}/nomis-event-id/{event}").respond(404)
    await migrated(platform, MIGRATION, **FILTER)
    assert len(calls_to(f"{world.MAPPING}/api/locations")) == 1
    assert len(calls_to(DPS)) == 5


def ids(request: httpx.Request) -> httpx.Response:
    """NOMIS lists the one appointment of October 2026, and one of 2028, of prisons that are named."""
    query = request.url.params
    if not query.get_list("prisonIds"):
        return httpx.Response(400, json={"status": 400})
    days = {EVENT: "2026-10-07", EVENT + 1: "2028-01-01"}
    first, last = query.get("fromDate", ""), query.get("toDate", "9")
    content = [{"eventId": event} for event, day in days.items() if first <= day <= last]
    return httpx.Response(200, json={"content": content, "totalElements": len(content), "size": 2000})


@pytest.mark.server
async def test_reconciliation_names_all_prisons_and_looks_beyond_the_months_ahead(platform: EdgePlatform) -> None:
    await migrated(platform, MIGRATION, **FILTER)
    respx.get(f"{world.NOMIS}/appointments/ids").mock(side_effect=ids)
    respx.get(f"{PAIRS}/nomis-event-id/{EVENT}").respond(json=PAIR)
    respx.get(f"{PAIRS}/nomis-event-id/{EVENT + 1}").respond(404)
    platform.standing["today"] = date(2026, 3, 10)
    found = await Reconciler(platform, MIGRATION, prisons=["LNI", "MDI"]).run(Scope())
    assert (found.months[0], found.months[1], found.months[-2], found.months[-1]) == (
        EARLIER, "2010-01", "2027-03", LATER
    )  # fmt: skip
    assert found.cells["LNI", "2026-10"] == {Standing.MAPPED: 1}
    assert found.cells["LNI", LATER][Standing.NEVER_MIGRATED] == 1
    shown = ["2026-10", "2026-11", "2026-12", "2027-01", "2027-02", "2027-03", LATER]
    assert completeness(found)[:2] == (["LNI"], shown)


@pytest.mark.server
async def test_what_is_no_id_of_an_appointment_in_dps_cannot_be_adopted(platform: EdgePlatform) -> None:
    respx.post(DPS).respond(502)
    await migrated(platform, MIGRATION, **FILTER)
    with pytest.raises(DoubtError, match="cannot be mapped to ref-1"):
        await adopt(platform, MIGRATION, KEY, "ref-1")
    assert await adopt(platform, MIGRATION, KEY, str(DPS_ID)) is Adoption.TO_BE_MAPPED


def test_a_partition_is_a_prison_and_a_month_of_days_on_which_appointments_take_place() -> None:
    values = run_filter(MIGRATION, {}, "MDI|2024-02").model_dump()
    assert values == {"from_date": date(2024, 2, 1), "to_date": date(2024, 2, 29), "prison_ids": ["MDI"]}


def test_months_lie_up_to_a_year_ahead() -> None:
    months = GRID.months(date(2026, 3, 10))
    assert (months[0], months[-1]) == ("2010-01", "2027-03")
    covered = GRID.covered(
        run_filter(MIGRATION, {"prisonIds": ["MDI"], "fromDate": "2026-12-15"}, None), date(2026, 3, 10)
    )
    assert covered == ["MDI|2027-01", "MDI|2027-02", "MDI|2027-03"]
    assert GRID.later_values(date(2026, 3, 10), ["MDI"]) == {"prison_ids": ["MDI"], "from_date": date(2027, 4, 1)}


def test_the_partition_of_a_record_is_that_of_its_start() -> None:
    partition_of = MIGRATION.partition_of
    assert partition_of(None, record()) == "LNI|2026-10"  # pyright: ignore[reportArgumentType]
    assert partition_of(None, record(startDateTime=None)) is None  # pyright: ignore[reportArgumentType]
    assert partition_of(None, record(prisonId=None)) is None  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"fromDate": "2026-10-06", "toDate": "2026-10-05"}, "fromDate is after toDate"),
        ({"prisonIds": ["lni"]}, "prisonIds.*: .*three to six capitals"),
        ({"fromDate": "2026-10-05T00:00:00"}, "fromDate: .*such as 2024-05-01"),
        ({"visitTypes": []}, "visitTypes unknown; there are fromDate, toDate, prisonIds"),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused_by_name(values: dict[str, Any], words: str) -> None:
    with pytest.raises(FilterError, match=words):
        run_filter(MIGRATION, values, None)


def test_an_id_reads_in_the_messages_as_it_always_did() -> None:
    assert MIGRATION.message_id(str(EVENT)) == {"eventId": EVENT}
