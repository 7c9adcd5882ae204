"""Promise: the sandbox's NOMIS, case notes service and mapping service do with case notes what their card says."""

from pathlib import Path
from typing import Any

import pytest

from nomis_pipelines.contracts.nomis_mapping_service import CaseNoteMapping, DuplicateMappingError
from nomis_pipelines.contracts.nomis_prisoner import CaseNote, PrisonerCaseNotes
from nomis_pipelines.domains.case_notes.transform import grouped, migrate_note
from nomis_pipelines.sandbox.stores import Stores
from nomis_pipelines_tests.sandbox.conftest import WORLD, Running

LABEL = "2026-03-10T10:00:00"
PATH = "/mapping/casenotes"
Json = dict[str, Any]


@pytest.fixture
def prisoners(running: Running) -> list[str]:
    """Prisoners with two bookings or more, and notes."""
    stores = running.server.stores
    numbers, _ = stores.nomis_alerts.prisoners(0, 300)
    return [n for n in numbers if len(stores.nomis_alerts.bookings(n)) > 1 and stores.nomis_case_notes.of_prisoner(n)]


def body(legacy_id: int = 1, **changes: Any) -> Json:
    author = {"username": "A_GEN", "userId": "1", "firstName": "A", "lastName": "B"}
    return {
        "legacyId": legacy_id, "locationId": "LEI", "type": "GEN", "subType": "OSE", "text": "Seen",
        "occurrenceDateTime": "2026-03-01T10:00:00", "systemGenerated": False, "author": author,
        "createdDateTime": "2026-03-01T10:00:00", "createdByUsername": "A_GEN", "system": "NOMIS", "amendments": [],
        **changes,
    }  # fmt: skip


def pair(note_id: int, dps_id: str = "dps-1", booking_id: int = 7, **more: Any) -> Json:
    return {"nomisCaseNoteId": note_id, "dpsCaseNoteId": dps_id, "nomisBookingId": booking_id, **more}


def mapping(note_id: int, dps_id: str = "dps-1", **changes: Any) -> Json:
    return pair(note_id, dps_id, offenderNo="A1234BC", mappingType="NOMIS_CREATED") | changes


async def answer(running: Running, service: str, method: str, path: str, status: int = 200, **options: Any) -> Any:
    answered = await running.call(service, method, path, **options)
    assert answered.status_code == status, answered.text
    return answered.json() if answered.content else None


async def test_a_prisoner_has_the_notes_of_every_booking_with_copies_and_double_entries(
    running: Running, prisoners: list[str]
) -> None:
    copies = doubles = amended = 0
    for number in prisoners:
        found = await answer(running, "nomis", "GET", f"/prisoners/{number}/casenotes")
        notes = PrisonerCaseNotes.model_validate(found).case_notes
        assert {note.booking_id for note in notes} <= set(running.server.stores.nomis_alerts.bookings(number))
        assert len({note.case_note_id for note in notes}) == len(notes)
        groups = grouped(notes)
        for group in groups:
            migrate_note(group[0])
        copies += sum(note.audit_module_name == "MERGE" for note in notes)
        doubles += len(notes) - len(groups)
        amended += sum(bool(note.amendments) for note in notes)
    assert doubles > copies > 0 < amended
    await answer(running, "nomis", "GET", "/prisoners/B9999ZZ/casenotes", 404)


async def test_a_note_can_be_read_changed_as_dps_would_and_deleted(running: Running, prisoners: list[str]) -> None:
    nomis = running.server.stores.nomis_case_notes
    note = (nomis.of_prisoner(prisoners[0]) or [])[0]
    path = f"/casenotes/{note['caseNoteId']}"
    assert await answer(running, "nomis", "GET", path) == note
    added = {"text": "See log", "authorUsername": "JDOE", "createdDateTime": "2026-02-01T09:00:00"}
    await answer(running, "nomis", "PUT", path, json={"text": "Changed", "amendments": [added]})
    changed = CaseNote.model_validate(await answer(running, "nomis", "GET", path))
    assert (changed.case_note_text, changed.audit_module_name) == ("Changed", "DPS_SYNCHRONISATION_CASENOTES")
    assert [each.text for each in changed.amendments] == ["See log"]
    await answer(running, "nomis", "PUT", path, 400, json={"text": "", "amendments": []})
    await answer(running, "nomis", "DELETE", path, 204)
    for method in ("GET", "DELETE"):
        await answer(running, "nomis", method, path, 404)
    await answer(running, "nomis", "PUT", path, 404, json={"text": "x", "amendments": []})
    assert note["caseNoteId"] not in [each["caseNoteId"] for each in nomis.of_prisoner(prisoners[0]) or ()]


async def test_notes_of_a_moved_booking_go_with_it(running: Running, prisoners: list[str]) -> None:
    nomis, one, two = running.server.stores.nomis_case_notes, prisoners[0], prisoners[1]
    booking_id = running.server.stores.nomis_alerts.bookings(one)[-1]
    added = nomis.add(one, {"caseNoteText": "New"})
    assert added is not None
    assert added["bookingId"] == booking_id
    before = len(nomis.of_prisoner(two) or ())
    gone = [note for note in nomis.of_prisoner(one) or () if note["bookingId"] == booking_id]
    running.server.stores.nomis_alerts.move(booking_id, two)
    assert len(nomis.of_prisoner(two) or ()) == before + len(gone)
    assert nomis.owner(added["caseNoteId"]) == two


async def test_a_prisoners_set_is_made_and_each_answer_names_the_row_it_is_of(running: Running) -> None:
    made = await answer(running, "case-notes", "POST", "/migrate/case-notes/A1234BC", json=[body(5), body(6)])
    assert [each["legacyId"] for each in made] == [5, 6]
    dps = running.server.stores.dps_case_notes
    assert dps.of_prisoner("A1234BC") == [each["id"] for each in made]
    assert await answer(running, "case-notes", "POST", "/migrate/case-notes/A1234BC", json=[]) == []
    await answer(running, "case-notes", "POST", "/migrate/case-notes/A1234BC", json=[body(5)])
    assert dps.numbers()["dps_surplus"] == 1, "asked twice is made twice"


async def test_an_upsert_makes_without_an_id_and_changes_with_one(running: Running) -> None:
    new = body(5, personIdentifier="A1234BC")
    made = await answer(running, "case-notes", "PUT", "/sync/case-notes", 201, json=new)
    assert (made["legacyId"], made["action"]) == (5, "CREATED")
    changed = {**new, "id": made["id"], "text": "Changed"}
    again = await answer(running, "case-notes", "PUT", "/sync/case-notes", json=changed)
    assert (again["id"], again["action"]) == (made["id"], "UPDATED")
    shown = await answer(running, "admin", "GET", f"/case-notes/{made['id']}")
    assert (shown["prisoner"], shown["body"]["text"]) == ("A1234BC", "Changed")
    known = await answer(running, "case-notes", "GET", "/sync/case-notes/A1234BC")
    assert known == [{"caseNoteId": made["id"], "legacyId": 5}]
    for _ in range(2):
        await answer(running, "case-notes", "DELETE", f"/sync/case-notes/{made['id']}", 204)
    assert running.server.stores.dps_case_notes.ids() == []


@pytest.mark.parametrize("wrong", [{"type": "CNOTE"}, {"text": None}, {"createdDateTime": "2026-03-01T10:00:00Z"}])
async def test_what_the_service_does_not_take_is_a_400(running: Running, wrong: Json) -> None:
    await answer(running, "case-notes", "POST", "/migrate/case-notes/A1234BC", 400, json=[body(**wrong)])
    await answer(running, "case-notes", "PUT", "/sync/case-notes", 400, json=body(personIdentifier="A", **wrong))


async def test_amendments_are_a_set_to_dps(running: Running) -> None:
    one = {"text": "t", "author": body()["author"], "createdDateTime": "2026-03-01T10:00:00", "system": "NOMIS"}
    for amendments, status in (([one, {**one, "text": "u"}], 200), ([one, one], 400)):
        path = "/migrate/case-notes/A1234BC"
        await answer(running, "case-notes", "POST", path, status, json=[body(amendments=amendments)])


async def test_a_move_takes_those_of_the_prisoner_named(running: Running) -> None:
    made = await answer(running, "case-notes", "POST", "/migrate/case-notes/A1234BC", json=[body(5), body(6)])
    move = {
        "fromPersonIdentifier": "A1234BC", "toPersonIdentifier": "A1234BD", "caseNoteIds": [made[0]["id"]],
    }  # fmt: skip
    await answer(running, "case-notes", "PUT", "/move/case-notes", json=move)
    await answer(running, "case-notes", "PUT", "/move/case-notes", json=move)
    dps = running.server.stores.dps_case_notes
    assert (dps.of_prisoner("A1234BD"), dps.of_prisoner("A1234BC")) == ([made[0]["id"]], [made[1]["id"]])
    await answer(
        running, "case-notes", "PUT", "/move/case-notes", 400, json={**move, "caseNoteIds": [made[0]["id"]] * 2}
    )


async def test_a_dps_id_may_be_in_several_pairs_and_a_nomis_id_in_one(running: Running) -> None:
    for note_id in (1, 2):
        await answer(running, "mapping", "POST", PATH, 201, json=mapping(note_id))
    found = await answer(running, "mapping", "GET", f"{PATH}/dps-casenote-id/dps-1/all")
    assert [CaseNoteMapping.model_validate(each).nomis_case_note_id for each in found] == [1, 2]
    await answer(running, "mapping", "GET", f"{PATH}/dps-casenote-id/dps-9/all", 404)
    refused = await answer(running, "mapping", "POST", PATH, 409, json=mapping(1, "dps-2"))
    more = DuplicateMappingError.model_validate(refused).more_info
    assert more.existing is not None
    assert (more.duplicate["dpsCaseNoteId"], more.existing["dpsCaseNoteId"]) == ("dps-2", "dps-1")
    one = await answer(running, "mapping", "GET", f"{PATH}/nomis-casenote-id/1")
    assert (one["offenderNo"], one["nomisBookingId"], one["mappingType"]) == ("A1234BC", 7, "NOMIS_CREATED")
    await answer(running, "mapping", "GET", f"{PATH}/nomis-casenote-id/9", 404)
    some = await answer(running, "mapping", "POST", f"{PATH}/nomis-casenote-id", json=[9, 2, 1, 2])
    assert [each["nomisCaseNoteId"] for each in some] == [2, 1]
    await answer(running, "mapping", "DELETE", f"{PATH}/nomis-casenote-id/1", 204)
    await answer(running, "mapping", "DELETE", f"{PATH}/dps-casenote-id/dps-1", 204)
    assert len(running.server.stores.case_note_mappings) == 0


async def test_a_set_and_a_batch_are_taken_whole_or_not_at_all_and_prisoners_are_counted(running: Running) -> None:
    whole = {"label": LABEL, "mappingType": "MIGRATED", "mappings": [pair(1), pair(2)]}
    await answer(running, "mapping", "POST", f"{PATH}/A1234BC/all", 201, json=whole)
    await answer(running, "mapping", "POST", f"{PATH}/A1234BD/all", 201, json={**whole, "mappings": []})
    await answer(running, "mapping", "POST", f"{PATH}/A1234BE/all", 409, json={**whole, "mappings": [pair(3), pair(2)]})
    await answer(running, "mapping", "POST", f"{PATH}/batch", 409, json=[mapping(4), mapping(1)])
    await answer(running, "mapping", "POST", f"{PATH}/batch", 201, json=[])
    await answer(running, "mapping", "POST", f"{PATH}/batch", 201, json=[mapping(5), mapping(6)])
    everything = await answer(running, "mapping", "GET", f"{PATH}/A1234BC/all")
    assert [each["nomisCaseNoteId"] for each in everything["mappings"]] == [1, 2, 5, 6]
    assert await answer(running, "mapping", "GET", f"{PATH}/A1234BE/all") == {"mappings": []}
    count = f"{PATH}/migration-id/{LABEL}/count-by-prisoner"
    assert await answer(running, "mapping", "GET", count) == 1


async def test_mappings_are_put_under_another_number_by_number_and_by_booking(running: Running) -> None:
    await answer(running, "mapping", "POST", f"{PATH}/batch", 201,
                 json=[mapping(1), mapping(2, nomisBookingId=8), mapping(3, nomisBookingId=8)])  # fmt: skip
    moved = await answer(running, "mapping", "PUT", f"{PATH}/merge/booking-id/8/to/A1234BD")
    again = await answer(running, "mapping", "PUT", f"{PATH}/merge/booking-id/8/to/A1234BD")
    assert moved == again
    assert [(each["nomisCaseNoteId"], each["offenderNo"]) for each in moved] == [(2, "A1234BD"), (3, "A1234BD")]
    assert await answer(running, "mapping", "PUT", f"{PATH}/merge/booking-id/99/to/A1234BD") == []
    for removed in ("A1234BD", "A9999ZZ"):
        await answer(running, "mapping", "PUT", f"{PATH}/merge/from/{removed}/to/A1234BE")
    table = running.server.stores.case_note_mappings
    assert {number: len(table.of_prisoner(number)) for number in ("A1234BC", "A1234BD", "A1234BE")} == {
        "A1234BC": 1, "A1234BD": 0, "A1234BE": 2,
    }  # fmt: skip


@pytest.mark.parametrize(("service", "client"), [("case-notes", "nomis-prisoner-api"), ("mapping", "casenotes-api")])
async def test_another_role_is_refused(running: Running, service: str, client: str) -> None:
    path = "/sync/case-notes/x" if service == "case-notes" else f"{PATH}/dps-casenote-id/x"
    await answer(running, service, "DELETE", path, 403, client=client)


async def test_all_is_there_again_after_a_restart(running: Running, state: Path) -> None:
    stores = running.server.stores
    number = next(n for n in stores.nomis_alerts.prisoners(0, 50)[0] if stores.nomis_alerts.bookings(n))
    kept = stores.dps_case_notes.store(b'{"personIdentifier":"A1"}', ("A1", 5))
    stores.dps_case_notes.move([kept], "A2")
    stores.case_note_mappings.add("A1", LABEL, "MIGRATED", [(5, 7, kept), (6, 8, kept)])
    stores.case_note_mappings.move(8, "A3")
    stores.case_note_mappings.remove("note", 5)
    added = stores.nomis_case_notes.add(number, {"caseNoteText": "New"})
    assert added is not None
    stores.nomis_case_notes.change(added["caseNoteId"], {"caseNoteText": "Changed"})
    stores.journal.flush()
    again = Stores(WORLD, state / "journal")
    assert (again.dps_case_notes.owner(kept), again.dps_case_notes.body(kept)) == ("A2", b'{"personIdentifier":"A1"}')
    assert [(key, pair.prisoner) for key, pair in again.case_note_mappings.items()] == [(6, "A3")]
    found = again.nomis_case_notes.get(added["caseNoteId"])
    assert found is not None
    assert found["caseNoteText"] == "Changed"
    again.clear()
    assert again.dps_case_notes.ids() == []
    assert len(again.case_note_mappings) == 0
    assert again.nomis_case_notes.get(added["caseNoteId"]) is None
    again.journal.close()
