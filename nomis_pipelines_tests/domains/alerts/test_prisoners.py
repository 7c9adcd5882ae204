"""Promise: what is done for a prisoner's whole set: merge, move, received, repair (alerts card, sections 7.5 to 8)."""

from typing import Any

import pytest
import respx
from pydantic import ValidationError

from nomis_pipelines.domains.alerts import ALERTS
from nomis_pipelines.domains.alerts.repairs import Prisoner, resynchronise
from nomis_pipelines.http import NotFound, Rejected, ServiceError, Unavailable
from nomis_pipelines.ledger import State
from nomis_pipelines.synchronisation import MalformedMessage
from nomis_pipelines.synchronisation.repair import SYSCON_ROLE, UPDATE_ROLE
from nomis_pipelines_tests import world
from nomis_pipelines_tests.domains.alerts.examples import (
    MAPPINGS,
    PRISONER,
    RESYNCED,
    TWO,
    dps_resyncs,
    internal,
    key,
    merged,
    moved,
    pairs,
    resync_bodies,
    sent,
    set_in_nomis,
)
from nomis_pipelines_tests.domains.events import Consumer

pytestmark = pytest.mark.server

QUEUE = "eventalerts"
MERGED = "prison-offender-events.prisoner.merged"
MOVED = "prison-offender-events.prisoner.booking.moved"
RECEIVED = "prisoner-offender-search.prisoner.received"
TARGET = {"bookingId": 880011, "offenderNo": "A7500KK", "whichPrisoner": "TO"}
SENT = {"alertsCount": "2", "alerts": "2, 5"}
NOTHING = {"alertsCount": "0", "alerts": ""}
PUT = {"mappingType": "NOMIS_CREATED", "mappings": pairs(*RESYNCED)}
MERGE_TOLD = {"offenderNo": PRISONER, "bookingId": "880011", "removedOffenderNo": "A7999ZZ", **SENT}


def received(reason: str) -> dict[str, Any]:
    return {"additionalInformation": {"nomsNumber": PRISONER, "reason": reason}}


def replaces(prisoner: str = PRISONER, status: int = 200, how: str = "all") -> respx.Route:
    return respx.put(f"{MAPPINGS}/{prisoner}/{how}").respond(status)


@pytest.mark.parametrize("reason", ["READMISSION_SWITCH_BOOKING", "NEW_ADMISSION"])
async def test_an_admission_replaces_alerts_and_mappings(alerts: Consumer, reason: str) -> None:
    set_in_nomis(PRISONER, TWO)
    resynced, replaced = dps_resyncs(PRISONER, *RESYNCED), replaces()
    await alerts.event(RECEIVED, **received(reason))
    assert alerts.calls == [
        "GET nomis /prisoners/A7001BC/alerts/to-migrate",
        "POST alerts /resync/A7001BC/alerts",
        "PUT mapping /mapping/alerts/A7001BC/all",
    ]
    assert sent(resynced) == resync_bodies()
    assert sent(replaced) == PUT
    told = {"offenderNo": PRISONER, **SENT}
    assert alerts.telemetry.events == [("from-nomis-synch-alerts-resynchronise", told)]


@pytest.mark.parametrize("reason", ["TRANSFERRED", "READMISSION", "RETURN_FROM_COURT", ""])
async def test_any_other_reception_calls_nobody(alerts: Consumer, reason: str) -> None:
    await alerts.event(RECEIVED, **received(reason))
    assert alerts.calls == []
    told = {"offenderNo": PRISONER, "receiveReason": reason}
    assert alerts.telemetry.events == [("from-nomis-synch-alerts-resynchronise-ignored", told)]


async def test_an_unknown_prisoner_has_no_alerts_and_is_cleared(alerts: Consumer) -> None:
    set_in_nomis(PRISONER, None)
    resynced, replaced = dps_resyncs(PRISONER), replaces()
    await alerts.event(RECEIVED, **received("NEW_ADMISSION"))
    assert sent(resynced) == []
    assert sent(replaced) == {"mappingType": "NOMIS_CREATED", "mappings": []}
    told = {"offenderNo": PRISONER, **NOTHING}
    assert alerts.telemetry.events == [("from-nomis-synch-alerts-resynchronise", told)]


async def test_a_merge_of_a_prisoner_without_alerts_is_sent_like_any_other(alerts: Consumer) -> None:
    set_in_nomis(PRISONER, None)
    cleared, resynced = dps_resyncs("A7999ZZ"), dps_resyncs(PRISONER)
    replaced = replaces(how="merge")
    await alerts.event(MERGED, **merged())
    assert (sent(cleared), sent(resynced)) == ([], [])
    empty = {"mappingType": "NOMIS_CREATED", "mappings": []}
    assert sent(replaced) == {"removedOffenderNo": "A7999ZZ", "prisonerMapping": empty}
    assert alerts.telemetry.events == [("from-nomis-synch-alerts-merge", {**MERGE_TOLD, **NOTHING})]


async def test_what_is_told_is_what_was_sent_and_what_is_mapped_is_what_dps_returned(alerts: Consumer) -> None:
    set_in_nomis(PRISONER, TWO)
    dps_resyncs(PRISONER, RESYNCED[0])
    replaced = replaces()
    await alerts.event(RECEIVED, **received("NEW_ADMISSION"))
    assert sent(replaced)["mappings"] == pairs(*RESYNCED)[:1]
    assert alerts.telemetry.events[0][1]["alertsCount"] == "2"


@pytest.mark.parametrize("target_in_prison", [True, False])
async def test_the_target_of_a_move_is_left_to_the_received_event_when_in_prison(
    alerts: Consumer, target_in_prison: bool
) -> None:
    respx.get(f"{world.NOMIS}/prisoners/A7500KK").respond(json={"offenderNo": "A7500KK", "active": target_in_prison})
    set_in_nomis("A7500KK", TWO)
    dps_resyncs("A7500KK", *RESYNCED)
    replaces("A7500KK")
    await alerts.receive(internal("RESYNCHRONISE_MOVE_BOOKING_TARGET", TARGET))
    told = {"bookingId": "880011", "whichPrisoner": "TO", "offenderNo": "A7500KK"}
    if target_in_prison:
        assert alerts.calls == ["GET nomis /prisoners/A7500KK"]
        assert alerts.telemetry.events == [("from-nomis-synch-alerts-booking-moved-ignored", told)]
    else:
        assert len(alerts.calls) == 4
        assert alerts.telemetry.events == [("from-nomis-synch-alerts-booking-moved", {**told, **SENT})]


async def test_a_target_that_nomis_does_not_know_fails(alerts: Consumer) -> None:
    respx.get(f"{world.NOMIS}/prisoners/A7500KK").respond(404)
    with pytest.raises(NotFound):
        await alerts.receive(internal("RESYNCHRONISE_MOVE_BOOKING_TARGET", TARGET))
    assert alerts.telemetry.events == []


@pytest.mark.parametrize(
    ("event", "body"), [(MERGED, merged()), (MOVED, moved()), (RECEIVED, received("NEW_ADMISSION"))]
)
@pytest.mark.parametrize(
    ("nomis", "dps", "error"), [(500, 201, Unavailable), (200, 500, Unavailable), (200, 400, Rejected)]
)
async def test_an_error_of_nomis_or_dps_fails_the_message_before_any_mapping(
    alerts: Consumer, event: str, body: dict[str, Any], nomis: int, dps: int, error: type[ServiceError]
) -> None:
    set_in_nomis(PRISONER, TWO).respond(nomis, json={"latestBookingAlerts": TWO})
    respx.post(url__regex=rf"{world.ALERTS}/resync/.*").respond(dps, json=[])
    with pytest.raises(error):
        await alerts.event(event, **body)
    assert not any("mapping" in call for call in alerts.calls)
    assert (alerts.telemetry.events, alerts.queues.sent) == ([], [])


@pytest.mark.parametrize(
    ("event", "body", "how", "kind", "name", "told"),
    [
        (
            MERGED, merged(), "merge", "RETRY_RESYNCHRONISATION_MERGED_MAPPING_BATCH", "from-nomis-synch-alerts-merge",
            MERGE_TOLD,
        ),
        (
            MOVED, moved(), "all", "RETRY_RESYNCHRONISATION_MAPPING_BATCH", "from-nomis-synch-alerts-booking-moved",
            {"bookingId": "880011", "whichPrisoner": "FROM", "offenderNo": PRISONER, **SENT},
        ),
        (
            RECEIVED, received("NEW_ADMISSION"), "all", "RETRY_RESYNCHRONISATION_MAPPING_BATCH",
            "from-nomis-synch-alerts-resynchronise", {"offenderNo": PRISONER, **SENT},
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("status", [409, 500])
async def test_mappings_that_are_refused_are_put_again_by_a_message(
    alerts: Consumer,
    event: str,
    body: dict[str, Any],
    how: str,
    kind: str,
    name: str,
    told: dict[str, str],
    status: int,
) -> None:
    set_in_nomis(PRISONER, TWO)
    dps_resyncs("A7999ZZ")
    dps_resyncs(PRISONER, *RESYNCED)
    replaced = replaces(status=status, how=how)
    await alerts.event(event, **body)
    assert alerts.telemetry.events == [(name, told)]
    retry = {"offenderNo": PRISONER, "prisonerMappings": sent(replaced)}
    assert alerts.queues.sent[0] == (QUEUE, kind, retry, told)
    alerts.telemetry.events.clear()
    with pytest.raises(ServiceError):
        await alerts.receive(internal(kind, retry, told))
    assert alerts.telemetry.events == []
    again = replaces(how=how)
    await alerts.receive(internal(kind, retry, told))
    assert alerts.calls == [f"PUT mapping /mapping/alerts/A7001BC/{how}"]
    assert sent(again) == retry["prisonerMappings"]
    assert alerts.telemetry.events == [("alert-mapping-replace-success", told)]


async def test_the_message_for_the_target_is_sent_also_when_the_mappings_of_the_source_are_refused(
    alerts: Consumer,
) -> None:
    set_in_nomis(PRISONER, TWO)
    dps_resyncs(PRISONER, *RESYNCED)
    replaces(status=500)
    await alerts.event(MOVED, **moved())
    assert [kind for _, kind, _, _ in alerts.queues.sent] == [
        "RETRY_RESYNCHRONISATION_MAPPING_BATCH",
        "RESYNCHRONISE_MOVE_BOOKING_TARGET",
    ]


async def test_the_repair_is_a_reception_and_says_so(alerts: Consumer) -> None:
    set_in_nomis(PRISONER, TWO)
    dps_resyncs(PRISONER, *RESYNCED)
    replaced = replaces()
    await resynchronise(alerts.context, Prisoner(offender_no=PRISONER))
    assert sent(replaced) == PUT
    assert alerts.telemetry.events == [
        ("from-nomis-synch-alerts-resynchronise", {"offenderNo": PRISONER, **SENT}),
        ("from-nomis-synch-alerts-resynchronisation-repair", {"offenderNo": PRISONER}),
    ]


async def test_a_repair_that_dps_refuses_tells_of_no_repair(alerts: Consumer) -> None:
    set_in_nomis(PRISONER, TWO)
    respx.post(f"{world.ALERTS}/resync/{PRISONER}/alerts").respond(500)
    with pytest.raises(Unavailable):
        await resynchronise(alerts.context, Prisoner(offender_no=PRISONER))
    assert alerts.telemetry.events == []


def test_the_repair_is_offered_where_and_to_whom_the_card_says() -> None:
    (repair,) = ALERTS.repairs
    assert (repair.method, repair.path, repair.status) == ("POST", "/prisoners/{offenderNo}/alerts/resynchronise", 200)
    assert repair.roles == (UPDATE_ROLE, SYSCON_ROLE, "ROLE_MIGRATE_ALERTS")
    assert repair.parameters.model_validate({"offenderNo": PRISONER}).model_dump() == {"offender_no": PRISONER}


@pytest.mark.parametrize("number", ["", "A7001B", "a7001bc", "A٣٣٣٣BC", "A7001BC1", "..", "A7001BC/x"])
def test_a_repair_takes_prison_numbers_only(number: str) -> None:
    with pytest.raises(ValidationError):
        Prisoner.model_validate({"offenderNo": number})


@pytest.mark.parametrize("state", [State.FAILED, State.REJECTED, State.IN_DOUBT, State.WRITTEN, State.DUPLICATE])
@pytest.mark.parametrize("nomis_key", [PRISONER, f"{PRISONER}/880011/5"])
async def test_what_the_ledger_holds_against_a_prisoner_is_past_when_the_set_was_replaced(
    alerts: Consumer, nomis_key: str, state: State
) -> None:
    ledger, record = alerts.context.ledger, key(nomis_key)
    await ledger.claim(record)
    match state:
        case State.FAILED:
            await ledger.failed(record, reason="alerts-500")
        case State.REJECTED:
            await ledger.rejected(record, reason="partly-synchronised", details={})
        case State.IN_DOUBT:
            await ledger.in_doubt(record)
        case _:
            await ledger.written(record, dps_id=PRISONER, mapping={})
    if state is State.DUPLICATE:
        await ledger.duplicate(record, dps_id=PRISONER, existing_dps_id=PRISONER, details={})
    set_in_nomis(PRISONER, TWO)
    dps_resyncs(PRISONER, *RESYNCED)
    replaces()
    await alerts.event(RECEIVED, **received("NEW_ADMISSION"))
    found = await ledger.record(record)
    assert found is not None
    assert found.state is State.MAPPED


async def test_a_merge_settles_both_numbers_and_only_once_the_mappings_are_put(alerts: Consumer) -> None:
    ledger = alerts.context.ledger
    for number in (PRISONER, "A7999ZZ"):
        await ledger.claim(key(number))
        await ledger.in_doubt(key(number))
    set_in_nomis(PRISONER, TWO)
    dps_resyncs("A7999ZZ")
    dps_resyncs(PRISONER, *RESYNCED)
    replaces(how="merge", status=500)
    await alerts.event(MERGED, **merged())
    states = await ledger.lookup("alerts", [PRISONER, "A7999ZZ"])
    assert {record.state for record in states.values()} == {State.IN_DOUBT}
    replaces(how="merge")
    _, kind, body, told = alerts.queues.sent[0]
    await alerts.receive(internal(kind, body, told))
    states = await ledger.lookup("alerts", [PRISONER, "A7999ZZ"])
    assert {number: (record.state, record.dps_id) for number, record in states.items()} == {
        PRISONER: (State.MAPPED, PRISONER),
        "A7999ZZ": (State.MAPPED, ""),
    }


@pytest.mark.parametrize(
    ("event", "body"),
    [
        (MERGED, {"additionalInformation": merged()["additionalInformation"]}),
        (MERGED, {**merged(), "additionalInformation": {"nomsNumber": PRISONER, "bookingId": 1}}),
        (MOVED, {"additionalInformation": {"movedToNomsNumber": "A7500KK", "bookingId": 1}}),
        (RECEIVED, {"additionalInformation": {"nomsNumber": PRISONER}}),
        (RECEIVED, {"nomsNumber": PRISONER, "reason": "NEW_ADMISSION"}),
    ],
)
async def test_a_body_that_lacks_something_is_malformed(alerts: Consumer, event: str, body: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessage):
        await alerts.event(event, **body)
