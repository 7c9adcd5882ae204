"""Promise: worked examples 10.2 and 10.3 of the incidents card, message for message; 10.1 is in `test_migration`."""

import json

import httpx
import pytest
import respx

from nomis_pipelines_tests.domains.events import Consumer
from nomis_pipelines_tests.domains.incidents.examples import (
    BASE,
    DELETED,
    DPS_ID,
    GET_INCIDENT,
    GET_PAIR,
    GET_SWITCH,
    LOOK_UP,
    PAIR,
    PAIR_URL,
    POST_UPSERT,
    REPORT,
    REPORT_URL,
    WITH_DPS,
    dps_answers,
    in_charge,
    in_nomis,
    mapped,
    sent,
)

pytestmark = pytest.mark.server

PARTY_CHANGED = r"""
{"Type": "Notification", "MessageId": "m-2",
 "Message": "{\"eventType\":\"INCIDENT-CHANGED-PARTIES\",\"incidentCaseId\":\"501\",\"incidentPartySeq\":2000,\"auditModuleName\":\"OIDINCRS\"}",
 "MessageAttributes": {"eventType": {"Type": "String", "Value": "INCIDENT-CHANGED-PARTIES"}}}
"""  # noqa: E501 - as the card has it


async def test_worked_example_10_2_a_party_changed(incidents: Consumer) -> None:
    in_nomis()
    in_charge()
    mapped()
    upsert = dps_answers(200)
    await incidents.receive(PARTY_CHANGED)
    assert incidents.calls == [GET_INCIDENT, GET_SWITCH, GET_PAIR, POST_UPSERT]
    assert sent(upsert) == {"id": DPS_ID, "initialMigration": False, "incidentReport": REPORT}
    assert incidents.telemetry.events == [("incidents-synchronisation-updated-success", WITH_DPS)]


async def test_worked_example_10_2_where_dps_is_in_charge(incidents: Consumer) -> None:
    in_nomis()
    in_charge(dps=True)
    await incidents.receive(PARTY_CHANGED)
    assert incidents.calls == [GET_INCIDENT, GET_SWITCH]
    assert incidents.telemetry.events == [
        ("incidents-synchronisation-agency-skipped", {"nomisIncidentId": "501", "location": "DGI"})
    ]


@pytest.mark.parametrize("status", [204, 404])
async def test_worked_example_10_3_an_incident_deleted_and_told_of_twice(incidents: Consumer, status: int) -> None:
    respx.get(LOOK_UP).mock(side_effect=[httpx.Response(200, text=json.dumps(PAIR)), httpx.Response(404)])
    respx.delete(REPORT_URL).respond(status)
    respx.delete(PAIR_URL).respond(204)
    event = {"incidentCaseId": 501, "auditModuleName": "OIUDINCRS"}
    await incidents.event(DELETED, **event)
    assert incidents.calls == [
        GET_PAIR,
        f"DELETE incidents /incident-reports/{DPS_ID}",
        f"DELETE mapping /mapping/incidents/dps-incident-id/{DPS_ID}",
    ]
    await incidents.event(DELETED, **event)
    assert incidents.calls == [GET_PAIR]
    assert incidents.telemetry.events == [
        ("incidents-synchronisation-deleted-success", WITH_DPS),
        ("incidents-synchronisation-deleted-ignored", BASE),
    ]
