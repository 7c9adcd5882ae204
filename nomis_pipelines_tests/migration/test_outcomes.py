"""Promise: whatever goes wrong with a record, it ends in exactly one outcome, is never lost, and harms no neighbour."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from nomis_pipelines.domains.visits import VISITS
from nomis_pipelines.http import WireRequest, WireResponse
from nomis_pipelines.ledger import Record, RecordKey
from nomis_pipelines.migration.tally import Outcome
from nomis_pipelines_tests.fake_services import (
    FUTURE,
    Answer,
    FakePlatform,
    FakeServices,
    a_visit,
    broken,
    conflict,
    error,
    json_answer,
    migrate,
)

pytestmark = pytest.mark.server

TOLD_WITH_A_REASON = {Outcome.REJECTED, Outcome.FAILED, Outcome.UNMAPPED, Outcome.IN_DOUBT}
VICTIM = 5
"""The record that something happens to, in the middle of the second page."""


def key(number: int = VICTIM) -> RecordKey:
    return VISITS.migration.record_key(str(number))


def code(value: str) -> dict[str, str]:
    return {"code": value, "description": "anything"}


async def written_then_broken(services: FakeServices, request: WireRequest) -> Answer:
    """The visit scheduler did its work, and its answer was lost."""
    services.work(request)
    return broken()


def without(name: str) -> dict[str, Any]:
    return {field: value for field, value in a_visit(VICTIM).items() if field != name}


Change = Callable[[FakeServices], None]


def answers(operation: str, answer: Answer | Callable[[FakeServices, WireRequest], Awaitable[Answer]]) -> Change:
    return lambda services: services.order(operation, VICTIM, answer, always=True)


def is_now(**fields: Any) -> Change:
    return lambda services: services.add(VICTIM, **fields)


def mapped_already(services: FakeServices) -> None:
    services.mappings[VICTIM] = {"nomisId": VICTIM, "vsipId": "old", "mappingType": "MIGRATED"}


@dataclass(frozen=True)
class Case:
    """What happens to the victim, and what becomes of it; `state` is the ledger's (None: it knows nothing of it)."""

    name: str
    change: Change
    outcome: Outcome
    state: str | None
    reason: str | None = None
    status: int | None = None
    copies: int = 0
    details: Mapping[str, Any] = field(default_factory=dict)


READ = {"service": "nomis", "method": "GET", "path": "/visits/{visitId}"}
LOOKUP = {"service": "mapping", "method": "GET", "path": "/mapping/visits/nomisId/{nomisId}"}
WRITE = {"service": "visits", "method": "POST", "path": "/migrate-visits"}
REDACTED = '{"status":%d,"userMessage":"string"}'

CASES = [
    Case("nothing goes wrong", lambda _: None, Outcome.MIGRATED, "mapped", copies=1),
    Case("it is mapped already", mapped_already, Outcome.SKIPPED, None),
    Case("a future visit has no room", is_now(**FUTURE), Outcome.REJECTED, "rejected", "no-room-mapping",
         details={"visitId": VICTIM, "prisonId": "BXI", "room": "BXI-VISITS-SOC_VIS"}),
    Case("a future visit has no location", is_now(**FUTURE, agencyInternalLocation=None), Outcome.REJECTED, "rejected",
         "no-room-mapping", details={"visitId": VICTIM, "prisonId": "BXI", "room": None}),
    Case("its type is unknown", is_now(visitType=code("XXX")), Outcome.REJECTED, "rejected", "unknown-visit-type",
         details={"visitId": VICTIM, "code": "XXX"}),
    Case("its status is unknown", is_now(visitStatus=code("XXX")), Outcome.REJECTED, "rejected", "unknown-visit-status",
         details={"visitId": VICTIM, "code": "XXX"}),
    Case("its outcome is unknown", is_now(visitOutcome=code("XXX")), Outcome.REJECTED, "rejected",
         "unknown-visit-outcome", details={"visitId": VICTIM, "code": "XXX"}),
    Case("the scheduler refuses it", answers("write", error(422)), Outcome.REJECTED, "rejected",
         "refused-by-visit-scheduler", details={"status": 422}),
    Case("the scheduler answers with nothing", answers("write", WireResponse(201, b"")), Outcome.REJECTED, "rejected",
         "refused-by-visit-scheduler", details={"status": None}),
    Case("NOMIS has lost it", answers("read", error(404)), Outcome.FAILED, "failed", "nomis-404", 404, details=READ),
    Case("NOMIS breaks on it", answers("read", error(500)), Outcome.FAILED, "failed", "nomis-500", 500,
         details={**READ, "body": REDACTED % 500}),
    Case("NOMIS breaks the connection", answers("read", broken()), Outcome.FAILED, "failed", "nomis-unavailable",
         details={**READ, "problem": "connection lost, attempt 1"}),
    Case("NOMIS's answer is cut off", answers("read", WireResponse(200, b'{"visitId": 5, "offen')), Outcome.FAILED,
         "failed", "nomis-invalid-answer", 200, details={**READ, "problem": "body: json_invalid"}),
    Case("NOMIS's answer is a web page", answers("read", WireResponse(200, b"<html>Secret Person</html>")),
         Outcome.FAILED, "failed", "nomis-invalid-answer", 200, details={**READ, "problem": "body: json_invalid"}),
    Case("a required field is missing", answers("read", json_answer(200, without("offenderNo"))), Outcome.FAILED,
         "failed", "nomis-invalid-answer", 200, details={**READ, "problem": "offenderNo: missing"}),
    Case("a field has another type", is_now(startDateTime="Secret Person"), Outcome.FAILED, "failed",
         "nomis-invalid-answer", 200, details={**READ, "problem": "startDateTime: datetime_from_date_parsing"}),
    Case("the mapping cannot be looked up", answers("lookup", error(500)), Outcome.FAILED, "failed", "mapping-500", 500,
         details={**LOOKUP, "body": REDACTED % 500}),
    Case("the scheduler calls it wrong", answers("write", error(400)), Outcome.FAILED, "failed", "visits-400", 400,
         details={**WRITE, "body": REDACTED % 400}),
    Case("the scheduler breaks on it", answers("write", error(500)), Outcome.FAILED, "failed", "visits-500", 500,
         details={**WRITE, "body": REDACTED % 500}),
    Case("the connection breaks before the work", answers("write", broken()), Outcome.IN_DOUBT, "in_doubt",
         details={**WRITE, "problem": "it may have arrived (connection lost)"}),
    Case("the connection breaks after the work", answers("write", written_then_broken), Outcome.IN_DOUBT, "in_doubt",
         copies=1, details={**WRITE, "problem": "it may have arrived (connection lost)"}),
    Case("a proxy gives up on the scheduler", answers("write", error(504)), Outcome.IN_DOUBT, "in_doubt",
         details=WRITE),
    Case("the reference cannot be read", answers("write", WireResponse(201, b"\xff\xfe")), Outcome.IN_DOUBT, "in_doubt",
         details={**WRITE, "problem": "body: not UTF-8"}),
    Case("the reference is a web page", answers("write", WireResponse(200, b"<html><body>Sign in</body></html>")),
         Outcome.IN_DOUBT, "in_doubt", details={**WRITE, "problem": "body: not a visit reference"}),
    Case("the mapping service refuses for ever", answers("record", error(500)), Outcome.UNMAPPED, "written", copies=1),
    Case("two mapping inserts collide for ever", answers("record", conflict(None, {"nomisId": VICTIM})),
         Outcome.UNMAPPED, "written", copies=1),
    Case("another mapping exists", answers("record", conflict({"nomisId": VICTIM, "vsipId": "aa-11"},
         {"nomisId": VICTIM, "vsipId": "ref"})), Outcome.DUPLICATE, "duplicate", copies=1,
         details={"existing": {"nomisId": VICTIM, "vsipId": "aa-11"}}),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[case.name.replace(" ", "_") for case in CASES])
async def test_each_record_ends_in_one_outcome_and_its_neighbours_are_migrated(
    case: Case, platform: FakePlatform, services: FakeServices
) -> None:
    case.change(services)
    run = await migrate(platform, VISITS.migration)

    counts = run.tally.counts()
    expected = {outcome.value: int(outcome is case.outcome) for outcome in Outcome}
    expected["migrated"] += 8
    assert counts == {"listed": 9, **expected}
    assert run.tally.processed == 9

    record = await platform.ledger.record(key())
    assert sum(run.tally.reasons.values()) == (case.outcome in TOLD_WITH_A_REASON)
    if case.state is None:
        assert record is None
    else:
        assert record is not None
        assert record.state == case.state
        if case.reason is not None:
            assert (record.reason, record.status) == (case.reason, case.status)
            assert run.tally.reasons == {case.reason: 1}
        if case.outcome is not Outcome.UNMAPPED:
            assert (record.details or {}) == case.details
    assert "Secret" not in str(record)
    assert services.copies(VICTIM) == case.copies
    neighbours = {number for number in range(1, 10) if number != VICTIM}
    assert {number for number in services.mappings if number != VICTIM} == neighbours
    assert all(services.copies(number) == 1 for number in neighbours)

    progress = await platform.ledger.progress(run.migration_id)
    assert progress is not None
    assert {name: getattr(progress, name) for name in counts} == counts
    assert progress.processed == 9


async def test_a_record_that_another_living_run_is_writing_is_left_to_it(
    platform: FakePlatform, services: FakeServices
) -> None:
    await platform.ledger.claim(key(), migration_id="2026-03-10T09:00:00", partition=None)
    run = await migrate(platform, VISITS.migration)
    assert (run.tally.busy, run.tally.migrated) == (1, 8)
    assert services.copies(VICTIM) == 0


async def test_a_visit_that_is_listed_twice_is_written_and_counted_once(
    platform: FakePlatform, services: FakeServices
) -> None:
    services.listing = [1, 1, 2, 3, 4, 4, 5, 1]
    run = await migrate(platform, VISITS.migration)
    assert [services.copies(number) for number in range(1, 6)] == [1] * 5
    assert run.tally.migrated == 5
    assert platform.telemetry.names().count("visits-migration-entity-migrated") == 5


async def test_a_mapping_that_is_refused_once_is_recorded_when_the_page_is_through(
    platform: FakePlatform, services: FakeServices
) -> None:
    services.order("record", VICTIM, error(503))
    services.order("record", 6, conflict(None))
    run = await migrate(platform, VISITS.migration)
    assert (run.tally.migrated, run.tally.unmapped) == (9, 0)
    assert services.copies(VICTIM) == services.copies(6) == 1


async def test_our_own_pair_under_another_label_is_no_duplicate(platform: FakePlatform, services: FakeServices) -> None:
    async def recorded_and_denied(services: FakeServices, request: WireRequest) -> Answer:
        services.work(request)
        return conflict({**services.mappings[VICTIM], "label": "another"})

    services.order("record", VICTIM, recorded_and_denied)
    run = await migrate(platform, VISITS.migration)
    assert (run.tally.migrated, run.tally.duplicates) == (9, 0)


async def test_many_failures_of_all_kinds_at_once_stay_apart(platform: FakePlatform, services: FakeServices) -> None:
    services.order("read", 1, error(404), always=True)
    services.add(2, **FUTURE)
    services.order("write", 3, error(400), always=True)
    services.order("write", 4, broken(), always=True)
    services.order("record", 5, error(500), always=True)
    services.mappings[6] = {"nomisId": 6, "vsipId": "old", "mappingType": "MIGRATED"}
    services.order("record", 7, conflict({"nomisId": 7, "vsipId": "aa"}, {"nomisId": 7, "vsipId": "bb"}), always=True)
    run = await migrate(platform, VISITS.migration)
    assert run.tally.counts() == {
        "listed": 9, "migrated": 2, "skipped": 1, "rejected": 1, "failed": 2, "unmapped": 1, "in_doubt": 1,
        "duplicates": 1, "busy": 0,
    }  # fmt: skip
    counts = await platform.ledger.counts("visits")
    assert counts == {"mapped": 2, "rejected": 1, "failed": 2, "written": 1, "in_doubt": 1, "duplicate": 1}


async def test_a_fault_in_our_own_code_fails_that_record_and_says_where(
    platform: FakePlatform, services: FakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = VISITS.migration.transform

    def transform(self: Any, record: Any, today: Any) -> Any:
        if record.visit.visit_id == VICTIM:
            raise KeyError("Secret Person")
        return original(self, record, today)

    monkeypatch.setattr(VISITS.migration, "transform", transform)
    run = await migrate(platform, VISITS.migration)
    record: Record | None = await platform.ledger.record(key())
    assert (run.tally.migrated, run.tally.failed) == (8, 1)
    assert record is not None
    assert record.reason == "error-KeyError"
    assert (record.details or {})["error"] == "KeyError"
    assert "Secret" not in str(record)
