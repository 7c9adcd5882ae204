"""Promise: every rule of the visits card, section 6, and of the rooms in section 5, holds as written there."""

from datetime import date
from typing import Any

import pytest

from nomis_pipelines.contracts.nomis_prisoner import Visit
from nomis_pipelines.domains.visits.transform import (
    OUTCOME_OF_OUTCOME,
    OUTCOME_OF_STATUS,
    VisitRecord,
    needs_room,
    transform,
)
from nomis_pipelines.migration.declaration import Rejected
from nomis_pipelines_tests.domains.visits.examples import FUTURE_HEWELL, PAST_CANCELLED

TODAY = date(2026, 3, 10)


def visit(base: dict[str, Any] = PAST_CANCELLED, **changes: Any) -> Visit:
    return Visit.model_validate({**base, **changes})


def code(value: str) -> dict[str, str]:
    return {"code": value, "description": "anything"}


def sent(base: dict[str, Any] = PAST_CANCELLED, room: str | None = None, **changes: Any) -> dict[str, Any]:
    record = VisitRecord(visit(base, **changes), room=room, room_open=True)
    return transform(record, TODAY).model_dump(mode="json", by_alias=True, exclude_none=True)


OUTCOMES = {
    "ADMIN": "ADMINISTRATIVE_CANCELLATION",
    "ADMIN_CANCEL": "ADMINISTRATIVE_CANCELLATION",
    "HMP": "ESTABLISHMENT_CANCELLED",
    "NO_ID": "VISITOR_FAILED_SECURITY_CHECKS",
    "NO_VO": "NO_VISITING_ORDER",
    "NSHOW": "VISITOR_DID_NOT_ARRIVE",
    "OFFCANC": "PRISONER_CANCELLED",
    "REFUSED": "PRISONER_REFUSED_TO_ATTEND",
    "VISCANC": "VISITOR_CANCELLED",
    "VO_CANCEL": "VISIT_ORDER_CANCELLED",
    "BATCH_CANC": "BATCH_CANCELLATION",
}
STATUSES = {
    "CANC": ("CANCELLATION", "CANCELLED"), "HMPOP": ("TERMINATED_BY_STAFF", "BOOKED"),
    "OFFEND": ("PRISONER_COMPLETED_EARLY", "BOOKED"), "VISITOR": ("VISITOR_COMPLETED_EARLY", "BOOKED"),
    "VDE": ("VISITOR_DECLINED_ENTRY", "BOOKED"), "NORM": ("COMPLETED_NORMALLY", "BOOKED"),
    "SCH": (None, "BOOKED"), "EXP": (None, "BOOKED"), "COMP": (None, "BOOKED"),
}  # fmt: skip


@pytest.mark.parametrize(("nomis", "outcome"), OUTCOMES.items())
@pytest.mark.parametrize("status", ["CANC", "SCH", "NEVER_HEARD_OF"])
def test_an_outcome_decides_whatever_the_status_is(nomis: str, outcome: str, status: str) -> None:
    body = sent(visitOutcome=code(nomis), visitStatus=code(status))
    assert body["outcomeStatus"] == outcome
    assert body["visitStatus"] == ("CANCELLED" if status == "CANC" else "BOOKED")


@pytest.mark.parametrize(("nomis", "expected"), STATUSES.items())
def test_without_an_outcome_the_status_decides(nomis: str, expected: tuple[str | None, str]) -> None:
    body = sent(visitOutcome=None, visitStatus=code(nomis))
    assert (body.get("outcomeStatus"), body["visitStatus"]) == expected


def test_the_tables_of_the_card_are_whole() -> None:
    assert OUTCOMES == OUTCOME_OF_OUTCOME
    assert {name: outcome for name, (outcome, _) in STATUSES.items()} == OUTCOME_OF_STATUS


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"visitOutcome": code("XXX")}, "unknown-visit-outcome"),
        ({"visitOutcome": None, "visitStatus": code("XXX")}, "unknown-visit-status"),
        ({"visitType": code("XXX")}, "unknown-visit-type"),
    ],
)
def test_an_unknown_code_is_rejected_with_its_place(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(Rejected) as caught:
        sent(**changes)
    assert (caught.value.reason, caught.value.details) == (reason, {"visitId": 70101, "code": "XXX"})


def test_a_visit_without_a_room_fails_for_that_before_its_unknown_codes() -> None:
    with pytest.raises(Rejected, match="no-room-mapping"):
        sent(FUTURE_HEWELL, visitType=code("XXX"), visitOutcome=code("XXX"))


@pytest.mark.parametrize(("nomis", "dps"), [("SCON", "SOCIAL"), ("OFFI", "OFFICIAL")])
def test_visit_types(nomis: str, dps: str) -> None:
    assert sent(visitType=code(nomis))["visitType"] == dps


@pytest.mark.parametrize(
    ("start", "room_needed"),
    [
        ("2026-03-09T23:59:59", False),
        ("2026-03-10T00:00:00", True),
        ("2027-03-10T23:59:59", True),
        ("2027-03-11T00:00:00", False),
    ],
)
def test_past_future_and_erroneous_future_are_told_by_the_date(start: str, room_needed: bool) -> None:
    assert needs_room(visit(startDateTime=start), TODAY) is room_needed


@pytest.mark.parametrize(("start", "room_needed"), [("2029-02-28T10:00:00", True), ("2029-03-01T10:00:00", False)])
def test_a_year_after_a_leap_day_is_the_last_of_february(start: str, room_needed: bool) -> None:
    assert needs_room(visit(startDateTime=start), date(2028, 2, 29)) is room_needed


@pytest.mark.parametrize(
    ("start", "location", "room", "expected"),
    [
        ("2026-03-02T14:00:00", code("X"), None, ("anything", "UNKNOWN")),
        ("2026-03-02T14:00:00", None, None, ("UNKNOWN", "UNKNOWN")),
        ("2028-03-02T14:00:00", code("X"), None, ("anything", "UNKNOWN")),
        ("2028-03-02T14:00:00", None, None, ("UNKNOWN", "UNKNOWN")),
        ("2026-03-12T14:00:00", code("X"), "Main Hall", ("Main Hall", "OPEN")),
    ],
)
def test_the_room_table(start: str, location: Any, room: str | None, expected: tuple[str, str]) -> None:
    body = sent(room=room, startDateTime=start, agencyInternalLocation=location)
    assert (body["visitRoom"], body["visitRestriction"]) == expected


@pytest.mark.parametrize("location", [code("X"), None])
def test_a_future_visit_whose_room_is_not_mapped_is_rejected(location: Any) -> None:
    with pytest.raises(Rejected) as caught:
        sent(startDateTime="2026-03-12T14:00:00", agencyInternalLocation=location)
    assert caught.value.reason == "no-room-mapping"
    assert caught.value.details["prisonId"] == "BXI"


@pytest.mark.parametrize(
    ("prison", "start", "end", "expected"),
    [
        ("HEI", "2026-03-12T11:59:59", "2026-03-12T12:30:00", ("2026-03-12T09:00:00", "2026-03-12T10:00:00")),
        ("HEI", "2026-03-12T12:00:00", "2026-03-13T12:30:00", ("2026-03-12T13:45:00", "2026-03-13T14:45:00")),
        ("HEI", "2026-03-09T10:30:00", "2026-03-09T11:30:00", ("2026-03-09T10:30:00", "2026-03-09T11:30:00")),
        ("BLI", "2026-03-12T10:30:00", "2026-03-12T11:30:00", ("2026-03-12T10:30:00", "2026-03-12T11:30:00")),
    ],
)
def test_hewell_has_two_sessions_and_only_for_the_future(
    prison: str, start: str, end: str, expected: tuple[str, str]
) -> None:
    body = sent(room="Any", prisonId=prison, startDateTime=start, endDateTime=end)
    assert (body["startTimestamp"], body["endTimestamp"]) == expected


def test_notes_are_for_future_visits_and_an_empty_text_counts() -> None:
    texts: dict[str, Any] = {"commentText": "", "visitorConcernText": "concern"}
    assert sent(room="Any", startDateTime="2026-03-12T10:00:00", **texts)["visitNotes"] == [
        {"type": "VISIT_COMMENT", "text": ""},
        {"type": "VISITOR_CONCERN", "text": "concern"},
    ]
    assert sent(**texts)["visitNotes"] == []


def test_visitors_are_listed_with_repeats_and_as_a_set_in_order() -> None:
    body = sent(visitors=[{"personId": 3}, {"personId": 1}, {"personId": 3}])
    assert [person["nomisPersonId"] for person in body["contactList"]] == [3, 1, 3]
    assert [person["nomisPersonId"] for person in body["visitors"]] == [3, 1]
    assert sent(visitors=[])["contactList"] == []


def test_a_lead_visitor_without_telephones_has_a_name_only() -> None:
    body = sent(leadVisitor={"personId": 1, "fullName": "X Y", "telephones": []})
    assert body["visitContact"] == {"name": "X Y"}
    assert body["legacyData"] == {"leadVisitorId": 1}


def test_without_a_lead_visitor_contact_and_legacy_data_are_left_out() -> None:
    assert not {"visitContact", "legacyData"} & set(sent(leadVisitor=None))


def test_the_one_who_changed_it_last_is_named_else_the_one_who_made_it() -> None:
    assert sent()["actionedBy"] == "CD_GEN"
    assert sent(modifyUserId=None)["actionedBy"] == "AB_GEN"


def test_fractions_of_a_second_are_dropped_not_rounded() -> None:
    body = sent(whenCreated="2026-02-20T09:15:30.999999", whenUpdated="2026-03-01T08:00:00.5")
    assert (body["createDateTime"], body["modifyDateTime"]) == ("2026-02-20T09:15:30", "2026-03-01T08:00:00")
    assert "modifyDateTime" not in sent(whenUpdated=None)
