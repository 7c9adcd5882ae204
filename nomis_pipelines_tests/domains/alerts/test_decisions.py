"""Promise: every row of the decision tables 7.2 to 7.4 of the alerts card: calls, bodies, telemetry, what is raised."""

from dataclasses import replace
from typing import Any

import httpx
import pytest
import respx

from nomis_pipelines.domains.alerts import ALERTS
from nomis_pipelines.domains.alerts.synchronisation import AlertsSynchronisation
from nomis_pipelines.http import Conflict, NotFound, Rejected, ServiceError, Unavailable
from nomis_pipelines.ledger import State
from nomis_pipelines.synchronisation import HandlerError, MalformedMessage, Outcome
from nomis_pipelines.synchronisation.classify import Classifier
from nomis_pipelines.synchronisation.declaration import HandlerSet
from nomis_pipelines.synchronisation.sqs import SqsMessage
from nomis_pipelines_tests import world
from nomis_pipelines_tests.domains.alerts.examples import (
    BASE,
    BOOKING,
    EVENT,
    MAPPINGS,
    NEW,
    OLD,
    ONE_BODY,
    PRISONER,
    dps_creates,
    in_nomis,
    key,
    lookup,
    mapped,
    mapping_answers,
    merged,
    moved,
    not_mapped,
    sent,
)
from nomis_pipelines_tests.domains.events import Consumer, notification

pytestmark = pytest.mark.server

READ = "GET nomis /prisoners/booking-id/880011/alerts/6"
FIND = "GET mapping /mapping/alerts/nomis-booking-id/880011/nomis-alert-sequence/6"
PUT = f"PUT alerts /alerts/{OLD}"
DELETE = f"DELETE alerts /alerts/{OLD}"
DELETE_MAPPING = f"DELETE mapping /mapping/alerts/dps-alert-id/{OLD}"
DPS = {"audit": {"auditModuleName": "DPS_SYNCHRONISATION"}}
DPS_VARIANT = {"audit": {"auditModuleName": "DPS_SYNCHRONISATION_ALERT"}}
COPIED = {"audit": {"auditAdditionalInfo": "OMKCOPY.COPY_BOOKING_DATA"}}
PREVIOUS = {"bookingSequence": 2}
WITH_ID = {**BASE, "dpsAlertId": OLD}
WITH_SEQUENCE = {**BASE, "bookingSequence": "2"}


@pytest.mark.parametrize(
    ("changes", "known", "calls", "event", "properties"),
    [
        pytest.param(DPS, False, [READ], "alert-synchronisation-created-skipped", BASE, id="1"),
        pytest.param(DPS_VARIANT, True, [READ], "alert-synchronisation-created-skipped", BASE, id="1 by its beginning"),
        pytest.param({"audit": DPS["audit"] | COPIED["audit"]}, False, [READ], "alert-synchronisation-created-skipped",
                     BASE, id="1 before 2"),
        pytest.param(COPIED, True, [READ], "alert-created-new-booking-ignored", BASE, id="2 before 3"),
        pytest.param(COPIED | PREVIOUS, False, [READ], "alert-created-new-booking-ignored", BASE, id="2 before 4"),
        pytest.param({}, True, [READ, FIND], "alert-synchronisation-created-ignored", WITH_ID, id="3"),
        pytest.param(PREVIOUS, True, [READ, FIND], "alert-synchronisation-created-ignored", WITH_ID, id="3 before 4"),
        pytest.param(PREVIOUS, False, [READ, FIND], "alert-synchronisation-created-ignored-previous-booking",
                     WITH_SEQUENCE, id="4"),
    ],
)  # fmt: skip
async def test_an_insert_that_makes_nothing(
    alerts: Consumer, changes: dict[str, Any], known: bool, calls: list[str], event: str, properties: dict[str, str]
) -> None:
    in_nomis(**changes)
    mapped() if known else not_mapped()
    await alerts.event("ALERT-INSERTED", **EVENT)
    assert alerts.calls == calls
    assert alerts.telemetry.events == [(event, properties)]
    assert alerts.queues.sent == []


@pytest.mark.parametrize(
    "audit",
    [
        {},
        {"auditModuleName": None, "auditAdditionalInfo": None},
        {"auditModuleName": "OCDALERT"},
        {"auditModuleName": "X_DPS_SYNCHRONISATION"},
        {"auditAdditionalInfo": "OMKCOPY.COPY_BOOKING_DATA "},
    ],
)
async def test_an_insert_row_5_makes_the_alert_in_dps_and_records_its_pair(
    alerts: Consumer, audit: dict[str, Any]
) -> None:
    in_nomis(audit=audit)
    not_mapped()
    created = dps_creates()
    posted = mapping_answers(httpx.Response(201))
    await alerts.event("ALERT-INSERTED", **EVENT)
    assert sent(created) == ONE_BODY
    assert sent(posted)["mappingType"] == "NOMIS_CREATED"
    assert alerts.telemetry.events == [("alert-synchronisation-created-success", {**BASE, "dpsAlertId": NEW})]
    assert alerts.queues.sent == []


async def test_the_pair_of_an_insert_is_of_the_prisoner_of_the_event_and_of_the_ids_of_nomis(alerts: Consumer) -> None:
    in_nomis(bookingId=BOOKING + 1)
    not_mapped()
    dps_creates(prisoner="A0009XX")
    posted = mapping_answers(httpx.Response(201))
    await alerts.event("ALERT-INSERTED", **{**EVENT, "offenderIdDisplay": "A0009XX", "bookingId": 880011})
    assert sent(posted) == {
        "dpsAlertId": NEW, "nomisBookingId": BOOKING + 1, "nomisAlertSequence": 6, "offenderNo": "A0009XX",
        "mappingType": "NOMIS_CREATED",
    }  # fmt: skip


@pytest.mark.parametrize(("status", "error"), [(400, Rejected), (409, Conflict), (500, Unavailable)])
async def test_an_insert_that_dps_refuses_fails_and_records_no_pair(
    alerts: Consumer, status: int, error: type[ServiceError]
) -> None:
    in_nomis()
    not_mapped()
    respx.post(f"{world.ALERTS}/prisoners/{PRISONER}/alerts").respond(status)
    with pytest.raises(error):
        await alerts.event("ALERT-INSERTED", **EVENT)
    assert alerts.calls == [READ, FIND, f"POST alerts /prisoners/{PRISONER}/alerts"]
    assert alerts.telemetry.events == []


@pytest.mark.parametrize(
    ("changes", "known", "calls", "event", "properties"),
    [
        pytest.param(DPS, True, [READ], "alert-synchronisation-updated-skipped", BASE, id="1"),
        pytest.param(DPS_VARIANT, False, [READ], "alert-synchronisation-updated-skipped", BASE, id="1, a variant"),
        pytest.param(PREVIOUS, False, [READ, FIND], "alert-synchronisation-updated-ignored-previous-booking",
                     WITH_SEQUENCE, id="2"),
        pytest.param({}, True, [READ, FIND, PUT], "alert-synchronisation-updated-success", WITH_ID, id="4"),
        pytest.param(COPIED, True, [READ, FIND, PUT], "alert-synchronisation-updated-success", WITH_ID, id="4, a copy"),
        pytest.param(PREVIOUS, True, [READ, FIND, PUT], "alert-synchronisation-updated-success", WITH_ID,
                     id="4 on an older booking"),
    ],
)  # fmt: skip
async def test_an_update(
    alerts: Consumer, changes: dict[str, Any], known: bool, calls: list[str], event: str, properties: dict[str, str]
) -> None:
    in_nomis(**changes)
    mapped() if known else not_mapped()
    respx.put(f"{world.ALERTS}/alerts/{OLD}").respond(200)
    await alerts.event("ALERT-UPDATED", **EVENT)
    assert alerts.calls == calls
    assert alerts.telemetry.events == [(event, properties)]


@pytest.mark.parametrize(
    ("audit", "user"), [({}, "KOSEI_GEN"), ({"modifyUserId": "PQUINN_ADM"}, "PQUINN_ADM")], ids=["never", "changed"]
)
async def test_an_update_is_sent_in_the_name_of_who_made_it_with_its_end_cleared(
    alerts: Consumer, audit: dict[str, str], user: str
) -> None:
    in_nomis(audit=audit)
    mapped()
    put = respx.put(f"{world.ALERTS}/alerts/{OLD}").respond(200)
    await alerts.event("ALERT-UPDATED", **EVENT)
    headers = put.calls.last.request.headers
    assert (headers["Source"], headers["Username"]) == ("NOMIS", user)
    assert sent(put) == {"description": "Court order", "activeFrom": "2026-05-01"}


async def test_an_update_row_3_tells_of_it_and_fails(alerts: Consumer) -> None:
    in_nomis()
    not_mapped()
    with pytest.raises(HandlerError, match=r"A7001BC/880011/6 has no mapping .*ALERTS_HAS_MIGRATED_DATA"):
        await alerts.event("ALERT-UPDATED", **EVENT)
    assert alerts.calls == [READ, FIND]
    assert alerts.telemetry.events == [("alert-synchronisation-updated-failed", BASE)]


async def test_an_update_row_3_before_the_migration_tells_of_it_and_ends(alerts: Consumer) -> None:
    alerts.context = replace(alerts.context, settings=world.settings(ALERTS_HAS_MIGRATED_DATA="false"))
    in_nomis()
    not_mapped()
    await alerts.event("ALERT-UPDATED", **EVENT)
    assert alerts.telemetry.events == [("alert-synchronisation-updated-failed", BASE)]


async def test_an_update_that_dps_refuses_fails(alerts: Consumer) -> None:
    in_nomis()
    mapped()
    respx.put(f"{world.ALERTS}/alerts/{OLD}").respond(404)
    with pytest.raises(NotFound):
        await alerts.event("ALERT-UPDATED", **EVENT)
    assert alerts.telemetry.events == []


async def test_a_delete_of_what_is_not_mapped_is_ignored_without_asking_nomis(alerts: Consumer) -> None:
    not_mapped()
    await alerts.event("ALERT-DELETED", **EVENT)
    assert alerts.calls == [FIND]
    assert alerts.telemetry.events == [("alert-synchronisation-deleted-ignored", BASE)]


async def test_a_delete_is_made_in_dps_and_then_forgotten(alerts: Consumer) -> None:
    mapped()
    deleted = respx.delete(f"{world.ALERTS}/alerts/{OLD}").respond(204)
    respx.delete(f"{MAPPINGS}/dps-alert-id/{OLD}").respond(204)
    await alerts.event("ALERT-DELETED", **EVENT)
    assert alerts.calls == [FIND, DELETE, DELETE_MAPPING]
    headers = deleted.calls.last.request.headers
    assert headers["Source"] == "NOMIS"
    assert "username" not in headers
    assert alerts.telemetry.events == [("alert-synchronisation-deleted-success", WITH_ID)]


@pytest.mark.parametrize("status", [404, 500])
async def test_a_delete_that_dps_refuses_fails_and_keeps_the_mapping(alerts: Consumer, status: int) -> None:
    mapped()
    respx.delete(f"{world.ALERTS}/alerts/{OLD}").respond(status)
    with pytest.raises(ServiceError):
        await alerts.event("ALERT-DELETED", **EVENT)
    assert DELETE_MAPPING not in alerts.calls
    assert alerts.telemetry.events == []


async def test_a_mapping_that_cannot_be_deleted_is_told_of_and_not_tried_again(
    alerts: Consumer, caplog: pytest.LogCaptureFixture
) -> None:
    mapped()
    respx.delete(f"{world.ALERTS}/alerts/{OLD}").respond(204)
    respx.delete(f"{MAPPINGS}/dps-alert-id/{OLD}").respond(500)
    await alerts.event("ALERT-DELETED", **EVENT)
    assert alerts.telemetry.events == [
        ("alert-mapping-deleted-failed", {"dpsAlertId": OLD}),
        ("alert-synchronisation-deleted-success", WITH_ID),
    ]
    assert alerts.queues.sent == []
    assert f"the mapping of DPS alert {OLD} must be deleted by hand" in caplog.text


@pytest.mark.parametrize("event", ["ALERT-INSERTED", "ALERT-UPDATED"])
@pytest.mark.parametrize(("status", "error"), [(404, NotFound), (500, Unavailable)])
async def test_an_alert_that_nomis_does_not_give_fails_the_message_and_tells_of_nothing(
    alerts: Consumer, event: str, status: int, error: type[ServiceError]
) -> None:
    respx.get(f"{world.NOMIS}/prisoners/booking-id/{BOOKING}/alerts/6").respond(status)
    with pytest.raises(error):
        await alerts.event(event, **EVENT)
    assert alerts.calls == [READ]
    assert alerts.telemetry.events == []


@pytest.mark.parametrize("event", ["ALERT-INSERTED", "ALERT-UPDATED", "ALERT-DELETED"])
async def test_a_look_up_that_fails_fails_the_message(alerts: Consumer, event: str) -> None:
    in_nomis()
    respx.get(lookup(6)).respond(500)
    with pytest.raises(Unavailable):
        await alerts.event(event, **EVENT)
    assert alerts.telemetry.events == []


@pytest.mark.parametrize("state", [State.WRITTEN, State.IN_DOUBT])
@pytest.mark.parametrize(
    ("event", "nomis_key"),
    [
        ("ALERT-DELETED", f"{PRISONER}/880011/6"),
        ("ALERT-UPDATED", f"{PRISONER}/880011/6"),
        ("ALERT-DELETED", PRISONER),
        ("ALERT-UPDATED", PRISONER),
        ("ALERT-INSERTED", PRISONER),
    ],
)
async def test_without_a_mapping_an_event_waits_for_what_is_written_and_not_settled(
    alerts: Consumer, event: str, nomis_key: str, state: State
) -> None:
    in_nomis(**({} if event == "ALERT-INSERTED" else PREVIOUS))
    not_mapped()
    ledger, record = alerts.context.ledger, key(nomis_key)
    await ledger.claim(record)
    if state is State.WRITTEN:
        await ledger.written(record, dps_id=NEW, mapping={})
    else:
        await ledger.in_doubt(record)
    with pytest.raises(HandlerError, match=state):
        await alerts.event(event, **EVENT)
    assert alerts.telemetry.events == []


@pytest.mark.parametrize("missing", ["bookingId", "alertSeq", "offenderIdDisplay"])
@pytest.mark.parametrize("event", ["ALERT-INSERTED", "ALERT-UPDATED", "ALERT-DELETED"])
async def test_a_body_without_a_field_is_malformed(alerts: Consumer, event: str, missing: str) -> None:
    with pytest.raises(MalformedMessage):
        await alerts.event(event, **{name: EVENT[name] for name in EVENT if name != missing})


@pytest.mark.parametrize("numbers", [{"bookingId": 880011, "alertSeq": 6}, {"bookingId": "880011", "alertSeq": "6"}])
async def test_numbers_come_as_numbers_or_as_text(alerts: Consumer, numbers: dict[str, object]) -> None:
    not_mapped()
    await alerts.event("ALERT-DELETED", **{**EVENT, **numbers})
    assert alerts.telemetry.events == [("alert-synchronisation-deleted-ignored", BASE)]


def test_the_handled_messages_are_those_of_the_card() -> None:
    assert {(handler.kind, handler.type) for handler in AlertsSynchronisation.handlers} == {
        ("event", "ALERT-INSERTED"),
        ("event", "ALERT-UPDATED"),
        ("event", "ALERT-DELETED"),
        ("event", "prison-offender-events.prisoner.merged"),
        ("event", "prison-offender-events.prisoner.booking.moved"),
        ("event", "prisoner-offender-search.prisoner.received"),
        ("internal", "RETRY_SYNCHRONISATION_MAPPING"),
        ("internal", "RETRY_SYNCHRONISATION_MAPPING_BATCH"),
        ("internal", "RETRY_RESYNCHRONISATION_MAPPING_BATCH"),
        ("internal", "RETRY_RESYNCHRONISATION_MERGED_MAPPING_BATCH"),
        ("internal", "RESYNCHRONISE_MOVE_BOOKING_TARGET"),
    }


def test_queue_switches_and_redelivery_are_those_of_the_card() -> None:
    assert ALERTS.queues == ["eventalerts"]
    assert AlertsSynchronisation.switch_domain == "alerts"
    assert AlertsSynchronisation.redelivery_seconds == (1, 10, 60, 600)
    assert AlertsSynchronisation.unknown_internal == "drop"


@pytest.mark.parametrize(
    ("event", "variable"),
    [
        ("ALERT-INSERTED", "FEATURE_EVENT_ALERT-INSERTED"),
        ("ALERT-DELETED", "FEATURE_EVENT_ALERTS_ALERT-DELETED"),
        ("prison-offender-events.prisoner.merged", "FEATURE_EVENT_PRISON-OFFENDER-EVENTS_PRISONER_MERGED"),
        ("prison-offender-events.prisoner.merged", "FEATURE_EVENT_ALERTS_PRISON-OFFENDER-EVENTS_PRISONER_MERGED"),
        ("prisoner-offender-search.prisoner.received", "FEATURE_EVENT_PRISONER-OFFENDER-SEARCH_PRISONER_RECEIVED"),
    ],
)
def test_either_switch_turns_an_event_off_and_no_other(alerts: Consumer, event: str, variable: str) -> None:
    handlers = HandlerSet.of([AlertsSynchronisation], alerts.context)
    classifier = Classifier(handlers, world.settings(**{variable: "false"}))
    others = {kind for kind in handlers.events if kind != event}
    outcomes = {
        kind: classifier.classify(
            SqsMessage(message_id="m", receipt="r", body=notification(kind, {}), receive_count=1, sent_milliseconds=1)
        ).outcome
        for kind in handlers.events
    }
    assert outcomes == {event: Outcome.SKIPPED_SWITCH, **dict.fromkeys(others, Outcome.MALFORMED)}


def test_whatever_changes_one_prisoner_has_one_key() -> None:
    received = {"additionalInformation": {"nomsNumber": PRISONER, "reason": "NEW_ADMISSION"}}
    pair = {
        "dpsAlertId": NEW, "nomisBookingId": 1, "nomisAlertSequence": 1, "offenderNo": PRISONER, "mappingType": "x",
    }  # fmt: skip
    empty = {"mappingType": "NOMIS_CREATED", "mappings": []}
    bodies: dict[str, Any] = {
        "ALERT-INSERTED": EVENT,
        "ALERT-UPDATED": EVENT,
        "ALERT-DELETED": EVENT,
        "prison-offender-events.prisoner.merged": merged(),
        "prison-offender-events.prisoner.booking.moved": moved(),
        "prisoner-offender-search.prisoner.received": received,
        "RETRY_SYNCHRONISATION_MAPPING": pair,
        "RETRY_SYNCHRONISATION_MAPPING_BATCH": [pair],
        "RETRY_RESYNCHRONISATION_MAPPING_BATCH": {"offenderNo": PRISONER, "prisonerMappings": empty},
        "RETRY_RESYNCHRONISATION_MERGED_MAPPING_BATCH": {
            "offenderNo": PRISONER,
            "prisonerMappings": {"removedOffenderNo": "A7999ZZ", "prisonerMapping": empty},
        },
        "RESYNCHRONISE_MOVE_BOOKING_TARGET": {"bookingId": 1, "offenderNo": PRISONER, "whichPrisoner": "TO"},
    }
    handlers = {handler.type: handler for handler in AlertsSynchronisation.handlers}
    keys = {handlers[kind].key(handlers[kind].body.validate_python(body)) for kind, body in bodies.items()}
    assert bodies.keys() == handlers.keys()
    assert keys == {PRISONER}
