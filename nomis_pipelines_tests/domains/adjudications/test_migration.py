"""Promise: sections 2 to 5, 9 and 10 of the adjudications card: calls, bodies and telemetry of real runs."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import httpx
import pytest
import respx

from nomis_pipelines.domains.adjudications import ADJUDICATIONS
from nomis_pipelines.domains.adjudications.clients import ChargeKey
from nomis_pipelines.domains.adjudications.migration import result_code
from nomis_pipelines.ledger import State
from nomis_pipelines.migration.engine import MigrationEngine
from nomis_pipelines.migration.filters import run_filter
from nomis_pipelines.settings import Settings
from nomis_pipelines_tests import world
from nomis_pipelines_tests.domains.adjudications.examples import (
    ANSWER,
    CHARGE_URL,
    DPS,
    EXAMPLE,
    FILTER,
    HEARING,
    LOOKUP,
    PAIRS,
    REPORTED,
    SENT,
    changed,
    mapping,
    reported,
    services,
)
from nomis_pipelines_tests.domains.edge import EdgePlatform, edge
from nomis_pipelines_tests.domains.migrations import ID, MINUTES, Events, calls_to, migrated

MIGRATION = ADJUDICATIONS.migration
KEY = MIGRATION.record_key("4010203/2")
REPORT_MODE = {"FEATURE_ADJUDICATIONS_REPORT_MODE": "true"}
POST, CREATOR = "POST /reported-adjudications/migrate", "GET /reported-adjudications"
STARTED: Events = [
    ("adjudications-migration-started",
     {"migrationId": ID, "estimatedCount": "1", "fromDate": "2023-05-01", "prisonIds": "[MDI, LEI]"})
]  # fmt: skip
COMPLETED: Events = [
    ("adjudications-migration-completed",
     {"migrationId": ID, "estimatedCount": "1", "durationMinutes": MINUTES, "properties": "{}"})
]  # fmt: skip
COMMON = {
    "adjudicationNumber": "4010203", "chargeSequence": "2", "prisonId": "MDI", "offenderNo": "A5566ZX",
    "migrationId": ID,
}  # fmt: skip


def told(what: str, **more: str) -> Events:
    """The one event of the charge."""
    return [(f"adjudications-migration-entity-{what}", {**COMMON, **more})]


def of_numbers(charge_number: str) -> Events:
    """What is told of a charge that was migrated under this number."""
    return told("migrated", chargeNumber=charge_number)


def held(status: int = 406) -> None:
    """DPS refuses the charge."""
    respx.post(DPS).respond(status, json={"status": status})


def held_under(number: str, **more: Any) -> None:
    """DPS refuses the charge, and holds it under this number."""
    held()
    for each in ("4010203-2", "4010203"):
        if each == number:
            respx.get(reported(each)).respond(json={"reportedAdjudication": {**REPORTED, "chargeNumber": each, **more}})
        else:
            respx.get(reported(each)).respond(404)


def mapped_meanwhile() -> None:
    """DPS refuses the charge, since another copy of the work was quicker."""
    held()
    pair = {"adjudicationNumber": 4010203, "chargeSequence": 2, "chargeNumber": "4010203-2"}
    respx.get(LOOKUP).mock(side_effect=[httpx.Response(404), httpx.Response(200, json=pair)])


@dataclass(frozen=True)
class Case:
    """One way that a charge may go: what it ends as, and what is told of it."""

    name: str
    change: Callable[[], object]
    state: State
    events: Events = field(default_factory=list[Any])
    reason: str | None = None
    settings: dict[str, str] = field(default_factory=dict[str, str])

    def __str__(self) -> str:
        return self.name


def creator_refused(status: int) -> Callable[[], object]:
    """DPS refuses the charge, and then to tell of it."""

    def change() -> None:
        held()
        respx.get(reported("4010203-2")).respond(status)

    return change


def lookup_refused(status: int) -> Callable[[], object]:
    """DPS refuses the charge, and the mapping service to be asked a second time."""

    def change() -> None:
        held()
        respx.get(LOOKUP).mock(side_effect=[httpx.Response(404), httpx.Response(status)])

    return change


def failed(result: str) -> Events:
    """What report mode tells."""
    return told("failed", resultCode=result)


REJECTED, FAILED = State.REJECTED, State.FAILED
CASES = [
    Case("10.1: taken", lambda: None, State.MAPPED, of_numbers("4010203-2")),
    Case("10.2: held under the plain number", lambda: held_under("4010203"), State.MAPPED, of_numbers("4010203")),
    Case("held under the number with its sequence", lambda: held_under("4010203-2"), State.MAPPED,
         of_numbers("4010203-2")),
    Case("mapped meanwhile", mapped_meanwhile, State.MAPPED, told("already-migrated")),
    Case("held under no number", lambda: held_under(""), REJECTED, reason="not-found-in-dps"),
    Case("other hearings", lambda: held_under("4010203", hearings=[]), REJECTED,
         reason="different-number-of-hearings"),
    Case("two hearings in NOMIS", lambda: (held_under("4010203"), services_of_two_hearings()), REJECTED,
         reason="different-number-of-hearings"),
    Case("other punishments", lambda: held_under("4010203", punishments=[]), REJECTED,
         reason="different-number-of-punishments"),
    Case("10.3: refused, without report mode", lambda: held(422), FAILED, reason="adjudications-422"),
    Case("refused with 409", lambda: held(409), FAILED, reason="adjudications-409"),
    Case("gone from NOMIS", lambda: respx.get(CHARGE_URL).respond(404), FAILED, reason="nomis-404"),
    Case("the first lookup fails", lambda: respx.get(LOOKUP).respond(400), FAILED, reason="mapping-400"),
    Case("DPS is ill", lambda: held(500), FAILED, reason="adjudications-500"),
    Case("DPS is ill in the creator", creator_refused(500), FAILED, reason="adjudications-500"),
    Case("10.3: refused, in report mode", lambda: held(422), REJECTED, failed("422 UNPROCESSABLE_ENTITY"),
         settings=REPORT_MODE),
    Case("refused with 400 in report mode", lambda: held(400), REJECTED, failed("400 BAD_REQUEST"),
         settings=REPORT_MODE),
    Case("refused with 409 in report mode", lambda: held(409), REJECTED, failed("409 CONFLICT"), settings=REPORT_MODE),
    Case("no path in report mode", lambda: held(404), REJECTED, failed("404 NOT_FOUND"), settings=REPORT_MODE),
    Case("the creator is refused in report mode", creator_refused(403), REJECTED, failed("403 FORBIDDEN"),
         settings=REPORT_MODE),
    Case("the creator's lookup is refused in report mode", lookup_refused(400), REJECTED, failed("400 BAD_REQUEST"),
         settings=REPORT_MODE),
    Case("406 in report mode", lambda: held_under("4010203"), State.MAPPED, of_numbers("4010203"),
         settings=REPORT_MODE),
    Case("the first lookup fails in report mode", lambda: respx.get(LOOKUP).respond(400), FAILED,
         reason="mapping-400", settings=REPORT_MODE),
    Case("gone from NOMIS in report mode", lambda: respx.get(CHARGE_URL).respond(404), FAILED, reason="nomis-404",
         settings=REPORT_MODE),
    Case("DPS is ill in report mode", lambda: held(500), FAILED, reason="adjudications-500", settings=REPORT_MODE),
    Case("a mismatch in report mode", lambda: held_under("4010203", hearings=[]), REJECTED,
         reason="different-number-of-hearings", settings=REPORT_MODE),
    Case("held under no number in report mode", lambda: held_under(""), REJECTED, reason="not-found-in-dps",
         settings=REPORT_MODE),
    Case("cannot be transformed in report mode",
         lambda: services(changed("incident", "repairs", 0, "type", "code", to="GLAS")), REJECTED,
         reason="unknown-repair-type", settings=REPORT_MODE),
]  # fmt: skip


def services_of_two_hearings() -> None:
    """The charge as NOMIS has it, with another hearing."""
    found = changed("hearings", to=[HEARING, {**HEARING, "hearingId": 3002, "hearingResults": []}])
    respx.get(CHARGE_URL).respond(json=found)


@pytest.fixture
async def platform(ledger_url: str) -> AsyncIterator[EdgePlatform]:
    async with edge(ledger_url) as made:
        services()
        yield made


def platform_of(case: Case, ledger_url: str) -> AbstractAsyncContextManager[EdgePlatform]:
    return edge(ledger_url, **case.settings)


@pytest.mark.server
@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_charge_ends_as_the_card_says_with_its_events(case: Case, ledger_url: str) -> None:
    async with platform_of(case, ledger_url) as platform:
        services()
        case.change()
        run, events = await migrated(platform, MIGRATION, **FILTER)
        assert events == [*STARTED, *case.events, *COMPLETED]
        record = await platform.ledger.record(KEY)
        assert record is not None
        assert record.state is case.state
        if case.reason is not None:
            assert dict(run.tally.reasons) == {case.reason: 1}
        if case.settings and case.events and case.state is REJECTED:
            assert (run.tally.failed, run.tally.rejected, run.tally.skipped) == (0, 0, 1), "handled, so no failure"
            assert record.dismissed


@pytest.mark.server
async def test_worked_example_10_1_call_by_call(platform: EdgePlatform) -> None:
    run, _ = await migrated(platform, MIGRATION, **FILTER)
    query = "fromDate=2023-05-01&prisonIds=MDI&prisonIds=LEI&page=0&size="
    listed = [call.request for call in respx.calls if call.request.url.path == "/adjudications/charges/ids"]
    assert [request.url.query.decode() for request in listed] == [f"{query}1", f"{query}2000"]
    bodies = {str(call.request.url): call.request for call in respx.calls}
    assert json.loads(bodies[DPS].content) == SENT
    assert "active-caseload" not in bodies[DPS].headers
    assert json.loads(bodies[PAIRS].content) == mapping(run.migration_id, "4010203-2", {3001: "88"}, {7: "501"})


@pytest.mark.server
async def test_worked_example_10_2_call_by_call(platform: EdgePlatform) -> None:
    held_under("4010203")
    run, _ = await migrated(platform, MIGRATION, **FILTER)
    assert calls_to(world.ADJUDICATIONS) == [POST, f"{CREATOR}/4010203-2/v2", f"{CREATOR}/4010203/v2"]
    asked = [call.request for call in respx.calls if call.request.url.path.endswith("/v2")]
    assert {request.headers["active-caseload"] for request in asked} == {"MDI"}
    sent = json.loads(next(call.request.content for call in respx.calls if str(call.request.url) == PAIRS))
    assert sent == mapping(run.migration_id, "4010203", {3001: "90"}, {7: "612", 8: "611"})


@pytest.mark.server
async def test_an_answer_without_lists_maps_the_charge_alone(platform: EdgePlatform) -> None:
    respx.post(DPS).respond(200, json={"chargeNumberMapping": ANSWER["chargeNumberMapping"], "hearingMappings": None})
    run, events = await migrated(platform, MIGRATION, **FILTER)
    assert events == [*STARTED, *of_numbers("4010203-2"), *COMPLETED]
    sent = json.loads(respx.calls.last.request.content)
    assert sent == mapping(run.migration_id, "4010203-2", {}, {})


@pytest.mark.server
async def test_what_is_mapped_is_left_alone_and_nothing_else_is_called(platform: EdgePlatform) -> None:
    pair = {
        "adjudicationNumber": 4010203,
        "chargeSequence": 2,
        "chargeNumber": "x",
        "mappingType": "ADJUDICATION_CREATED",
    }
    respx.get(LOOKUP).respond(json=pair)
    _, events = await migrated(platform, MIGRATION, **FILTER)
    assert events == [*STARTED, *COMPLETED]
    assert calls_to(world.ADJUDICATIONS) == calls_to(CHARGE_URL) == []


BARE_IDS = {"errorCode": 1409, "moreInfo": {"duplicate": "4010203-2", "existing": "4010203"}}
OBJECTS = {
    "errorCode": 1409,
    "moreInfo": {"duplicate": {"dpsPunishmentId": "501"}, "existing": {"dpsPunishmentId": "9"}},
}
EMPTY = {"errorCode": 1409, "moreInfo": {"duplicate": None, "existing": None}}


@pytest.mark.server
@pytest.mark.parametrize("body", [BARE_IDS, OBJECTS, EMPTY])
async def test_the_first_409_is_a_failure_and_the_second_is_done_in_silence(platform: EdgePlatform, body: Any) -> None:
    posted = respx.post(PAIRS).respond(409, json=body)
    run, events = await migrated(platform, MIGRATION, **FILTER)
    assert events == [*STARTED, *of_numbers("4010203-2"), *COMPLETED]
    assert posted.call_count == 2
    assert len({call.request.content for call in posted.calls}) == 1, "the whole mapping again"
    assert (run.tally.migrated, run.tally.duplicates) == (1, 0)
    record = await platform.ledger.record(KEY)
    assert record is not None
    assert record.state is State.MAPPED


@pytest.mark.server
async def test_a_mapping_that_fails_is_retried_whole_without_dps(platform: EdgePlatform) -> None:
    respx.post(PAIRS).respond(500)
    run, events = await migrated(platform, MIGRATION, **FILTER)
    assert events == [*STARTED, *of_numbers("4010203-2"), *COMPLETED]
    assert run.tally.unmapped == 1
    again = respx.post(PAIRS).respond(409, json=BARE_IDS)
    assert (await MigrationEngine(platform).retry_mappings(MIGRATION)).migrated == 1
    assert json.loads(again.calls.last.request.content) == mapping(
        run.migration_id, "4010203-2", {3001: "88"}, {7: "501"}
    )
    assert calls_to(world.ADJUDICATIONS) == [POST]


@pytest.mark.server
async def test_a_charge_whose_answer_was_lost_is_sent_again_and_then_looked_up(platform: EdgePlatform) -> None:
    respx.post(DPS).mock(side_effect=[httpx.Response(201, text="<html>"), httpx.Response(406)])
    run, events = await migrated(platform, MIGRATION, **FILTER)
    assert (events, run.tally.in_doubt) == ([*STARTED, *COMPLETED], 1)
    respx.get(reported("4010203-2")).respond(json={"reportedAdjudication": {**REPORTED, "chargeNumber": "4010203-2"}})
    run, events = await migrated(platform, MIGRATION, **FILTER)
    assert events == [*STARTED, *of_numbers("4010203-2"), *COMPLETED]
    assert run.tally.migrated == 1


@pytest.mark.server
async def test_a_failed_charge_is_retried_and_told_with_the_prisoner_that_nomis_has(platform: EdgePlatform) -> None:
    held(500)
    await migrated(platform, MIGRATION, **FILTER)
    platform.telemetry.events.clear()
    respx.post(DPS).respond(201, json=ANSWER)
    assert (await MigrationEngine(platform).retry_failed(MIGRATION, states=[State.FAILED])).migrated == 1
    ((name, properties),) = platform.telemetry.events
    assert (name, properties["offenderNo"]) == ("adjudications-migration-entity-migrated", EXAMPLE["offenderNo"])


@pytest.mark.server
async def test_the_prisoner_that_is_told_is_the_one_that_was_listed(platform: EdgePlatform) -> None:
    services({**EXAMPLE, "offenderNo": "A9999ZZ"})
    _, events = await migrated(platform, MIGRATION, **FILTER)
    assert events == [*STARTED, *of_numbers("4010203-2"), *COMPLETED]


def test_report_mode_is_off_unless_it_is_switched_on() -> None:
    assert not Settings.load({}).adjudications_report_mode
    assert Settings.load(REPORT_MODE).adjudications_report_mode


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "400 BAD_REQUEST"), (422, "422 UNPROCESSABLE_ENTITY"), (429, "429 TOO_MANY_REQUESTS"), (499, "499")],
)
def test_a_result_code_is_a_status_and_its_name(status: int, code: str) -> None:
    assert result_code(status) == code


def test_a_charge_is_known_by_number_and_sequence_whoever_the_prisoner_is() -> None:
    key = ChargeKey(4010203, 2, "A5566ZX")
    assert ChargeKey.parse(str(key)) == key == ChargeKey(4010203, 2)
    assert MIGRATION.message_id(str(key)) == {"adjudicationNumber": 4010203, "chargeSequence": 2}


def test_a_partition_is_a_prison_and_a_month_in_which_charges_were_recorded() -> None:
    values = run_filter(MIGRATION, {}, "MDI|2024-02").model_dump()
    assert values == {"from_date": date(2024, 2, 1), "to_date": date(2024, 2, 29), "prison_ids": ["MDI"]}
    assert MIGRATION.partitions.months(date(2026, 3, 10))[-1] == "2026-03"
