"""Promise: an adjustment is made once, mapped in the end, and told of when it is twice (sections 7.4 and 9)."""

import json

import httpx
import pytest
import respx

from nomis_pipelines.domains.sentencing_adjustments import delete_surplus
from nomis_pipelines.domains.sentencing_adjustments.clients import AdjustmentKey
from nomis_pipelines.http import Conflict, Rejected, Unavailable
from nomis_pipelines.ledger import State
from nomis_pipelines.synchronisation import InDoubt, QueueError
from nomis_pipelines_tests import world
from nomis_pipelines_tests.domains.events import Consumer
from nomis_pipelines_tests.domains.sentencing_adjustments.examples import (
    KEY_DATE,
    KEY_DATE_EVENT,
    MAPPING_BODY,
    MAPPINGS,
    NEW,
    OLD,
    SENTENCE,
    SENTENCE_BODY,
    SENTENCE_EVENT,
    VENDOR,
    S,
    conflict,
    dps_creates,
    in_nomis,
    lookup,
    mapping_answers,
    not_mapped,
    retry_message,
)

pytestmark = pytest.mark.server


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


async def test_a_surplus_adjustment_is_deleted_with_the_vendor_content_type(adjustments: Consumer) -> None:
    gone = respx.delete(f"{world.SENTENCING}/legacy/adjustments/{NEW}").respond(200)
    await delete_surplus(adjustments.context.clients, NEW)
    assert gone.calls.last.request.headers["content-type"] == VENDOR


@pytest.mark.parametrize("existing_body", ["null", "absent"])
async def test_a_409_without_the_other_pair_is_a_mapping_to_retry_not_a_duplicate(
    adjustments: Consumer, existing_body: str
) -> None:
    in_nomis(SENTENCE)
    not_mapped("SENTENCE", 5551)
    dps_creates()
    refused = conflict(None) if existing_body == "null" else httpx.Response(409)
    mapping_answers(refused, refused)
    await adjustments.event("SENTENCE_ADJUSTMENT_UPSERTED", **SENTENCE_EVENT)
    attributes = {**S, "adjustmentId": NEW}
    assert adjustments.queues.sent == [("eventsentencing", "RETRY_SYNCHRONISATION_MAPPING", MAPPING_BODY, attributes)]
    assert adjustments.telemetry.events == [
        ("sentence-adjustment-created-synchronisation-success", {**attributes, "mapping": "initial-failure"})
    ]
    with pytest.raises(Conflict):
        await adjustments.receive(retry_message(MAPPING_BODY, attributes))
    record = await adjustments.context.ledger.record(AdjustmentKey("SENTENCE", 5551).ledger_key)
    assert record is not None
    assert record.state is State.WRITTEN


async def test_a_retry_that_cannot_be_sent_fails_the_message_whose_redelivery_writes_nothing_again(
    adjustments: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_nomis(SENTENCE)
    not_mapped("SENTENCE", 5551)
    created = dps_creates()
    respx.put(f"{world.SENTENCING}/legacy/adjustments/{NEW}").respond(200)
    mapping_answers(httpx.Response(500), httpx.Response(201))

    async def refuse(*_: object, **__: object) -> None:
        raise QueueError("the queue is away")

    with monkeypatch.context() as patch:
        patch.setattr(adjustments.queues, "send_internal", refuse)
        with pytest.raises(QueueError):
            await adjustments.event("SENTENCE_ADJUSTMENT_UPSERTED", **SENTENCE_EVENT)
    assert adjustments.telemetry.events == []
    await adjustments.event("SENTENCE_ADJUSTMENT_UPSERTED", **SENTENCE_EVENT)
    assert created.call_count == 1
    assert adjustments.telemetry.names() == ["sentence-adjustment-created-synchronisation-success"]


async def test_an_adjustment_that_another_consumer_made_meanwhile_is_updated(adjustments: Consumer) -> None:
    in_nomis(SENTENCE)
    key = AdjustmentKey("SENTENCE", 5551).ledger_key
    await adjustments.context.ledger.claim(key)
    await adjustments.context.ledger.written(key, dps_id=OLD, mapping={**MAPPING_BODY, "adjustmentId": OLD})
    await adjustments.context.ledger.mapped(key)
    pair = httpx.Response(200, json={**MAPPING_BODY, "adjustmentId": OLD})
    respx.get(lookup("SENTENCE", 5551)).mock(side_effect=[httpx.Response(404), pair])
    updated = respx.put(f"{world.SENTENCING}/legacy/adjustments/{OLD}").respond(200)
    await adjustments.event("SENTENCE_ADJUSTMENT_UPSERTED", **SENTENCE_EVENT)
    assert updated.calls.last.request.content.decode() == SENTENCE_BODY
    assert adjustments.telemetry.events == [
        ("sentence-adjustment-updated-synchronisation-success", {**S, "adjustmentId": OLD})
    ]


async def test_sentence_and_key_date_adjustments_of_one_number_are_two(adjustments: Consumer) -> None:
    in_nomis(SENTENCE, {**KEY_DATE, "id": 5551})
    not_mapped("SENTENCE", 5551)
    not_mapped("KEY-DATE", 5551)
    created = respx.post(f"{world.SENTENCING}/legacy/adjustments").mock(
        side_effect=[httpx.Response(201, json={"adjustmentId": NEW}), httpx.Response(201, json={"adjustmentId": OLD})]
    )
    posted = mapping_answers(httpx.Response(201), httpx.Response(201))
    await adjustments.event("SENTENCE_ADJUSTMENT_UPSERTED", **SENTENCE_EVENT)
    await adjustments.event("KEY_DATE_ADJUSTMENT_UPSERTED", **{**KEY_DATE_EVENT, "adjustmentId": "5551"})
    assert created.call_count == 2
    categories = [json.loads(call.request.content)["nomisAdjustmentCategory"] for call in posted.calls]
    assert categories == ["SENTENCE", "KEY-DATE"]
