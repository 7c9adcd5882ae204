"""Promise: worked examples 10.2 to 10.4 of the case notes card, call by call and word by word, and example 7.7."""

import json

import httpx
import pytest
import respx

from nomis_pipelines_tests import world
from nomis_pipelines_tests.domains.case_notes.examples import (
    EVENT,
    MAPPINGS,
    OTHER,
    PRISONER,
    REMOVED,
    THREE,
    all_in_nomis,
    amendment,
    body,
    dps_id,
    dps_takes,
    in_nomis,
    internal,
    mapped,
    mapping,
    mapping_answers,
    merged,
    moved,
    row,
    sent,
    sisters,
)
from nomis_pipelines_tests.domains.events import Consumer

pytestmark = pytest.mark.server


async def test_10_2_a_note_was_written(notes: Consumer) -> None:
    in_nomis(auditModuleName="OIDCNOTE")
    created, posted = dps_takes(), mapping_answers(httpx.Response(201))
    await notes.event("OFFENDER_CASE_NOTES-INSERTED", **{"eventType": "OFFENDER_CASE_NOTES-INSERTED", **EVENT})
    assert notes.calls == [
        "GET nomis /casenotes/701", "PUT case-notes /sync/case-notes", "POST mapping /mapping/casenotes",
    ]  # fmt: skip
    assert sent(created) == {**body(701), "personIdentifier": PRISONER}
    assert sent(posted) == {
        "dpsCaseNoteId": "0b7e0000-0000-4000-8000-000000000701", "nomisCaseNoteId": 701, "offenderNo": "B2002CD",
        "nomisBookingId": 44, "mappingType": "NOMIS_CREATED",
    }  # fmt: skip
    assert notes.telemetry.events == [
        (
            "casenotes-synchronisation-created-success",
            {
                "nomisCaseNoteId": "701", "offenderNo": "B2002CD", "bookingId": "44",
                "dpsCaseNoteId": "0b7e0000-0000-4000-8000-000000000701",
            },
        )
    ]  # fmt: skip


async def test_10_3_a_note_with_a_sister_was_changed(notes: Consumer) -> None:
    added = amendment("See wing log", createdDateTime="2026-02-01T09:00:00")
    in_nomis(501, bookingId=31, caseNoteText="Settled in very well", amendments=[added])
    mapped(mapping(501, 31, 501, mappingType="MIGRATED"), 501)
    updated = dps_takes(501, 200)
    sisters(mapping(501, 31, 501), mapping(601, 44, 501), dps=501)
    sister = respx.put(f"{world.NOMIS}/casenotes/601").respond(200)
    await notes.event("OFFENDER_CASE_NOTES-UPDATED", **{**EVENT, "caseNoteId": 501, "bookingId": 31})
    assert notes.calls == [
        "GET nomis /casenotes/501",
        "GET mapping /mapping/casenotes/nomis-casenote-id/501",
        "PUT case-notes /sync/case-notes",
        f"GET mapping /mapping/casenotes/dps-casenote-id/{dps_id(501)}/all",
        "PUT nomis /casenotes/601",
    ]
    assert (sent(updated)["id"], sent(updated)["legacyId"]) == (dps_id(501), 501)
    assert sent(sister) == {
        "text": "Settled in very well",
        "amendments": [
            {"text": "See wing log", "authorUsername": "JDOE", "createdDateTime": "2026-02-01T09:00:00"}
        ],
    }  # fmt: skip
    whose = {"offenderNo": "B2002CD", "dpsCaseNoteId": dps_id(501)}
    assert notes.telemetry.events == [
        (
            "casenotes-synchronisation-updated-related-success",
            {**whose, "nomisCaseNoteId": "601", "bookingId": "44"},
        ),
        ("casenotes-synchronisation-updated-success", {**whose, "nomisCaseNoteId": "501", "bookingId": "31"}),
    ]


async def test_10_4_a_merge_without_copies_then_a_booking_move(notes: Consumer) -> None:
    all_in_nomis([*THREE, row(701)])
    asked = respx.post(f"{MAPPINGS}/nomis-casenote-id").respond(json=[mapping(501, 31, 501)])
    respx.put(f"{MAPPINGS}/merge/from/{REMOVED}/to/{PRISONER}").respond(200)
    await notes.event("prison-offender-events.prisoner.merged", **merged())
    assert sent(asked) == [501, 502, 601, 701]
    assert notes.calls == [
        "GET nomis /prisoners/B2002CD/casenotes",
        "POST mapping /mapping/casenotes/nomis-casenote-id",
        "PUT mapping /mapping/casenotes/merge/from/B9009ZZ/to/B2002CD",
    ]
    respx.put(f"{MAPPINGS}/merge/booking-id/44/to/{OTHER}").respond(json=[mapping(601, 44, 501), mapping(701, 44, 701)])
    dps = respx.put(f"{world.CASE_NOTES}/move/case-notes").respond(200)
    await notes.event("prison-offender-events.prisoner.booking.moved", **moved())
    assert sent(dps) == {
        "fromPersonIdentifier": "B2002CD",
        "toPersonIdentifier": "B3003EF",
        "caseNoteIds": ["0b7e0000-0000-4000-8000-000000000501", "0b7e0000-0000-4000-8000-000000000701"],
    }
    assert notes.telemetry.events == [
        (
            "casenotes-prisoner-merge",
            {
                "offenderNo": "B2002CD", "removedOffenderNo": "B9009ZZ", "bookingId": "44",
                "freshlyMergedNomisCaseNotesCount": "0",
            },
        ),
        (
            "casenotes-booking-moved",
            {"bookingId": "44", "movedToNomsNumber": "B3003EF", "movedFromNomsNumber": "B2002CD", "count": "2"},
        ),
    ]  # fmt: skip


async def test_7_7_the_message_of_the_card_is_understood_with_nulls_and_texts(notes: Consumer) -> None:
    posted = mapping_answers(httpx.Response(201))
    attributes = {
        "nomisCaseNoteId": "1", "offenderNo": PRISONER, "bookingId": "2", "dpsCaseNoteId": dps_id(1),
    }  # fmt: skip
    message = {**mapping(1, 2, 1), "nomisCaseNoteId": "1", "label": None, "whenCreated": None}
    await notes.receive(internal("RETRY_SYNCHRONISATION_MAPPING", message, attributes))
    assert sent(posted) == mapping(1, 2, 1)
    assert notes.telemetry.events == [("casenotes-mapping-created-synchronisation-success", attributes)]
    assert json.loads(posted.calls.last.request.content)["nomisCaseNoteId"] == 1
