"""The case notes service, as far as migration and synchronisation see it (case notes card, section 4)."""

from typing import Any

from pydantic import TypeAdapter
from pydantic_core import from_json, to_json

from nomis_pipelines.contracts.case_notes import CaseNoteAmendment, MigrateCaseNote, MoveCaseNotes, SyncCaseNote
from nomis_pipelines.sandbox.answers import NO_CONTENT, OK, Answer, Refusal, bad_request, json_answer, not_found
from nomis_pipelines.sandbox.data.case_notes import KINDS
from nomis_pipelines.sandbox.reading import read_body
from nomis_pipelines.sandbox.routing import Request, Router
from nomis_pipelines.sandbox.services import add_health
from nomis_pipelines.sandbox.stores.dps_case_notes import DpsCaseNotes
from nomis_pipelines.sandbox.tokens import CASE_NOTES_ROLES

KNOWN_TYPES = frozenset(kind.type for kind in KINDS[:-1]) | {"APP"}

_MIGRATE = TypeAdapter(list[MigrateCaseNote])
_SYNC = TypeAdapter(SyncCaseNote)
_MOVE = TypeAdapter(MoveCaseNotes)


def build(notes: DpsCaseNotes) -> Router:
    """The routing table of the case notes service. Amendments are a set to it: equal ones are refused."""
    router = Router()
    add_health(router)

    def migrate(request: Request) -> Answer:
        prisoner, bodies = request.parameters[0], read_body(_MIGRATE, request)
        for body in bodies:
            _check(body.type, body.amendments)
        return json_answer([{"id": _added(body, prisoner), "legacyId": body.legacy_id} for body in bodies])

    def _added(body: MigrateCaseNote, prisoner: str) -> str:
        kept = {"personIdentifier": prisoner, **_json(body)}
        return notes.store(to_json(kept), (prisoner, body.legacy_id))

    def sync(request: Request) -> Answer:
        body = read_body(_SYNC, request)
        _check(body.type, body.amendments)
        if body.id is None:
            dps_id = notes.store(request.body, (body.person_identifier, body.legacy_id))
            return json_answer({"id": dps_id, "legacyId": body.legacy_id, "action": "CREATED"}, 201)
        if not notes.update(str(body.id), request.body):
            return not_found(f"Case note {body.id}")
        return json_answer({"id": body.id, "legacyId": body.legacy_id, "action": "UPDATED"})

    def known(request: Request) -> Answer:
        ids = {dps_id: from_json(notes.body(dps_id) or b"{}") for dps_id in notes.of_prisoner(request.parameters[0])}
        return json_answer([{"caseNoteId": dps_id, "legacyId": body["legacyId"]} for dps_id, body in ids.items()])

    def delete(request: Request) -> Answer:
        notes.delete(request.parameters[0])
        return NO_CONTENT

    def move(request: Request) -> Answer:
        body = read_body(_MOVE, request)
        dps_ids = [str(each) for each in body.case_note_ids]
        if len(set(dps_ids)) < len(dps_ids):
            raise Refusal(bad_request("caseNoteIds: must not repeat"))
        notes.move([each for each in dps_ids if notes.owner(each) == body.from_person_identifier],
                   body.to_person_identifier)  # fmt: skip
        return OK

    router.add("POST", "/migrate/case-notes/{personIdentifier}", migrate, roles=CASE_NOTES_ROLES)
    router.add("PUT", "/sync/case-notes", sync, roles=CASE_NOTES_ROLES)
    router.add("GET", "/sync/case-notes/{id}", known, roles=CASE_NOTES_ROLES)
    router.add("DELETE", "/sync/case-notes/{id}", delete, roles=CASE_NOTES_ROLES)
    router.add("PUT", "/move/case-notes", move, roles=CASE_NOTES_ROLES)
    return router


def _check(kind: str, amendments: list[CaseNoteAmendment]) -> None:
    if kind not in KNOWN_TYPES:
        raise Refusal(bad_request(f"Case note type not found: {kind}"))
    if any(amendment in amendments[:place] for place, amendment in enumerate(amendments)):
        raise Refusal(bad_request("amendments: must not repeat"))


def _json(body: MigrateCaseNote) -> dict[str, Any]:
    return from_json(body.model_dump_json(by_alias=True))
