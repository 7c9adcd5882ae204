"""The prisoner of the worked examples (court sentencing card, section 10), and the services around one consumer."""

import copy
import json
from dataclasses import dataclass, field
from typing import Any

import httpx
import respx

from nomis_pipelines.domains.court_sentencing.entities import ENTITIES
from nomis_pipelines_tests import world

Json = dict[str, Any]
Key = tuple[str, *tuple[int, ...]]

PRISONER = "A4321BC"
BOOKING = 90210
CASE, OTHER_CASE = "0c6b1a52-7c1e-4a55-9a0e-5b1f0e6b7001", "0c6b1a52-7c1e-4a55-9a0e-5b1f0e6b7002"
FIRST, LAST = "7f0d1c7e-1111-4c0a-8f10-000000081001", "7f0d1c7e-1111-4c0a-8f10-000000081002"
CHARGE = "7f0d1c7e-2222-4c0a-8f10-000000009101"
SENTENCE, SECOND = "7f0d1c7e-3333-4c0a-8f10-000000000001", "7f0d1c7e-3333-4c0a-8f10-000000000002"
TERM = "7f0d1c7e-4444-4c0a-8f10-000000000001"
NEW = "11111111-2222-4333-8444-555555555555"

IMPRISONMENT = {
    "code": "1002", "description": "Imprisonment", "dispositionCode": "F", "chargeStatus": "A", "conviction": True,
}  # fmt: skip
OFFENCE = {"offenceCode": "TH68010", "statuteCode": "TH68", "description": "Theft from a shop"}
OFFENDER_CHARGE: Json = {"id": 9101, "offence": OFFENCE}
ON_FIRST: Json = {
    "eventId": 81001, "offenceDate": "2024-01-20", "createdByUsername": "CLERK1", "offenderCharge": OFFENDER_CHARGE,
}  # fmt: skip
ON_LAST: Json = {**ON_FIRST, "eventId": 81002, "resultCode1": IMPRISONMENT}
FIRST_EVENT: Json = {
    "id": 81001, "caseId": 70001, "eventDateTime": "2024-02-01T10:00:00", "courtId": "LEEDMC",
    "courtEventType": {"code": "CRT", "description": "Court Appearance"},
    "outcomeReasonCode": {
        "code": "4506", "description": "Adjournment", "dispositionCode": "I", "chargeStatus": "A", "conviction": False,
    },
    "nextEventDateTime": "2024-03-05T10:30:00", "createdByUsername": "CLERK1", "courtEventCharges": [ON_FIRST],
}  # fmt: skip
LAST_EVENT: Json = {
    "id": 81002, "caseId": 70001, "eventDateTime": "2024-03-05T10:30:15", "courtId": "LEEDCC",
    "courtEventType": {"code": "CRT", "description": "Court Appearance"}, "outcomeReasonCode": IMPRISONMENT,
    "commentText": "by video link", "createdByUsername": "CLERK1", "courtEventCharges": [ON_LAST],
}  # fmt: skip
SENTENCE_TERM: Json = {
    "termSequence": 1, "sentenceTermType": {"code": "IMP", "description": "Imprisonment"}, "years": 2,
    "lifeSentenceFlag": False, "createdByUsername": "CLERK1",
}  # fmt: skip
NOMIS_SENTENCE: Json = {
    "bookingId": BOOKING, "sentenceSeq": 1, "status": "A",
    "calculationType": {"code": "ADIMP", "description": "Standard Determinate Sentence"},
    "category": {"code": "2020", "description": "2020"}, "courtOrder": {"id": 555, "eventId": 81002},
    "lineSequence": 1, "createdDateTime": "2024-03-05T12:00:00", "createdByUsername": "CLERK1",
    "offenderCharges": [OFFENDER_CHARGE], "sentenceTerms": [SENTENCE_TERM],
}  # fmt: skip
COURT_CASE: Json = {
    "id": 70001, "offenderNo": PRISONER, "bookingId": BOOKING, "caseStatus": {"code": "A", "description": "Active"},
    "sourceCombinedCaseIds": [], "createdByUsername": "CLERK1",
    "caseInfoNumbers": [
        {"type": "CASE/INFO#", "reference": "LS24/118", "createDateTime": "2024-02-01T09:10:12"},
        {"type": "CROWN", "reference": "T2024/9", "createDateTime": "2024-02-02T08:00:00"},
    ],
    "courtEvents": [FIRST_EVENT, LAST_EVENT], "sentences": [NOMIS_SENTENCE],
}  # fmt: skip

MAPPED: dict[Key, str] = {
    ("case", 70001): CASE,
    ("case", 70002): OTHER_CASE,
    ("appearance", 81001): FIRST,
    ("appearance", 81002): LAST,
    ("charge", 9101): CHARGE,
    ("sentence", BOOKING, 1): SENTENCE,
    ("term", BOOKING, 1, 1): TERM,
}
_OF = f"/prisoners/{PRISONER}"
IN_NOMIS: Json = {
    f"{_OF}/sentencing/court-cases": [COURT_CASE],
    f"{_OF}/sentencing/court-cases/70001": COURT_CASE,
    "/court-cases/70001": COURT_CASE,
    f"{_OF}/sentencing/court-appearances/81001": FIRST_EVENT,
    f"{_OF}/sentencing/court-appearances/81002": LAST_EVENT,
    f"{_OF}/sentencing/court-appearances/81001/charges/9101": ON_FIRST,
    f"{_OF}/sentencing/court-appearances/81002/charges/9101": ON_LAST,
    f"{_OF}/sentencing/offender-charges/9101": OFFENDER_CHARGE,
    f"{_OF}/court-cases/70001/sentences/1": NOMIS_SENTENCE,
    f"/prisoners/booking-id/{BOOKING}/sentences/1": NOMIS_SENTENCE,
    f"/prisoners/booking-id/{BOOKING}/sentences/recall": [NOMIS_SENTENCE],
    f"{_OF}/sentence-terms/booking-id/{BOOKING}/sentence-sequence/1/term-sequence/1": SENTENCE_TERM,
}
_CREATED = {"courtCaseUuid": NEW, "lifetimeUuid": NEW, "periodLengthUuid": NEW}


@dataclass
class Services:
    """NOMIS, the mapping service and DPS at the HTTP edge. What is not there is a 404; writes go well unless told."""

    mapped: dict[Key, str] = field(default_factory=lambda: dict(MAPPED))
    nomis: Json = field(default_factory=lambda: copy.deepcopy(IN_NOMIS))
    answers: dict[str, list[httpx.Response]] = field(default_factory=dict[str, list[httpx.Response]])
    writes: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])

    def listen(self) -> None:
        """Answer from now on; respx must be listening."""
        respx.route(host="nomis.test").mock(side_effect=self._nomis)
        respx.route(host="mapping.test").mock(side_effect=self._mapping)
        respx.route(host="court-sentencing.test").mock(side_effect=self._dps)

    def answer(self, call: str, *answers: httpx.Response) -> None:
        """What a call (`PUT dps /path`) is answered, one after another, the last for good."""
        self.answers[call] = list(answers)

    def written(self, service: str) -> list[tuple[str, Any]]:
        """Method and path of every write to a service, with its body."""
        return [(call.replace(f" {service} ", " "), body) for call, body in self.writes if f" {service} " in call]

    def _told(self, call: str) -> httpx.Response | None:
        told = self.answers.get(call)
        return None if not told else told.pop(0) if len(told) > 1 else told[0]

    def _nomis(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        told = self._told(f"{request.method} nomis {path}")
        if told is not None:
            return told
        found = self.nomis.get(path)
        return httpx.Response(404) if found is None else httpx.Response(200, json=found)

    def _mapping(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/mapping/court-sentencing")
        call = f"{request.method} mapping {path}"
        body = json.loads(request.content) if request.content else None
        told = self._told(call)
        if request.method == "GET":
            return told or self._pair(path)
        if path.endswith("get-list"):
            return told or httpx.Response(200, json=self._pairs(path, body))
        self.writes.append((call, body))
        answer = told or httpx.Response(204 if request.method == "DELETE" else 201)
        if request.method == "POST" and answer.status_code == 201:
            self._remember(body)
        return answer

    def _remember(self, body: Json) -> None:
        for entity in ENTITIES.values():
            for pair in body.get(entity.batch, [body]) if "courtCases" in body else [body]:
                if entity.dps_field in pair:
                    self.mapped[(entity.name, *entity.ids(pair))] = pair[entity.dps_field]

    def _pair(self, path: str) -> httpx.Response:
        for (name, *ids), dps_id in self.mapped.items():
            entity = ENTITIES[name]
            template = entity.find_path.removeprefix("/mapping/court-sentencing")
            if template.format(**dict(zip(entity.find_names, ids, strict=True))) == path:
                return httpx.Response(200, json=entity.pair(tuple(ids), dps_id, "MIGRATED"))
        return httpx.Response(404)

    def _pairs(self, path: str, body: list[Any]) -> list[Json]:
        name = "case" if "court-cases" in path else "sentence"
        entity = ENTITIES[name]
        wanted = [(each,) if name == "case" else entity.ids(each) for each in body]
        keys = [(name, *ids) for ids in wanted]
        return [entity.pair(key[1:], self.mapped[key], "MIGRATED") for key in keys if key in self.mapped]

    def _dps(self, request: httpx.Request) -> httpx.Response:
        call = f"{request.method} dps {request.url.path}"
        if request.method != "GET":
            self.writes.append((call, json.loads(request.content) if request.content else None))
        told = self._told(call)
        if told is not None:
            return told
        if request.method == "GET":
            return httpx.Response(404)
        return httpx.Response(201, json=_CREATED) if request.method == "POST" else httpx.Response(204)


def conflict(duplicate: Json, existing: Json | None) -> httpx.Response:
    """The 409 of the mapping service; `existing` is the pair in the table."""
    return httpx.Response(409, json={"errorCode": 1409, "moreInfo": {"duplicate": duplicate, "existing": existing}})


def internal(kind: str, body: object, attributes: dict[str, str] | None = None) -> str:
    """A message of our own (section 7.14), or one of the sister service, whose body is bare (7.15)."""
    message = body if attributes is None else {"body": body, "telemetryAttributes": attributes}
    return json.dumps({"Type": kind, "Message": json.dumps(message)})


DPS = world.COURT_SENTENCING
