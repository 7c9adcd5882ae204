"""Promise: no record and no part of one is made twice, and mappings left over are recorded (CSIP card, 7.5, 7.6, 9)."""

import json
from typing import Any

import httpx
import pytest

from nomis_pipelines.domains.csip.parts import PARTS_ONLY, PartsKey, report_key
from nomis_pipelines.http import Unavailable
from nomis_pipelines.ledger import RecordKey, State
from nomis_pipelines.synchronisation import HandlerError, InDoubt, Redeliver
from nomis_pipelines_tests.domains.csip.conftest import Csip
from nomis_pipelines_tests.domains.csip.examples import (
    FACTOR,
    NEW_FACTOR,
    PLAN,
    PRISONER,
    RECORD,
    REPORT,
    WHOLE,
    Json,
    another,
    conflict,
    full_mapping,
    made,
    uuid,
)

pytestmark = pytest.mark.server

EVENT: Json = {
    "csipReportId": str(REPORT), "offenderIdDisplay": PRISONER, "auditModuleName": "OIDCSIPC",
    "eventDatetime": "2025-05-06T12:00:00",
}  # fmt: skip
BASE = {"nomisCSIPId": str(REPORT), "offenderNo": PRISONER}
TOLD = {**BASE, "dpsCSIPId": RECORD}
D1, M1, M3 = (
    "PUT csip /sync/csip-records",
    f"GET mapping /nomis-csip-id/{REPORT}",
    f"GET mapping /dps-csip-id/{RECORD}/all",
)
M4, M5 = "POST mapping /all", "POST mapping /children/all"
RETRY, RETRY_PARTS = "RETRY_SYNCHRONISATION_MAPPING", "RETRY_SYNCHRONISATION_CHILD_MAPPING"
PARTS = PartsKey(REPORT).ledger_key
CREATED = ("csip-synchronisation-created-success", TOLD)
UPDATED = ("csip-synchronisation-updated-success", TOLD)
ADDED = (UPDATED[0], {**TOLD, "mapping": "initial-failure"})
NEW_PARTS = full_mapping("NOMIS_CREATED", factorMappings=[NEW_FACTOR])
OUT = httpx.Response(502)


async def state(csip: Csip, key: RecordKey) -> State | None:
    record = await csip.consumer.context.ledger.record(key)
    return None if record is None else record.state


def internal(kind: str, body: Json, attributes: dict[str, str]) -> str:
    """A message of our own (section 7.6)."""
    return json.dumps({"Type": kind, "Message": json.dumps({"body": body, "telemetryAttributes": attributes})})


def told(csip: Csip) -> list[tuple[str, dict[str, str]]]:
    """What was told since this was last asked."""
    events = list(csip.consumer.telemetry.events)
    csip.consumer.telemetry.events.clear()
    return events


async def inserted(csip: Csip) -> None:
    await csip.consumer.event("CSIP_REPORTS-INSERTED", **EVENT)


async def updated(csip: Csip) -> None:
    await csip.consumer.event("CSIP_REPORTS-UPDATED", **EVENT)


async def test_an_insert_that_dps_may_have_is_never_sent_again(csip: Csip) -> None:
    csip.services.mapped = {}
    csip.services.answer(D1, OUT)
    for _ in range(2):
        with pytest.raises(InDoubt):
            await inserted(csip)
    assert len(csip.services.written(D1)) == 1
    assert await state(csip, report_key(REPORT)) is State.IN_DOUBT


async def test_an_insert_whose_record_dps_does_not_name_is_in_doubt(csip: Csip) -> None:
    csip.services.mapped = {}
    csip.services.answer(D1, made(("CONTRIBUTORY_FACTOR", FACTOR)))
    for _ in range(2):
        with pytest.raises(InDoubt):
            await inserted(csip)
    assert len(csip.services.written(D1)) == 1


async def test_an_insert_whose_mapping_was_left_over_is_mapped_by_its_next_delivery_and_sent_again_as_an_update(
    csip: Csip,
) -> None:
    csip.services.mapped = {}
    csip.services.answer(M4, httpx.Response(500))
    await inserted(csip)
    csip.services.forget(M4)
    told(csip)
    await inserted(csip)
    first, second = csip.services.written(D1)
    assert ("id" in first, second["id"]) == (False, RECORD)
    assert second["referral"]["contributoryFactors"][0]["id"] == uuid(FACTOR)
    assert told(csip) == [CREATED]
    assert await state(csip, report_key(REPORT)) is State.MAPPED


async def test_a_delete_waits_for_a_create_that_is_not_settled(csip: Csip) -> None:
    csip.services.mapped = {}
    csip.services.answer(D1, OUT)
    with pytest.raises(InDoubt):
        await inserted(csip)
    with pytest.raises(HandlerError, match="waits for its create"):
        await csip.consumer.event("CSIP_REPORTS-DELETED", **EVENT)
    assert told(csip) == []


async def test_a_409_that_shows_our_own_report_is_the_mapping_recorded(csip: Csip) -> None:
    csip.services.mapped = {}
    csip.services.answer(M4, conflict(full_mapping("NOMIS_CREATED"), full_mapping("NOMIS_CREATED", **WHOLE)))
    await inserted(csip)
    assert (told(csip), csip.consumer.queues.sent) == ([CREATED], [])
    assert await state(csip, report_key(REPORT)) is State.MAPPED


async def test_a_duplicate_is_kept_in_the_ledger(csip: Csip) -> None:
    csip.services.mapped = {}
    csip.services.answer(M4, conflict(another(), full_mapping("NOMIS_CREATED", **WHOLE)))
    await inserted(csip)
    record = await csip.consumer.context.ledger.record(report_key(REPORT))
    assert record is not None
    assert (record.state, record.dps_id, record.existing_dps_id) == (State.DUPLICATE, RECORD, uuid(9))


async def test_parts_that_dps_may_have_are_never_sent_again(csip: Csip) -> None:
    csip.services.add_factor()
    csip.services.answer(D1, OUT)
    for _ in range(2):
        with pytest.raises(InDoubt):
            await updated(csip)
    assert len(csip.services.written(D1)) == 1
    assert await state(csip, PARTS) is State.IN_DOUBT


async def test_once_such_parts_are_mapped_by_hand_updates_go_on(csip: Csip) -> None:
    csip.services.add_factor()
    csip.services.answer(D1, OUT)
    with pytest.raises(InDoubt):
        await updated(csip)
    csip.services.forget(D1)
    csip.services.mapped[REPORT]["factorMappings"].append(NEW_PARTS["factorMappings"][0])
    await updated(csip)
    assert csip.services.written(D1)[-1]["referral"]["contributoryFactors"][1]["id"] == uuid(NEW_FACTOR)
    assert told(csip) == [UPDATED]


async def test_an_update_without_new_parts_may_be_repeated(csip: Csip) -> None:
    csip.services.answer(D1, OUT)
    with pytest.raises(Unavailable):
        await updated(csip)
    csip.services.forget(D1)
    await updated(csip)
    assert told(csip) == [UPDATED]
    assert await state(csip, PARTS) is None


async def test_parts_that_dps_refused_are_sent_by_the_next_delivery(csip: Csip) -> None:
    csip.services.add_factor()
    csip.services.answer(D1, httpx.Response(500), made(("CONTRIBUTORY_FACTOR", NEW_FACTOR)))
    with pytest.raises(Unavailable):
        await updated(csip)
    await updated(csip)
    assert (told(csip), csip.services.written(M5)) == ([ADDED], [NEW_PARTS])
    assert await state(csip, PARTS) is State.MAPPED


async def test_a_second_update_records_the_mappings_that_the_first_could_not_and_makes_nothing_again(
    csip: Csip,
) -> None:
    csip.services.add_factor()
    csip.services.answer(M5, httpx.Response(500))
    await updated(csip)
    csip.services.forget(M5)
    told(csip)
    await updated(csip)
    assert csip.services.written(M5) == [NEW_PARTS, NEW_PARTS]
    assert csip.services.written(D1)[-1]["referral"]["contributoryFactors"][1]["id"] == uuid(NEW_FACTOR)
    assert told(csip) == [UPDATED]


async def test_while_they_cannot_be_recorded_it_waits(csip: Csip) -> None:
    csip.services.add_factor()
    csip.services.answer(M5, httpx.Response(500))
    await updated(csip)
    with pytest.raises(HandlerError, match=f"parts of CSIP report {REPORT} wait for their mappings"):
        await updated(csip)
    assert len(csip.services.written(D1)) == 1


async def test_parts_added_one_after_another_are_each_made_once(csip: Csip) -> None:
    csip.services.add_factor()
    await updated(csip)
    third = {**csip.services.reports[REPORT]["plans"][0], "id": 62}
    csip.services.reports[REPORT]["plans"].append(third)
    await updated(csip)
    await updated(csip)
    assert csip.services.written(M5) == [NEW_PARTS, full_mapping("NOMIS_CREATED", planMappings=[62])]
    assert told(csip) == [ADDED, ADDED, UPDATED]


async def test_mappings_that_came_since_we_looked_are_looked_at_again(csip: Csip) -> None:
    csip.services.add_factor()
    await updated(csip)  # so the ledger knows that parts were added before
    whole = csip.services.mapped[REPORT]
    before = {**whole, "planMappings": []}
    csip.services.answer(M3, httpx.Response(200, json=before), httpx.Response(200, json=whole))
    await updated(csip)
    assert csip.services.written(D1)[-1]["plan"]["identifiedNeeds"][0]["id"] == uuid(PLAN)
    assert told(csip) == [ADDED, UPDATED]


async def test_parts_that_another_process_is_sending_are_left_to_it(csip: Csip) -> None:
    csip.services.add_factor()
    await csip.consumer.context.ledger.claim(PARTS)
    with pytest.raises(Redeliver):
        await updated(csip)
    assert (told(csip), csip.services.written(D1)) == ([], [])


async def test_an_update_of_new_parts_that_made_none_maps_none(csip: Csip) -> None:
    csip.services.add_factor()
    csip.services.answer(D1, made())
    await updated(csip)
    assert (told(csip), csip.services.written(M5)) == ([UPDATED], [])
    assert await state(csip, PARTS) is State.MAPPED


async def test_a_409_of_parts_that_are_mapped_just_so_is_the_mappings_recorded(csip: Csip) -> None:
    csip.services.add_factor()
    mapped = csip.services.mapped[REPORT]
    recorded = {**mapped, "factorMappings": [*mapped["factorMappings"], *NEW_PARTS["factorMappings"]]}
    csip.services.answer(M3, httpx.Response(200, json=mapped), httpx.Response(200, json=recorded))
    csip.services.answer(M5, conflict(full_mapping("MIGRATED"), NEW_PARTS))
    await updated(csip)
    assert told(csip) == [ADDED]
    assert await state(csip, PARTS) is State.MAPPED


async def test_a_409_of_parts_that_are_mapped_otherwise_is_kept_in_the_ledger(csip: Csip) -> None:
    csip.services.add_factor()
    csip.services.answer(M5, conflict(full_mapping("MIGRATED"), NEW_PARTS))
    await updated(csip)
    record = await csip.consumer.context.ledger.record(PARTS)
    assert record is not None
    # one record: none that could be deleted as surplus
    assert (record.state, record.dps_id, record.existing_dps_id) == (State.DUPLICATE, RECORD, RECORD)


async def test_when_a_report_is_deleted_nothing_is_left_to_be_done_about_its_parts(csip: Csip) -> None:
    csip.services.add_factor()
    csip.services.answer(M5, httpx.Response(500))
    await updated(csip)
    assert await state(csip, PARTS) is State.WRITTEN
    await csip.consumer.event("CSIP_REPORTS-DELETED", **EVENT)
    assert await state(csip, PARTS) is State.MAPPED


# 7.6, retry messages


def left_over(csip: Csip) -> str:
    """The one message that was queued, as it will be received."""
    ((queue, kind, body, attributes),) = csip.consumer.queues.sent
    assert queue == "eventcsip"
    return internal(kind, body, attributes)


@pytest.mark.parametrize(
    "answer",
    [httpx.Response(201), conflict(full_mapping("NOMIS_CREATED")), conflict(another()), conflict(None),
     httpx.Response(409)],
    ids=["201", "our own", "another's", "nobody's", "without a body"],
)  # fmt: skip
async def test_the_retry_of_a_report_succeeds_with_any_409_too(csip: Csip, answer: httpx.Response) -> None:
    csip.services.mapped = {}
    csip.services.answer(M4, httpx.Response(500), answer)
    await inserted(csip)
    told(csip)
    await csip.consumer.receive(left_over(csip))
    assert csip.consumer.calls == ["POST mapping /mapping/csip/all"]
    assert csip.services.written(M4) == [full_mapping("NOMIS_CREATED", **WHOLE)] * 2
    assert told(csip) == [("csip-mapping-created-synchronisation-success", TOLD)]


@pytest.mark.parametrize(
    "answer",
    [httpx.Response(201), conflict(full_mapping("MIGRATED")), httpx.Response(409)],
    ids=["201", "409", "without a body"],
)
async def test_the_retry_of_parts_succeeds_with_any_409_too(csip: Csip, answer: httpx.Response) -> None:
    csip.services.add_factor()
    csip.services.answer(M5, httpx.Response(500), answer)
    await updated(csip)
    told(csip)
    await csip.consumer.receive(left_over(csip))
    assert csip.consumer.calls[0] == "POST mapping /mapping/csip/children/all"
    assert not any("csip-records" in call for call in csip.consumer.calls)
    assert csip.services.written(M5) == [NEW_PARTS, NEW_PARTS]
    assert told(csip) == [("csip-mapping-updated-synchronisation-success", TOLD)]
    assert await state(csip, PARTS) is State.MAPPED


@pytest.mark.parametrize(("kind", "call"), [(RETRY, M4), (RETRY_PARTS, M5)])
@pytest.mark.parametrize("status", [400, 404, 500])
async def test_a_retry_that_is_refused_otherwise_fails_without_telemetry(
    csip: Csip, kind: str, call: str, status: int
) -> None:
    csip.services.answer(call, httpx.Response(status))
    with pytest.raises(Exception, match=str(status)):
        await csip.consumer.receive(internal(kind, NEW_PARTS, TOLD))
    assert told(csip) == []


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (RETRY, "csip-mapping-created-synchronisation-success"),
        (RETRY_PARTS, "csip-mapping-updated-synchronisation-success"),
    ],
)
async def test_a_retry_that_another_installation_queued_is_done_as_well(csip: Csip, kind: str, name: str) -> None:
    body: dict[str, Any] = {**NEW_PARTS, "label": None, "whenCreated": None}
    await csip.consumer.receive(internal(kind, body, TOLD))
    assert told(csip) == [(name, TOLD)]


async def test_a_late_retry_does_not_settle_what_a_later_update_added(csip: Csip) -> None:
    csip.services.add_factor()
    csip.services.answer(M5, httpx.Response(500))
    await updated(csip)
    late = left_over(csip)
    csip.services.forget(M5)
    await updated(csip)
    csip.services.reports[REPORT]["plans"].append({**csip.services.reports[REPORT]["plans"][0], "id": 62})
    csip.services.answer(M5, httpx.Response(500), conflict(full_mapping("MIGRATED")))
    await updated(csip)
    await csip.consumer.receive(late)
    record = await csip.consumer.context.ledger.record(PARTS)
    assert record is not None
    assert record.state is State.WRITTEN
    assert record.mapping == {**full_mapping("NOMIS_CREATED", planMappings=[62]), PARTS_ONLY: True}
