"""The worked examples of the adjudications card, section 10, and the services that answer as they say."""

import copy
from typing import Any

import respx

from nomis_pipelines.contracts.nomis_prisoner import AdjudicationCharge
from nomis_pipelines_tests import world

Json = dict[str, Any]
NUMBER, SEQUENCE = 4010203, 2
BY_KEY = f"/adjudication-number/{NUMBER}/charge-sequence/{SEQUENCE}"
LOOKUP = f"{world.MAPPING}/mapping/adjudications{BY_KEY}"
PAIRS = f"{world.MAPPING}/mapping/adjudications/all"
CHARGE_URL = f"{world.NOMIS}/adjudications{BY_KEY}"
DPS = f"{world.ADJUDICATIONS}/reported-adjudications/migrate"
FILTER: Json = {"fromDate": "2023-05-01", "prisonIds": ["MDI", "LEI"]}


def _code(code: str, description: str = "x") -> Json:
    return {"code": code, "description": description}


def _staff(username: str, number: int, first: str, last: str, **more: Any) -> Json:
    return {"username": username, "staffId": number, "firstName": first, "lastName": last, **more}


OFFENCE = _code("51:17", "Destroys or damages any part of a prison")
CC: Json = {
    "sequence": 7, "sanctionType": _code("CC"), "sanctionStatus": _code("IMMEDIATE"), "effectiveDate": "2023-05-10",
    "statusDate": "2023-05-10", "sanctionDays": 3, "chargeSequence": 2, "adjudicationNumber": NUMBER,
    "createdByUsername": "GOV1_GEN", "createdDateTime": "2023-05-10T10:31:00",
}  # fmt: skip
ADA: Json = {
    "sequence": 8, "sanctionType": _code("ADA"), "sanctionStatus": _code("PROSPECTIVE"), "effectiveDate": "2023-05-12",
    "sanctionDays": 4, "sanctionMonths": 1, "chargeSequence": 2, "adjudicationNumber": NUMBER,
    "createdByUsername": "SYS", "createdDateTime": "2023-05-10T10:32:00",
    "consecutiveAward": {
        "sequence": 2, "effectiveDate": "2023-03-01", "chargeSequence": 1, "adjudicationNumber": 4000000,
        "createdByUsername": "X", "createdDateTime": "2023-03-01T09:00:00",
    },
}  # fmt: skip
RESULT: Json = {
    "pleaFindingType": _code("GUILTY"), "findingType": _code("PROVED"),
    "charge": {"offence": OFFENCE, "chargeSequence": 2}, "offence": OFFENCE, "createdByUsername": "GOV1_GEN",
    "createdDateTime": "2023-05-10T10:30:00", "resultAwards": [CC, ADA],
}  # fmt: skip
HEARING: Json = {
    "hearingId": 3001, "type": None, "hearingDate": "2023-05-10", "hearingTime": "10:00:00", "comment": "Heard in full",
    "representativeText": None, "hearingStaff": _staff("GOV1_GEN", 12, "G", "ONE"),
    "internalLocation": {"locationId": 5600, "code": "ADJ", "description": "MDI-ADJ"}, "createdByUsername": "KLAW_GEN",
    "createdDateTime": "2023-05-09T09:00:00",
    "notifications": [{"deliveryDate": "2023-05-09", "deliveryTime": "14:30:00",
                       "notifiedStaff": _staff("KLAW_GEN", 13, "K", "LAW")}],
    "hearingResults": [RESULT],
}  # fmt: skip
EXAMPLE: Json = {
    "adjudicationSequence": 1, "offenderNo": "A5566ZX", "bookingId": 990011, "adjudicationNumber": NUMBER,
    "hasMultipleCharges": True, "gender": _code("M", "Male"), "currentPrison": _code("LEI", "Leeds (HMP)"),
    "partyAddedDate": "2023-05-02",
    "incident": {
        "adjudicationIncidentId": 70707, "reportingStaff": _staff("RSTONE_GEN", 10, "RUTH", "STONE"),
        "incidentDate": "2023-05-01", "incidentTime": "21:05", "reportedDate": "2023-05-02",
        "reportedTime": "08:15:30", "createdByUsername": "KLAW_GEN", "createdDateTime": "2023-05-02T08:20:00",
        "details": None, "internalLocation": {"locationId": 5511, "code": "GYM", "description": "MDI-GYM"},
        "incidentType": _code("GOV", "Governor's Report"), "prison": _code("MDI", "Moorland (HMP)"),
        "staffWitnesses": [_staff("PDEAN_GEN", 11, "PAT", "DEAN", createdByUsername="KLAW_GEN",
                                  dateAddedToIncident="2023-05-02", comment="Heard it")],
        "prisonerWitnesses": [], "staffVictims": [],
        "prisonerVictims": [{"offenderNo": "A1111AA", "firstName": None, "lastName": "IRONS",
                             "createdByUsername": "KLAW_GEN", "dateAddedToIncident": "2023-05-02"}],
        "otherPrisonersInvolved": [], "reportingOfficers": [], "otherStaffInvolved": [],
        "repairs": [{"type": _code("FABR", "Fabric"), "comment": "Torn mat", "cost": 40.50,
                     "createdByUsername": "KLAW_GEN"}],
    },
    "charge": {"offence": OFFENCE, "evidence": "Mat", "reportDetail": "Cut in two", "chargeSequence": 2},
    "investigations": [
        {"investigator": _staff("PDEAN_GEN", 11, "PAT", "DEAN"), "dateAssigned": "2023-05-03",
         "evidence": [{"type": _code("EVI_BAG"), "date": "2023-05-03", "detail": "Bag 12",
                       "createdByUsername": "PDEAN_GEN"}]}
    ],
    "hearings": [HEARING],
}  # fmt: skip

SENT: Json = {
    "agencyIncidentId": 70707, "oicIncidentId": 4010203, "offenceSequence": 2, "bookingId": 990011, "agencyId": "MDI",
    "incidentDateTime": "2023-05-01T21:05:00", "reportedDateTime": "2023-05-02T08:15:30", "locationId": 5511,
    "statement": "", "reportingOfficer": {"username": "RSTONE_GEN"}, "createdByUsername": "KLAW_GEN",
    "prisoner": {"prisonerNumber": "A5566ZX", "gender": "M", "currentAgencyId": "LEI"},
    "offence": {"offenceCode": "51:17", "offenceDescription": "Destroys or damages any part of a prison"},
    "witnesses": [
        {"firstName": "PAT", "lastName": "DEAN", "createdBy": "KLAW_GEN", "witnessType": "STAFF",
         "dateAdded": "2023-05-02", "comment": "Heard it"},
        {"firstName": "", "lastName": "IRONS", "createdBy": "KLAW_GEN", "witnessType": "VICTIM",
         "dateAdded": "2023-05-02", "comment": None},
    ],
    "damages": [{"damageType": "FURNITURE_OR_FABRIC_REPAIR", "details": "Torn mat", "createdBy": "KLAW_GEN",
                 "repairCost": 40.50}],
    "evidence": [
        {"evidenceCode": "BAGGED_AND_TAGGED", "details": "Bag 12", "reporter": "PDEAN_GEN", "dateAdded": "2023-05-03"},
        {"evidenceCode": "OTHER", "details": "Mat - Cut in two", "reporter": "RSTONE_GEN", "dateAdded": "2023-05-02"},
    ],
    "punishments": [
        {"sanctionCode": "CC", "sanctionStatus": "IMMEDIATE", "sanctionSeq": 7, "effectiveDate": "2023-05-10",
         "statusDate": "2023-05-10", "comment": None, "compensationAmount": None, "consecutiveChargeNumber": None,
         "days": 3, "createdBy": "GOV1_GEN", "createdDateTime": "2023-05-10T10:31:00"},
        {"sanctionCode": "ADA", "sanctionStatus": "PROSPECTIVE", "sanctionSeq": 8, "effectiveDate": "2023-05-12",
         "statusDate": None, "comment": None, "compensationAmount": None, "consecutiveChargeNumber": "4000000-1",
         "days": 35, "createdBy": "GOV1_GEN", "createdDateTime": "2023-05-10T10:32:00"},
    ],
    "hearings": [
        {"oicHearingId": 3001, "oicHearingType": "GOV", "hearingDateTime": "2023-05-10T10:00:00", "locationId": 5600,
         "adjudicator": "GOV1_GEN", "commentText": "Heard in full", "representative": None,
         "hearingResult": {"plea": "GUILTY", "finding": "PROVED", "createdDateTime": "2023-05-10T10:30:00",
                           "createdBy": "GOV1_GEN"}}
    ],
    "disIssued": [{"issuingOfficer": "KLAW_GEN", "dateTimeOfIssue": "2023-05-09T14:30:00"}],
    "nomisSplitRecord": True,
}  # fmt: skip
ANSWER: Json = {
    "chargeNumberMapping": {"chargeNumber": "4010203-2", "oicIncidentId": 4010203, "offenceSequence": 2},
    "hearingMappings": [{"hearingId": 88, "oicHearingId": 3001}],
    "punishmentMappings": [
        {"punishmentId": 501, "bookingId": 990011, "sanctionSeq": 7},
        {"punishmentId": 502, "bookingId": 990011, "sanctionSeq": None},
    ],
}
REPORTED: Json = {
    "chargeNumber": "4010203",
    "hearings": [{"id": 90, "dateTimeOfHearing": "2023-05-10T10:00:00", "agencyId": "MDI"}],
    "punishments": [
        {"id": 611, "type": "PROSPECTIVE_DAYS", "schedule": {"days": 35}},
        {"id": 612, "type": "CONFINEMENT", "schedule": {"days": 3}},
    ],
}


def mapping(label: str, number: str, hearings: dict[int, str], punishments: dict[int, str]) -> Json:
    """The whole mapping that is posted: DPS ids by NOMIS's hearing ids and sanction sequences."""
    return {
        "adjudicationId": {"adjudicationNumber": NUMBER, "chargeSequence": SEQUENCE, "chargeNumber": number},
        "hearings": [{"nomisHearingId": nomis, "dpsHearingId": dps} for nomis, dps in hearings.items()],
        "punishments": [
            {"nomisBookingId": 990011, "nomisSanctionSequence": nomis, "dpsPunishmentId": dps}
            for nomis, dps in punishments.items()
        ],
        "label": label,
        "mappingType": "MIGRATED",
    }


def changed(*path: str | int, to: Any, of: Json = EXAMPLE) -> Json:
    """A copy of the example with another value at one place."""
    copied = copy.deepcopy(of)
    place: Any = copied
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = to
    return copied


def charge(*path: str | int, to: Any = None) -> AdjudicationCharge:
    """The example as it is read, with another value at one place if one is named."""
    return AdjudicationCharge.model_validate(changed(*path, to=to) if path else EXAMPLE)


def reported(number: str) -> str:
    """Where DPS tells of a charge."""
    return f"{world.ADJUDICATIONS}/reported-adjudications/{number}/v2"


def services(found: Json = EXAMPLE) -> None:
    """NOMIS lists and has one charge, which is not mapped; DPS takes it, and so does the mapping service."""
    key = {"adjudicationNumber": NUMBER, "chargeSequence": SEQUENCE, "offenderNo": "A5566ZX"}
    respx.get(f"{world.NOMIS}/adjudications/charges/ids").respond(
        json={"content": [key], "totalElements": 1, "size": 2000}
    )
    respx.get(CHARGE_URL).respond(json=found)
    respx.get(LOOKUP).respond(404)
    respx.post(DPS).respond(201, json=ANSWER)
    respx.post(PAIRS).respond(201)
