"""The incident of the card's worked examples (section 10), and services that know it."""

import json
from typing import Any

import httpx
import respx

from nomis_pipelines_tests import world

DPS_ID = "3b0e7a44-9a0e-4a53-8b57-0d6d1a6d9f21"
OTHER_DPS_ID = "77b1c6d2-0f5e-4f0e-9a51-2b1f4a5c6d7e"
MIGRATION_ID = "2026-04-01T09:00:00"
BASE = {"nomisIncidentId": "501"}
WITH_DPS = {**BASE, "dpsIncidentId": DPS_ID}
PAIR = {"nomisIncidentId": 501, "dpsIncidentId": DPS_ID, "mappingType": "MIGRATED"}
NEW_PAIR = {"nomisIncidentId": 501, "dpsIncidentId": DPS_ID, "mappingType": "NOMIS_CREATED"}

GREEN = {"username": "KGREEN_GEN", "staffId": 9001, "firstName": "KAY", "lastName": "GREEN"}
HALL = {"username": "LHALL_GEN", "staffId": 9002, "firstName": "LEE", "lastName": "HALL"}
PARTY = {
    "offender": {"offenderNo": "A0042ZZ", "firstName": "SAM", "lastName": "POOL"}, "sequence": 2000,
    "role": {"code": "PERP", "description": "Perpetrator"}, "createDateTime": "2025-06-02T07:31:00",
    "createdBy": "KGREEN_GEN",
}  # fmt: skip
ANSWER = {
    "sequence": 1, "questionResponseId": 8801, "answer": "Yes", "recordingStaff": GREEN,
    "createDateTime": "2025-06-02T07:35:00", "createdBy": "KGREEN_GEN",
}  # fmt: skip
QUESTION = {
    "questionId": 3101, "sequence": 1, "question": "Was the fire service called?", "answers": [ANSWER],
    "createDateTime": "2025-06-02T07:34:00", "createdBy": "KGREEN_GEN",
}  # fmt: skip
REQUIREMENT = {
    "sequence": 0, "recordedDate": "2025-06-03T09:00:00", "comment": "Add CCTV ref", "staff": HALL,
    "createDateTime": "2025-06-03T09:00:01", "createdBy": "LHALL_GEN",
}  # fmt: skip
SHARED: dict[str, Any] = {
    "incidentId": 501, "questionnaireId": 77, "title": "Cell fire", "description": "Mattress alight", "type": "FIRE",
    "lockedResponse": False, "incidentDateTime": "2025-06-01T22:10:00", "reportedDateTime": "2025-06-02T07:30:00",
    "reportingStaff": GREEN, "staffParties": [], "offenderParties": [PARTY], "history": [],
    "createDateTime": "2025-06-02T07:30:10", "createdBy": "KGREEN_GEN",
}  # fmt: skip
INCIDENT: dict[str, Any] = {
    **SHARED,
    "agency": {"code": "DGI", "description": "Dovegate"},
    "status": {
        "code": "INAN", "description": "In Analysis", "listSequence": 2, "standardUser": False, "enhancedUser": True,
    },
    "requirements": [{**REQUIREMENT, "agencyId": "DGI"}],
    "questions": [{**QUESTION, "hasMultipleAnswers": False}],
}  # fmt: skip
REPORT: dict[str, Any] = {
    **SHARED,
    "prison": {"code": "DGI", "description": "Dovegate"},
    "status": {"code": "INAN", "description": "In Analysis"},
    "requirements": [{**REQUIREMENT, "prisonId": "DGI"}],
    "questions": [QUESTION],
    "descriptionParts": {"first": "first", "second": []},
}

UPSERT = f"{world.INCIDENTS}/sync/upsert"
MAPPINGS = f"{world.MAPPING}/mapping/incidents"
LOOK_UP = f"{MAPPINGS}/nomis-incident-id/501"
SWITCH = f"{world.NOMIS}/agency-switches/INCIDENTS/agency/DGI"
REFERENCE = f"{world.INCIDENTS}/incident-reports/reference/501"
REPORT_URL = f"{world.INCIDENTS}/incident-reports/{DPS_ID}"
PAIR_URL = f"{MAPPINGS}/dps-incident-id/{DPS_ID}"

GET_INCIDENT = "GET nomis /incidents/501"
GET_SWITCH = "GET nomis /agency-switches/INCIDENTS/agency/DGI"
GET_PAIR = "GET mapping /mapping/incidents/nomis-incident-id/501"
POST_PAIR = "POST mapping /mapping/incidents"
POST_UPSERT = "POST incidents /sync/upsert"
GET_REFERENCE = "GET incidents /incident-reports/reference/501"

INSERTED = "INCIDENT-INSERTED"
CHANGED = [f"INCIDENT-CHANGED-{what}" for what in ("CASES", "PARTIES", "RESPONSES", "REQUIREMENTS")]
CHILD_DELETED = [f"INCIDENT-DELETED-{what}" for what in ("PARTIES", "RESPONSES", "REQUIREMENTS")]
DELETED = "INCIDENT-DELETED-CASES"
EVENTS = [INSERTED, *CHANGED, *CHILD_DELETED, DELETED]
EVENT = {"incidentCaseId": 501, "auditModuleName": "OIDINCRS"}

CONFLICT_TEXT = "incidents POST /sync/upsert answered 409"


def in_nomis(status: int = 200, **changes: Any) -> respx.Route:
    """The incident as NOMIS has it, or what NOMIS answers instead."""
    route = respx.get(f"{world.NOMIS}/incidents/501")
    return route.respond(json={**INCIDENT, **changes}) if status == 200 else route.respond(status)


def in_charge(*, dps: bool = False) -> respx.Route:
    """Who is in charge at the agency."""
    return respx.get(SWITCH).respond(204 if dps else 404)


def mapped(*, found: bool = True) -> respx.Route:
    """What the mapping service has."""
    route = respx.get(LOOK_UP)
    return route.respond(json=PAIR) if found else route.respond(404)


def dps_answers(status: int = 201) -> respx.Route:
    """What DPS answers to an upsert."""
    route = respx.post(UPSERT)
    return route.respond(status, json={"id": DPS_ID} if status < 300 else {"status": status, "userMessage": "No"})


def reported(status: int = 200) -> respx.Route:
    """What DPS answers to the look-up by reference."""
    route = respx.get(REFERENCE)
    return route.respond(status, json={"id": DPS_ID, "reportReference": "501"} if status == 200 else {})


def pair_answers(status: int = 201) -> respx.Route:
    """What the mapping service answers to a pair; 409 shows another one in its place."""
    route = respx.post(MAPPINGS)
    return route.mock(return_value=refused_pair()) if status == 409 else route.respond(status)


def refused_pair() -> httpx.Response:
    """The 409 of section 2, with another report in the place of ours."""
    existing = {**PAIR, "dpsIncidentId": OTHER_DPS_ID}
    more = {"existing": existing, "duplicate": NEW_PAIR}
    return httpx.Response(409, json={"status": "409 CONFLICT", "errorCode": 1409, "moreInfo": more})


DUPLICATE = {
    "existingNomisIncidentId": "501", "duplicateNomisIncidentId": "501", "existingDPSIncidentId": OTHER_DPS_ID,
    "duplicateDPSIncidentId": DPS_ID,
}  # fmt: skip


def sent(route: respx.Route, place: int = -1) -> Any:
    """What a route was sent."""
    return json.loads(route.calls[place].request.content)


def retry_message() -> str:
    """The mapping retry of section 7.5."""
    inner = {"body": NEW_PAIR, "telemetryAttributes": WITH_DPS}
    return json.dumps({"Type": "RETRY_SYNCHRONISATION_MAPPING", "Message": json.dumps(inner)})
