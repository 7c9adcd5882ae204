"""The mapping service's part that is about case notes (case notes card, section 2)."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import TypeAdapter

from nomis_pipelines.contracts.nomis_mapping_service import NewCaseNoteMapping, NewPrisonerCaseNoteMappings
from nomis_pipelines.sandbox.answers import (
    CREATED,
    NO_CONTENT,
    OK,
    Answer,
    duplicate_mapping,
    json_answer,
    not_found,
)
from nomis_pipelines.sandbox.reading import check_length, path_integer, read_body
from nomis_pipelines.sandbox.routing import Request, Router
from nomis_pipelines.sandbox.stores.case_note_mappings import CaseNoteMappingTable, NotePair, Row
from nomis_pipelines.sandbox.tokens import CASE_NOTES_2024_ROLES, MAPPING_ROLES

ROLES = MAPPING_ROLES | CASE_NOTES_2024_ROLES
PATH = "/mapping/casenotes"


class AnyCaseNoteMapping(NewCaseNoteMapping):
    """What others may post too: the service that goes the other way writes `DPS_CREATED`."""

    label: str | None = None
    mapping_type: Literal["MIGRATED", "DPS_CREATED", "NOMIS_CREATED"]  # pyright: ignore[reportIncompatibleVariableOverride]


_ONE = TypeAdapter(AnyCaseNoteMapping)
_BATCH = TypeAdapter(list[AnyCaseNoteMapping])
_PRISONER = TypeAdapter(NewPrisonerCaseNoteMappings)
_IDS = TypeAdapter(list[int])


def add_case_notes(router: Router, table: CaseNoteMappingTable) -> None:
    """Serve `/mapping/casenotes`. The very same pair again is a conflict with itself; a batch is taken whole or not."""
    _add_lookups(router, table)
    _add_creates(router, table)
    _add_changes(router, table)


def _add_lookups(router: Router, table: CaseNoteMappingTable) -> None:
    def find(request: Request) -> Answer:
        note_id = path_integer("caseNoteId", request.parameters[0])
        pair = table.get(note_id)
        return (
            not_found(f"CaseNote with nomisCaseNoteId={note_id}") if pair is None else json_answer(_json(note_id, pair))
        )

    def some(request: Request) -> Answer:
        found = [(note_id, table.get(note_id)) for note_id in dict.fromkeys(read_body(_IDS, request))]
        return json_answer([_json(note_id, pair) for note_id, pair in found if pair is not None])

    def of_dps_id(request: Request) -> Answer:
        found = table.of_dps_id(request.parameters[0])
        return _all(found) if found else not_found(f"CaseNote with dpsCaseNoteId={request.parameters[0]}")

    def of_prisoner(request: Request) -> Answer:
        return json_answer({"mappings": [_json(*found) for found in table.of_prisoner(request.parameters[0])]})

    router.add("GET", PATH + "/nomis-casenote-id/{caseNoteId}", find, roles=ROLES)
    router.add("POST", PATH + "/nomis-casenote-id", some, roles=ROLES)
    router.add("GET", PATH + "/dps-casenote-id/{dpsCaseNoteId}/all", of_dps_id, roles=ROLES)
    router.add("GET", PATH + "/{offenderNo}/all", of_prisoner, roles=ROLES)
    router.add(
        "GET",
        PATH + "/migration-id/{migrationId}/count-by-prisoner",
        lambda request: json_answer(table.prisoners_of(request.parameters[0])),
        roles=ROLES,
    )


def _add_creates(router: Router, table: CaseNoteMappingTable) -> None:
    def create(bodies: Sequence[AnyCaseNoteMapping]) -> Answer:
        for body in bodies:
            refused = _conflict(table, body.offender_no, body.label, body.mapping_type, [_row(body)])
            if refused is not None:
                return refused
        for body in bodies:
            table.add(body.offender_no, body.label, body.mapping_type, [_row(body)])
        return CREATED

    def of_prisoner(request: Request) -> Answer:
        prisoner, body = request.parameters[0], read_body(_PRISONER, request)
        check_length("label", body.label, 20)
        rows = [(each.nomis_case_note_id, each.nomis_booking_id, each.dps_case_note_id) for each in body.mappings]
        refused = _conflict(table, prisoner, body.label, body.mapping_type, rows)
        if refused is None:
            table.add(prisoner, body.label, body.mapping_type, rows)
        return refused or CREATED

    router.add("POST", PATH, lambda request: create([read_body(_ONE, request)]), roles=ROLES)
    router.add("POST", PATH + "/batch", lambda request: create(read_body(_BATCH, request)), roles=ROLES)
    router.add("POST", PATH + "/{offenderNo}/all", of_prisoner, roles=ROLES)


def _add_changes(router: Router, table: CaseNoteMappingTable) -> None:
    def merge(request: Request) -> Answer:
        table.merge(*request.parameters)
        return OK

    def move(request: Request) -> Answer:
        return _all(table.move(path_integer("bookingId", request.parameters[0]), request.parameters[1]))

    def remove_dps(request: Request) -> Answer:
        table.remove("dps", request.parameters[0])
        return NO_CONTENT

    def remove_note(request: Request) -> Answer:
        table.remove("note", path_integer("nomisCaseNoteId", request.parameters[0]))
        return NO_CONTENT

    router.add("PUT", PATH + "/merge/from/{oldOffenderNo}/to/{newOffenderNo}", merge, roles=ROLES)
    router.add("PUT", PATH + "/merge/booking-id/{bookingId}/to/{newOffenderNo}", move, roles=ROLES)
    router.add("DELETE", PATH + "/dps-casenote-id/{dpsCaseNoteId}", remove_dps, roles=ROLES)
    router.add("DELETE", PATH + "/nomis-casenote-id/{nomisCaseNoteId}", remove_note, roles=ROLES)


def _row(body: AnyCaseNoteMapping) -> Row:
    check_length("label", body.label, 20)
    return body.nomis_case_note_id, body.nomis_booking_id, body.dps_case_note_id


def _conflict(
    table: CaseNoteMappingTable, prisoner: str, label: str | None, mapping_type: str, rows: Sequence[Row]
) -> Answer | None:
    found = table.conflict(rows)
    if found is None:
        return None
    (note_id, booking_id, dps_id), known = found
    posted = _json(note_id, NotePair(dps_id, booking_id, prisoner, label, mapping_type, ""))
    del posted["whenCreated"]
    return duplicate_mapping(_json(note_id, known), posted)


def _all(found: Sequence[tuple[int, NotePair]]) -> Answer:
    return json_answer([_json(*each) for each in found])


def _json(note_id: int, pair: NotePair) -> dict[str, Any]:
    return {
        "dpsCaseNoteId": pair.dps_id,
        "nomisCaseNoteId": note_id,
        "offenderNo": pair.prisoner,
        "nomisBookingId": pair.booking_id,
        "label": pair.label,
        "mappingType": pair.mapping_type,
        "whenCreated": pair.when_created,
    }
