"""Promise: worked examples B to D of the adjustments card, section 10: calls in order, bodies, telemetry."""

import json

import httpx
import pytest
import respx

from nomis_pipelines.domains.sentencing_adjustments.clients import AdjustmentKey
from nomis_pipelines.ledger import State
from nomis_pipelines_tests import world
from nomis_pipelines_tests.domains.events import Consumer
from nomis_pipelines_tests.domains.sentencing_adjustments.examples import (
    KEY_DATE_EVENT,
    MAPPING_BODY,
    MAPPINGS,
    MERGED,
    NEW,
    OLD,
    SENTENCE,
    SENTENCE_BODY,
    SENTENCE_EVENT,
    VENDOR,
    K,
    S,
    booking_of_example_d,
    dps_creates,
    in_nomis,
    mapped,
    mapping_answers,
    not_mapped,
)

pytestmark = pytest.mark.server


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
