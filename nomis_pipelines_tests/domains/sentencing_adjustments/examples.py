"""Adjustments, events and answers that the tests of this folder share; S and K are the card's common properties."""

import json
from typing import Any

import httpx
import respx

from nomis_pipelines_tests import world

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
RESYNC_SENTENCE: dict[str, Any] = {
    "sentenceId": {"offenderBookingId": 70010, "sentenceSequence": 2},
    "adjustmentIds": [5551],
}
MAPPING_BODY = {
    "nomisAdjustmentId": 5551,
    "nomisAdjustmentCategory": "SENTENCE",
    "adjustmentId": NEW,
    "mappingType": "NOMIS_CREATED",
}
MERGED = {
    "bookingId": "70099",
    "sentenceAdjustments": "2",
    "keyDateAdjustments": "1",
    "sentenceAdjustmentsCreated": "1",
    "keyDateAdjustmentsCreated": "0",
}


def lookup(category: str, number: int) -> str:
    """Where the mapping of an adjustment is asked for."""
    return f"{MAPPINGS}/nomis-adjustment-category/{category}/nomis-adjustment-id/{number}"


def mapped(category: str, number: int, dps_id: str = OLD) -> None:
    """The mapping service has a pair."""
    pair = {"nomisAdjustmentId": number, "nomisAdjustmentCategory": category, "adjustmentId": dps_id}
    respx.get(lookup(category, number)).respond(json={**pair, "mappingType": "MIGRATED"})


def not_mapped(category: str, number: int) -> None:
    """The mapping service has none."""
    respx.get(lookup(category, number)).respond(404)


def in_nomis(*adjustments: dict[str, Any]) -> None:
    """Adjustments as NOMIS has them now."""
    for adjustment in adjustments:
        kind = "sentence" if "sentenceSequence" in adjustment else "key-date"
        respx.get(f"{world.NOMIS}/{kind}-adjustments/{adjustment['id']}").respond(json=adjustment)


def dps_creates(dps_id: str = NEW) -> respx.Route:
    """DPS makes an adjustment."""
    return respx.post(f"{world.SENTENCING}/legacy/adjustments").respond(201, json={"adjustmentId": dps_id})


def mapping_answers(*answers: httpx.Response) -> respx.Route:
    """What posts of a mapping are answered, one after another."""
    return respx.post(MAPPINGS).mock(side_effect=list(answers))


def conflict(existing: dict[str, Any] | None) -> httpx.Response:
    """The 409 of the mapping service; `existing` is the pair in the table."""
    return httpx.Response(409, json={"errorCode": 1409, "moreInfo": {"duplicate": MAPPING_BODY, "existing": existing}})


def booking_of_example_d() -> None:
    """A booking with three adjustments, of which 6002 is not mapped."""
    sentences = [{**SENTENCE, "id": number, "bookingId": 70099} for number in (6001, 6002)]
    key_dates = [{**KEY_DATE, "id": 7001, "bookingId": 70099}]
    respx.get(f"{world.NOMIS}/prisoners/booking-id/70099/sentencing-adjustments").respond(
        json={"sentenceAdjustments": sentences, "keyDateAdjustments": key_dates}
    )
    in_nomis(*sentences, *key_dates)
    mapped("SENTENCE", 6001)
    not_mapped("SENTENCE", 6002)
    mapped("KEY-DATE", 7001)


def retry_message(body: dict[str, Any], attributes: dict[str, str]) -> str:
    """The internal message that asks for a mapping to be posted (section 7.4)."""
    message = json.dumps({"body": body, "telemetryAttributes": attributes})
    return json.dumps({"Type": "RETRY_SYNCHRONISATION_MAPPING", "Message": message})
