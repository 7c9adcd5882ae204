"""Promise: sections 7.5 and 7.6 of the case notes card: merges with and without copies, moves, and their failures."""

from typing import Any

import httpx
import pytest
import respx

from nomis_pipelines.http import NotFound, ServiceError
from nomis_pipelines.synchronisation import HandlerError
from nomis_pipelines_tests import world
from nomis_pipelines_tests.domains.case_notes.examples import (
    MAPPINGS,
    OTHER,
    PRISONER,
    REMOVED,
    all_in_nomis,
    amendment,
    conflict,
    dps_id,
    mapping,
    merged,
    moved,
    row,
    sent,
)
from nomis_pipelines_tests.domains.events import Consumer

pytestmark = pytest.mark.server

MERGED = "prison-offender-events.prisoner.merged"
MOVED = "prison-offender-events.prisoner.booking.moved"
READ = f"GET nomis /prisoners/{PRISONER}/casenotes"
SOME = "POST mapping /mapping/casenotes/nomis-casenote-id"
REPOINT = f"PUT mapping /mapping/casenotes/merge/from/{REMOVED}/to/{PRISONER}"
BATCH = "POST mapping /mapping/casenotes/batch"
BASE = {"offenderNo": PRISONER, "removedOffenderNo": REMOVED, "bookingId": "44"}
FRESH = "2026-03-02T09:59:00"
ORIGINAL = row(501, 31)
COPY = row(901, 44, auditModuleName="MERGE", createdDatetime=FRESH)


def services(*known: dict[str, Any], batch: httpx.Response | None = None) -> tuple[respx.Route, respx.Route]:
    """The mapping service knows these; the route that is asked for them, and that of the batch."""
    asked = respx.post(f"{MAPPINGS}/nomis-casenote-id").respond(json=list(known))
    respx.put(f"{MAPPINGS}/merge/from/{REMOVED}/to/{PRISONER}").respond(200)
    return asked, respx.post(f"{MAPPINGS}/batch").mock(return_value=batch or httpx.Response(201))


def done(copies: int) -> tuple[str, dict[str, str]]:
    return "casenotes-prisoner-merge", {**BASE, "freshlyMergedNomisCaseNotesCount": str(copies)}


@pytest.mark.parametrize("notes_of", [[], [ORIGINAL]], ids=["no note", "no copy"])
async def test_a_merge_without_copies_only_puts_the_mappings_under_the_number_that_stays(
    notes: Consumer, notes_of: list[Any]
) -> None:
    all_in_nomis(notes_of)
    asked, _ = services(*[mapping(501, 31)] * len(notes_of))
    await notes.event(MERGED, **merged())
    assert notes.calls == [READ, SOME, REPOINT]
    assert sent(asked) == [each["caseNoteId"] for each in notes_of]
    assert notes.telemetry.events == [done(0)]


async def test_fresh_copies_are_mapped_to_what_their_originals_are_mapped_to(notes: Consumer) -> None:
    second = row(502, 31, caseNoteText="Seen again", amendments=[amendment()])
    copy = {**second, "caseNoteId": 902, "bookingId": 44, "auditModuleName": "MERGE", "createdDatetime": FRESH}
    all_in_nomis([ORIGINAL, second, COPY, copy])
    asked, batch = services(mapping(501, 31, 501), mapping(502, 31, 502))
    await notes.event(MERGED, **merged())
    assert notes.calls == [READ, SOME, REPOINT, BATCH]
    assert sent(asked) == [501, 502, 901, 902]
    # of the event's booking, whatever the copy's
    assert sent(batch) == [mapping(901, 44, 501), mapping(902, 44, 502)]
    assert notes.telemetry.events == [done(2)]


@pytest.mark.parametrize(
    ("created", "occurred", "fresh"),
    [
        ("2026-03-02T09:30:00", "2026-03-02T10:00:00Z", False),
        ("2026-03-02T09:30:00.001", "2026-03-02T10:00:00Z", True),
        ("2026-03-02T09:30:01", "2026-03-02T10:00:00Z", True),
        ("2026-03-02T09:30:01", "2026-03-02T11:00:00+01:00", True),
        ("2026-07-02T10:05:00", "2026-07-02T10:00:00Z", True),
        ("2023-03-01T04:00:00", "2026-03-02T10:00:00Z", False),
    ],
)
async def test_a_copy_is_fresh_when_it_came_less_than_half_an_hour_before(
    notes: Consumer, created: str, occurred: str, fresh: bool
) -> None:
    all_in_nomis([ORIGINAL, {**COPY, "createdDatetime": created}])
    services(mapping(501, 31, 501))
    await notes.event(MERGED, **merged(occurred))
    assert notes.telemetry.events == [done(int(fresh))]


@pytest.mark.parametrize("module", ["MERGED", "merge", None, "OIDCNOTE"])
async def test_only_rows_whose_module_is_just_merge_are_copies(notes: Consumer, module: str | None) -> None:
    all_in_nomis([ORIGINAL, {**COPY, "auditModuleName": module}])
    services(mapping(501, 31, 501))
    await notes.event(MERGED, **merged())
    assert notes.telemetry.events == [done(0)]


async def test_a_merge_all_of_whose_rows_are_mapped_is_skipped_and_changes_nothing(notes: Consumer) -> None:
    all_in_nomis([ORIGINAL, COPY])
    services(mapping(501, 31, 501), mapping(901, 44, 501))
    await notes.event(MERGED, **merged())
    assert notes.calls == [READ, SOME]
    assert notes.telemetry.events == [("casenotes-prisoner-merge-skipped", BASE)]


async def test_copies_that_are_mapped_already_are_dropped_and_told_of(notes: Consumer) -> None:
    third = row(503, 31, caseNoteText="Third")
    copies = [{**COPY, "caseNoteId": number, "caseNoteText": text} for number, text in
              ((901, "Settled in well"), (902, "Settled in well"), (903, "Third"))]  # fmt: skip
    all_in_nomis([ORIGINAL, third, *copies])
    _, batch = services(mapping(501, 31, 501), mapping(503, 31, 503), mapping(901, 44, 501), mapping(902, 44, 501))
    await notes.event(MERGED, **merged())
    assert sent(batch) == [mapping(903, 44, 503)]
    assert notes.telemetry.events == [
        ("casenotes-prisoner-merge-existing-mappings", {**BASE, "mappingsCount": "2", "mappings": "901, 902"}),
        done(3),
    ]


async def test_an_empty_batch_is_posted_too(notes: Consumer) -> None:
    unmapped = row(504, 31, caseNoteText="Not mapped and not copied")
    all_in_nomis([ORIGINAL, COPY, unmapped])
    _, batch = services(mapping(501, 31, 501), mapping(901, 44, 501))
    await notes.event(MERGED, **merged())
    assert sent(batch) == []
    assert notes.telemetry.names() == ["casenotes-prisoner-merge-existing-mappings", "casenotes-prisoner-merge"]


@pytest.mark.parametrize(
    "changes",
    [
        {"bookingId": 44},
        {"auditModuleName": "MERGE", "createdDatetime": "2020-01-01T00:00:00"},
        {"amendments": [amendment()]},
        {"caseNoteText": "Another"},
    ],
    ids=["same booking", "a copy itself", "another number of amendments", "another text"],
)
async def test_a_copy_without_an_original_fails_before_anything_is_changed(
    notes: Consumer, changes: dict[str, Any]
) -> None:
    all_in_nomis([{**ORIGINAL, **changes}, COPY])
    services(mapping(501, 31, 501))
    with pytest.raises(HandlerError, match="case note 901, copied by the merge, has no original"):
        await notes.event(MERGED, **merged())
    assert notes.calls == [READ, SOME]
    error = "case note 901, copied by the merge, has no original on another booking"
    assert notes.telemetry.events == [("casenotes-prisoner-merge-failed", {**BASE, "error": error})]


async def test_the_first_of_several_originals_counts(notes: Consumer) -> None:
    all_in_nomis([ORIGINAL, row(502, 32), COPY])
    _, batch = services(mapping(501, 31, 501), mapping(502, 32, 502))
    await notes.event(MERGED, **merged())
    assert sent(batch) == [mapping(901, 44, 501)]


async def test_an_original_without_a_mapping_fails_after_the_mappings_were_put_right(notes: Consumer) -> None:
    all_in_nomis([ORIGINAL, COPY])
    services()
    with pytest.raises(HandlerError, match="case note 501 has no mapping"):
        await notes.event(MERGED, **merged())
    assert notes.calls == [READ, SOME, REPOINT]
    assert notes.telemetry.names() == ["casenotes-prisoner-merge-failed"]


@pytest.mark.parametrize("existing", [mapping(901, 44, 777, mappingType="MIGRATED"), None])
async def test_a_batch_that_meets_a_mapping_is_told_of_and_the_merge_is_done(
    notes: Consumer, existing: dict[str, Any] | None
) -> None:
    all_in_nomis([ORIGINAL, COPY])
    services(mapping(501, 31, 501), batch=conflict(existing, mapping(901, 44, 501)))
    await notes.event(MERGED, **merged())
    told = {
        "offenderNo": PRISONER,
        "duplicateDpsCaseNoteId": dps_id(501),
        "duplicateNomisBookingId": "44",
        "duplicateNomisCaseNoteId": "901",
    }
    if existing is not None:
        told |= {
            "existingDpsCaseNoteId": dps_id(777),
            "existingNomisBookingId": "44",
            "existingNomisCaseNoteId": "901",
        }
    assert notes.telemetry.events == [("nomis-migration-casenotes-duplicate", told), done(1)]


@pytest.mark.parametrize("failing", ["nomis", "some", "merge", "batch"])
async def test_any_other_failure_of_a_merge_is_told_and_raised(notes: Consumer, failing: str) -> None:
    all_in_nomis(None if failing == "nomis" else [ORIGINAL, COPY])
    services(mapping(501, 31, 501), batch=httpx.Response(500 if failing == "batch" else 201))
    if failing == "some":
        respx.post(f"{MAPPINGS}/nomis-casenote-id").respond(500)
    if failing == "merge":
        respx.put(f"{MAPPINGS}/merge/from/{REMOVED}/to/{PRISONER}").respond(500)
    with pytest.raises(NotFound if failing == "nomis" else ServiceError) as raised:
        await notes.event(MERGED, **merged())
    assert notes.telemetry.events == [("casenotes-prisoner-merge-failed", {**BASE, "error": str(raised.value)})]


MOVE = {"bookingId": "44", "movedToNomsNumber": OTHER, "movedFromNomsNumber": PRISONER}


@pytest.mark.parametrize(
    ("found", "dps_ids"),
    [
        ([], []),
        ([mapping(701, 44, 701), mapping(601, 44, 501), mapping(702, 44, 701)], [dps_id(701), dps_id(501)]),
    ],
    ids=["none", "each once, in order"],
)
async def test_a_move_takes_every_note_with_a_mapping_on_the_booking_along(
    notes: Consumer, found: list[Any], dps_ids: list[str]
) -> None:
    respx.put(f"{MAPPINGS}/merge/booking-id/44/to/{OTHER}").respond(json=found)
    dps = respx.put(f"{world.CASE_NOTES}/move/case-notes").respond(200)
    await notes.event(MOVED, **moved())
    assert notes.calls == [
        f"PUT mapping /mapping/casenotes/merge/booking-id/44/to/{OTHER}",
        "PUT case-notes /move/case-notes",
    ]
    assert sent(dps) == {
        "fromPersonIdentifier": PRISONER,
        "toPersonIdentifier": OTHER,
        "caseNoteIds": dps_ids,
    }
    assert notes.telemetry.events == [("casenotes-booking-moved", {**MOVE, "count": str(len(dps_ids))})]


@pytest.mark.parametrize("failing", ["mapping", "dps"])
async def test_a_failure_of_a_move_is_told_and_raised_and_the_move_can_come_again(
    notes: Consumer, failing: str
) -> None:
    url, dps = f"{MAPPINGS}/merge/booking-id/44/to/{OTHER}", f"{world.CASE_NOTES}/move/case-notes"
    respx.put(url).respond(json=[mapping()])
    respx.put(dps).respond(200)
    respx.put(url if failing == "mapping" else dps).respond(404)
    with pytest.raises(ServiceError) as raised:
        await notes.event(MOVED, **moved())
    assert notes.telemetry.events == [("casenotes-booking-moved-failed", {**MOVE, "error": str(raised.value)})]
    respx.put(url).respond(json=[mapping()])
    respx.put(dps).respond(200)
    await notes.event(MOVED, **moved())
    assert notes.telemetry.events[1:] == [("casenotes-booking-moved", {**MOVE, "count": "1"})]
