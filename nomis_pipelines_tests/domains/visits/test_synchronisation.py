"""Promise: section 7 of the visits card and worked example D: what a cancellation does, and what it leaves alone."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import respx

from nomis_pipelines.domains.visits.migration import VisitsMigration
from nomis_pipelines.domains.visits.synchronisation import VisitsSynchronisation
from nomis_pipelines.http import NotFound, Unavailable
from nomis_pipelines.synchronisation import HandlerError, MalformedMessage
from nomis_pipelines_tests import world
from nomis_pipelines_tests.domains.events import Consumer, consumer
from nomis_pipelines_tests.domains.visits.examples import PAST_CANCELLED

pytestmark = pytest.mark.server

MESSAGE = (
    '{"Type":"Notification","MessageId":"5d1f","Message":"{\\"eventType\\":\\"VISIT_CANCELLED\\",'
    '\\"offenderIdDisplay\\":\\"A1234KX\\",\\"visitId\\":\\"70155\\",\\"bookingId\\":\\"991\\",'
    '\\"auditModuleName\\":\\"OIDOVIS\\"}","MessageAttributes":{"eventType":{"Type":"String","Value":"VISIT_CANCELLED"}}}'
)
VISIT: dict[str, Any] = {
    **PAST_CANCELLED,
    "visitId": 70155,
    "visitOutcome": {"code": "OFFCANC", "description": "Offender Cancelled"},
    "modifyUserId": "GH_GEN",
}
CALLS = [
    "GET nomis /visits/70155",
    "GET mapping /mapping/visits/nomisId/70155",
    "PUT visits /migrate-visits/zz-11/cancel",
]


@pytest.fixture
async def visits(ledger_url: str) -> AsyncIterator[Consumer]:
    with respx.mock:
        async with consumer(ledger_url, VisitsSynchronisation) as made:
            yield made


def given(mapped: bool = True, **changes: Any) -> respx.Route:
    """The visit as NOMIS has it now, its mapping, and the scheduler's cancel route."""
    respx.get(f"{world.NOMIS}/visits/70155").respond(json={**VISIT, **changes})
    pair = {"nomisId": 70155, "vsipId": "zz-11", "mappingType": "MIGRATED"}
    lookup = respx.get(f"{world.MAPPING}/mapping/visits/nomisId/70155")
    lookup.mock(return_value=httpx.Response(200, json=pair) if mapped else httpx.Response(404))
    return respx.put(f"{world.VISITS}/migrate-visits/zz-11/cancel").respond(200, json={"reference": "zz-11"})


async def test_worked_example_d_a_cancellation(visits: Consumer) -> None:
    cancelled = given()
    await visits.receive(MESSAGE)
    assert visits.calls == CALLS
    assert cancelled.calls.last.request.content.decode() == (
        '{"actionedBy":"GH_GEN","cancelOutcome":{"outcomeStatus":"PRISONER_CANCELLED","text":"Cancelled by NOMIS"}}'
    )
    assert visits.telemetry.events == [
        (
            "visit-cancellation-synchronisation",
            {"offenderNo": "A1234KX", "vsipId": "zz-11", "nomisVisitId": "70155", "vsipOutcome": "PRISONER_CANCELLED"},
        )
    ]


async def test_a_change_made_by_the_visit_scheduler_is_left_alone_without_a_lookup(visits: Consumer) -> None:
    given(modifyUserId="PRISONER_MANAGER_API")
    await visits.receive(MESSAGE)
    assert visits.calls == CALLS[:1]
    assert visits.telemetry.events == []


async def test_a_visit_nobody_changed_counts_as_nomis_own(visits: Consumer) -> None:
    cancelled = given(modifyUserId=None)
    await visits.receive(MESSAGE)
    assert json.loads(cancelled.calls.last.request.content)["actionedBy"] == "AB_GEN"


async def test_a_visit_that_was_never_migrated_is_left_alone(visits: Consumer) -> None:
    given(mapped=False)
    await visits.receive(MESSAGE)
    assert visits.calls == CALLS[:2]
    assert visits.telemetry.events == []


async def test_a_cancellation_waits_for_a_migration_that_has_yet_to_map_the_visit(visits: Consumer) -> None:
    cancelled = given(mapped=False)
    key = VisitsMigration.record_key("70155")
    await visits.context.ledger.claim(key)
    await visits.context.ledger.written(key, dps_id="zz-11", mapping={"nomisId": 70155})
    with pytest.raises(HandlerError, match="written"):
        await visits.receive(MESSAGE)
    await visits.context.ledger.mapped(key)
    given()
    await visits.receive(MESSAGE)
    assert cancelled.call_count == 1


@pytest.mark.parametrize(
    ("outcome", "status", "sent"),
    [
        (None, "SCH", "CANCELLATION"),
        (None, "CANC", "CANCELLATION"),
        (None, "NORM", "COMPLETED_NORMALLY"),
        ("NSHOW", "SCH", "VISITOR_DID_NOT_ARRIVE"),
    ],
)
async def test_whatever_nomis_says_now_gives_the_outcome(
    visits: Consumer, outcome: str | None, status: str, sent: str
) -> None:
    code = {"code": outcome, "description": "x"} if outcome else None
    cancelled = given(visitOutcome=code, visitStatus={"code": status, "description": "x"})
    await visits.receive(MESSAGE)
    assert json.loads(cancelled.calls.last.request.content)["cancelOutcome"]["outcomeStatus"] == sent


async def test_a_visit_gone_from_nomis_fails_the_message(visits: Consumer) -> None:
    respx.get(f"{world.NOMIS}/visits/70155").respond(404)
    with pytest.raises(NotFound):
        await visits.receive(MESSAGE)


async def test_a_scheduler_that_refuses_fails_the_message_without_telemetry(visits: Consumer) -> None:
    given()
    respx.put(f"{world.VISITS}/migrate-visits/zz-11/cancel").respond(500)
    with pytest.raises(Unavailable):
        await visits.receive(MESSAGE)
    assert visits.telemetry.events == []


async def test_an_unknown_outcome_fails_with_its_code(visits: Consumer) -> None:
    given(visitOutcome={"code": "XXX", "description": "x"})
    with pytest.raises(HandlerError, match="unknown-visit-outcome XXX"):
        await visits.receive(MESSAGE)


@pytest.mark.parametrize("missing", ["offenderIdDisplay", "visitId", "auditModuleName"])
async def test_a_body_without_one_of_its_three_fields_is_malformed(visits: Consumer, missing: str) -> None:
    body = {"offenderIdDisplay": "A1234KX", "visitId": 70155, "auditModuleName": "OIDOVIS"}
    with pytest.raises(MalformedMessage):
        await visits.event("VISIT_CANCELLED", **{name: value for name, value in body.items() if name != missing})


async def test_the_queue_does_not_look_at_the_type_of_a_message(visits: Consumer) -> None:
    given()
    await visits.receive(MESSAGE.replace('"Type":"Notification"', '"Type":"Anything"', 1))
    assert visits.telemetry.names() == ["visit-cancellation-synchronisation"]
