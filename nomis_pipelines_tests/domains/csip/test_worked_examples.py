"""Promise: the worked examples of section 10 of the CSIP card that are events, to the letter."""

import json
from typing import Any

import pytest

from nomis_pipelines_tests.domains.csip.conftest import Csip
from nomis_pipelines_tests.domains.csip.examples import (
    ATTENDEE,
    FACTOR,
    NEW_FACTOR,
    PLAN,
    PRISONER,
    RECORD,
    REPORT,
    REVIEW,
    full_mapping,
    uuid,
)

pytestmark = pytest.mark.server

BASE = {"nomisCSIPId": str(REPORT), "nomisCSIPFactorId": str(NEW_FACTOR), "offenderNo": PRISONER}


def factor_added(module: str) -> str:
    """The message of example 10.2."""
    body: dict[str, Any] = {
        "eventType": "CSIP_FACTORS-INSERTED", "eventDatetime": "2025-04-02T10:00:01", "bookingId": 771,
        "offenderIdDisplay": "A7788BC", "csipFactorId": "52", "csipReportId": "8101", "auditModuleName": module,
    }  # fmt: skip
    attributes = {"eventType": {"Type": "String", "Value": "CSIP_FACTORS-INSERTED"}}
    return json.dumps(
        {"Type": "Notification", "MessageId": "m-1", "MessageAttributes": attributes, "Message": json.dumps(body)}
    )


async def test_a_factor_added_in_nomis(csip: Csip) -> None:
    csip.services.add_factor()
    await csip.consumer.receive(factor_added("OIDCSIPC"))
    assert csip.consumer.calls == [
        "GET nomis /csip/8101",
        "GET mapping /mapping/csip/nomis-csip-id/8101",
        f"GET mapping /mapping/csip/dps-csip-id/{RECORD}/all",
        "PUT csip /sync/csip-records",
        "POST mapping /mapping/csip/children/all",
    ]
    (body,) = csip.services.written("PUT csip /sync/csip-records")
    assert (body["id"], body["actionedAt"], body["actionedBy"]) == (RECORD, "2025-04-02T10:00:00", "PHART")
    assert [(each.get("id"), each["legacyId"]) for each in body["referral"]["contributoryFactors"]] == [
        (uuid(FACTOR), FACTOR),
        (None, NEW_FACTOR),
    ]
    review = body["plan"]["reviews"][0]
    ids = (body["plan"]["identifiedNeeds"][0]["id"], review["id"], review["attendees"][0]["id"])
    assert ids == (uuid(PLAN), uuid(REVIEW), uuid(ATTENDEE))
    assert csip.services.written("POST mapping /children/all") == [
        full_mapping("NOMIS_CREATED", factorMappings=[NEW_FACTOR])
    ]
    told = {**BASE, "dpsCSIPId": RECORD, "mapping": "initial-failure"}
    assert csip.consumer.telemetry.events == [("csip-synchronisation-updated-success", told)]


async def test_the_same_factor_made_in_dps(csip: Csip) -> None:
    csip.services.factors[NEW_FACTOR] = {
        "nomisId": NEW_FACTOR, "dpsId": uuid(NEW_FACTOR), "dpsCSIPReportId": RECORD, "mappingType": "DPS_CREATED",
    }  # fmt: skip
    await csip.consumer.receive(factor_added(""))
    assert csip.consumer.calls == ["GET mapping /mapping/csip/factors/nomis-csip-factor-id/52"]
    told = {**BASE, "dpsCSIPFactorId": uuid(NEW_FACTOR), "dpsCSIPReportId": RECORD}
    assert csip.consumer.telemetry.events == [("csip-synchronisation-factor-upserted-skipped-null", told)]


async def test_a_report_deleted(csip: Csip) -> None:
    event = {
        "csipReportId": 8101, "offenderIdDisplay": PRISONER, "eventDatetime": "2025-05-06T12:00:00",
        "auditModuleName": "DPS_SYNCHRONISATION",
    }  # fmt: skip
    await csip.consumer.event("CSIP_REPORTS-DELETED", **event)
    assert csip.consumer.calls == [
        "GET mapping /mapping/csip/nomis-csip-id/8101",
        "DELETE csip /sync/csip-records/aaaa0000-0000-4000-8000-000000000001",
        "DELETE mapping /mapping/csip/dps-csip-id/aaaa0000-0000-4000-8000-000000000001/all",
    ]
    assert csip.services.writes[0][1] == {
        "actionedAt": "2025-05-06T12:00:00", "actionedBy": None, "activeCaseloadId": None,
    }  # fmt: skip
    told = {"nomisCSIPId": "8101", "offenderNo": PRISONER, "dpsCSIPId": RECORD}
    assert csip.consumer.telemetry.events == [("csip-synchronisation-deleted-success", told)]


async def test_a_booking_moved(csip: Csip) -> None:
    csip.services.bookings[771] = [8101, 8102]
    csip.services.mapped[8102] = {**full_mapping("MIGRATED"), "nomisCSIPReportId": 8102, "dpsCSIPReportId": uuid(2)}
    moved = {"movedToNomsNumber": "A9000ZZ", "movedFromNomsNumber": PRISONER, "bookingId": "771"}
    await csip.consumer.event("prison-offender-events.prisoner.booking.moved", additionalInformation=moved)
    assert csip.services.writes == [
        (
            "PUT csip /sync/csip-records/move",
            {"fromPrisonNumber": PRISONER, "toPrisonNumber": "A9000ZZ", "recordUuids": [RECORD, uuid(2)]},
        )
    ]
    assert csip.consumer.telemetry.events == [("csip-booking-moved-success", {**moved, "count": "2"})]
