"""Promise: section 7.4 of the case notes card, deletes, and 7.1: what is read of a message, switches, order."""

import logging
from typing import Any

import httpx
import pytest
import respx

from nomis_pipelines.domains.case_notes.synchronisation import CaseNotesSynchronisation
from nomis_pipelines.ledger import State
from nomis_pipelines.synchronisation import HandlerError, MalformedMessage, Outcome
from nomis_pipelines.synchronisation.classify import Classifier
from nomis_pipelines.synchronisation.declaration import HandlerSet
from nomis_pipelines.synchronisation.sqs import SqsMessage
from nomis_pipelines_tests import world
from nomis_pipelines_tests.domains.case_notes.examples import (
    BASE,
    EVENT,
    MAPPINGS,
    PRISONER,
    SYNC,
    dps_id,
    dps_takes,
    in_nomis,
    mapped,
    mapping,
    mapping_answers,
    merged,
    moved,
    sisters,
)
from nomis_pipelines_tests.domains.events import Consumer, notification

pytestmark = pytest.mark.server

FIND = "GET mapping /mapping/casenotes/nomis-casenote-id/701"
SISTERS = f"GET mapping /mapping/casenotes/dps-casenote-id/{dps_id(701)}/all"
DELETE = f"DELETE case-notes /sync/case-notes/{dps_id(701)}"
FORGET = f"DELETE mapping /mapping/casenotes/dps-casenote-id/{dps_id(701)}"
DELETED = "casenotes-synchronisation-deleted-success"
SISTER = mapping(601, 31)

GONE = {"caseNoteId": "701", "bookingId": "44", "caseNoteType": "GEN", "recordDeleted": True}
GONE_BASE = {**BASE, "offenderNo": "null"}


def deletes(*, dps: int = 204, mapping_service: int = 204, sister: int = 204) -> None:
    respx.delete(f"{SYNC}/{dps_id(701)}").respond(dps)
    respx.delete(f"{MAPPINGS}/dps-casenote-id/{dps_id(701)}").respond(mapping_service)
    respx.delete(f"{world.NOMIS}/casenotes/601").respond(sister)


async def test_a_delete_step_1_without_a_mapping_is_skipped(notes: Consumer) -> None:
    mapped()
    await notes.event("OFFENDER_CASE_NOTES-DELETED", **GONE)
    assert notes.calls == [FIND]
    assert notes.telemetry.events == [("casenotes-deleted-synchronisation-skipped", GONE_BASE)]


async def test_a_delete_of_a_note_without_sisters_asks_nomis_nothing(notes: Consumer) -> None:
    mapped(mapping())
    sisters(mapping())
    deletes()
    await notes.event("OFFENDER_CASE_NOTES-DELETED", **GONE, auditModuleName="DPS_SYNCHRONISATION")
    assert notes.calls == [FIND, SISTERS, DELETE, FORGET]
    assert notes.telemetry.events == [(DELETED, {**GONE_BASE, "dpsCaseNoteId": dps_id(701)})]


async def test_a_delete_step_2_deletes_every_sister_in_nomis_first(notes: Consumer) -> None:
    mapped(mapping())
    sisters(SISTER, mapping())
    deletes()
    await notes.event("OFFENDER_CASE_NOTES-DELETED", **GONE)
    assert notes.calls == [FIND, SISTERS, "DELETE nomis /casenotes/601", DELETE, FORGET]
    assert notes.telemetry.events == [
        (
            "casenotes-synchronisation-deleted-related-success",
            # the booking is that of the event's row
            {"dpsCaseNoteId": dps_id(701), "nomisCaseNoteId": "601", "bookingId": "44"},
        ),
        (DELETED, {**GONE_BASE, "dpsCaseNoteId": dps_id(701)}),
    ]


async def test_a_note_that_dps_has_no_more_is_deleted_all_the_same(notes: Consumer) -> None:
    mapped(mapping())
    sisters(mapping())
    deletes(dps=404)
    await notes.event("OFFENDER_CASE_NOTES-DELETED", **GONE)
    assert notes.telemetry.names() == [DELETED]


@pytest.mark.parametrize(
    ("failing", "told"),
    [
        ("find", "mapping GET /mapping/casenotes/nomis-casenote-id/{caseNoteId} answered 500"),
        ("all", "mapping GET /mapping/casenotes/dps-casenote-id/{dpsCaseNoteId}/all answered 404"),
        ("sister", "nomis DELETE /casenotes/{caseNoteId} answered 404"),
        ("dps", "case-notes DELETE /sync/case-notes/{id} answered 500"),
        ("mapping", "mapping DELETE /mapping/casenotes/dps-casenote-id/{dpsCaseNoteId} answered 500"),
    ],
)
async def test_any_failure_of_a_delete_is_told_and_not_raised(
    notes: Consumer, failing: str, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    mapped(mapping())
    sisters(mapping(), SISTER)
    deletes(
        dps=500 if failing == "dps" else 204,
        mapping_service=500 if failing == "mapping" else 204,
        sister=404 if failing == "sister" else 204,
    )
    if failing == "find":
        mapped().respond(500)
    if failing == "all":
        respx.get(f"{MAPPINGS}/dps-casenote-id/{dps_id(701)}/all").respond(404)
    with caplog.at_level(logging.WARNING):
        await notes.event("OFFENDER_CASE_NOTES-DELETED", **GONE)
    name, properties = notes.telemetry.events[-1]
    assert (name, properties) == ("casenotes-synchronisation-deleted-failed", {**GONE_BASE, "error": told})
    assert "must be deleted by hand" in caplog.text


async def test_a_delete_waits_for_a_create_whose_mapping_is_yet_to_be_recorded(notes: Consumer) -> None:
    in_nomis()
    dps_takes()
    mapping_answers(httpx.Response(500))
    await notes.event("OFFENDER_CASE_NOTES-INSERTED", **EVENT)
    mapped()
    with pytest.raises(HandlerError, match=f"is {State.WRITTEN}"):
        await notes.event("OFFENDER_CASE_NOTES-DELETED", **GONE)
    assert "casenotes-deleted-synchronisation-skipped" not in notes.telemetry.names()


# 7.1 the messages


def classified(consumer: Consumer, event_type: str, message: dict[str, Any], **changes: str) -> Any:
    handlers = HandlerSet.of([CaseNotesSynchronisation], consumer.context)
    classifier = Classifier(handlers, world.settings(**changes))
    text = notification(event_type, message)
    return classifier.classify(SqsMessage(message_id="m", receipt="r", body=text, receive_count=1, sent_milliseconds=1))


@pytest.mark.parametrize(
    ("event_type", "message", "key"),
    [
        ("OFFENDER_CASE_NOTES-INSERTED", EVENT, "701"),
        ("OFFENDER_CASE_NOTES-UPDATED", EVENT, "701"),
        ("OFFENDER_CASE_NOTES-DELETED", GONE, "701"),
        ("prison-offender-events.prisoner.merged", merged(), PRISONER),
        ("prison-offender-events.prisoner.booking.moved", moved(), PRISONER),
    ],
)
def test_events_have_both_switches_and_those_of_one_note_go_one_after_another(
    notes: Consumer, event_type: str, message: dict[str, Any], key: str
) -> None:
    assert classified(notes, event_type, message).key == key
    variable = event_type.upper().replace(".", "_")
    for switch in (f"FEATURE_EVENT_{variable}", f"FEATURE_EVENT_CASENOTES_{variable}"):
        assert classified(notes, event_type, message, **{switch: "false"}).outcome is Outcome.SKIPPED_SWITCH


@pytest.mark.parametrize(
    ("event_type", "message"),
    [
        ("OFFENDER_CASE_NOTES-INSERTED", {"offenderIdDisplay": PRISONER}),
        ("OFFENDER_CASE_NOTES-DELETED", {"caseNoteId": "many"}),
        ("prison-offender-events.prisoner.merged", merged(occurred_at="2026-03-02T10:00:00")),
        ("prison-offender-events.prisoner.booking.moved", {"additionalInformation": {}}),
    ],
)
async def test_a_body_that_lacks_what_is_required_is_malformed(
    notes: Consumer, event_type: str, message: dict[str, Any]
) -> None:
    with pytest.raises(MalformedMessage):
        await notes.event(event_type, **message)
