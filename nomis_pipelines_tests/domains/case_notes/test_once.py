"""Promise: no note is made twice, and what the mapping service refuses is told as the card says (7.2, 7.7 and 9)."""

import json
from typing import Any

import httpx
import pytest
import respx

from nomis_pipelines.domains.case_notes.clients import ledger_key
from nomis_pipelines.domains.case_notes.notes import CaseNoteWork
from nomis_pipelines.domains.case_notes.repairs import REPAIRS, Note, delete
from nomis_pipelines.http import Conflict, ServiceError, Unavailable
from nomis_pipelines.ledger import State
from nomis_pipelines.synchronisation import HandlerError, InDoubt, QueueError
from nomis_pipelines_tests import world
from nomis_pipelines_tests.domains.case_notes.examples import (
    BASE,
    EVENT,
    MAPPINGS,
    PRISONER,
    SYNC,
    body,
    conflict,
    dps_id,
    dps_takes,
    in_nomis,
    internal,
    mapped,
    mapping,
    mapping_answers,
    sent,
    sisters,
)
from nomis_pipelines_tests.domains.events import Consumer

pytestmark = pytest.mark.server

QUEUE = "eventcasenotes"
RETRY = "RETRY_SYNCHRONISATION_MAPPING"
INSERTED = "OFFENDER_CASE_NOTES-INSERTED"
WITH_ID = {**BASE, "dpsCaseNoteId": dps_id(701)}
CREATED = ("casenotes-synchronisation-created-success", WITH_ID)
PUT_OFF = (CREATED[0], {**WITH_ID, "mapping": "initial-failure"})
RECORDED = ("casenotes-mapping-created-synchronisation-success", WITH_ID)
ANOTHERS = mapping(dps=9, mappingType="MIGRATED")
DUPLICATE = (
    "from-nomis-synch-casenote-duplicate",
    {
        "duplicateDpsCaseNoteId": dps_id(701),
        "duplicateNomisCaseNoteId": "701",
        "existingDpsCaseNoteId": dps_id(9),
        "existingNomisCaseNoteId": "701",
    },
)


async def state_of(notes: Consumer, key: int | str = 701) -> tuple[State, str | None, str | None]:
    record = await notes.context.ledger.record(ledger_key(key))
    assert record is not None
    return record.state, record.dps_id, record.existing_dps_id


async def migrated(notes: Consumer, state: State = State.MAPPED) -> None:
    """The ledger has the prisoner's set."""
    ledger, key = notes.context.ledger, ledger_key(PRISONER)
    await ledger.claim(key, migration_id="2025-03-10T07:30:00")
    if state is not State.WRITING:
        await ledger.written(key, dps_id=PRISONER, mapping={"mappings": []})
    if state is State.MAPPED:
        await ledger.mapped(key)


async def test_another_pair_in_the_table_is_told_of_and_counts_as_success(notes: Consumer) -> None:
    in_nomis()
    dps_takes()
    mapping_answers(conflict(ANOTHERS))
    await notes.event(INSERTED, **EVENT)
    assert notes.telemetry.events == [DUPLICATE, CREATED]
    assert notes.queues.sent == []
    assert await state_of(notes) == (State.DUPLICATE, dps_id(701), dps_id(9))


@pytest.mark.parametrize(
    "refused",
    [conflict(None), httpx.Response(409), httpx.Response(400), httpx.Response(500)],
    ids=["two inserts collided", "without a body", "400", "500"],
)
async def test_any_other_refusal_of_the_pair_is_put_off_and_the_insert_has_succeeded(
    notes: Consumer, refused: httpx.Response
) -> None:
    in_nomis()
    dps_takes()
    mapping_answers(refused)
    await notes.event(INSERTED, **EVENT)
    assert notes.queues.sent == [(QUEUE, RETRY, mapping(), WITH_ID)]
    assert notes.telemetry.events == [PUT_OFF]


async def test_a_409_that_shows_our_own_pair_is_the_pair_recorded(notes: Consumer) -> None:
    in_nomis()
    dps_takes()
    mapping_answers(conflict(mapping()))
    await notes.event(INSERTED, **EVENT)
    assert (notes.queues.sent, notes.telemetry.events) == ([], [CREATED])
    assert (await state_of(notes))[0] is State.MAPPED


@pytest.mark.parametrize("answer", [httpx.Response(201), conflict(ANOTHERS), conflict(mapping())])
async def test_a_retry_succeeds_with_201_and_with_any_pair_in_its_place(
    notes: Consumer, answer: httpx.Response
) -> None:
    in_nomis()
    dps_takes()
    mapping_answers(httpx.Response(500), answer)
    await notes.event(INSERTED, **EVENT)
    ((_, kind, message, attributes),) = notes.queues.sent
    await notes.receive(internal(kind, message, attributes))
    assert notes.telemetry.events == [PUT_OFF, RECORDED]
    assert notes.calls == ["POST mapping /mapping/casenotes"]


@pytest.mark.parametrize(
    ("refused", "error"), [(httpx.Response(500), Unavailable), (conflict(None), Conflict)], ids=["500", "collided"]
)
async def test_a_retry_that_is_refused_otherwise_fails_and_can_come_again(
    notes: Consumer, refused: httpx.Response, error: type[ServiceError]
) -> None:
    mapping_answers(refused, httpx.Response(201))
    with pytest.raises(error):
        await notes.receive(internal(RETRY, mapping(), WITH_ID))
    assert notes.telemetry.events == []
    await notes.receive(internal(RETRY, mapping(), WITH_ID))
    assert notes.telemetry.events == [RECORDED]


async def test_an_insert_that_comes_again_updates_what_the_first_one_made(notes: Consumer) -> None:
    in_nomis()
    mapped(mapping())
    upserts = dps_takes()
    mapping_answers(httpx.Response(201))
    await notes.event(INSERTED, **EVENT)
    in_nomis(caseNoteText="Changed since")
    await notes.event(INSERTED, **EVENT)
    assert ["id" in each for each in _bodies(upserts)] == [False, True]
    assert sent(upserts) == {**body(701, text="Changed since"), "id": dps_id(701), "personIdentifier": PRISONER}
    assert notes.telemetry.events == [CREATED, CREATED]


async def test_an_insert_that_died_before_its_mapping_is_taken_up_and_brought_up_to_date(
    notes: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_nomis()
    upserts = dps_takes()
    mapping_answers(httpx.Response(500), httpx.Response(201))

    async def refuse(*_: object, **__: object) -> None:
        raise QueueError("the queue is away")

    with monkeypatch.context() as patch:
        patch.setattr(notes.queues, "send_internal", refuse)
        with pytest.raises(QueueError):
            await notes.event(INSERTED, **EVENT)
    assert notes.telemetry.names() == ["casenotes-synchronisation-created-failed"]
    await notes.event(INSERTED, **EVENT)
    assert ["id" in each for each in _bodies(upserts)] == [False, True]
    assert notes.telemetry.events[1:] == [CREATED]


async def test_an_insert_whose_answer_was_lost_is_in_doubt_and_not_made_again(notes: Consumer) -> None:
    in_nomis()
    created = respx.put(SYNC).mock(side_effect=httpx.ReadError("gone"))
    respx.get(f"{SYNC}/{PRISONER}").respond(json=[{"caseNoteId": dps_id(9), "legacyId": 9}])
    for _ in range(2):
        with pytest.raises(InDoubt):
            await notes.event(INSERTED, **EVENT)
    assert created.call_count == 1
    assert notes.telemetry.names() == ["casenotes-synchronisation-created-failed"] * 2
    assert (await state_of(notes))[0] is State.IN_DOUBT


async def test_an_insert_in_doubt_that_dps_has_is_mapped_when_it_comes_again(notes: Consumer) -> None:
    in_nomis()
    respx.put(SYNC).mock(side_effect=httpx.ReadError("gone"))
    with pytest.raises(InDoubt):
        await notes.event(INSERTED, **EVENT)
    respx.get(f"{SYNC}/{PRISONER}").respond(json=[{"caseNoteId": dps_id(701), "legacyId": 701}])
    updated, posted = dps_takes(status=200), mapping_answers(httpx.Response(201))
    await notes.event(INSERTED, **EVENT)
    assert (sent(updated)["id"], sent(posted)) == (dps_id(701), mapping())
    assert notes.telemetry.events[1:] == [CREATED]
    assert (await state_of(notes))[0] is State.MAPPED


async def test_a_note_that_was_deleted_and_comes_again_is_made_again(notes: Consumer) -> None:
    in_nomis()
    mapped()
    created = dps_takes()
    mapping_answers(httpx.Response(201), httpx.Response(201))
    await notes.event(INSERTED, **EVENT)
    await notes.event(INSERTED, **EVENT)
    assert ["id" in each for each in _bodies(created)] == [False, False]
    assert notes.telemetry.events == [CREATED, CREATED]


async def test_an_insert_that_the_migration_was_quicker_than_updates_what_it_made(notes: Consumer) -> None:
    await migrated(notes)
    in_nomis()
    mapped(ANOTHERS)
    upserts = dps_takes(9, 200)
    await notes.event(INSERTED, **EVENT)
    assert notes.calls == [
        "GET nomis /casenotes/701",
        "GET mapping /mapping/casenotes/nomis-casenote-id/701",
        "PUT case-notes /sync/case-notes",
    ]
    assert sent(upserts)["id"] == dps_id(9)
    assert notes.telemetry.events == [(CREATED[0], {**BASE, "dpsCaseNoteId": dps_id(9)})]


async def test_a_new_note_of_a_prisoner_who_was_migrated_is_made(notes: Consumer) -> None:
    await migrated(notes)
    in_nomis()
    mapped()
    created = dps_takes()
    mapping_answers(httpx.Response(201))
    await notes.event(INSERTED, **EVENT)
    assert "id" not in sent(created)
    assert notes.telemetry.events == [CREATED]


@pytest.mark.parametrize("state", [State.WRITING, State.WRITTEN])
async def test_an_insert_waits_while_the_prisoners_set_is_being_migrated(notes: Consumer, state: State) -> None:
    await migrated(notes, state)
    in_nomis()
    created = dps_takes()
    with pytest.raises(HandlerError, match=f"is {state}"):
        await notes.event(INSERTED, **EVENT)
    assert created.call_count == 0
    assert notes.telemetry.names() == ["casenotes-synchronisation-created-failed"]


# the repair (section 8)

REPAIRED = ("casenotes-repair-deleted-success", {"nomisCaseNoteId": "701"})
NULLS = {"nomisCaseNoteId": "701", "offenderNo": "null", "bookingId": "null"}


async def test_the_repair_does_what_a_delete_with_the_note_alone_would_do(notes: Consumer) -> None:
    mapped(mapping())
    sisters(mapping(), mapping(601, 31))
    for url in (f"{world.NOMIS}/casenotes/601", f"{SYNC}/{dps_id(701)}", f"{MAPPINGS}/dps-casenote-id/{dps_id(701)}"):
        respx.delete(url).respond(204)
    await delete(notes.context, Note(nomis_case_note_id=701))
    assert notes.telemetry.events == [
        (
            "casenotes-synchronisation-deleted-related-success",
            {"dpsCaseNoteId": dps_id(701), "nomisCaseNoteId": "601", "bookingId": "44"},
        ),
        ("casenotes-synchronisation-deleted-success", {**NULLS, "dpsCaseNoteId": dps_id(701)}),
        REPAIRED,
    ]


@pytest.mark.parametrize(("status", "event"), [(404, "casenotes-deleted-synchronisation-skipped"),
                                               (500, "casenotes-synchronisation-deleted-failed")])  # fmt: skip
async def test_the_repair_has_succeeded_whatever_became_of_the_delete(notes: Consumer, status: int, event: str) -> None:
    mapped().respond(status)
    await delete(notes.context, Note(nomis_case_note_id=701))
    (name, properties), repaired = notes.telemetry.events
    assert (name, {key: properties[key] for key in NULLS}) == (event, NULLS)
    assert repaired == REPAIRED


async def test_the_repair_of_a_note_whose_create_is_not_settled_is_skipped_and_not_raised(notes: Consumer) -> None:
    await notes.context.ledger.claim(ledger_key(701))
    mapped()
    await CaseNoteWork(notes.context).delete_by_hand(701)
    assert notes.telemetry.events == [("casenotes-deleted-synchronisation-skipped", NULLS)]


def test_the_repair_is_where_the_card_has_it() -> None:
    (repair,) = REPAIRS
    assert (repair.method, repair.path, repair.status) == ("DELETE", "/casenotes/{nomisCaseNoteId}/repair", 204)
    assert repair.roles == ("ROLE_PRISONER_FROM_NOMIS__UPDATE__RW", "ROLE_NOMIS_CASENOTES")


def _bodies(route: respx.Route) -> list[Any]:
    return [json.loads(call.request.content) for call in route.calls]
