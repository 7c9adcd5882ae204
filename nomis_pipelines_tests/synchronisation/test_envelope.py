"""Envelopes and bodies are read as the platform card shows them (sections 4.5 and 4.6)."""

import json

import pytest
from pydantic import TypeAdapter

from nomis_pipelines.synchronisation import EventBody, MalformedMessage
from nomis_pipelines.synchronisation.envelope import (
    Internal,
    Notification,
    internal_message,
    parse_body,
    parse_envelope,
)

CARD_EXAMPLE = r"""{
  "Type": "Notification",
  "MessageId": "48e8a79a-0f43-4338-bbd4-b0d745f1f8ec",
  "TopicArn": "arn:aws:sns:eu-west-2:000000000000:hmpps-domain-events",
  "Timestamp": "2026-08-20T10:13:56.000Z",
  "Message": "{\"eventType\":\"ALERT-UPDATED\",\"eventDatetime\":\"2026-08-20T10:13:55\",\"bookingId\":1234567,\"alertSeq\":1,\"offenderIdDisplay\":\"A1234BC\",\"auditModuleName\":\"OCDALERT\"}",
  "MessageAttributes": {
    "eventType": { "Type": "String", "Value": "ALERT-UPDATED" },
    "timestamp": { "Type": "Number.java.lang.Long", "Value": "1787220836000" }
  }
}"""  # noqa: E501


class Alert(EventBody):
    """Body of an alert event."""

    booking_id: int
    alert_seq: int
    audit_module_name: str | None = None


ALERT = TypeAdapter(Alert)


def test_the_example_of_the_card_is_read():
    envelope = parse_envelope(CARD_EXAMPLE)
    assert isinstance(envelope, Notification)
    assert (envelope.event_type, envelope.timestamp) == ("ALERT-UPDATED", "2026-08-20T10:13:56.000Z")
    body = parse_body(ALERT, envelope.body, envelope.event_type)
    assert body == Alert(booking_id=1234567, alert_seq=1, audit_module_name="OCDALERT")


def test_numbers_may_come_as_text_and_other_fields_are_ignored():
    body = parse_body(ALERT, '{"bookingId": "1234567", "alertSeq": "1", "more": [1]}', "ALERT-UPDATED")
    assert body == Alert(booking_id=1234567, alert_seq=1)


@pytest.mark.parametrize("number", ['"12.5"', '"x"', "null", "[]"])
def test_what_is_no_number_is_refused_by_place_and_type_only(number):
    with pytest.raises(MalformedMessage) as caught:
        parse_body(ALERT, '{"bookingId": ' + number + ', "alertSeq": 1}', "ALERT-UPDATED")
    assert str(caught.value).startswith("wrong body: bookingId ")


def test_an_internal_message_is_freed_of_its_wrapper():
    text = json.dumps(
        {
            "Type": "RETRY_SYNCHRONISATION_MAPPING",
            "MessageId": None,
            "MessageAttributes": None,
            "Message": json.dumps(
                {"body": {"nomisBookingId": 123}, "telemetryAttributes": {"offenderNo": "A", "n": 1}}
            ),
        }
    )
    assert parse_envelope(text) == Internal(
        "RETRY_SYNCHRONISATION_MAPPING", '{"nomisBookingId":123}', {"offenderNo": "A", "n": "1"}
    )


@pytest.mark.parametrize("content", ['{"offenderNo":"A1234KX","sentences":[]}', "[1]", '{"body":1,"offenderNo":"A"}'])
def test_a_bare_internal_event_is_left_as_it_is(content):
    text = json.dumps({"Type": "courtsentencing.resync.sentence-adjustments", "Message": content})
    assert parse_envelope(text) == Internal("courtsentencing.resync.sentence-adjustments", content)


def test_a_queue_that_does_not_read_the_type_takes_everything_as_a_notification():
    text = json.dumps({"Type": "X", "Message": "{}", "MessageAttributes": {"eventType": {"Value": "VISIT_CANCELLED"}}})
    assert parse_envelope(text, reads_type=False) == Notification("VISIT_CANCELLED", "{}")
    assert parse_envelope(text) == Internal("X", "{}")


def test_an_internal_message_is_written_as_the_card_shows_it():
    class Mapping(EventBody):
        nomis_booking_id: int
        dps_alert_id: str
        label: str | None = None

    text = internal_message("RETRY_SYNCHRONISATION_MAPPING", Mapping(nomis_booking_id=1, dps_alert_id="d"), {"a": "b"})
    assert json.loads(text) == {
        "Type": "RETRY_SYNCHRONISATION_MAPPING",
        "Message": '{"body":{"nomisBookingId":1,"dpsAlertId":"d"},"telemetryAttributes":{"a":"b"}}',
    }
    assert parse_envelope(text) == Internal(
        "RETRY_SYNCHRONISATION_MAPPING", '{"nomisBookingId":1,"dpsAlertId":"d"}', {"a": "b"}
    )
