"""Alerts, events and answers that the tests of this folder share: those of the alerts card, section 10."""

import json
from typing import Any

import httpx
import respx

from nomis_pipelines.ledger import RecordKey
from nomis_pipelines_tests import world

PRISONER = "A7001BC"
BOOKING = 880011
OLD = "5c1d0c1e-0000-4000-8000-000000000001"
NEW = "77aa5b3e-0000-4000-8000-000000000010"
RESYNCED = ("9e21aa00-0000-4000-8000-000000000001", "9e21aa00-0000-4000-8000-000000000002")
MAPPINGS = f"{world.MAPPING}/mapping/alerts"
BASE = {"bookingId": "880011", "alertSequence": "6", "offenderNo": PRISONER}
"""The properties of every event about the one alert that most tests are about."""
EVENT = {"bookingId": "880011", "alertSeq": "6", "offenderIdDisplay": PRISONER, "alertCode": "XNR"}

TWO: list[dict[str, Any]] = [
    {
        "bookingId": BOOKING, "bookingSequence": 1, "alertSequence": 2,
        "alertCode": {"code": "XEL", "description": "Escape List"}, "type": {"code": "X", "description": "Security"},
        "date": "2023-11-04", "isActive": True, "isVerified": True, "authorisedBy": "Security dept",
        "comment": "Seen testing the fence",
        "audit": {
            "createDatetime": "2023-11-04T09:15:00", "createUsername": "KOSEI_GEN", "createDisplayName": "KEO OSEI",
        },
    },
    {
        "bookingId": BOOKING, "bookingSequence": 1, "alertSequence": 5,
        "alertCode": {"code": "HA", "description": "ACCT Open"}, "type": {"code": "H", "description": "Self Harm"},
        "date": "2024-01-10", "expiryDate": "2024-02-01", "isActive": False, "isVerified": False,
        "audit": {
            "createDatetime": "2024-01-10T18:02:11", "createUsername": "SYS",
            "modifyDatetime": "2024-02-01T08:00:30", "modifyUserId": "PQUINN_ADM",
        },
    },
]  # fmt: skip
"""The alerts of example 10.1."""
ONE: dict[str, Any] = {
    "bookingId": BOOKING, "bookingSequence": 1, "alertSequence": 6,
    "alertCode": {"code": "XNR", "description": "Not for release"}, "type": {"code": "X", "description": "Security"},
    "date": "2026-05-01", "isActive": True, "isVerified": False, "comment": "Court order",
    "audit": {
        "createDatetime": "2026-05-01T10:00:00", "createUsername": "KOSEI_GEN", "auditModuleName": "OCDALERT",
    },
}  # fmt: skip
"""The alert of example 10.2."""
ONE_BODY = {"alertCode": "XNR", "description": "Court order", "activeFrom": "2026-05-01"}
MAPPING_BODY = {
    "dpsAlertId": NEW,
    "nomisBookingId": BOOKING,
    "nomisAlertSequence": 6,
    "offenderNo": PRISONER,
    "mappingType": "NOMIS_CREATED",
}
MIGRATED_BODIES: list[dict[str, Any]] = [
    {
        "offenderBookId": BOOKING, "bookingSeq": 1, "alertSeq": 2, "alertCode": "XEL",
        "description": "Seen testing the fence", "activeFrom": "2023-11-04", "authorisedBy": "Security dept",
        "createdAt": "2023-11-04T09:15:00", "createdBy": "KOSEI_GEN", "createdByDisplayName": "KEO OSEI",
    },
    {
        "offenderBookId": BOOKING, "bookingSeq": 1, "alertSeq": 5, "alertCode": "HA", "activeFrom": "2024-01-10",
        "activeTo": "2024-02-01", "createdAt": "2024-01-10T18:02:11", "createdBy": "SYS",
        "createdByDisplayName": "SYS", "updatedAt": "2024-02-01T08:00:30", "updatedBy": "PQUINN_ADM",
        "updatedByDisplayName": "PQUINN_ADM",
    },
]  # fmt: skip
"""What example 10.1 sends; its nulls are left out, which is the same to the alerts service (section 4)."""


def resync_bodies() -> list[dict[str, Any]]:
    """The same two for a resynchronisation (example 10.3)."""
    names = {
        "updatedAt": "lastModifiedAt",
        "updatedBy": "lastModifiedBy",
        "updatedByDisplayName": "lastModifiedByDisplayName",
    }
    bodies = [
        {names.get(name, name): value for name, value in body.items() if name != "bookingSeq"}
        for body in MIGRATED_BODIES
    ]
    return [body | {"isActive": alert["isActive"]} for body, alert in zip(bodies, TWO, strict=True)]


def pairs(*dps_ids: str) -> list[dict[str, Any]]:
    """The pairs of the two alerts with these ids."""
    return [
        {"nomisBookingId": BOOKING, "nomisAlertSequence": alert["alertSequence"], "dpsAlertId": dps_id}
        for alert, dps_id in zip(TWO, dps_ids, strict=True)
    ]


def key(nomis_key: str) -> RecordKey:
    """The ledger's key of a prisoner, or of an alert."""
    return RecordKey(domain="alerts", entity="alerts", nomis_key=nomis_key)


def in_nomis(alert: dict[str, Any] | None = None, **changes: Any) -> None:
    """The one alert as NOMIS has it now; an `audit` adds to its own."""
    alert = alert or ONE
    audit = alert["audit"] | changes.pop("audit", {})
    url = f"{world.NOMIS}/prisoners/booking-id/{BOOKING}/alerts/{alert['alertSequence']}"
    respx.get(url).respond(json={**alert, **changes, "audit": audit})


def set_in_nomis(prisoner: str, alerts: list[dict[str, Any]] | None) -> respx.Route:
    """The alerts of a prisoner's latest booking; None for a prisoner who is unknown or was never booked."""
    route = respx.get(f"{world.NOMIS}/prisoners/{prisoner}/alerts/to-migrate")
    return route.respond(404) if alerts is None else route.respond(json={"latestBookingAlerts": alerts})


def mapped(dps_id: str = OLD, sequence: int = 6) -> None:
    """The mapping service has a pair."""
    pair = {**MAPPING_BODY, "nomisAlertSequence": sequence, "dpsAlertId": dps_id, "mappingType": "MIGRATED"}
    respx.get(lookup(sequence)).respond(json=pair)


def not_mapped(sequence: int = 6) -> None:
    """The mapping service has none."""
    respx.get(lookup(sequence)).respond(404)


def lookup(sequence: int) -> str:
    """Where the mapping of an alert is asked for."""
    return f"{MAPPINGS}/nomis-booking-id/{BOOKING}/nomis-alert-sequence/{sequence}"


def dps_creates(dps_id: str = NEW, prisoner: str = PRISONER) -> respx.Route:
    """DPS makes an alert."""
    return respx.post(f"{world.ALERTS}/prisoners/{prisoner}/alerts").respond(201, json={"alertUuid": dps_id})


def dps_resyncs(prisoner: str, *dps_ids: str) -> respx.Route:
    """DPS replaces a prisoner's alerts, by the two of the example or by none."""
    made = [
        {"offenderBookId": BOOKING, "alertSeq": alert["alertSequence"], "alertUuid": dps_id}
        for alert, dps_id in zip(TWO, dps_ids, strict=False)
    ]
    return respx.post(f"{world.ALERTS}/resync/{prisoner}/alerts").respond(201, json=made)


def mapping_answers(*answers: httpx.Response) -> respx.Route:
    """What posts of one mapping are answered, one after another."""
    return respx.post(MAPPINGS).mock(side_effect=list(answers))


def conflict(existing: dict[str, Any] | None, duplicate: dict[str, Any] | None = None) -> httpx.Response:
    """The 409 of the mapping service; `existing` is the pair in the table."""
    more = {"duplicate": duplicate or MAPPING_BODY, "existing": existing}
    return httpx.Response(409, json={"errorCode": 1409, "moreInfo": more})


def sent(route: respx.Route) -> Any:
    """The JSON that was last sent to a route."""
    return json.loads(route.calls.last.request.content)


def internal(kind: str, body: Any, attributes: dict[str, str] | None = None) -> str:
    """One of our own messages (section 7.8)."""
    message = json.dumps({"body": body, "telemetryAttributes": attributes or {}})
    return json.dumps({"Type": kind, "Message": message})


def merged(**changes: str) -> dict[str, Any]:
    """The body of the merge of example 10.3."""
    told = {"nomsNumber": PRISONER, "removedNomsNumber": "A7999ZZ", "bookingId": "880011", **changes}
    return {"occurredAt": "2026-03-02T10:00:00Z", "additionalInformation": told}


def moved() -> dict[str, Any]:
    """The body of the move of example 10.4."""
    told = {"movedToNomsNumber": "A7500KK", "movedFromNomsNumber": PRISONER, "bookingId": "880011"}
    return {"additionalInformation": told}
