"""Promise: every row of the decision tables of section 7 of the incidents card, with exact calls and telemetry."""

import json
from typing import Any

import pytest
import respx

from nomis_pipelines.domains.incidents.synchronisation import IncidentsSynchronisation
from nomis_pipelines.http import Conflict, NotFound, Rejected, ServiceError, Unavailable
from nomis_pipelines.synchronisation import HandlerError, MalformedMessage
from nomis_pipelines_tests.domains.events import Consumer
from nomis_pipelines_tests.domains.incidents.examples import (
    BASE,
    CHANGED,
    CHILD_DELETED,
    CONFLICT_TEXT,
    DELETED,
    DPS_ID,
    DUPLICATE,
    EVENT,
    EVENTS,
    GET_INCIDENT,
    GET_PAIR,
    GET_REFERENCE,
    GET_SWITCH,
    INSERTED,
    NEW_PAIR,
    PAIR_URL,
    POST_PAIR,
    POST_UPSERT,
    REPORT,
    REPORT_URL,
    SWITCH,
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
RETRY = "RETRY_SYNCHRONISATION_MAPPING"
FAILED_TEXT = "incidents POST /sync/upsert answered"


def test_the_handled_messages_are_those_of_the_card() -> None:
    declared = {(handler.kind, handler.type) for handler in IncidentsSynchronisation.handlers}
    assert declared == {*(("event", name) for name in EVENTS), ("internal", RETRY)}
    assert (IncidentsSynchronisation.queue, IncidentsSynchronisation.switch_domain) == ("eventincidents", "incidents")
    assert IncidentsSynchronisation.redelivery_seconds == (1, 10, 60, 600)
    assert IncidentsSynchronisation.unknown_internal == "drop"


def test_whatever_is_told_of_one_incident_has_one_key() -> None:
    bodies: dict[str, Any] = {name: {"incidentCaseId": "501"} for name in EVENTS} | {RETRY: NEW_PAIR}
    keys = {
        str(handler.key(handler.body.validate_json(json.dumps(bodies[handler.type]))))
        for handler in IncidentsSynchronisation.handlers
    }
    assert keys == {"501"}


@pytest.mark.parametrize("body", [{"auditModuleName": "OIDINCRS"}, {"incidentCaseId": None}, {"incidentCaseId": "x"}])
async def test_an_event_without_an_incident_is_malformed(incidents: Consumer, body: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessage):
        await incidents.event(INSERTED, **body)


# the skip rule


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("module", ["DPS_SYNCHRONISATION", "DPS_SYNCHRONISATION_INCIDENTS"])
async def test_what_began_in_dps_is_skipped_without_a_call(incidents: Consumer, event: str, module: str) -> None:
    await incidents.event(event, **{**EVENT, "auditModuleName": module})
    assert incidents.calls == []
    name = "deleted-skipped" if event == DELETED else "skipped"
    assert incidents.telemetry.events == [(f"{P}-{name}", BASE)]


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("module", [None, "", "XDPS_SYNCHRONISATION", "dps_synchronisation"])
async def test_what_began_elsewhere_is_not_skipped(incidents: Consumer, event: str, module: str | None) -> None:
    in_nomis()
    in_charge(dps=True)
    mapped(found=False)
    await incidents.event(event, **{**EVENT, "auditModuleName": module})
    assert incidents.telemetry.names() == [f"{P}-deleted-ignored" if event == DELETED else f"{P}-agency-skipped"]


# 7.1


@pytest.mark.parametrize(("status", "error"), [(404, NotFound), (500, Unavailable)])
async def test_an_insert_that_nomis_cannot_show_fails_untold(
    incidents: Consumer, status: int, error: type[Exception]
) -> None:
    in_nomis(status)
    with pytest.raises(error):
        await incidents.event(INSERTED, **EVENT)
    assert incidents.calls == [GET_INCIDENT]
    assert incidents.telemetry.events == []


@pytest.mark.parametrize("event", [INSERTED, *CHANGED, *CHILD_DELETED])
async def test_an_incident_of_an_agency_where_dps_is_in_charge_is_left_alone(incidents: Consumer, event: str) -> None:
    in_nomis()
    in_charge(dps=True)
    await incidents.event(event, **EVENT)
    assert incidents.calls == [GET_INCIDENT, GET_SWITCH]
    assert incidents.telemetry.events == [(f"{P}-agency-skipped", {**BASE, "location": "DGI"})]


@pytest.mark.parametrize("event", [INSERTED, *CHANGED, *CHILD_DELETED])
async def test_a_switch_that_cannot_be_read_is_an_error(incidents: Consumer, event: str) -> None:
    in_nomis()
    in_charge().respond(500)
    with pytest.raises(Unavailable):
        await incidents.event(event, **EVENT)
    assert incidents.telemetry.events == []


async def test_an_insert_of_what_is_mapped_is_ignored(incidents: Consumer) -> None:
    in_nomis()
    in_charge()
    mapped()
    await incidents.event(INSERTED, **EVENT)
    assert incidents.calls == [GET_INCIDENT, GET_SWITCH, GET_PAIR]
    assert incidents.telemetry.events == [(f"{P}-created-ignored", BASE)]


@pytest.mark.parametrize("event", [INSERTED, *CHANGED, *CHILD_DELETED])
async def test_a_mapping_service_that_fails_is_an_error_untold(incidents: Consumer, event: str) -> None:
    in_nomis()
    in_charge()
    mapped().respond(500)
    with pytest.raises(Unavailable):
        await incidents.event(event, **EVENT)
    assert incidents.telemetry.events == []


def to_be_made() -> None:
    """An incident that NOMIS has, is in charge of, and that has no mapping."""
    in_nomis()
    in_charge()
    mapped(found=False)


@pytest.mark.parametrize("status", [200, 201])
async def test_an_insert_is_made_and_mapped(incidents: Consumer, status: int) -> None:
    to_be_made()
    upsert, pair = dps_answers(status), pair_answers()
    await incidents.event(INSERTED, **EVENT)
    assert incidents.calls == [GET_INCIDENT, GET_SWITCH, GET_PAIR, POST_UPSERT, POST_PAIR]
    assert sent(upsert) == {"initialMigration": False, "incidentReport": REPORT}
    assert sent(pair) == NEW_PAIR
    assert incidents.telemetry.events == [(f"{P}-created-success", WITH_DPS)]
    assert incidents.queues.sent == []


@pytest.mark.parametrize(("status", "error"), [(400, Rejected), (403, Rejected), (404, NotFound), (500, Unavailable)])
async def test_an_insert_that_dps_refuses_is_told_and_fails(
    incidents: Consumer, status: int, error: type[Exception]
) -> None:
    to_be_made()
    dps_answers(status)
    with pytest.raises(error):
        await incidents.event(INSERTED, **EVENT)
    told = {**BASE, "reason": f"{FAILED_TEXT} {status}"}
    assert incidents.telemetry.events == [(f"{P}-created-failed", told)]
    assert incidents.queues.sent == []


async def test_a_pair_that_is_there_otherwise_is_told_and_counts_as_success(incidents: Consumer) -> None:
    to_be_made()
    dps_answers()
    pair_answers(409)
    await incidents.event(INSERTED, **EVENT)
    assert incidents.telemetry.events == [(f"{P}-nomis-duplicate", DUPLICATE), (f"{P}-created-success", WITH_DPS)]
    assert incidents.queues.sent == []


@pytest.mark.parametrize("status", [400, 500])
async def test_a_pair_that_cannot_be_recorded_is_sent_to_the_queue(incidents: Consumer, status: int) -> None:
    to_be_made()
    dps_answers()
    pair_answers(status)
    await incidents.event(INSERTED, **EVENT)
    assert incidents.queues.sent == [("eventincidents", RETRY, NEW_PAIR, WITH_DPS)]
    assert incidents.telemetry.events == [(f"{P}-created-success", {**WITH_DPS, "mapping": "initial-failure"})]


async def test_a_report_that_is_there_is_looked_up_and_mapped(incidents: Consumer) -> None:
    to_be_made()
    dps_answers(409)
    reported()
    pair = pair_answers()
    await incidents.event(INSERTED, **EVENT)
    assert incidents.calls == [GET_INCIDENT, GET_SWITCH, GET_PAIR, POST_UPSERT, GET_REFERENCE, POST_PAIR]
    assert sent(pair) == NEW_PAIR
    assert incidents.telemetry.events == [
        (f"{P}-created-conflict", {**BASE, "reason": CONFLICT_TEXT}),
        (f"{P}-created-conflict-recovered", WITH_DPS),
    ]


@pytest.mark.parametrize("status", [404, 500])
async def test_a_look_up_that_fails_is_an_error_with_no_more_telemetry(incidents: Consumer, status: int) -> None:
    to_be_made()
    dps_answers(409)
    reported(status)
    with pytest.raises(ServiceError):
        await incidents.event(INSERTED, **EVENT)
    assert incidents.telemetry.events == [(f"{P}-created-conflict", {**BASE, "reason": CONFLICT_TEXT})]


async def test_a_recovered_report_is_told_of_even_if_its_pair_only_went_to_the_queue(incidents: Consumer) -> None:
    to_be_made()
    dps_answers(409)
    reported()
    pair_answers(500)
    await incidents.event(INSERTED, **EVENT)
    assert incidents.queues.sent == [("eventincidents", RETRY, NEW_PAIR, WITH_DPS)]
    assert incidents.telemetry.events[-1] == (f"{P}-created-conflict-recovered", WITH_DPS)


async def test_a_recovered_report_may_be_a_duplicate(incidents: Consumer) -> None:
    to_be_made()
    dps_answers(409)
    reported()
    pair_answers(409)
    await incidents.event(INSERTED, **EVENT)
    assert incidents.telemetry.names() == [
        f"{P}-created-conflict", f"{P}-nomis-duplicate", f"{P}-created-conflict-recovered"
    ]  # fmt: skip


# 7.2 and 7.3


@pytest.mark.parametrize("event", CHANGED)
async def test_a_change_of_what_nomis_does_not_have_is_told_and_fails(incidents: Consumer, event: str) -> None:
    in_nomis(404)
    with pytest.raises(HandlerError, match="Received UPDATED event for incident that does not exist in Nomis"):
        await incidents.event(event, **EVENT)
    assert incidents.calls == [GET_INCIDENT]
    assert incidents.telemetry.events == [(f"{P}-updated-failed", BASE)]


@pytest.mark.parametrize("event", CHILD_DELETED)
async def test_a_deleted_part_of_what_nomis_does_not_have_is_told_and_consumed(incidents: Consumer, event: str) -> None:
    in_nomis(404)
    await incidents.event(event, **EVENT)
    assert incidents.calls == [GET_INCIDENT]
    assert incidents.telemetry.events == [(f"{P}-deleted-child-failed", BASE)]


@pytest.mark.parametrize("event", [*CHANGED, *CHILD_DELETED])
async def test_a_change_that_nomis_cannot_show_fails_untold(incidents: Consumer, event: str) -> None:
    in_nomis(503)
    with pytest.raises(Unavailable):
        await incidents.event(event, **EVENT)
    assert incidents.telemetry.events == []


@pytest.mark.parametrize("event", [*CHANGED, *CHILD_DELETED])
async def test_a_change_of_what_is_not_mapped_is_told_and_fails(incidents: Consumer, event: str) -> None:
    to_be_made()
    name, what = ("updated", "UPDATED") if event in CHANGED else ("deleted-child", "DELETED")
    text = f"Received {what} event for incident that does not exist in mapping table"
    with pytest.raises(HandlerError, match=text):
        await incidents.event(event, **EVENT)
    assert incidents.calls == [GET_INCIDENT, GET_SWITCH, GET_PAIR]
    assert incidents.telemetry.events == [(f"{P}-{name}-failed", BASE)]


@pytest.mark.parametrize("event", [*CHANGED, *CHILD_DELETED])
@pytest.mark.parametrize(("status", "error"), [(400, Rejected), (404, NotFound), (409, Conflict), (500, Unavailable)])
async def test_a_change_that_dps_refuses_fails_untold(
    incidents: Consumer, event: str, status: int, error: type[Exception]
) -> None:
    in_nomis()
    in_charge()
    mapped()
    dps_answers(status)
    with pytest.raises(error):
        await incidents.event(event, **EVENT)
    assert incidents.calls == [GET_INCIDENT, GET_SWITCH, GET_PAIR, POST_UPSERT]
    assert incidents.telemetry.events == []


@pytest.mark.parametrize("event", [*CHANGED, *CHILD_DELETED])
async def test_a_change_sends_the_whole_incident_again(incidents: Consumer, event: str) -> None:
    in_nomis()
    in_charge()
    mapped()
    upsert = dps_answers(200)
    await incidents.event(event, **EVENT)
    assert incidents.calls == [GET_INCIDENT, GET_SWITCH, GET_PAIR, POST_UPSERT]
    assert sent(upsert) == {"id": DPS_ID, "initialMigration": False, "incidentReport": REPORT}
    name = "updated-success" if event in CHANGED else "deleted-child-success"
    assert incidents.telemetry.events == [(f"{P}-{name}", WITH_DPS)]


# 7.4


async def test_a_deleted_incident_without_a_mapping_is_ignored(incidents: Consumer) -> None:
    mapped(found=False)
    await incidents.event(DELETED, **EVENT)
    assert incidents.calls == [GET_PAIR]
    assert incidents.telemetry.events == [(f"{P}-deleted-ignored", BASE)]


@pytest.mark.parametrize("status", [200, 204, 404])
async def test_a_deleted_incident_goes_from_dps_and_mapping_service(incidents: Consumer, status: int) -> None:
    mapped()
    respx.delete(REPORT_URL).respond(status)
    respx.delete(PAIR_URL).respond(204)
    await incidents.event(DELETED, **EVENT)
    assert incidents.calls == [
        GET_PAIR,
        f"DELETE incidents /incident-reports/{DPS_ID}",
        f"DELETE mapping /mapping/incidents/dps-incident-id/{DPS_ID}",
    ]
    assert incidents.telemetry.events == [(f"{P}-deleted-success", WITH_DPS)]


@pytest.mark.parametrize(("report", "pair"), [(500, 204), (403, 204), (204, 500), (204, 404)])
async def test_a_deletion_that_fails_comes_back_untold(incidents: Consumer, report: int, pair: int) -> None:
    mapped()
    respx.delete(REPORT_URL).respond(report)
    respx.delete(PAIR_URL).respond(pair)
    with pytest.raises(ServiceError):
        await incidents.event(DELETED, **EVENT)
    assert incidents.telemetry.events == []


async def test_a_deletion_that_the_mapping_service_fails_to_explain_comes_back(incidents: Consumer) -> None:
    mapped().respond(500)
    with pytest.raises(Unavailable):
        await incidents.event(DELETED, **EVENT)
    assert incidents.telemetry.events == []


# 7.5


@pytest.mark.parametrize("status", [201, 409])
async def test_a_mapping_retry_posts_the_pair_only(incidents: Consumer, status: int) -> None:
    pair = pair_answers(status)
    await incidents.receive(retry_message())
    assert incidents.calls == [POST_PAIR]
    assert sent(pair) == NEW_PAIR
    assert incidents.telemetry.events == [(f"{P}-mapping-created-success", WITH_DPS)]


@pytest.mark.parametrize("status", [400, 500])
async def test_a_mapping_retry_that_fails_comes_back(incidents: Consumer, status: int) -> None:
    pair_answers(status)
    with pytest.raises(ServiceError):
        await incidents.receive(retry_message())
    assert incidents.telemetry.events == []


async def test_a_child_event_whose_incident_is_of_another_agency_asks_for_that_one(incidents: Consumer) -> None:
    in_nomis(agency={"code": "LEI", "description": "Leeds"})
    respx.get(SWITCH.replace("DGI", "LEI")).respond(204)
    await incidents.event(CHILD_DELETED[0], **EVENT)
    assert incidents.telemetry.events == [(f"{P}-agency-skipped", {**BASE, "location": "LEI"})]
