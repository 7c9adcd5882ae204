"""Notes, events and answers that the tests of this folder share: those of the case notes card, section 10."""

import json
from collections.abc import Iterable
from typing import Any

import httpx
import respx

from nomis_pipelines.contracts.nomis_prisoner import CaseNote
from nomis_pipelines_tests import world

Json = dict[str, Any]

PRISONER, REMOVED, OTHER = "B2002CD", "B9009ZZ", "B3003EF"
MAPPINGS = f"{world.MAPPING}/mapping/casenotes"
SYNC = f"{world.CASE_NOTES}/sync/case-notes"
AUTHOR = {"username": "RVANE_GEN", "userId": "4711", "firstName": "ROSA", "lastName": "VANE"}
EVENT = {"caseNoteId": "701", "bookingId": "44", "offenderIdDisplay": PRISONER, "caseNoteType": "GEN",
         "caseNoteSubType": "OSE", "recordDeleted": False}  # fmt: skip
"""That of example 10.2; its row was not made by DPS."""
BASE = {"nomisCaseNoteId": "701", "offenderNo": PRISONER, "bookingId": "44"}


def dps_id(number: int) -> str:
    """The DPS id that ends like the NOMIS id."""
    return f"0b7e0000-0000-4000-8000-{number:012}"


def row(note_id: int, booking_id: int = 44, **changes: Any) -> Json:
    """A note in NOMIS, like all of example 10.1 but for what is changed; a change to None leaves it out."""
    note: Json = {
        "caseNoteId": note_id,
        "bookingId": booking_id,
        "caseNoteType": {"code": "GEN", "description": "General"},
        "caseNoteSubType": {"code": "OSE", "description": "Offender supervisor entry"},
        "noteSourceCode": "INST",
        "occurrenceDateTime": "2022-06-01T10:00:00",
        "creationDateTime": "2022-06-01T10:00:00",
        "createdDatetime": "2022-06-01T10:00:05",
        "createdUsername": "RVANE_GEN",
        "authorStaffId": 4711,
        "authorUsername": "RVANE_GEN",
        "authorFirstName": "ROSA",
        "authorLastName": "VANE",
        "authorUsernames": ["RVANE_GEN", "RVANE_ADM"],
        "prisonId": "LEI",
        "caseNoteText": "Settled in well",
        "amendments": [],
        "auditModuleName": "OIDCNOTE",
        "sourceSystem": "NOMIS",
    }
    return {name: value for name, value in (note | changes).items() if value is not None}


def note(note_id: int = 501, booking_id: int = 31, **changes: Any) -> CaseNote:
    """The same as it is read."""
    return CaseNote.model_validate(row(note_id, booking_id, **changes))


def amendment(text: str = "Typo fixed", **changes: Any) -> Json:
    """An amendment as NOMIS has that of example 10.1."""
    made = {
        "text": text,
        "authorUsername": "JDOE",
        "createdDateTime": "2022-06-02T08:00:00",
        "sourceSystem": "NOMIS",
    }
    return {name: value for name, value in (made | changes).items() if value is not None}


THREE = [
    row(501, 31),
    row(
        502, 31, caseNoteType={"code": "CNOTE", "description": "Case note"}, prisonId=None,
        caseNoteSubType={"code": "OUTCOME", "description": "Outcome"}, caseNoteText="Saw the panel",
        amendments=[amendment()],
    ),
    row(601, 44, auditModuleName="MERGE", createdDatetime="2023-03-01T04:00:00"),
]  # fmt: skip
"""The notes of example 10.1; the third is a copy of the first."""


def body(legacy_id: int, **changes: Any) -> Json:
    """What DPS is sent of a note like those above."""
    return {
        "legacyId": legacy_id, "locationId": "LEI", "type": "GEN", "subType": "OSE",
        "occurrenceDateTime": "2022-06-01T10:00:00", "text": "Settled in well", "systemGenerated": False,
        "author": AUTHOR, "createdDateTime": "2022-06-01T10:00:00", "createdByUsername": "RVANE_GEN",
        "system": "NOMIS", "amendments": [], **changes,
    }  # fmt: skip


AMENDED = [
    {
        "text": "Typo fixed", "author": {"username": "JDOE", "userId": "null", "firstName": "", "lastName": ""},
        "createdDateTime": "2022-06-02T08:00:00", "system": "NOMIS",
    }
]  # fmt: skip
MIGRATED_BODIES = [
    body(501),
    body(502, locationId="OUT", type="APP", subType="OUTCOME", text="Saw the panel", amendments=AMENDED),
]


def pair(note_id: int, booking_id: int, dps: int) -> Json:
    """One pair of a prisoner's set."""
    return {"nomisBookingId": booking_id, "nomisCaseNoteId": note_id, "dpsCaseNoteId": dps_id(dps)}


SET_PAIRS = [pair(501, 31, 501), pair(502, 31, 502), pair(601, 44, 501)]


def mapping(note_id: int = 701, booking_id: int = 44, dps: int = 701, **changes: Any) -> Json:
    """One mapping as synchronisation records it."""
    return {**pair(note_id, booking_id, dps), "offenderNo": PRISONER, "mappingType": "NOMIS_CREATED", **changes}


def in_nomis(note_id: int = 701, **changes: Any) -> respx.Route:
    """One row as NOMIS has it now."""
    return respx.get(f"{world.NOMIS}/casenotes/{note_id}").respond(json=row(note_id, **changes))


def all_in_nomis(notes: Iterable[Json] | None, prisoner: str = PRISONER) -> respx.Route:
    """The rows of a prisoner; None for an unknown one."""
    route = respx.get(f"{world.NOMIS}/prisoners/{prisoner}/casenotes")
    return route.respond(404) if notes is None else route.respond(json={"caseNotes": list(notes)})


def mapped(found: Json | None = None, note_id: int = 701) -> respx.Route:
    """What the mapping service has of a row; None for nothing."""
    route = respx.get(f"{MAPPINGS}/nomis-casenote-id/{note_id}")
    return route.respond(404) if found is None else route.respond(json=found)


def sisters(*mappings: Json, dps: int = 701) -> respx.Route:
    """The mappings of a DPS note."""
    return respx.get(f"{MAPPINGS}/dps-casenote-id/{dps_id(dps)}/all").respond(json=list(mappings))


def dps_takes(number: int = 701, status: int = 201) -> respx.Route:
    """DPS makes a note, or changes one."""
    made = {"id": dps_id(number), "legacyId": number, "action": "CREATED" if status == 201 else "UPDATED"}
    return respx.put(SYNC).respond(status, json=made)


def mapping_answers(*answers: httpx.Response) -> respx.Route:
    """What posts of one mapping are answered, one after another."""
    return respx.post(MAPPINGS).mock(side_effect=list(answers))


def conflict(existing: Json | None, duplicate: Json | None = None) -> httpx.Response:
    """The 409 of the mapping service; `existing` is the pair in the table."""
    more = {"duplicate": duplicate or mapping(), "existing": existing}
    return httpx.Response(409, json={"errorCode": 1409, "moreInfo": more})


def sent(route: respx.Route) -> Any:
    """The JSON that was last sent to a route."""
    return json.loads(route.calls.last.request.content)


def internal(kind: str, message: Any, attributes: dict[str, str] | None = None) -> str:
    """One of our own messages (section 7.7)."""
    text = json.dumps({"body": message, "telemetryAttributes": attributes or {}})
    return json.dumps({"Type": kind, "Message": text})


def merged(occurred_at: str = "2026-03-02T10:00:00Z") -> Json:
    """The body of the merge of example 10.4."""
    told = {"nomsNumber": PRISONER, "removedNomsNumber": REMOVED, "bookingId": "44"}
    return {"occurredAt": occurred_at, "additionalInformation": told}


def moved() -> Json:
    """The body of the move of example 10.4."""
    told = {"movedToNomsNumber": OTHER, "movedFromNomsNumber": PRISONER, "bookingId": "44"}
    return {"additionalInformation": told}
