"""Promise: no alert is made twice, and what is refused by the mapping service is told as the card says (7.8 and 9)."""

from typing import Any

import httpx
import pytest
import respx

from nomis_pipelines.domains.alerts.clients import AlertKey
from nomis_pipelines.http import Conflict, ServiceError, Unavailable
from nomis_pipelines.ledger import State
from nomis_pipelines.synchronisation import HandlerError, InDoubt, QueueError
from nomis_pipelines_tests import world
from nomis_pipelines_tests.domains.alerts.examples import (
    BASE,
    EVENT,
    MAPPING_BODY,
    MAPPINGS,
    NEW,
    OLD,
    PRISONER,
    conflict,
    dps_creates,
    in_nomis,
    internal,
    key,
    lookup,
    mapping_answers,
    not_mapped,
    sent,
)
from nomis_pipelines_tests.domains.events import Consumer

pytestmark = pytest.mark.server

QUEUE = "eventalerts"
RETRY = "RETRY_SYNCHRONISATION_MAPPING"
ALERT = AlertKey(PRISONER, 880011, 6)
ANOTHERS = {**MAPPING_BODY, "dpsAlertId": OLD}
CREATED = ("alert-synchronisation-created-success", {**BASE, "dpsAlertId": NEW})
PUT_OFF = (CREATED[0], {**CREATED[1], "mapping": "initial-failure"})


async def state_of(alerts: Consumer) -> tuple[State, str | None, str | None]:
    record = await alerts.context.ledger.record(ALERT.ledger_key)
    assert record is not None
    return record.state, record.dps_id, record.existing_dps_id


@pytest.mark.parametrize(
    "refused",
    [conflict(ANOTHERS), conflict(None), httpx.Response(409), httpx.Response(400), httpx.Response(500)],
    ids=["another's", "nobody's", "without a body", "400", "500"],
)
async def test_any_refusal_of_the_pair_of_an_insert_is_put_off_and_the_insert_has_succeeded(
    alerts: Consumer, refused: httpx.Response
) -> None:
    in_nomis()
    not_mapped()
    dps_creates()
    mapping_answers(refused)
    await alerts.event("ALERT-INSERTED", **EVENT)
    assert alerts.queues.sent == [(QUEUE, RETRY, MAPPING_BODY, BASE)]
    assert alerts.telemetry.events == [PUT_OFF]


async def test_a_409_that_shows_our_own_pair_is_the_pair_recorded(alerts: Consumer) -> None:
    in_nomis()
    not_mapped()
    dps_creates()
    mapping_answers(conflict(MAPPING_BODY))
    await alerts.event("ALERT-INSERTED", **EVENT)
    assert (alerts.queues.sent, alerts.telemetry.events) == ([], [CREATED])
    assert (await state_of(alerts))[0] is State.MAPPED


async def test_a_retry_that_meets_another_pair_fails_until_somebody_deletes_the_surplus(alerts: Consumer) -> None:
    in_nomis()
    not_mapped()
    dps_creates()
    mapping_answers(conflict(ANOTHERS), conflict(ANOTHERS), conflict(ANOTHERS))
    await alerts.event("ALERT-INSERTED", **EVENT)
    for _ in range(2):
        with pytest.raises(HandlerError, match=f"mapped to DPS alert {OLD}, so {NEW} is surplus"):
            await alerts.receive(internal(RETRY, MAPPING_BODY, BASE))
    assert alerts.telemetry.events == [PUT_OFF]
    assert await state_of(alerts) == (State.DUPLICATE, NEW, OLD)


@pytest.mark.parametrize(
    ("refused", "error"),
    [(httpx.Response(500), Unavailable), (conflict(None), Conflict), (httpx.Response(409), Conflict)],
)
async def test_a_retry_that_is_refused_fails_and_can_come_again(
    alerts: Consumer, refused: httpx.Response, error: type[ServiceError]
) -> None:
    mapping_answers(refused, httpx.Response(201))
    with pytest.raises(error):
        await alerts.receive(internal(RETRY, MAPPING_BODY, BASE))
    assert alerts.telemetry.events == []
    await alerts.receive(internal(RETRY, MAPPING_BODY, BASE))
    assert alerts.telemetry.events == [("alert-mapping-created-synchronisation-success", BASE)]


async def test_a_retry_of_another_installation_is_posted_as_it_came(alerts: Consumer) -> None:
    body = {**MAPPING_BODY, "label": None, "whenCreated": None}
    posted = mapping_answers(httpx.Response(201))
    await alerts.receive(internal(RETRY, body, BASE))
    assert sent(posted) == MAPPING_BODY


async def test_a_redelivered_insert_updates_what_the_first_delivery_made(alerts: Consumer, monkeypatch: Any) -> None:
    in_nomis()
    not_mapped()
    created = dps_creates()
    put = respx.put(f"{world.ALERTS}/alerts/{NEW}").respond(200)
    mapping_answers(httpx.Response(500), httpx.Response(201))

    async def refuse(*_: object, **__: object) -> None:
        raise QueueError("the queue is away")

    with monkeypatch.context() as patch:
        patch.setattr(alerts.queues, "send_internal", refuse)
        with pytest.raises(QueueError):
            await alerts.event("ALERT-INSERTED", **EVENT)
    assert alerts.telemetry.events == []
    await alerts.event("ALERT-INSERTED", **EVENT)
    assert (created.call_count, put.call_count) == (1, 1)
    assert alerts.telemetry.events == [CREATED]


async def test_an_insert_whose_answer_was_lost_is_in_doubt_and_not_made_again(alerts: Consumer) -> None:
    in_nomis()
    not_mapped()
    created = respx.post(f"{world.ALERTS}/prisoners/{PRISONER}/alerts").mock(side_effect=httpx.ReadError("gone"))
    for _ in range(2):
        with pytest.raises(InDoubt):
            await alerts.event("ALERT-INSERTED", **EVENT)
    assert created.call_count == 1
    assert alerts.telemetry.events == []
    assert (await state_of(alerts))[0] is State.IN_DOUBT


async def test_an_alert_that_another_message_made_meanwhile_is_ignored(alerts: Consumer) -> None:
    in_nomis()
    ledger = alerts.context.ledger
    await ledger.claim(ALERT.ledger_key)
    await ledger.written(ALERT.ledger_key, dps_id=OLD, mapping=ANOTHERS)
    await ledger.mapped(ALERT.ledger_key)
    respx.get(lookup(6)).mock(side_effect=[httpx.Response(404), httpx.Response(200, json=ANOTHERS)])
    await alerts.event("ALERT-INSERTED", **EVENT)
    assert alerts.telemetry.events == [("alert-synchronisation-created-ignored", {**BASE, "dpsAlertId": OLD})]


async def test_an_alert_that_was_deleted_and_comes_again_is_made_again(alerts: Consumer) -> None:
    in_nomis()
    not_mapped()
    created = dps_creates()
    mapping_answers(httpx.Response(201), httpx.Response(201))
    await alerts.event("ALERT-INSERTED", **EVENT)
    await alerts.event("ALERT-INSERTED", **EVENT)
    assert created.call_count == 2
    assert alerts.telemetry.events == [CREATED, CREATED]


async def test_left_over_batches_are_posted_whole(alerts: Consumer) -> None:
    posted = respx.post(f"{MAPPINGS}/batch").respond(201)
    batch = [MAPPING_BODY, {**MAPPING_BODY, "nomisAlertSequence": 7, "dpsAlertId": OLD}]
    await alerts.receive(internal("RETRY_SYNCHRONISATION_MAPPING_BATCH", batch, {"offenderNo": PRISONER}))
    assert sent(posted) == batch
    assert alerts.telemetry.events == [("alert-mapping-created-merge-success", {"offenderNo": PRISONER})]


async def test_a_left_over_batch_that_meets_a_mapping_tells_of_the_duplicate_and_ends(alerts: Consumer) -> None:
    existing = {**MAPPING_BODY, "dpsAlertId": OLD, "nomisAlertSequence": 9}
    respx.post(f"{MAPPINGS}/batch").mock(side_effect=[conflict(existing), conflict(None)])
    await alerts.receive(internal("RETRY_SYNCHRONISATION_MAPPING_BATCH", [MAPPING_BODY]))
    surplus = {
        "offenderNo": PRISONER,
        "duplicateDpsAlertId": NEW,
        "duplicateNomisBookingId": "880011",
        "duplicateNomisAlertSequence": "6",
    }
    kept = {
        "existingDpsAlertId": OLD,
        "existingNomisBookingId": "880011",
        "existingNomisAlertSequence": "9",
    }
    assert alerts.telemetry.events == [("from-nomis-sync-alert-duplicate", {**surplus, **kept})]
    await alerts.receive(internal("RETRY_SYNCHRONISATION_MAPPING_BATCH", [MAPPING_BODY]))
    assert alerts.telemetry.events[1:] == [("from-nomis-sync-alert-duplicate", surplus)]


async def test_a_left_over_batch_that_is_refused_otherwise_fails(alerts: Consumer) -> None:
    respx.post(f"{MAPPINGS}/batch").respond(500)
    with pytest.raises(Unavailable):
        await alerts.receive(internal("RETRY_SYNCHRONISATION_MAPPING_BATCH", [MAPPING_BODY]))
    assert alerts.telemetry.events == []


def test_an_alert_reads_back_from_its_text_and_no_prisoner_is_taken_for_one() -> None:
    assert AlertKey.parse(str(ALERT)) == ALERT
    assert (ALERT.ledger_key, ALERT.prisoner_key) == (key("A7001BC/880011/6"), key("A7001BC"))
    with pytest.raises(ValueError, match="unpack"):
        AlertKey.parse("A7001BC/6")
