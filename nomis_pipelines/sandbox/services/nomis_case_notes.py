"""NOMIS: case notes (case notes card, section 3)."""

from pydantic import TypeAdapter

from nomis_pipelines.contracts.nomis_prisoner import UpdateCaseNote
from nomis_pipelines.sandbox.answers import NO_CONTENT, OK, Answer, Refusal, bad_request, json_answer, not_found
from nomis_pipelines.sandbox.reading import path_integer, read_body
from nomis_pipelines.sandbox.routing import Request, Router
from nomis_pipelines.sandbox.stores.nomis_case_notes import FROM_DPS, NomisCaseNotes
from nomis_pipelines.sandbox.tokens import CASE_NOTES_2024_ROLES, NOMIS_ROLES

ROLES = NOMIS_ROLES | CASE_NOTES_2024_ROLES

_UPDATE = TypeAdapter(UpdateCaseNote)


def add_case_notes(router: Router, notes: NomisCaseNotes) -> None:
    """Serve the case notes of prisoners, and single ones. A change made here is marked as one of DPS."""

    def of_prisoner(request: Request) -> Answer:
        found = notes.of_prisoner(request.parameters[0])
        if found is None:
            return not_found(f"Prisoner with offender no {request.parameters[0]} not found")
        return json_answer({"caseNotes": found})

    def id_of(request: Request) -> int:
        note_id = path_integer("caseNoteId", request.parameters[0])
        if notes.get(note_id) is None:
            raise Refusal(not_found(f"Case note not found for caseNoteId={note_id}"))
        return note_id

    def update(request: Request) -> Answer:
        note_id, body = id_of(request), read_body(_UPDATE, request)
        if not body.text or not all(amendment.text and amendment.author_username for amendment in body.amendments):
            raise Refusal(bad_request("texts and user names must not be empty"))
        amendments = [
            {**amendment.model_dump(mode="json", by_alias=True), "sourceSystem": "NOMIS"}
            for amendment in body.amendments
        ]
        notes.change(note_id, {"caseNoteText": body.text, "amendments": amendments, "auditModuleName": FROM_DPS})
        return OK

    def delete(request: Request) -> Answer:
        notes.remove(id_of(request))
        return NO_CONTENT

    router.add("GET", "/prisoners/{offenderNo}/casenotes", of_prisoner, roles=ROLES)
    router.add("GET", "/casenotes/{caseNoteId}", lambda request: json_answer(notes.get(id_of(request))), roles=ROLES)
    router.add("PUT", "/casenotes/{caseNoteId}", update, roles=ROLES)
    router.add("DELETE", "/casenotes/{caseNoteId}", delete, roles=ROLES)
