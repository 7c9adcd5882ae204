"""Promise: sections 7.4 and 7.7 of the CSIP card, reports deleted and bookings moved: calls and telemetry."""

import copy

import httpx
import pytest

from nomis_pipelines.http import NotFound, ServiceError, Unavailable
from nomis_pipelines_tests.domains.csip.conftest import Csip
from nomis_pipelines_tests.domains.csip.examples import PRISONER, RECORD, REPORT, Json, another, full_mapping, uuid
from nomis_pipelines_tests.domains.csip.test_tables import BASE, DPS, EVENT, FROM_DPS, M1, called, not_mapped, told

pytestmark = pytest.mark.server

D2, D3 = f"DELETE csip /sync/csip-records/{RECORD}", "PUT csip /sync/csip-records/move"
M6 = f"DELETE mapping /dps-csip-id/{RECORD}/all"


# 7.4, a report deleted


async def test_a_delete_of_what_is_not_mapped_is_ignored(csip: Csip) -> None:
    not_mapped(csip)
    await csip.consumer.event("CSIP_REPORTS-DELETED", **EVENT)
    assert (told(csip), called(csip)) == ([("csip-synchronisation-deleted-ignored", BASE)], [M1])


@pytest.mark.parametrize("event", [EVENT, FROM_DPS], ids=["NOMIS", "DPS"])
async def test_a_delete_goes_to_dps_and_the_mappings_wherever_it_began(csip: Csip, event: Json) -> None:
    await csip.consumer.event("CSIP_REPORTS-DELETED", **event)
    assert called(csip) == [M1, D2, M6]
    assert csip.services.written(D2) == [
        {"actionedAt": "2025-05-06T12:00:00", "actionedBy": None, "activeCaseloadId": None}
    ]
    assert told(csip) == [("csip-synchronisation-deleted-success", {**BASE, **DPS})]


@pytest.mark.parametrize("status", [200, 204])
async def test_either_status_of_a_delete_will_do(csip: Csip, status: int) -> None:
    csip.services.answer(D2, httpx.Response(status))
    await csip.consumer.event("CSIP_REPORTS-DELETED", **EVENT)
    assert told(csip) == [("csip-synchronisation-deleted-success", {**BASE, **DPS})]


@pytest.mark.parametrize(("status", "error"), [(404, NotFound), (500, Unavailable)])
async def test_a_delete_that_dps_refuses_is_an_error_without_telemetry(
    csip: Csip, status: int, error: type[ServiceError]
) -> None:
    csip.services.answer(D2, httpx.Response(status))
    with pytest.raises(error):
        await csip.consumer.event("CSIP_REPORTS-DELETED", **EVENT)
    assert (told(csip), called(csip)) == ([], [M1, D2])


@pytest.mark.parametrize("status", [404, 500])
async def test_mappings_that_cannot_be_deleted_are_told_and_the_delete_has_succeeded(csip: Csip, status: int) -> None:
    csip.services.answer(M6, httpx.Response(status))
    await csip.consumer.event("CSIP_REPORTS-DELETED", **EVENT)
    assert called(csip) == [M1, D2, M6]
    assert told(csip) == [
        ("csip-mapping-deleted-failed", DPS),
        ("csip-synchronisation-deleted-success", {**BASE, **DPS}),
    ]


# 7.7, a booking moved

MOVED = {"additionalInformation": {"movedToNomsNumber": "A9000ZZ", "movedFromNomsNumber": PRISONER, "bookingId": "771"}}
MOVE = {"bookingId": "771", "movedToNomsNumber": "A9000ZZ", "movedFromNomsNumber": PRISONER}
BOOKING_MOVED = "prison-offender-events.prisoner.booking.moved"
OF_BOOKING = "GET nomis /csip/booking/771"


async def test_a_move_of_a_booking_without_reports_is_ignored(csip: Csip) -> None:
    csip.services.bookings[771] = []
    await csip.consumer.event(BOOKING_MOVED, **MOVED)
    assert (told(csip), called(csip)) == ([("csip-booking-moved-ignored", MOVE)], [OF_BOOKING])


async def test_a_move_names_each_record_once_and_counts_the_reports(csip: Csip) -> None:
    csip.services.bookings[771] = [REPORT, 8102, 8103]
    csip.services.mapped |= {
        8102: {**another(), "nomisCSIPReportId": 8102},
        8103: {**copy.deepcopy(full_mapping("MIGRATED")), "nomisCSIPReportId": 8103},
    }
    await csip.consumer.event(BOOKING_MOVED, **MOVED)
    assert csip.services.written(D3) == [
        {"fromPrisonNumber": PRISONER, "toPrisonNumber": "A9000ZZ", "recordUuids": [RECORD, uuid(9)]}
    ]
    assert told(csip) == [("csip-booking-moved-success", {**MOVE, "count": "3"})]
    assert called(csip) == [OF_BOOKING, "GET mapping /nomis-csip-id", D3]


@pytest.mark.parametrize(
    ("call", "answer", "words"),
    [
        (OF_BOOKING, httpx.Response(404), "404 Not Found"),
        (OF_BOOKING, httpx.Response(500), "500 Internal Server Error"),
        ("GET mapping /nomis-csip-id", httpx.Response(404), "404 Not Found"),
        (D3, httpx.Response(400, json={}), "400 Bad Request"),
        (D3, httpx.Response(500), "500 Internal Server Error"),
    ],
)
async def test_a_move_that_fails_is_told_with_the_status_and_an_error(
    csip: Csip, call: str, answer: httpx.Response, words: str
) -> None:
    csip.services.bookings[771] = [REPORT]
    csip.services.answer(call, answer)
    with pytest.raises(ServiceError):
        await csip.consumer.event(BOOKING_MOVED, **MOVED)
    ((name, properties),) = told(csip)
    assert name == "csip-booking-moved-failed"
    assert words in properties.pop("error")
    assert properties == MOVE
