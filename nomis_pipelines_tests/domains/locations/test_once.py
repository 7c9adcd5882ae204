"""Promise: a location is made once, mapped in the end, and told of when it is twice (sections 7.5 and 9)."""

import asyncio

import httpx
import pytest
import respx

from nomis_pipelines.domains.locations.clients import ledger_key
from nomis_pipelines.http import Conflict
from nomis_pipelines.ledger import Record, State
from nomis_pipelines.synchronisation import HandlerError, InDoubt, Redeliver
from nomis_pipelines_tests.domains.events import Consumer
from nomis_pipelines_tests.domains.locations.examples import (
    BASE,
    CHANGED,
    EVENT,
    MAPPING_BODY,
    NEW,
    OLD,
    PROFILE,
    UPSERT,
    USAGE,
    WING,
    body_of,
    conflict,
    dps_creates,
    dps_updates,
    in_nomis,
    lookup,
    mapping_answers,
    not_mapped,
    pair,
    refused,
    retry_message,
)

pytestmark = pytest.mark.server

CREATED = "locations-created-synchronisation-success"
TOLD = {**BASE, "dpsLocationId": NEW}


async def record_of(locations: Consumer) -> Record:
    record = await locations.context.ledger.record(ledger_key(70500))
    assert record is not None
    return record


async def test_a_mapping_that_fails_is_queued_and_recorded_later(locations: Consumer) -> None:
    not_mapped(70500)
    in_nomis(WING)
    dps_creates()
    mapping_answers(httpx.Response(500), httpx.Response(201))
    await locations.event(CHANGED, **EVENT)
    ((queue, kind, body, attributes),) = locations.queues.sent
    assert (queue, kind, body) == ("eventlocations", "RETRY_SYNCHRONISATION_MAPPING", MAPPING_BODY)
    assert {name: str(value) for name, value in attributes.items()} == TOLD
    assert locations.telemetry.events == [(CREATED, {**TOLD, "mapping": "initial-failure"})]
    await locations.receive(retry_message(MAPPING_BODY, TOLD))
    assert locations.telemetry.events[1:] == [("locations-mapping-created-synchronisation-success", TOLD)]
    assert (await record_of(locations)).state is State.MAPPED


async def test_a_409_tells_of_the_duplicate_and_then_of_the_create(locations: Consumer) -> None:
    not_mapped(70500)
    in_nomis(WING)
    dps_creates()
    mapping_answers(conflict({**pair(70500, OLD), "label": None, "whenCreated": "2026-03-09T10:00:00"}))
    await locations.event(CHANGED, **EVENT)
    assert locations.queues.sent == []
    assert locations.telemetry.events == [
        (
            "from-nomis-synch-location-duplicate",
            {
                "duplicateDpsLocationId": NEW,
                "duplicateNomisLocationId": "70500",
                "existingDpsLocationId": OLD,
                "existingNomisLocationId": "70500",
            },
        ),
        (CREATED, TOLD),
    ]
    record = await record_of(locations)
    assert (record.state, record.dps_id, record.existing_dps_id) == (State.DUPLICATE, NEW, OLD)


async def test_a_409_on_a_retry_counts_as_success_and_the_ledger_knows_of_the_duplicate(locations: Consumer) -> None:
    not_mapped(70500)
    in_nomis(WING)
    dps_creates()
    mapping_answers(httpx.Response(500), conflict(pair(70500, OLD)))
    await locations.event(CHANGED, **EVENT)
    await locations.receive(retry_message(MAPPING_BODY, TOLD))
    assert locations.telemetry.events[1:] == [("locations-mapping-created-synchronisation-success", TOLD)]
    assert (await record_of(locations)).state is State.DUPLICATE


async def test_a_409_on_a_retry_that_names_no_other_pair_is_redelivered(locations: Consumer) -> None:
    mapping_answers(conflict(None))
    with pytest.raises(Conflict):
        await locations.receive(retry_message(MAPPING_BODY, TOLD))
    assert locations.telemetry.events == []


async def test_a_redelivery_after_the_mapping_was_left_open_only_maps_and_updates(locations: Consumer) -> None:
    not_mapped(70500)
    in_nomis(WING)
    sent = respx.post(UPSERT).mock(
        side_effect=[httpx.Response(201, json={"id": NEW}), httpx.Response(200, json={"id": NEW})]
    )
    mapping_answers(httpx.Response(500), httpx.Response(201))
    await locations.event(CHANGED, **EVENT)
    await locations.event(CHANGED, **EVENT)
    assert sent.call_count == 2
    assert body_of(sent)["id"] == NEW
    assert locations.telemetry.events[-1] == (CREATED, TOLD)


async def test_a_location_frozen_before_its_mapping_was_recorded_heals_with_the_next_delivery(
    locations: Consumer,
) -> None:
    in_nomis(WING)
    none, found = httpx.Response(404), httpx.Response(200, json=pair(70500, NEW))
    respx.get(lookup(70500)).mock(side_effect=[none, none, found])
    respx.post(UPSERT).mock(side_effect=[httpx.Response(201, json={"id": NEW}), refused(107), refused(107)])
    mapping_answers(httpx.Response(500), httpx.Response(201))
    await locations.event(CHANGED, **EVENT)
    with pytest.raises(Conflict):
        await locations.event(CHANGED, **EVENT)
    await locations.event(CHANGED, **EVENT)
    assert locations.telemetry.names()[1:] == [
        "locations-created-synchronisation-failed",
        "locations-updated-synchronisation-skipped-deactivated",
    ]


async def test_a_lost_answer_leaves_the_location_in_doubt_and_nothing_is_written_again(locations: Consumer) -> None:
    not_mapped(70500)
    in_nomis(WING)
    sent = respx.post(UPSERT).mock(side_effect=httpx.ReadError)
    for _ in range(2):
        with pytest.raises(InDoubt):
            await locations.event(CHANGED, **EVENT)
    assert sent.call_count == 1
    assert locations.telemetry.names() == ["locations-created-synchronisation-failed"] * 2
    assert "in doubt" in locations.telemetry.events[0][1]["exception"]


async def test_an_update_whose_answer_is_lost_is_sent_again(locations: Consumer) -> None:
    respx.get(lookup(70500)).respond(json=pair(70500, OLD))
    in_nomis(WING)
    sent = respx.post(UPSERT).mock(side_effect=[httpx.ReadError, httpx.Response(200, json={"id": OLD})])
    await locations.event(CHANGED, **EVENT)
    assert sent.call_count == 2
    assert locations.telemetry.names() == ["locations-updated-synchronisation-success"]


async def test_what_another_event_made_meanwhile_is_updated(locations: Consumer) -> None:
    in_nomis(WING)
    ledger = locations.context.ledger
    await ledger.claim(ledger_key(70500))
    await ledger.written(ledger_key(70500), dps_id=OLD, mapping={**MAPPING_BODY, "dpsLocationId": OLD})
    await ledger.mapped(ledger_key(70500))
    # none when the event looks, one when the claim is refused
    respx.get(lookup(70500)).mock(side_effect=[httpx.Response(404), httpx.Response(200, json=pair(70500, OLD))])
    updated = dps_updates()
    await locations.event(CHANGED, **EVENT)
    assert body_of(updated)["id"] == OLD
    assert locations.telemetry.events == [("locations-updated-synchronisation-success", {**BASE, "dpsLocationId": OLD})]


async def test_two_messages_for_one_new_location_make_one(locations: Consumer) -> None:
    not_mapped(70500)
    in_nomis(WING)
    is_sent, may_answer = asyncio.Event(), asyncio.Event()

    async def slowly(_request: httpx.Request) -> httpx.Response:
        is_sent.set()
        await may_answer.wait()
        return httpx.Response(201, json={"id": NEW})

    sent = respx.post(UPSERT).mock(side_effect=slowly)
    mapping_answers(httpx.Response(201))
    first = asyncio.create_task(locations.event(CHANGED, **EVENT))
    await is_sent.wait()
    with pytest.raises(Redeliver):
        await locations.event(CHANGED, **EVENT)
    assert locations.telemetry.events == [], "another message is at it: nothing has failed"
    may_answer.set()
    await first
    assert sent.call_count == 1
    assert locations.telemetry.events == [(CREATED, TOLD)]


async def test_a_location_that_was_deleted_can_come_again(locations: Consumer) -> None:
    in_nomis(WING)
    none, found = httpx.Response(404), httpx.Response(200, json=pair(70500, NEW))
    # created: none; deleted: found; created again: none at first, and none when the ledger asks once more
    respx.get(lookup(70500)).mock(side_effect=[none, found, none, none])
    sent = respx.post(UPSERT).mock(
        side_effect=[httpx.Response(201, json={"id": NEW}), httpx.Response(201, json={"id": OLD})]
    )
    mapping_answers(httpx.Response(201), httpx.Response(201))
    respx.delete(url__regex=r".*/sync/delete/.*").respond(204)
    respx.delete(url__regex=r".*/mapping/locations/dps/.*").respond(204)
    await locations.event(CHANGED, **EVENT)
    await locations.event(CHANGED, **EVENT, recordDeleted=True)
    await locations.event(CHANGED, **EVENT)
    assert sent.call_count == 2
    assert locations.telemetry.named(CREATED) == [TOLD, {**BASE, "dpsLocationId": OLD}]


@pytest.mark.parametrize("state", [State.WRITTEN, State.IN_DOUBT])
async def test_a_usage_waits_for_a_create_that_is_not_settled(locations: Consumer, state: State) -> None:
    not_mapped(70500)
    ledger, key = locations.context.ledger, ledger_key(70500)
    await ledger.claim(key)
    if state is State.WRITTEN:
        await ledger.written(key, dps_id=NEW, mapping=MAPPING_BODY)
    else:
        await ledger.in_doubt(key)
    with pytest.raises(HandlerError, match=state):
        await locations.event(USAGE, **EVENT)
    for change in (
        {"event_type": PROFILE},
        {"event_type": CHANGED, "recordDeleted": True},
    ):
        with pytest.raises(HandlerError, match="Cannot find mapping"):
            await locations.event(**change, **EVENT)
    assert locations.telemetry.events == []
