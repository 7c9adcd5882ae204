"""Promise: every branch of sections 7.1 and 7.2 of the adjustments card: calls, bodies, telemetry."""

import json

import httpx
import pytest
import respx

from nomis_pipelines.domains.sentencing_adjustments import SENTENCING_ADJUSTMENTS
from nomis_pipelines.domains.sentencing_adjustments.clients import AdjustmentKey
from nomis_pipelines.domains.sentencing_adjustments.synchronisation import (
    AdjustmentsResynchronisation,
    AdjustmentsSynchronisation,
)
from nomis_pipelines.http import Unavailable
from nomis_pipelines.ledger import State
from nomis_pipelines.synchronisation import HandlerError, MalformedMessage
from nomis_pipelines_tests import world
from nomis_pipelines_tests.domains.events import Consumer
from nomis_pipelines_tests.domains.sentencing_adjustments.examples import (
    KEY_DATE,
    KEY_DATE_EVENT,
    MAPPING_BODY,
    MAPPINGS,
    NEW,
    OLD,
    RESYNC_SENTENCE,
    SENTENCE,
    SENTENCE_BODY,
    SENTENCE_EVENT,
    VENDOR,
    K,
    S,
    dps_creates,
    in_nomis,
    lookup,
    mapped,
    mapping_answers,
    not_mapped,
)

pytestmark = pytest.mark.server


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


async def test_deletes_of_what_is_not_mapped_are_ignored(adjustments: Consumer) -> None:
    not_mapped("SENTENCE", 5551)
    not_mapped("KEY-DATE", 4412)
    await adjustments.event("SENTENCE_ADJUSTMENT_DELETED", **SENTENCE_EVENT)
    await adjustments.event("KEY_DATE_ADJUSTMENT_DELETED", **KEY_DATE_EVENT)
    assert adjustments.telemetry.events == [
        ("sentence-adjustment-delete-synchronisation-ignored", S),
        ("key-date-adjustment-delete-synchronisation-ignored", K),
    ]


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


def test_the_resync_keeps_to_the_redelivery_of_court_sentencing() -> None:
    assert AdjustmentsResynchronisation.queue == "eventcourtsentencing"
    assert AdjustmentsResynchronisation.redelivery_seconds == (1, 1, 1, 1, 1, 1, 5, 5, 60) * 2
    assert SENTENCING_ADJUSTMENTS.queues == ["eventsentencing", "eventcourtsentencing"]
    assert AdjustmentsSynchronisation.redelivery_seconds == (1, 10, 60, 600)


def test_whatever_changes_one_booking_has_one_key() -> None:
    events = {handler.type: handler for handler in AdjustmentsSynchronisation.handlers if handler.kind == "event"}
    (resync,) = AdjustmentsResynchronisation.handlers
    bodies = [
        *((events[name], SENTENCE_EVENT) for name in events if name.startswith("SENTENCE")),
        *((events[name], KEY_DATE_EVENT) for name in events if name.startswith("KEY_DATE")),
        (events["BOOKING_NUMBER-CHANGED"], {"bookingId": 70010}),
        (resync, {"offenderNo": "A1234KX", "sentences": [RESYNC_SENTENCE]}),
    ]
    keys = {str(handler.key(handler.body.validate_python(body, strict=False))) for handler, body in bodies}
    assert keys == {"70010"}


async def test_a_sentence_adjustment_is_deleted(adjustments: Consumer) -> None:
    mapped("SENTENCE", 5551)
    respx.delete(f"{world.SENTENCING}/legacy/adjustments/{OLD}").respond(204)
    respx.delete(f"{MAPPINGS}/adjustment-id/{OLD}").respond(204)
    await adjustments.event("SENTENCE_ADJUSTMENT_DELETED", **SENTENCE_EVENT)
    assert adjustments.telemetry.events == [
        ("sentence-adjustment-delete-synchronisation-success", {**S, "adjustmentId": OLD})
    ]


async def test_a_delete_that_dps_refuses_keeps_the_mapping_and_fails(adjustments: Consumer) -> None:
    mapped("SENTENCE", 5551)
    respx.delete(f"{world.SENTENCING}/legacy/adjustments/{OLD}").respond(500)
    with pytest.raises(Unavailable):
        await adjustments.event("SENTENCE_ADJUSTMENT_DELETED", **SENTENCE_EVENT)
    assert not any(call.startswith("DELETE mapping") for call in adjustments.calls)
    assert adjustments.telemetry.events == []


async def test_a_delete_of_a_mapping_that_fails_is_done_again_from_the_start(adjustments: Consumer) -> None:
    mapped("KEY-DATE", 4412)
    respx.delete(f"{world.SENTENCING}/legacy/adjustments/{OLD}").mock(
        side_effect=[httpx.Response(200), httpx.Response(404)]
    )
    respx.delete(f"{MAPPINGS}/adjustment-id/{OLD}").mock(side_effect=[httpx.Response(500), httpx.Response(204)])
    with pytest.raises(Unavailable):
        await adjustments.event("KEY_DATE_ADJUSTMENT_DELETED", **KEY_DATE_EVENT)
    assert adjustments.telemetry.events == []
    await adjustments.event("KEY_DATE_ADJUSTMENT_DELETED", **KEY_DATE_EVENT)
    assert adjustments.telemetry.names() == ["key-date-adjustment-delete-synchronisation-success"]


@pytest.mark.parametrize("state", [State.WRITTEN, State.IN_DOUBT])
async def test_a_delete_waits_for_a_create_that_is_not_settled(adjustments: Consumer, state: State) -> None:
    not_mapped("SENTENCE", 5551)
    ledger, key = adjustments.context.ledger, AdjustmentKey("SENTENCE", 5551).ledger_key
    await ledger.claim(key)
    if state is State.WRITTEN:
        await ledger.written(key, dps_id=NEW, mapping=MAPPING_BODY)
    else:
        await ledger.in_doubt(key)
    with pytest.raises(HandlerError, match=state):
        await adjustments.event("SENTENCE_ADJUSTMENT_DELETED", **SENTENCE_EVENT)
    assert adjustments.telemetry.events == []


async def test_a_sentence_adjustment_that_does_not_say_whether_it_is_hidden_is_not(adjustments: Consumer) -> None:
    in_nomis({name: value for name, value in SENTENCE.items() if name != "hiddenFromUsers"})
    mapped("SENTENCE", 5551)
    respx.put(f"{world.SENTENCING}/legacy/adjustments/{OLD}").respond(200)
    await adjustments.event("SENTENCE_ADJUSTMENT_UPSERTED", **SENTENCE_EVENT)
    assert adjustments.telemetry.names() == ["sentence-adjustment-updated-synchronisation-success"]


@pytest.mark.parametrize("failing", ["nomis", "mapping"])
async def test_an_error_of_nomis_or_of_the_lookup_fails_the_message_before_anything_is_written(
    adjustments: Consumer, failing: str
) -> None:
    respx.get(f"{world.NOMIS}/sentence-adjustments/5551").respond(500 if failing == "nomis" else 200, json=SENTENCE)
    respx.get(lookup("SENTENCE", 5551)).respond(500)
    with pytest.raises(Unavailable) as caught:
        await adjustments.event("SENTENCE_ADJUSTMENT_UPSERTED", **SENTENCE_EVENT)
    assert caught.value.service == failing
    assert len(adjustments.calls) == (1 if failing == "nomis" else 2)
    assert adjustments.telemetry.events == []
