"""The admin port's view of case notes: what DPS holds, what is mapped, and changes to NOMIS's rows."""

from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter
from pydantic_core import from_json

from nomis_pipelines.sandbox.answers import NO_CONTENT, Answer, Refusal, bad_request, json_answer, not_found
from nomis_pipelines.sandbox.reading import Query, page_of, path_integer, read_body
from nomis_pipelines.sandbox.routing import Request, Router
from nomis_pipelines.sandbox.stores import Stores


class Copy(BaseModel):
    """The booking that a note is copied to."""

    model_config = ConfigDict(extra="forbid")

    booking_id: int


_FIELDS: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])
_COPY = TypeAdapter(Copy)


def add_case_notes(router: Router, stores: Stores) -> None:
    """Serve `/case-notes`, `/mappings/case-notes` and `/nomis/case-notes`."""
    _add_dumps(router, stores)
    _add_changes(router, stores)


def _add_dumps(router: Router, stores: Stores) -> None:
    dps, table = stores.dps_case_notes, stores.case_note_mappings

    def rows_of(dps_id: str) -> list[dict[str, Any]]:
        """One for each row of NOMIS that the note is mapped to; of one not mapped the row that it was made from."""
        prisoner, made_from = dps.owner(dps_id), dps.origin(dps_id)
        keys = [note_id for note_id, _ in table.of_dps_id(dps_id)] or [made_from[1] if made_from else 0]
        return [{"id": dps_id, "prisoner": prisoner, "nomisKey": [key]} for key in keys]

    def dump(request: Request) -> Answer:
        prisoner = next(iter(Query(request).texts("prisoner")), None)
        ids = dps.ids() if prisoner is None else dps.of_prisoner(prisoner)
        rows = [row for dps_id in ids for row in rows_of(dps_id)]
        return page_of(request, len(rows), rows.__getitem__)

    def one(request: Request) -> Answer:
        dps_id = request.parameters[0]
        body = dps.body(dps_id)
        if body is None:
            return not_found(f"case note {dps_id}")
        return json_answer({"id": dps_id, "prisoner": dps.owner(dps_id), "body": from_json(body)})

    def duplicates(_request: Request) -> Answer:
        return json_answer([{"nomisKey": key, "ids": ids} for (_, key), ids in dps.duplicates()])

    def mappings(request: Request) -> Answer:
        rows = [{"nomisKey": [note_id], **pair._asdict()} for note_id, pair in table.items()]
        return page_of(request, len(rows), rows.__getitem__)

    router.add("GET", "/case-notes", dump)
    router.add("GET", "/case-notes/duplicates", duplicates)
    router.add("GET", "/case-notes/{id}", one)
    router.add("GET", "/mappings/case-notes", mappings)


def _add_changes(router: Router, stores: Stores) -> None:
    nomis = stores.nomis_case_notes

    def id_of(request: Request) -> int:
        note_id = path_integer("caseNoteId", request.parameters[0])
        if nomis.get(note_id) is None:
            raise Refusal(not_found(f"case note {note_id}"))
        return note_id

    def add(request: Request) -> Answer:
        added = nomis.add(request.parameters[0], read_body(_FIELDS, request))
        if added is None:
            raise Refusal(bad_request("offenderNo: unknown, or never booked"))
        return json_answer(added, 201)

    def of_prisoner(request: Request) -> Answer:
        found = nomis.of_prisoner(request.parameters[0])
        return not_found(f"prisoner {request.parameters[0]}") if found is None else json_answer(found)

    def one(request: Request) -> Answer:
        note_id = id_of(request)
        return json_answer({**(nomis.get(note_id) or {}), "offenderNo": nomis.owner(note_id)})

    def change(request: Request) -> Answer:
        return json_answer(nomis.change(id_of(request), read_body(_FIELDS, request)))

    def copy(request: Request) -> Answer:
        return json_answer(nomis.copy(id_of(request), read_body(_COPY, request).booking_id), 201)

    def remove(request: Request) -> Answer:
        nomis.remove(id_of(request))
        return NO_CONTENT

    router.add("POST", "/nomis/prisoners/{offenderNo}/case-notes", add)
    router.add("GET", "/nomis/prisoners/{offenderNo}/case-notes", of_prisoner)
    router.add("GET", "/nomis/case-notes/{caseNoteId}", one)
    router.add("PUT", "/nomis/case-notes/{caseNoteId}", change)
    router.add("POST", "/nomis/case-notes/{caseNoteId}/copy", copy)
    router.add("DELETE", "/nomis/case-notes/{caseNoteId}", remove)
