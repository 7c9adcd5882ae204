"""Promise: what is done for a whole booking: merge, resync, repairs (adjustments card, sections 7.3, 7.5, 8)."""

import json

import httpx
import pytest
import respx

from nomis_pipelines.domains.sentencing_adjustments import SENTENCING_ADJUSTMENTS
from nomis_pipelines.domains.sentencing_adjustments.repairs import Booking, repair_merge, repair_update
from nomis_pipelines.http import NotFound, Unavailable
from nomis_pipelines_tests import world
from nomis_pipelines_tests.domains.events import Consumer
from nomis_pipelines_tests.domains.sentencing_adjustments.examples import (
    MERGED,
    NEW,
    OLD,
    SENTENCE,
    S,
    booking_of_example_d,
    dps_creates,
    in_nomis,
    mapped,
    mapping_answers,
    not_mapped,
)

pytestmark = pytest.mark.server


def sentence_id(booking_id: int) -> dict[str, int]:
    return {"offenderBookingId": booking_id, "sentenceSequence": 2}


def resync_message(sentence: dict[str, int], adjustment_ids: list[int]) -> str:
    sentences = [{"sentenceId": sentence, "adjustmentIds": adjustment_ids}]
    message = json.dumps({"offenderNo": "A1234KX", "sentences": sentences})
    return json.dumps({"Type": "courtsentencing.resync.sentence-adjustments", "Message": message})


async def test_a_merge_without_adjustments_asks_the_mapping_service_nothing(adjustments: Consumer) -> None:
    respx.get(f"{world.NOMIS}/prisoners/booking-id/70099/sentencing-adjustments").respond(
        json={"sentenceAdjustments": [], "keyDateAdjustments": []}
    )
    await adjustments.event("BOOKING_NUMBER-CHANGED", bookingId=70099)
    assert len(adjustments.calls) == 1
    counts = dict.fromkeys(list(MERGED)[1:], "0")
    assert adjustments.telemetry.events == [("from-nomis-synch-adjustment-merge", {"bookingId": "70099", **counts})]


async def test_a_resync_copies_an_adjustment_whoever_changed_it_and_retries_on_the_other_queue(court: Consumer) -> None:
    in_nomis(SENTENCE)
    not_mapped("SENTENCE", 5551)
    dps_creates()
    mapping_answers(httpx.Response(500))
    await court.receive(resync_message(sentence_id(991), [5551]))
    told = {**S, "bookingId": "991", "adjustmentId": NEW}
    assert [sent[:2] for sent in court.queues.sent] == [("eventsentencing", "RETRY_SYNCHRONISATION_MAPPING")]
    assert court.telemetry.events == [
        ("sentence-adjustment-created-synchronisation-success", {**told, "mapping": "initial-failure"})
    ]


async def test_the_merge_repair_is_the_merge_and_says_so(adjustments: Consumer) -> None:
    booking_of_example_d()
    dps_creates()
    mapping_answers(httpx.Response(201))
    await repair_merge(adjustments.context, Booking(booking_id=70099))
    assert adjustments.telemetry.events[-2:] == [
        ("from-nomis-synch-adjustment-merge", MERGED),
        ("from-nomis-synch-adjustment-merge-repair", {"bookingId": "70099"}),
    ]


async def test_the_update_repair_updates_what_is_mapped_and_creates_the_rest(adjustments: Consumer) -> None:
    booking_of_example_d()
    dps_creates()
    updated = respx.put(f"{world.SENTENCING}/legacy/adjustments/{OLD}").respond(200)
    mapping_answers(httpx.Response(201))
    await repair_update(adjustments.context, Booking(booking_id=70099))
    assert updated.call_count == 2
    assert adjustments.telemetry.names() == [
        "sentence-adjustment-updated-synchronisation-success",
        "sentence-adjustment-created-synchronisation-success",
        "key-date-adjustment-updated-synchronisation-success",
        "from-nomis-synch-adjustment-update-repair",
    ]


async def test_a_merge_counts_what_had_no_mapping_even_when_it_is_skipped_after_all(adjustments: Consumer) -> None:
    booking_of_example_d()
    respx.get(f"{world.NOMIS}/sentence-adjustments/6002").respond(404)
    await adjustments.event("BOOKING_NUMBER-CHANGED", bookingId="70099")
    skipped = {**S, "bookingId": "70099", "nomisAdjustmentId": "6002"}
    assert adjustments.telemetry.events == [
        ("sentence-adjustment-hidden-or-deleted-synchronisation-skipped", skipped),
        ("from-nomis-synch-adjustment-merge", MERGED),
    ]


async def test_an_unknown_booking_fails_and_says_nothing(adjustments: Consumer) -> None:
    respx.get(f"{world.NOMIS}/prisoners/booking-id/70099/sentencing-adjustments").respond(404)
    with pytest.raises(NotFound):
        await adjustments.event("BOOKING_NUMBER-CHANGED", bookingId=70099)
    with pytest.raises(NotFound):
        await repair_merge(adjustments.context, Booking(booking_id=70099))
    assert adjustments.telemetry.events == []


async def test_a_repair_that_fails_part_way_can_be_repeated(adjustments: Consumer) -> None:
    booking_of_example_d()
    created = respx.post(f"{world.SENTENCING}/legacy/adjustments").mock(
        side_effect=[httpx.Response(500), httpx.Response(201, json={"adjustmentId": NEW})]
    )
    respx.put(f"{world.SENTENCING}/legacy/adjustments/{OLD}").respond(200)
    mapping_answers(httpx.Response(201))
    with pytest.raises(Unavailable):
        await repair_update(adjustments.context, Booking(booking_id=70099))
    assert adjustments.telemetry.names() == ["sentence-adjustment-updated-synchronisation-success"]
    await repair_update(adjustments.context, Booking(booking_id=70099))
    assert created.call_count == 2
    assert adjustments.telemetry.events[-1] == ("from-nomis-synch-adjustment-update-repair", {"bookingId": "70099"})


async def test_a_resync_goes_through_its_adjustments_in_order_and_leaves_hidden_ones(court: Consumer) -> None:
    in_nomis({**SENTENCE, "id": 5552}, {**SENTENCE, "id": 5551, "hiddenFromUsers": True})
    mapped("SENTENCE", 5552)
    respx.put(f"{world.SENTENCING}/legacy/adjustments/{OLD}").respond(200)
    await court.receive(resync_message(sentence_id(70010), [5552, 5551]))
    assert court.telemetry.events == [
        (
            "sentence-adjustment-updated-synchronisation-success",
            {**S, "nomisAdjustmentId": "5552", "adjustmentId": OLD},
        ),
        ("sentence-adjustment-hidden-or-deleted-synchronisation-skipped", S),
    ]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("merge", "/prisoners/booking-id/{bookingId}/merge/sentencing-adjustments/repair"),
        ("update", "/prisoners/booking-id/{bookingId}/update/sentencing-adjustments/repair"),
    ],
)
def test_the_repairs_are_offered_where_the_card_says(name: str, path: str) -> None:
    (repair,) = [repair for repair in SENTENCING_ADJUSTMENTS.repairs if repair.name == name]
    assert (repair.method, repair.path, repair.status) == ("POST", path, 200)
    assert repair.parameters.model_validate({"bookingId": "70099"}).model_dump() == {"booking_id": 70099}
