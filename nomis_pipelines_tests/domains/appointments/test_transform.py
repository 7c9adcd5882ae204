"""Promise: every row of the table of the appointments card, section 6, for whatever NOMIS may hold."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

import pytest

from nomis_pipelines.domains.appointments.transform import AppointmentRecord, transform
from nomis_pipelines.http.encode import json_bytes
from nomis_pipelines.migration.declaration import Failed, Rejected
from nomis_pipelines_tests.domains.appointments.examples import (
    EVENT,
    EXAMPLE_A_BODY,
    EXAMPLE_B,
    LOCATION,
    ROOM,
    record,
)


def test_worked_example_a_byte_for_byte() -> None:
    assert json_bytes(transform(record()), keep_nulls=True).decode() == EXAMPLE_A_BODY


def test_worked_example_b_cancelled_open_ended_and_unchanged_since() -> None:
    absent = dict.fromkeys(("endDateTime", "comment", "modifiedDate", "modifiedBy"))
    sent = transform(record(**{**EXAMPLE_B, **absent}))
    assert sent.is_cancelled
    assert (sent.end_time, sent.comment, sent.updated, sent.updated_by) == (None, None, None, None)
    body = json_bytes(sent, keep_nulls=True).decode()
    assert '"endTime":null,"comment":null,"isCancelled":true' in body
    assert '"updated":null,"updatedBy":null' in body


@pytest.mark.parametrize(
    ("status", "cancelled"), [("CANC", True), ("SCH", False), ("COMP", False), ("EXP", False), ("canc", False)]
)
def test_only_one_status_is_cancelled(status: str, cancelled: bool) -> None:
    assert transform(record(status=status)).is_cancelled is cancelled


def test_seconds_of_start_and_end_are_dropped_and_the_end_may_be_of_another_day() -> None:
    sent = transform(record(startDateTime="2026-10-07T09:59:59.9", endDateTime="2026-10-08T00:00:59"))
    assert (sent.start_date, sent.start_time, sent.end_time) == (date(2026, 10, 7), "09:59", "00:00")


@pytest.mark.parametrize(
    ("nomis", "sent"),
    [
        ("2026-09-12T16:20:31.998877", "2026-09-12T16:20:31"),
        ("2026-09-12T16:20:31.5", "2026-09-12T16:20:31"),
        ("2026-09-12T10:00", "2026-09-12T10:00:00"),
        ("2026-03-29T01:30:00", "2026-03-29T01:30:00"),  # no such time in London: zones are never converted
    ],
)
def test_fractions_are_cut_off_and_seconds_always_written(nomis: str, sent: str) -> None:
    request = transform(record(createdDate=nomis, modifiedDate=nomis))
    assert request.created == request.updated == datetime.fromisoformat(sent)
    assert f'"created":"{sent}"' in json_bytes(request, keep_nulls=True).decode()


def test_a_comment_is_neither_trimmed_nor_cut() -> None:
    text = "  x" * 1300
    assert transform(record(comment=text)).comment == text


def test_a_prison_that_is_null_is_passed_on() -> None:
    assert '"prisonCode":null' in json_bytes(transform(record(prisonId=None)), keep_nulls=True).decode()


@pytest.mark.parametrize(
    ("fields", "location", "reason", "details"),
    [
        ({"internalLocation": None}, None, "no-internal-location", {"eventId": EVENT}),
        ({"startDateTime": None}, LOCATION, "no-start-date-time", {"eventId": EVENT}),
    ],
)
def test_without_room_or_start_it_is_rejected(
    fields: dict[str, Any], location: UUID | None, reason: str, details: dict[str, Any]
) -> None:
    with pytest.raises(Rejected) as caught:
        transform(AppointmentRecord(record(**fields).appointment, location))
    assert (caught.value.reason, caught.value.details) == (reason, details)


def test_in_a_room_that_is_not_mapped_it_fails_for_as_long_as_that_is_so() -> None:
    with pytest.raises(Failed, match=f"appointment {EVENT}: location {ROOM} has no mapping") as caught:
        transform(AppointmentRecord(record().appointment))
    assert caught.value.reason == "no-location-mapping"
