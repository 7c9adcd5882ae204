"""Promise: sections 7 to 10 of the adjustments card, every branch: calls in order, bodies, telemetry."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import respx

from nomis_pipelines.domains.sentencing_adjustments import delete_surplus
from nomis_pipelines.domains.sentencing_adjustments.clients import AdjustmentKey
from nomis_pipelines.domains.sentencing_adjustments.repairs import Booking, repair_merge, repair_update
from nomis_pipelines.domains.sentencing_adjustments.synchronisation import (
    AdjustmentsResynchronisation,
    AdjustmentsSynchronisation,
)
from nomis_pipelines.http import Rejected, Unavailable
from nomis_pipelines.ledger import State
from nomis_pipelines.synchronisation import HandlerError, InDoubt, MalformedMessage
from nomis_pipelines_tests import world
from nomis_pipelines_tests.domains.events import Consumer, consumer

pytestmark = pytest.mark.server

NEW = "9b2d0f4a-aaaa-4bbb-8ccc-1dddd2eeee3f"
OLD = "0d6f3c1e-1111-4222-8333-944445555666"
VENDOR = "application/vnd.nomis-offence+json"
MAPPINGS = f"{world.MAPPING}/mapping/sentencing/adjustments"
S = {
    "offenderNo": "A1234KX",
    "bookingId": "70010",
    "sentenceSequence": "2",
    "nomisAdjustmentId": "5551",
    "adjustmentCategory": "SENTENCE",
}
K = {"offenderNo": "A1234KX", "bookingId": "70010", "nomisAdjustmentId": "4412", "adjustmentCategory": "KEY-DATE"}

SENTENCE: dict[str, Any] = {
    "id": 5551, "bookingId": 70010, "bookingSequence": 1, "offenderNo": "A1234KX", "sentenceSequence": 2,
    "adjustmentType": {"code": "RX", "description": "Remand"}, "adjustmentFromDate": "2026-01-05", "adjustmentDays": 30,
    "active": True, "hiddenFromUsers": False, "hasBeenReleased": False, "prisonId": "LEI",
}  # fmt: skip
KEY_DATE: dict[str, Any] = {
    "id": 4412, "bookingId": 70010, "bookingSequence": 2, "offenderNo": "A1234KX",
    "adjustmentType": {"code": "ADA", "description": "Additional Days Awarded"}, "adjustmentDate": "2024-02-01",
    "adjustmentDays": 7, "active": True, "hasBeenReleased": True, "prisonId": "OUT",
}  # fmt: skip
SENTENCE_BODY = (
    '{"bookingId":70010,"sentenceSequence":2,"offenderNo":"A1234KX","adjustmentType":"RX",'
    '"adjustmentFromDate":"2026-01-05","adjustmentDays":30,"active":true,"bookingReleased":false,"agencyId":"LEI",'
    '"currentTerm":true}'
)
SENTENCE_EVENT = {
    "eventType": "SENTENCE_ADJUSTMENT_UPSERTED", "offenderIdDisplay": "A1234KX", "bookingId": "70010",
    "sentenceSeq": "2", "adjustmentId": "5551", "auditModuleName": "OIDSENAD",
}  # fmt: skip
KEY_DATE_EVENT = {
    "offenderIdDisplay": "A1234KX", "bookingId": "70010", "adjustmentId": "4412", "auditModuleName": "OIDSENAD",
}  # fmt: skip
MAPPING_BODY = {
    "nomisAdjustmentId": 5551,
    "nomisAdjustmentCategory": "SENTENCE",
    "adjustmentId": NEW,
    "mappingType": "NOMIS_CREATED",
}


@pytest.fixture
async def adjustments(ledger_url: str) -> AsyncIterator[Consumer]:
    with respx.mock:
        async with consumer(ledger_url, AdjustmentsSynchronisation) as made:
            yield made


def lookup(category: str, number: int) -> str:
    return f"{MAPPINGS}/nomis-adjustment-category/{category}/nomis-adjustment-id/{number}"


def mapped(category: str, number: int, dps_id: str = OLD) -> None:
    pair = {"nomisAdjustmentId": number, "nomisAdjustmentCategory": category, "adjustmentId": dps_id}
    respx.get(lookup(category, number)).respond(json={**pair, "mappingType": "MIGRATED"})


def not_mapped(category: str, number: int) -> None:
    respx.get(lookup(category, number)).respond(404)


def in_nomis(*adjustments: dict[str, Any]) -> None:
    for adjustment in adjustments:
        kind = "sentence" if "sentenceSequence" in adjustment else "key-date"
        respx.get(f"{world.NOMIS}/{kind}-adjustments/{adjustment['id']}").respond(json=adjustment)


def dps_creates(dps_id: str = NEW) -> respx.Route:
    return respx.post(f"{world.SENTENCING}/legacy/adjustments").respond(201, json={"adjustmentId": dps_id})


def mapping_answers(*answers: httpx.Response) -> respx.Route:
    return respx.post(MAPPINGS).mock(side_effect=list(answers))


def conflict(existing: dict[str, Any] | None) -> httpx.Response:
    return httpx.Response(409, json={"errorCode": 1409, "moreInfo": {"duplicate": MAPPING_BODY, "existing": existing}})


async def test_worked_example_b_a_new_sentence_adjustment_whose_mapping_fails_at_first(adjustments: Consumer) -> None:
    in_nomis(SENTENCE)
    not_mapped("SENTENCE", 5551)
    created = dps_creates()
    posted = mapping_answers(httpx.Response(500), httpx.Response(201))
    await adjustments.event("SENTENCE_ADJUSTMENT_UPSERTED", **SENTENCE_EVENT)
    assert created.calls.last.request.content.decode() == SENTENCE_BODY
    assert created.calls.last.request.headers["content-type"] == VENDOR
    assert json.loads(posted.calls.last.request.content) == MAPPING_BODY
    assert adjustments.calls == [
        "GET nomis /sentence-adjustments/5551",
        "GET mapping /mapping/sentencing/adjustments/nomis-adjustment-category/SENTENCE/nomis-adjustment-id/5551",
        "POST sentencing /legacy/adjustments",
        "POST mapping /mapping/sentencing/adjustments",
    ]
    six = {**S, "adjustmentId": NEW}
    assert adjustments.queues.sent == [("eventsentencing", "RETRY_SYNCHRONISATION_MAPPING", MAPPING_BODY, six)]
    assert adjustments.telemetry.events == [
        ("sentence-adjustment-created-synchronisation-success", {**six, "mapping": "initial-failure"})
    ]
    adjustments.telemetry.events.clear()
    message = json.dumps({"body": MAPPING_BODY, "telemetryAttributes": six})
    await adjustments.receive(json.dumps({"Type": "RETRY_SYNCHRONISATION_MAPPING", "Message": message}))
    assert adjustments.telemetry.events == [("adjustment-mapping-created-synchronisation-success", six)]
    record = await adjustments.context.ledger.record(AdjustmentKey("SENTENCE", 5551).ledger_key)
    assert record is not None
    assert record.state is State.MAPPED


async def test_worked_example_c_a_delete_that_began_in_dps(adjustments: Consumer) -> None:
    mapped("KEY-DATE", 4412)
    gone = respx.delete(f"{world.SENTENCING}/legacy/adjustments/{OLD}").respond(404)
    respx.delete(f"{MAPPINGS}/adjustment-id/{OLD}").respond(204)
    await adjustments.event(
        "KEY_DATE_ADJUSTMENT_DELETED", **{**KEY_DATE_EVENT, "auditModuleName": "DPS_SYNCHRONISATION"}
    )
    assert gone.calls.last.request.headers["content-type"] == VENDOR
    assert adjustments.calls == [
        "GET mapping /mapping/sentencing/adjustments/nomis-adjustment-category/KEY-DATE/nomis-adjustment-id/4412",
        f"DELETE sentencing /legacy/adjustments/{OLD}",
        f"DELETE mapping /mapping/sentencing/adjustments/adjustment-id/{OLD}",
    ]
    assert adjustments.telemetry.events == [
        ("key-date-adjustment-delete-synchronisation-success", {**K, "adjustmentId": OLD})
    ]


def booking_of_example_d() -> None:
    sentences = [{**SENTENCE, "id": number, "bookingId": 70099} for number in (6001, 6002)]
    key_dates = [{**KEY_DATE, "id": 7001, "bookingId": 70099}]
    respx.get(f"{world.NOMIS}/prisoners/booking-id/70099/sentencing-adjustments").respond(
        json={"sentenceAdjustments": sentences, "keyDateAdjustments": key_dates}
    )
    in_nomis(*sentences, *key_dates)
    mapped("SENTENCE", 6001)
    not_mapped("SENTENCE", 6002)
    mapped("KEY-DATE", 7001)


MERGED = {
    "bookingId": "70099",
    "sentenceAdjustments": "2",
    "keyDateAdjustments": "1",
    "sentenceAdjustmentsCreated": "1",
    "keyDateAdjustmentsCreated": "0",
}


async def test_worked_example_d_a_merge_creates_what_has_no_mapping(adjustments: Consumer) -> None:
    booking_of_example_d()
    dps_creates()
    mapping_answers(httpx.Response(201))
    await adjustments.event("BOOKING_NUMBER-CHANGED", bookingId="70099", offenderId="1", previousBookingNumber="43719F")
    base = "GET mapping /mapping/sentencing/adjustments/nomis-adjustment-category"
    assert adjustments.calls == [
        "GET nomis /prisoners/booking-id/70099/sentencing-adjustments",
        f"{base}/SENTENCE/nomis-adjustment-id/6001",
        f"{base}/SENTENCE/nomis-adjustment-id/6002",
        "GET nomis /sentence-adjustments/6002",
        f"{base}/SENTENCE/nomis-adjustment-id/6002",
        "POST sentencing /legacy/adjustments",
        "POST mapping /mapping/sentencing/adjustments",
        f"{base}/KEY-DATE/nomis-adjustment-id/7001",
    ]
    created = {**S, "bookingId": "70099", "nomisAdjustmentId": "6002", "adjustmentId": NEW}
    assert adjustments.telemetry.events == [
        ("sentence-adjustment-created-synchronisation-success", created),
        ("from-nomis-synch-adjustment-merge", MERGED),
    ]


async def test_a_merge_without_adjustments_asks_the_mapping_service_nothing(adjustments: Consumer) -> None:
    respx.get(f"{world.NOMIS}/prisoners/booking-id/70099/sentencing-adjustments").respond(
        json={"sentenceAdjustments": [], "keyDateAdjustments": []}
    )
    await adjustments.event("BOOKING_NUMBER-CHANGED", bookingId=70099)
    assert len(adjustments.calls) == 1
    counts = dict.fromkeys(list(MERGED)[1:], "0")
    assert adjustments.telemetry.events == [("from-nomis-synch-adjustment-merge", {"bookingId": "70099", **counts})]


@pytest.mark.parametrize("module", ["DPS_SYNCHRONISATION", "DPS_SYNCHRONISATION_ANY"])
async def test_an_upsert_that_dps_made_is_skipped_unread(adjustments: Consumer, module: str) -> None:
    await adjustments.event("SENTENCE_ADJUSTMENT_UPSERTED", **{**SENTENCE_EVENT, "auditModuleName": module})
    await adjustments.event("KEY_DATE_ADJUSTMENT_UPSERTED", **{**KEY_DATE_EVENT, "auditModuleName": module})
    assert adjustments.calls == []
    assert adjustments.telemetry.events == [
        ("sentence-adjustment-synchronisation-skipped", S),
        ("key-date-adjustment-synchronisation-skipped", K),
    ]


async def test_a_missing_module_name_is_never_skipped(adjustments: Consumer) -> None:
    in_nomis(SENTENCE)
    mapped("SENTENCE", 5551)
    respx.put(f"{world.SENTENCING}/legacy/adjustments/{OLD}").respond(200)
    body = {name: value for name, value in SENTENCE_EVENT.items() if name != "auditModuleName"}
    await adjustments.event("SENTENCE_ADJUSTMENT_UPSERTED", **body)
    assert adjustments.telemetry.names() == ["sentence-adjustment-updated-synchronisation-success"]


async def test_an_adjustment_gone_from_nomis_or_hidden_there_is_skipped(adjustments: Consumer) -> None:
    respx.get(f"{world.NOMIS}/sentence-adjustments/5551").mock(
        side_effect=[httpx.Response(404), httpx.Response(200, json={**SENTENCE, "hiddenFromUsers": True})]
    )
    respx.get(f"{world.NOMIS}/key-date-adjustments/4412").respond(404)
    for _ in range(2):
        await adjustments.event("SENTENCE_ADJUSTMENT_UPSERTED", **SENTENCE_EVENT)
        assert adjustments.calls == ["GET nomis /sentence-adjustments/5551"]
    await adjustments.event("KEY_DATE_ADJUSTMENT_UPSERTED", **KEY_DATE_EVENT)
    assert adjustments.telemetry.events == [
        ("sentence-adjustment-hidden-or-deleted-synchronisation-skipped", S),
        ("sentence-adjustment-hidden-or-deleted-synchronisation-skipped", S),
        ("key-date-adjustment-deleted-synchronisation-skipped", K),
    ]


async def test_a_mapped_adjustment_is_updated(adjustments: Consumer) -> None:
    in_nomis(SENTENCE, KEY_DATE)
    mapped("SENTENCE", 5551)
    mapped("KEY-DATE", 4412)
    put = respx.put(f"{world.SENTENCING}/legacy/adjustments/{OLD}").respond(200)
    await adjustments.event("SENTENCE_ADJUSTMENT_UPSERTED", **SENTENCE_EVENT)
    assert put.calls.last.request.content.decode() == SENTENCE_BODY
    assert put.calls.last.request.headers["content-type"] == VENDOR
    await adjustments.event("KEY_DATE_ADJUSTMENT_UPSERTED", **KEY_DATE_EVENT)
    assert json.loads(put.calls.last.request.content) == {
        "bookingId": 70010, "offenderNo": "A1234KX", "adjustmentType": "ADA", "adjustmentDate": "2024-02-01",
        "adjustmentDays": 7, "active": True, "bookingReleased": True, "agencyId": "OUT", "currentTerm": False,
    }  # fmt: skip
    assert adjustments.telemetry.events == [
        ("sentence-adjustment-updated-synchronisation-success", {**S, "adjustmentId": OLD}),
        ("key-date-adjustment-updated-synchronisation-success", {**K, "adjustmentId": OLD}),
    ]


async def test_an_update_that_dps_does_not_know_fails(adjustments: Consumer) -> None:
    in_nomis(SENTENCE)
    mapped("SENTENCE", 5551)
    respx.put(f"{world.SENTENCING}/legacy/adjustments/{OLD}").respond(404)
    with pytest.raises(Exception, match="404"):
        await adjustments.event("SENTENCE_ADJUSTMENT_UPSERTED", **SENTENCE_EVENT)
    assert adjustments.telemetry.events == []


async def test_a_key_date_adjustment_is_created(adjustments: Consumer) -> None:
    in_nomis(KEY_DATE)
    not_mapped("KEY-DATE", 4412)
    dps_creates()
    mapping_answers(httpx.Response(201))
    await adjustments.event("KEY_DATE_ADJUSTMENT_UPSERTED", **KEY_DATE_EVENT)
    assert adjustments.telemetry.events == [
        ("key-date-adjustment-created-synchronisation-success", {**K, "adjustmentId": NEW})
    ]


async def test_a_409_tells_of_the_duplicate_and_then_of_the_create(adjustments: Consumer) -> None:
    in_nomis(SENTENCE)
    not_mapped("SENTENCE", 5551)
    dps_creates()
    mapping_answers(conflict({**MAPPING_BODY, "adjustmentId": OLD, "whenCreated": "2026-03-09T10:00:00"}))
    await adjustments.event("SENTENCE_ADJUSTMENT_UPSERTED", **SENTENCE_EVENT)
    assert adjustments.queues.sent == []
    assert adjustments.telemetry.events == [
        (
            "from-nomis-synch-adjustment-duplicate",
            {
                "duplicateAdjustmentId": NEW,
                "duplicateNomisAdjustmentId": "5551",
                "duplicateNomisAdjustmentCategory": "SENTENCE",
                "existingAdjustmentId": OLD,
                "existingNomisAdjustmentId": "5551",
                "existingNomisAdjustmentCategory": "SENTENCE",
            },
        ),
        ("sentence-adjustment-created-synchronisation-success", {**S, "adjustmentId": NEW}),
    ]
    record = await adjustments.context.ledger.record(AdjustmentKey("SENTENCE", 5551).ledger_key)
    assert record is not None
    assert (record.state, record.dps_id, record.existing_dps_id) == (State.DUPLICATE, NEW, OLD)


async def test_a_409_on_a_retry_tells_of_the_duplicate_only(adjustments: Consumer) -> None:
    mapping_answers(conflict({**MAPPING_BODY, "adjustmentId": OLD}))
    message = json.dumps({"body": MAPPING_BODY, "telemetryAttributes": {**S, "adjustmentId": NEW}})
    await adjustments.receive(json.dumps({"Type": "RETRY_SYNCHRONISATION_MAPPING", "Message": message}))
    assert adjustments.telemetry.names() == ["from-nomis-synch-adjustment-duplicate"]


async def test_another_failure_of_a_retry_is_redelivered(adjustments: Consumer) -> None:
    mapping_answers(httpx.Response(500))
    message = json.dumps({"body": MAPPING_BODY, "telemetryAttributes": {}})
    with pytest.raises(Unavailable):
        await adjustments.receive(json.dumps({"Type": "RETRY_SYNCHRONISATION_MAPPING", "Message": message}))
    assert adjustments.telemetry.events == []


async def test_deletes_of_what_is_not_mapped_are_ignored(adjustments: Consumer) -> None:
    not_mapped("SENTENCE", 5551)
    not_mapped("KEY-DATE", 4412)
    await adjustments.event("SENTENCE_ADJUSTMENT_DELETED", **SENTENCE_EVENT)
    await adjustments.event("KEY_DATE_ADJUSTMENT_DELETED", **KEY_DATE_EVENT)
    assert adjustments.telemetry.events == [
        ("sentence-adjustment-delete-synchronisation-ignored", S),
        ("key-date-adjustment-delete-synchronisation-ignored", K),
    ]


async def test_an_adjustment_that_was_deleted_can_come_again(adjustments: Consumer) -> None:
    in_nomis(SENTENCE)
    found = httpx.Response(200, json={**MAPPING_BODY, "adjustmentId": NEW})
    none = httpx.Response(404)
    # created: none; deleted: found; created again: none at first, and none when the ledger asks once more
    respx.get(lookup("SENTENCE", 5551)).mock(side_effect=[none, found, none, none])
    created = respx.post(f"{world.SENTENCING}/legacy/adjustments").mock(
        side_effect=[httpx.Response(201, json={"adjustmentId": NEW}), httpx.Response(201, json={"adjustmentId": OLD})]
    )
    mapping_answers(httpx.Response(201), httpx.Response(201))
    respx.delete(f"{world.SENTENCING}/legacy/adjustments/{NEW}").respond(200)
    respx.delete(f"{MAPPINGS}/adjustment-id/{NEW}").respond(204)
    await adjustments.event("SENTENCE_ADJUSTMENT_UPSERTED", **SENTENCE_EVENT)
    await adjustments.event("SENTENCE_ADJUSTMENT_DELETED", **SENTENCE_EVENT)
    await adjustments.event("SENTENCE_ADJUSTMENT_UPSERTED", **SENTENCE_EVENT)
    assert created.call_count == 2
    assert adjustments.telemetry.named("sentence-adjustment-created-synchronisation-success") == [
        {**S, "adjustmentId": NEW},
        {**S, "adjustmentId": OLD},
    ]


async def test_a_redelivery_after_the_answer_was_lost_on_the_way_writes_nothing_again(adjustments: Consumer) -> None:
    in_nomis(SENTENCE)
    not_mapped("SENTENCE", 5551)
    created = respx.post(f"{world.SENTENCING}/legacy/adjustments").mock(side_effect=httpx.ReadError)
    with pytest.raises(InDoubt):
        await adjustments.event("SENTENCE_ADJUSTMENT_UPSERTED", **SENTENCE_EVENT)
    with pytest.raises(InDoubt):
        await adjustments.event("SENTENCE_ADJUSTMENT_UPSERTED", **SENTENCE_EVENT)
    assert created.call_count == 1


async def test_a_redelivery_after_the_mapping_was_left_open_only_maps_and_updates(adjustments: Consumer) -> None:
    in_nomis(SENTENCE)
    not_mapped("SENTENCE", 5551)
    created = dps_creates()
    updated = respx.put(f"{world.SENTENCING}/legacy/adjustments/{NEW}").respond(200)
    mapping_answers(httpx.Response(500), httpx.Response(201))
    await adjustments.event("SENTENCE_ADJUSTMENT_UPSERTED", **SENTENCE_EVENT)
    await adjustments.event("SENTENCE_ADJUSTMENT_UPSERTED", **SENTENCE_EVENT)
    assert (created.call_count, updated.call_count) == (1, 1)
    assert adjustments.telemetry.events[-1] == (
        "sentence-adjustment-created-synchronisation-success",
        {**S, "adjustmentId": NEW},
    )


@pytest.mark.parametrize("status", [400, 500])
async def test_an_error_of_dps_fails_the_message_without_telemetry_and_can_be_repeated(
    adjustments: Consumer, status: int
) -> None:
    in_nomis(SENTENCE)
    not_mapped("SENTENCE", 5551)
    respx.post(f"{world.SENTENCING}/legacy/adjustments").mock(
        side_effect=[httpx.Response(status), httpx.Response(201, json={"adjustmentId": NEW})]
    )
    mapping_answers(httpx.Response(201))
    with pytest.raises((Rejected, Unavailable)):
        await adjustments.event("SENTENCE_ADJUSTMENT_UPSERTED", **SENTENCE_EVENT)
    assert adjustments.telemetry.events == []
    await adjustments.event("SENTENCE_ADJUSTMENT_UPSERTED", **SENTENCE_EVENT)
    assert adjustments.telemetry.names() == ["sentence-adjustment-created-synchronisation-success"]


async def test_an_unknown_type_fails_with_its_code_and_sends_nothing(adjustments: Consumer) -> None:
    in_nomis({**SENTENCE, "adjustmentType": {"code": "HDC", "description": "x"}})
    not_mapped("SENTENCE", 5551)
    with pytest.raises(HandlerError, match="unknown-adjustment-type HDC"):
        await adjustments.event("SENTENCE_ADJUSTMENT_UPSERTED", **SENTENCE_EVENT)


@pytest.mark.parametrize("missing", ["offenderIdDisplay", "bookingId", "sentenceSeq", "adjustmentId"])
async def test_a_body_without_a_field_is_malformed(adjustments: Consumer, missing: str) -> None:
    with pytest.raises(MalformedMessage):
        await adjustments.event(
            "SENTENCE_ADJUSTMENT_UPSERTED", **{name: SENTENCE_EVENT[name] for name in SENTENCE_EVENT if name != missing}
        )


async def test_a_resync_copies_each_adjustment_whoever_changed_it(ledger_url: str) -> None:
    with respx.mock:
        async with consumer(ledger_url, AdjustmentsResynchronisation) as court:
            in_nomis(SENTENCE)
            not_mapped("SENTENCE", 5551)
            dps_creates()
            mapping_answers(httpx.Response(500))
            sentences = [{"sentenceId": {"offenderBookingId": 991, "sentenceSequence": 2}, "adjustmentIds": [5551]}]
            request = {"offenderNo": "A1234KX", "sentences": sentences}
            await court.receive(
                json.dumps({"Type": "courtsentencing.resync.sentence-adjustments", "Message": json.dumps(request)})
            )
            told = {**S, "bookingId": "991", "adjustmentId": NEW}
            assert [sent[:2] for sent in court.queues.sent] == [("eventsentencing", "RETRY_SYNCHRONISATION_MAPPING")]
            assert court.telemetry.events == [
                ("sentence-adjustment-created-synchronisation-success", {**told, "mapping": "initial-failure"})
            ]


async def test_the_merge_repair_is_the_merge_and_says_so(adjustments: Consumer) -> None:
    booking_of_example_d()
    dps_creates()
    mapping_answers(httpx.Response(201))
    await repair_merge(adjustments.context, Booking(booking_id=70099))
    assert adjustments.telemetry.events[-2:] == [
        ("from-nomis-synch-adjustment-merge", MERGED),
        ("from-nomis-synch-adjustment-merge-repair", {"bookingId": "70099"}),
    ]


async def test_the_update_repair_updates_what_is_mapped_and_creates_the_rest(adjustments: Consumer) -> None:
    booking_of_example_d()
    dps_creates()
    updated = respx.put(f"{world.SENTENCING}/legacy/adjustments/{OLD}").respond(200)
    mapping_answers(httpx.Response(201))
    await repair_update(adjustments.context, Booking(booking_id=70099))
    assert updated.call_count == 2
    assert adjustments.telemetry.names() == [
        "sentence-adjustment-updated-synchronisation-success",
        "sentence-adjustment-created-synchronisation-success",
        "key-date-adjustment-updated-synchronisation-success",
        "from-nomis-synch-adjustment-update-repair",
    ]


async def test_a_surplus_adjustment_is_deleted_with_the_vendor_content_type(adjustments: Consumer) -> None:
    gone = respx.delete(f"{world.SENTENCING}/legacy/adjustments/{NEW}").respond(200)
    await delete_surplus(adjustments.context.clients, NEW)
    assert gone.calls.last.request.headers["content-type"] == VENDOR


def test_the_handled_messages_are_those_of_the_card() -> None:
    declared = {(handler.kind, handler.type) for handler in AdjustmentsSynchronisation.handlers}
    assert declared == {
        ("event", "SENTENCE_ADJUSTMENT_UPSERTED"),
        ("event", "SENTENCE_ADJUSTMENT_DELETED"),
        ("event", "KEY_DATE_ADJUSTMENT_UPSERTED"),
        ("event", "KEY_DATE_ADJUSTMENT_DELETED"),
        ("event", "BOOKING_NUMBER-CHANGED"),
        ("internal", "RETRY_SYNCHRONISATION_MAPPING"),
    }
    assert [handler.type for handler in AdjustmentsResynchronisation.handlers] == [
        "courtsentencing.resync.sentence-adjustments"
    ]
