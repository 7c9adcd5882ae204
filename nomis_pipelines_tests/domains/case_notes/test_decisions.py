"""Promise: every row of sections 7.2 to 7.4 of the case notes card: calls, bodies, telemetry, and what is raised."""

import logging
from typing import Any

import httpx
import pytest
import respx

from nomis_pipelines.http import InvalidAnswer, NotFound, Rejected, Unavailable
from nomis_pipelines.synchronisation import HandlerError
from nomis_pipelines_tests import world
from nomis_pipelines_tests.domains.case_notes.examples import (
    BASE,
    EVENT,
    MAPPINGS,
    PRISONER,
    SYNC,
    amendment,
    body,
    dps_id,
    dps_takes,
    in_nomis,
    mapped,
    mapping,
    mapping_answers,
    sent,
    sisters,
)
from nomis_pipelines_tests.domains.events import Consumer

pytestmark = pytest.mark.server

READ = "GET nomis /casenotes/701"
FIND = "GET mapping /mapping/casenotes/nomis-casenote-id/701"
UPSERT = "PUT case-notes /sync/case-notes"
RECORD = "POST mapping /mapping/casenotes"
SISTERS = f"GET mapping /mapping/casenotes/dps-casenote-id/{dps_id(701)}/all"
DELETE = f"DELETE case-notes /sync/case-notes/{dps_id(701)}"
FORGET = f"DELETE mapping /mapping/casenotes/dps-casenote-id/{dps_id(701)}"
WITH_ID = {**BASE, "dpsCaseNoteId": dps_id(701)}
CREATED = ("casenotes-synchronisation-created-success", WITH_ID)
UPDATED = ("casenotes-synchronisation-updated-success", WITH_ID)
DELETED = ("casenotes-synchronisation-deleted-success", WITH_ID)
BY_DPS = mapping(mappingType="DPS_CREATED")
SISTER = mapping(601, 31)


# 7.2 inserted


@pytest.mark.parametrize("module", ["DPS_SYNCHRONISATION", "DPS_SYNCHRONISATION_CASENOTES"])
async def test_an_insert_row_1_of_a_note_that_dps_made_is_skipped(notes: Consumer, module: str) -> None:
    in_nomis(auditModuleName=module)
    await notes.event("OFFENDER_CASE_NOTES-INSERTED", **EVENT)
    assert notes.calls == [READ]
    assert notes.telemetry.events == [("casenotes-synchronisation-created-skipped", BASE)]


async def test_an_insert_row_2_of_a_note_without_a_module_that_dps_made_is_skipped(notes: Consumer) -> None:
    in_nomis(auditModuleName=None)
    mapped(BY_DPS)
    await notes.event("OFFENDER_CASE_NOTES-INSERTED", **EVENT)
    assert notes.calls == [READ, FIND]
    assert notes.telemetry.events == [("casenotes-synchronisation-created-skipped-null", BASE)]


@pytest.mark.parametrize(
    ("module", "found", "calls"),
    [
        pytest.param("OIDCNOTE", None, [READ, UPSERT, RECORD], id="made on a screen"),
        pytest.param("OIDCNOTE", BY_DPS, [READ, UPSERT, RECORD], id="no look for a mapping when the module is known"),
        pytest.param("", BY_DPS, [READ, UPSERT, RECORD], id="an empty module is known"),
        pytest.param("MERGE", None, [READ, UPSERT, RECORD], id="copied by a merge"),
        pytest.param("X_DPS_SYNCHRONISATION", None, [READ, UPSERT, RECORD], id="not its beginning"),
        pytest.param(None, None, [READ, FIND, UPSERT, RECORD], id="no module, no mapping"),
        pytest.param(None, mapping(), [READ, FIND, UPSERT, RECORD], id="no module, a mapping of NOMIS's"),
        pytest.param(None, mapping(mappingType="MIGRATED"), [READ, FIND, UPSERT, RECORD], id="no module, migrated"),
    ],
)
async def test_an_insert_row_3_makes_the_note_in_dps_and_records_its_pair(
    notes: Consumer, module: str | None, found: dict[str, Any] | None, calls: list[str]
) -> None:
    in_nomis(auditModuleName=module)
    mapped(found)
    created, posted = dps_takes(), mapping_answers(httpx.Response(201))
    await notes.event("OFFENDER_CASE_NOTES-INSERTED", **EVENT)
    assert notes.calls == calls
    assert sent(created) == {**body(701), "personIdentifier": PRISONER}
    assert sent(posted) == mapping()
    assert notes.telemetry.events == [CREATED]
    assert notes.queues.sent == []


@pytest.mark.parametrize(
    ("row_module", "event_module", "warned"),
    [
        ("OIDCNOTE", None, False),
        ("OIDCNOTE", "DPS_SYNCHRONISATION", True),
        ("DPS_SYNCHRONISATION", "DPS_SYNCHRONISATION", False),
        ("DPS_SYNCHRONISATION", "DPS_SYNCHRONISATION_CASENOTES", True),
        ("DPS_SYNCHRONISATION", "OIDCNOTE", True),
    ],
)
async def test_an_event_that_does_not_agree_with_its_row_is_warned_of_and_nothing_else(
    notes: Consumer, row_module: str, event_module: str | None, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    in_nomis(auditModuleName=row_module)
    dps_takes()
    mapping_answers(httpx.Response(201))
    with caplog.at_level(logging.WARNING):
        await notes.event("OFFENDER_CASE_NOTES-INSERTED", **EVENT, auditModuleName=event_module)
    assert any("do not agree" in message for message in caplog.messages) == warned
    skipped = row_module.startswith("DPS")
    assert [name.endswith("skipped") for name in notes.telemetry.names()] == [skipped]


async def test_the_pair_of_an_insert_without_a_booking_has_booking_0_and_telemetry_says_null(notes: Consumer) -> None:
    in_nomis(bookingId=99)
    dps_takes()
    posted = mapping_answers(httpx.Response(201))
    await notes.event("OFFENDER_CASE_NOTES-INSERTED", caseNoteId=701, offenderIdDisplay=PRISONER, bookingId=None)
    assert sent(posted) == mapping(booking_id=0)
    assert notes.telemetry.events == [(CREATED[0], {**WITH_ID, "bookingId": "null"})]


@pytest.mark.parametrize("field", ["occurrenceDateTime", "creationDateTime"])
@pytest.mark.parametrize("what", ["INSERTED", "UPDATED"])
async def test_a_note_without_a_time_fails_as_an_unknown_error(notes: Consumer, what: str, field: str) -> None:
    in_nomis(**{field: None})
    mapped(mapping())
    with pytest.raises(HandlerError, match=f"701: missing-date-time {field}"):
        await notes.event(f"OFFENDER_CASE_NOTES-{what}", **EVENT)
    name = "created" if what == "INSERTED" else "updated"
    told = {**BASE, "error": "unknown error"}
    assert notes.telemetry.events == [(f"casenotes-synchronisation-{name}-failed", told)]


@pytest.mark.parametrize("what", ["INSERTED", "UPDATED"])
async def test_a_note_whose_event_names_no_prisoner_fails(notes: Consumer, what: str) -> None:
    in_nomis()
    mapped(mapping())
    with pytest.raises(HandlerError, match="names no prisoner"):
        await notes.event(f"OFFENDER_CASE_NOTES-{what}", caseNoteId=701, bookingId=44)
    ((_, told),) = notes.telemetry.events
    assert told == {**BASE, "offenderNo": "null", "error": "the event of case note 701 names no prisoner"}


@pytest.mark.parametrize(
    ("nomis", "dps", "error"),
    [
        (404, 201, "nomis GET /casenotes/{caseNoteId} answered 404"),
        (500, 201, "nomis GET /casenotes/{caseNoteId} answered 500"),
        (200, 400, "case-notes PUT /sync/case-notes answered 400"),
        (200, 503, "case-notes PUT /sync/case-notes answered 503"),
    ],
)
async def test_any_failure_of_an_insert_is_told_and_raised_and_records_no_pair(
    notes: Consumer, nomis: int, dps: int, error: str
) -> None:
    route = in_nomis()
    if nomis != 200:
        route.respond(nomis)
    respx.put(SYNC).respond(dps)
    with pytest.raises((NotFound, Rejected, Unavailable)):
        await notes.event("OFFENDER_CASE_NOTES-INSERTED", **EVENT)
    assert notes.telemetry.events == [("casenotes-synchronisation-created-failed", {**BASE, "error": error})]
    assert RECORD not in notes.calls


async def test_a_failing_look_for_the_mapping_of_a_note_without_module_is_told_too(notes: Consumer) -> None:
    in_nomis(auditModuleName=None)
    mapped().respond(500)
    with pytest.raises(Unavailable):
        await notes.event("OFFENDER_CASE_NOTES-INSERTED", **EVENT)
    assert notes.telemetry.names() == ["casenotes-synchronisation-created-failed"]


# 7.3 updated


async def test_an_update_step_1_a_row_that_cannot_be_read_is_raised_and_not_told(notes: Consumer) -> None:
    in_nomis().respond(404)
    with pytest.raises(NotFound):
        await notes.event("OFFENDER_CASE_NOTES-UPDATED", **EVENT)
    assert notes.telemetry.events == []


async def test_an_update_step_2_of_dps_is_skipped(notes: Consumer) -> None:
    in_nomis(auditModuleName="DPS_SYNCHRONISATION_CASENOTES")
    await notes.event("OFFENDER_CASE_NOTES-UPDATED", **EVENT)
    assert notes.calls == [READ]
    assert notes.telemetry.events == [("casenotes-synchronisation-updated-skipped", BASE)]


@pytest.mark.parametrize("module", ["OIDCNOTE", None])
async def test_an_update_step_3_without_a_mapping_fails_and_is_told_twice(notes: Consumer, module: str | None) -> None:
    in_nomis(auditModuleName=module)
    mapped()
    with pytest.raises(HandlerError, match="case note 701 has no mapping"):
        await notes.event("OFFENDER_CASE_NOTES-UPDATED", **EVENT)
    assert notes.calls == [READ, FIND]
    assert notes.telemetry.events == [
        ("casenotes-synchronisation-updated-mapping-failed", BASE),
        (
            "casenotes-synchronisation-updated-failed",
            {**BASE, "error": "case note 701 has no mapping to be updated by"},
        ),
    ]


async def test_an_update_of_a_note_without_sisters(notes: Consumer) -> None:
    in_nomis(caseNoteText="Changed")
    mapped(mapping(mappingType="MIGRATED"))
    updated = dps_takes(status=200)
    sisters(mapping())
    await notes.event("OFFENDER_CASE_NOTES-UPDATED", **EVENT)
    assert notes.calls == [READ, FIND, UPSERT, SISTERS]
    assert sent(updated) == {**body(701, text="Changed"), "id": dps_id(701), "personIdentifier": PRISONER}
    assert notes.telemetry.events == [UPDATED]


async def test_an_update_step_5_changes_every_sister_in_nomis(notes: Consumer) -> None:
    in_nomis(amendments=[amendment("one"), amendment("one")])
    mapped(mapping())
    dps_takes(status=200)
    sisters(SISTER, mapping(), mapping(602, 32))
    puts = [respx.put(f"{world.NOMIS}/casenotes/{number}").respond(200) for number in (601, 602)]
    await notes.event("OFFENDER_CASE_NOTES-UPDATED", **EVENT)
    assert notes.calls == [READ, FIND, UPSERT, SISTERS, "PUT nomis /casenotes/601", "PUT nomis /casenotes/602"]
    added = {"text": "one", "authorUsername": "JDOE", "createdDateTime": "2022-06-02T08:00:00"}
    assert [sent(put) for put in puts] == [{"text": "Settled in well", "amendments": [added, added]}] * 2
    related = {"offenderNo": PRISONER, "dpsCaseNoteId": dps_id(701)}
    assert notes.telemetry.events == [
        (
            "casenotes-synchronisation-updated-related-success",
            {**related, "nomisCaseNoteId": "601", "bookingId": "31"},
        ),
        (
            "casenotes-synchronisation-updated-related-success",
            {**related, "nomisCaseNoteId": "602", "bookingId": "32"},
        ),
        UPDATED,
    ]


@pytest.mark.parametrize(
    ("failing", "told"),
    [
        ("dps", "case-notes PUT /sync/case-notes answered 400"),
        ("all", "mapping GET /mapping/casenotes/dps-casenote-id/{dpsCaseNoteId}/all answered 404"),
        ("sister", "nomis PUT /casenotes/{caseNoteId} answered 404"),
        ("find", "mapping GET /mapping/casenotes/nomis-casenote-id/{caseNoteId} answered 500"),
    ],
)
async def test_any_failure_of_an_update_is_told_and_raised(notes: Consumer, failing: str, told: str) -> None:
    in_nomis()
    mapped(mapping())
    dps_takes(status=200)
    sisters(mapping(), SISTER)
    respx.put(f"{world.NOMIS}/casenotes/601").respond(404 if failing == "sister" else 200)
    match failing:
        case "dps":
            respx.put(SYNC).respond(400)
        case "all":
            respx.get(f"{MAPPINGS}/dps-casenote-id/{dps_id(701)}/all").respond(404)
        case "find":
            mapped().respond(500)
        case _:
            pass
    with pytest.raises((NotFound, Rejected, Unavailable)):
        await notes.event("OFFENDER_CASE_NOTES-UPDATED", **EVENT)
    assert notes.telemetry.events == [("casenotes-synchronisation-updated-failed", {**BASE, "error": told})]


async def test_an_id_of_dps_that_is_none_is_the_mapping_services_mistake(notes: Consumer) -> None:
    in_nomis()
    mapped(mapping(dpsCaseNoteId="701"))
    with pytest.raises(InvalidAnswer):
        await notes.event("OFFENDER_CASE_NOTES-UPDATED", **EVENT)
    assert notes.calls == [READ, FIND]
