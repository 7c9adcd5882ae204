"""The report of the worked examples (CSIP card, section 10), and the services around one consumer."""

import copy
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx
import respx

from nomis_pipelines.sandbox.stores.dps_csip import parts_of

Json = dict[str, Any]

REPORT, FACTOR, NEW_FACTOR, INTERVIEW, PLAN, REVIEW, ATTENDEE = 8101, 51, 52, 55, 61, 71, 81
PRISONER = "A7788BC"
LISTS = ("attendeeMappings", "factorMappings", "interviewMappings", "planMappings", "reviewMappings")
COMPONENT_OF = {
    "ATTENDEE": LISTS[0], "CONTRIBUTORY_FACTOR": LISTS[1], "INTERVIEW": LISTS[2], "IDENTIFIED_NEED": LISTS[3],
    "REVIEW": LISTS[4],
}  # fmt: skip


def uuid(number: int) -> str:
    """The DPS id that the examples write as `aaaa...` and two digits."""
    return f"aaaa0000-0000-4000-8000-{number:012}"


RECORD = uuid(1)
AUDIT = {"createDateTime": "2024-11-03T10:00:00", "createdBy": "PHART"}
DEBT: Json = {"id": FACTOR, "type": {"code": "DEB", "description": "Debt"}, "comment": None, **AUDIT}
ADDED: Json = {
    "id": NEW_FACTOR, "type": {"code": "BUL", "description": "Bullying"}, "createDateTime": "2025-04-02T10:00:00",
    "createdBy": "PHART",
}  # fmt: skip
CSIP_REPORT: Json = {
    "id": REPORT, "offender": {"offenderNo": PRISONER, "firstName": "JO", "lastName": "KAY"}, "bookingId": 771,
    "originalAgencyId": "LEI", "logNumber": "LEI-044", "incidentDate": "2024-11-02", "incidentTime": "16:40:00",
    "type": {"code": "ATO", "description": "Assault"}, "location": {"code": "GYM", "description": "Gym"},
    "areaOfWork": {"code": "SEC", "description": "Security"}, "reportedBy": "P Hart", "reportedDate": "2024-11-03",
    "proActiveReferral": False, "staffAssaulted": False, "staffAssaultedName": None,
    "reportDetails": {
        "involvement": None, "concern": "Pushing", "factors": [DEBT], "saferCustodyTeamInformed": True,
        "referralComplete": False,
    },
    "saferCustodyScreening": {
        "outcome": {"code": "CUR", "description": "Progress"}, "recordedBy": "LSIM", "recordedByDisplayName": None,
        "recordedDate": "2024-11-04", "reasonForDecision": "Pattern",
    },
    "investigation": {"interviews": []},
    "decision": {
        "actions": {
            "openCSIPAlert": True, "nonAssociationsUpdated": False, "observationBook": False, "unitOrCellMove": False,
            "csraOrRsraReview": False, "serviceReferral": False, "simReferral": True,
        },
    },
    "caseManager": None, "planReason": None, "firstCaseReviewDate": None,
    "plans": [
        {
            "id": PLAN, "identifiedNeed": "Debt advice", "intervention": "Weekly session", "referredBy": "P Hart",
            "createdDate": "2024-11-05", "targetDate": "2024-12-05", "createDateTime": "2024-11-05T09:00:00",
            "createdBy": "PHART",
        }
    ],
    "reviews": [
        {
            "id": REVIEW, "reviewSequence": 1, "remainOnCSIP": True, "csipUpdated": False, "caseNote": True,
            "closeCSIP": False, "peopleInformed": True, "recordedDate": "2024-11-20", "recordedBy": "LSIM",
            "recordedByDisplayName": None, "createDateTime": "2024-11-20T11:00:00", "createdBy": "LSIM",
            "attendees": [
                {
                    "id": ATTENDEE, "name": "P Hart", "role": "Officer", "attended": True,
                    "createDateTime": "2024-11-20T11:05:00", "createdBy": "LSIM",
                }
            ],
        }
    ],
    "createDateTime": "2024-11-03T09:58:00", "createdBy": "PHART",
}  # fmt: skip
BODY: Json = {
    "legacyId": REPORT, "prisonNumber": PRISONER, "logCode": "LEI-044", "prisonCodeWhenRecorded": "LEI",
    "activeCaseloadId": "LEI", "actionedAt": "2025-02-01T09:30:00", "actionedBy": "SYS",
    "referral": {
        "incidentDate": "2024-11-02", "incidentTime": "16:40:00", "incidentTypeCode": "ATO",
        "incidentLocationCode": "GYM", "referredBy": "P Hart", "referralDate": "2024-11-03", "refererAreaCode": "SEC",
        "isProactiveReferral": False, "isStaffAssaulted": False, "descriptionOfConcern": "Pushing",
        "isSaferCustodyTeamInformed": "YES", "isReferralComplete": False,
        "contributoryFactors": [{"legacyId": FACTOR, "factorTypeCode": "DEB"}],
        "saferCustodyScreeningOutcome": {
            "outcomeTypeCode": "CUR", "date": "2024-11-04", "reasonForDecision": "Pattern", "recordedBy": "LSIM",
            "recordedByDisplayName": "LSIM",
        },
        "decisionAndActions": {"actions": ["OPEN_CSIP_ALERT", "SIM_REFERRAL"]},
    },
    "plan": {
        "identifiedNeeds": [
            {
                "legacyId": PLAN, "identifiedNeed": "Debt advice", "responsiblePerson": "P Hart",
                "createdDate": "2024-11-05", "targetDate": "2024-12-05", "intervention": "Weekly session",
            }
        ],
        "reviews": [
            {
                "legacyId": REVIEW, "reviewDate": "2024-11-20", "recordedBy": "LSIM", "recordedByDisplayName": "LSIM",
                "actions": ["RESPONSIBLE_PEOPLE_INFORMED", "REMAIN_ON_CSIP", "CASE_NOTE"],
                "attendees": [{"legacyId": ATTENDEE, "name": "P Hart", "role": "Officer", "isAttended": True}],
            }
        ],
    },
}  # fmt: skip


def full_mapping(mapping_type: str, label: str | None = None, /, **lists: Iterable[int]) -> Json:
    """A full mapping of the report with parts by list, as it is posted."""
    origin = {"mappingType": mapping_type, **({} if label is None else {"label": label})}
    pairs = {
        name: [
            {"nomisId": each, "dpsId": uuid(each), "dpsCSIPReportId": RECORD, **origin} for each in lists.get(name, ())
        ]
        for name in LISTS
    }
    return {"nomisCSIPReportId": REPORT, "dpsCSIPReportId": RECORD, **origin, **pairs}


WHOLE: dict[str, list[int]] = {
    "attendeeMappings": [ATTENDEE], "factorMappings": [FACTOR], "planMappings": [PLAN], "reviewMappings": [REVIEW],
}  # fmt: skip
MAPPED = full_mapping("MIGRATED", "2025-02-01T09:30:00", **WHOLE)


def made(*parts: tuple[str, int], record: bool = False) -> httpx.Response:
    """DPS's answer: what it made, parts by component and NOMIS id."""
    rows = [{"component": component, "id": number, "uuid": uuid(number)} for component, number in parts]
    own = [{"component": "RECORD", "id": REPORT, "uuid": RECORD}] if record else []
    return httpx.Response(200, json={"mappings": own + rows})


def conflict(existing: Json | None, duplicate: Json | None = None) -> httpx.Response:
    """The 409 of the mapping service; what is there is shown with empty lists."""
    shown = None if existing is None else {**existing, **{name: [] for name in LISTS}}
    more = {"existing": shown, "duplicate": duplicate}
    return httpx.Response(409, json={"status": "CONFLICT", "errorCode": 1409, "moreInfo": more})


def another() -> Json:
    """The report is mapped to another record."""
    return {**full_mapping("NOMIS_CREATED"), "dpsCSIPReportId": uuid(9)}


@dataclass
class Services:
    """NOMIS, the mapping service and DPS at the HTTP edge. What is not there is a 404; writes go well unless told."""

    reports: dict[int, Json] = field(default_factory=lambda: {REPORT: copy.deepcopy(CSIP_REPORT)})
    mapped: dict[int, Json] = field(default_factory=lambda: {REPORT: copy.deepcopy(MAPPED)})
    factors: dict[int, Json] = field(default_factory=dict[int, Json])
    bookings: dict[int, list[int]] = field(default_factory=dict[int, list[int]])
    answers: dict[str, list[httpx.Response]] = field(default_factory=dict[str, list[httpx.Response]])
    writes: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])

    def listen(self) -> None:
        """Answer from now on; respx must be listening."""
        respx.route(host="nomis.test").mock(side_effect=self._nomis)
        respx.route(host="mapping.test").mock(side_effect=self._mapping)
        respx.route(host="csip.test").mock(side_effect=self._dps)

    def answer(self, call: str, *answers: httpx.Response) -> None:
        """What a call (`PUT csip /path`) is answered, one after another, the last for good."""
        self.answers[call] = list(answers)

    def forget(self, call: str) -> None:
        """Answer a call as usual again."""
        del self.answers[call]

    def written(self, call: str) -> list[Any]:
        """The bodies of every write of this kind."""
        return [body for name, body in self.writes if name == call]

    def add_factor(self) -> None:
        """The factor of example 10.2 is in NOMIS."""
        self.reports[REPORT]["reportDetails"]["factors"].append(ADDED)

    def _told(self, call: str) -> httpx.Response | None:
        told = self.answers.get(call)
        return None if not told else told.pop(0) if len(told) > 1 else told[0]

    def _nomis(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        told = self._told(f"GET nomis {path}")
        if told is not None:
            return told
        number = int(path.rsplit("/", 1)[-1])
        if path.startswith("/csip/booking/"):
            found: Any = [{"csipId": each} for each in self.bookings[number]] if number in self.bookings else None
        else:
            found = self.reports.get(number)
        return httpx.Response(404) if found is None else httpx.Response(200, json=found)

    def _mapping(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/mapping/csip")
        call, body = f"{request.method} mapping {path}", json.loads(request.content or b"null")
        told = self._told(call)
        if request.method == "GET":
            return told or self._found(path, request)
        self.writes.append((call, body))
        if told is None and request.method == "DELETE":
            self.mapped = {}
        elif body is not None and (told is None or told.status_code == 201):
            self._remember(body)
        return told or httpx.Response(204 if request.method == "DELETE" else 201)

    def _remember(self, body: Json) -> None:
        known = self.mapped.setdefault(body["nomisCSIPReportId"], {**body, **{name: [] for name in LISTS}})
        for name in LISTS:
            known[name] = [*known[name], *body[name]]

    def _found(self, path: str, request: httpx.Request) -> httpx.Response:
        last = path.rsplit("/", 1)[-1]
        found: Any = None
        if path == "/nomis-csip-id":
            several = [self.mapped.get(int(number)) for number in request.url.params.get_list("nomisCSIPId")]
            found = None if None in several else several
        elif path.startswith("/nomis-csip-id/"):
            found = self.mapped.get(int(last))
        elif path.startswith("/factors/"):
            found = self.factors.get(int(last))
        else:
            wanted = path.removeprefix("/dps-csip-id/").removesuffix("/all")
            found = next((each for each in self.mapped.values() if each["dpsCSIPReportId"] == wanted), None)
        return httpx.Response(404) if found is None else httpx.Response(200, json=found)

    def _dps(self, request: httpx.Request) -> httpx.Response:
        call, body = f"{request.method} csip {request.url.path}", json.loads(request.content)
        self.writes.append((call, body))
        told = self._told(call)
        if told is not None:
            return told
        if request.method == "DELETE":
            return httpx.Response(204)
        if request.url.path.endswith("move"):
            return httpx.Response(200)
        new = [(name, part["legacyId"]) for name, part in parts_of(body) if "id" not in part]
        return made(*new, record="id" not in body)
