"""Promise: an incident has one report, mapped in the end, whatever is lost, comes twice or at once (section 9)."""

import json

import httpx
import pytest
import respx

from nomis_pipelines.domains.incidents.clients import ledger_key
from nomis_pipelines.http import Unavailable
from nomis_pipelines.ledger import State
from nomis_pipelines.synchronisation import HandlerError, QueueError, Redeliver
from nomis_pipelines_tests.domains.events import Consumer
from nomis_pipelines_tests.domains.incidents.examples import (
    BASE,
    CHANGED,
    CONFLICT_TEXT,
    DELETED,
    DPS_ID,
    EVENT,
    INSERTED,
    LOOK_UP,
    MAPPINGS,
    NEW_PAIR,
    OTHER_DPS_ID,
    PAIR,
    REPORT,
    UPSERT,
    WITH_DPS,
    dps_answers,
    in_charge,
    in_nomis,
    mapped,
    pair_answers,
    reported,
    retry_message,
    sent,
)

pytestmark = pytest.mark.server

P = "incidents-synchronisation"


def to_be_made() -> None:
    """An incident that NOMIS has, is in charge of, and that has no mapping."""
    in_nomis()
    in_charge()
    mapped(found=False)


async def state_of(incidents: Consumer) -> State | None:
    record = await incidents.context.ledger.record(ledger_key(501))
    return record.state if record else None


@pytest.mark.parametrize("lost", [httpx.ReadError("cut"), httpx.Response(504), httpx.Response(201, text="<html>")])
async def test_a_create_whose_answer_was_lost_is_recovered_by_the_redelivery(
    incidents: Consumer, lost: httpx.Response | Exception
) -> None:
    to_be_made()
    respx.post(UPSERT).mock(side_effect=[lost, httpx.Response(409)])
    reported()
    pair = pair_answers()
    with pytest.raises(Exception):  # noqa: B017, PT011 - as the transport has it; what counts is that it comes back
        await incidents.event(INSERTED, **EVENT)
    assert incidents.telemetry.names() == [f"{P}-created-failed"]
    incidents.telemetry.events.clear()
    await incidents.event(INSERTED, **EVENT)
    assert sent(pair) == NEW_PAIR
    assert incidents.telemetry.events == [
        (f"{P}-created-conflict", {**BASE, "reason": CONFLICT_TEXT}),
        (f"{P}-created-conflict-recovered", WITH_DPS),
    ]
    assert await state_of(incidents) is State.MAPPED


async def test_a_mapping_that_was_left_open_is_completed_by_its_retry(incidents: Consumer) -> None:
    to_be_made()
    dps_answers()
    respx.post(MAPPINGS).mock(side_effect=[httpx.Response(500), httpx.Response(201)])
    await incidents.event(INSERTED, **EVENT)
    assert await state_of(incidents) is State.WRITTEN
    await incidents.receive(retry_message())
    assert await state_of(incidents) is State.MAPPED
    assert incidents.telemetry.names() == [f"{P}-created-success", f"{P}-mapping-created-success"]


async def test_a_redelivery_after_the_retry_could_not_be_sent_brings_the_report_up_to_date(
    incidents: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    to_be_made()
    upsert = dps_answers()
    respx.post(MAPPINGS).mock(side_effect=[httpx.Response(500), httpx.Response(201)])

    async def refuse(*_: object, **__: object) -> None:
        raise QueueError("the queue is away")

    with monkeypatch.context() as patch:
        patch.setattr(incidents.queues, "send_internal", refuse)
        with pytest.raises(QueueError):
            await incidents.event(INSERTED, **EVENT)
    in_nomis(title="Fire in a cell")
    await incidents.event(INSERTED, **EVENT)
    bodies = [json.loads(call.request.content) for call in upsert.calls]
    assert [body.get("id") for body in bodies] == [None, DPS_ID]
    assert bodies[1]["incidentReport"] == {**REPORT, "title": "Fire in a cell"}
    assert incidents.telemetry.events == [(f"{P}-created-success", WITH_DPS)]


async def test_a_report_that_cannot_be_brought_up_to_date_is_told_and_fails(incidents: Consumer) -> None:
    to_be_made()
    ledger = incidents.context.ledger
    await ledger.claim(ledger_key(501))
    await ledger.written(ledger_key(501), dps_id=DPS_ID, mapping=NEW_PAIR)
    pair_answers()
    dps_answers(500)
    with pytest.raises(Unavailable):
        await incidents.event(INSERTED, **EVENT)
    assert incidents.telemetry.names() == [f"{P}-created-failed"]


async def test_what_another_process_is_making_comes_back_untold(incidents: Consumer) -> None:
    to_be_made()
    await incidents.context.ledger.claim(ledger_key(501))
    with pytest.raises(Redeliver):
        await incidents.event(INSERTED, **EVENT)
    assert incidents.telemetry.events == []


async def test_what_another_process_has_made_meanwhile_is_ignored(incidents: Consumer) -> None:
    in_nomis()
    in_charge()
    ledger = incidents.context.ledger
    await ledger.claim(ledger_key(501))
    await ledger.written(ledger_key(501), dps_id=DPS_ID, mapping=NEW_PAIR)
    await ledger.mapped(ledger_key(501))
    respx.get(LOOK_UP).mock(side_effect=[httpx.Response(404), httpx.Response(200, json=PAIR)])
    await incidents.event(INSERTED, **EVENT)
    assert incidents.telemetry.events == [(f"{P}-created-ignored", BASE)]


async def test_a_change_before_the_insert_was_mapped_fails_and_succeeds_when_it_comes_back(incidents: Consumer) -> None:
    in_nomis()
    in_charge()
    dps_answers()
    pair_answers()
    none, found = httpx.Response(404), httpx.Response(200, json=PAIR)
    respx.get(LOOK_UP).mock(side_effect=[none, none, found])
    with pytest.raises(HandlerError):
        await incidents.event(CHANGED[0], **EVENT)
    await incidents.event(INSERTED, **EVENT)
    await incidents.event(CHANGED[0], **EVENT)
    assert incidents.telemetry.names() == [f"{P}-updated-failed", f"{P}-created-success", f"{P}-updated-success"]


async def test_a_deletion_waits_for_a_create_that_is_not_settled(incidents: Consumer) -> None:
    to_be_made()
    dps_answers()
    pair_answers(500)
    await incidents.event(INSERTED, **EVENT)
    incidents.telemetry.events.clear()
    with pytest.raises(HandlerError, match="waits for its create"):
        await incidents.event(DELETED, **EVENT)
    assert incidents.telemetry.events == []


async def test_a_409_without_the_other_pair_is_a_mapping_to_retry_not_a_duplicate(incidents: Consumer) -> None:
    to_be_made()
    dps_answers()
    respx.post(MAPPINGS).respond(409, json={"errorCode": 1409, "moreInfo": {"existing": None, "duplicate": NEW_PAIR}})
    await incidents.event(INSERTED, **EVENT)
    assert incidents.queues.sent == [("eventincidents", "RETRY_SYNCHRONISATION_MAPPING", NEW_PAIR, WITH_DPS)]
    assert incidents.telemetry.events == [(f"{P}-created-success", {**WITH_DPS, "mapping": "initial-failure"})]


async def test_a_duplicate_is_kept_for_operators(incidents: Consumer) -> None:
    to_be_made()
    dps_answers()
    pair_answers(409)
    await incidents.event(INSERTED, **EVENT)
    record = await incidents.context.ledger.record(ledger_key(501))
    assert record is not None
    assert (record.state, record.dps_id, record.existing_dps_id) == (State.DUPLICATE, DPS_ID, OTHER_DPS_ID)
