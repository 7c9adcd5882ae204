"""The worked examples of the visits card, section 10, as they stand there."""

from typing import Any

PAST_CANCELLED: dict[str, Any] = {
    "visitId": 70101,
    "offenderNo": "A1234KX",
    "startDateTime": "2026-03-02T14:00:00",
    "endDateTime": "2026-03-02T16:00:00",
    "prisonId": "BXI",
    "visitors": [{"personId": 880001, "leadVisitor": True}, {"personId": 880002, "leadVisitor": False}],
    "leadVisitor": {
        "personId": 880001,
        "fullName": "Petra Novak",
        "telephones": ["01632 960111 22", "07700 900222"],
    },
    "visitType": {"code": "SCON", "description": "Social Contact"},
    "visitStatus": {"code": "CANC", "description": "Cancelled"},
    "visitOutcome": {"code": "VISCANC", "description": "Visitor Cancelled"},
    "agencyInternalLocation": {"code": "SOC_VIS", "description": "BXI-VISITS-SOC_VIS"},
    "commentText": "Wheelchair access",
    "createUserId": "AB_GEN",
    "modifyUserId": "CD_GEN",
    "whenCreated": "2026-02-20T09:15:30",
    "whenUpdated": "2026-03-01T08:00:00",
}

PAST_CANCELLED_REQUEST = (
    '{"actionedBy":"CD_GEN","prisonerId":"A1234KX","prisonId":"BXI","startTimestamp":"2026-03-02T14:00:00",'
    '"endTimestamp":"2026-03-02T16:00:00","visitType":"SOCIAL","visitStatus":"CANCELLED",'
    '"outcomeStatus":"VISITOR_CANCELLED","visitRoom":"BXI-VISITS-SOC_VIS","visitRestriction":"UNKNOWN",'
    '"contactList":[{"nomisPersonId":880001},{"nomisPersonId":880002}],'
    '"visitors":[{"nomisPersonId":880001},{"nomisPersonId":880002}],"legacyData":{"leadVisitorId":880001},'
    '"visitContact":{"name":"Petra Novak","telephone":"01632 960111 22"},"visitNotes":[],'
    '"createDateTime":"2026-02-20T09:15:30","modifyDateTime":"2026-03-01T08:00:00"}'
)

FUTURE_HEWELL: dict[str, Any] = {
    "visitId": 70102,
    "offenderNo": "A5678KX",
    "startDateTime": "2026-03-12T12:00:00",
    "endDateTime": "2026-03-12T14:30:00",
    "prisonId": "HEI",
    "visitors": [{"personId": 880003, "leadVisitor": False}],
    "leadVisitor": None,
    "visitType": {"code": "OFFI", "description": "Official Visit"},
    "visitStatus": {"code": "SCH", "description": "Scheduled"},
    "visitOutcome": None,
    "agencyInternalLocation": {"code": "HB7CLO", "description": "HEI-VISITS-HB7CLO"},
    "commentText": None,
    "visitorConcernText": "Needs interpreter",
    "createUserId": "EF_GEN",
    "modifyUserId": None,
    "whenCreated": "2026-03-05T10:00:00.123",
    "whenUpdated": None,
}

FUTURE_HEWELL_REQUEST = (
    '{"actionedBy":"EF_GEN","prisonerId":"A5678KX","prisonId":"HEI","startTimestamp":"2026-03-12T13:45:00",'
    '"endTimestamp":"2026-03-12T14:45:00","visitType":"OFFICIAL","visitStatus":"BOOKED",'
    '"visitRoom":"Visits Main Room","visitRestriction":"CLOSED","contactList":[{"nomisPersonId":880003}],'
    '"visitors":[{"nomisPersonId":880003}],"visitNotes":[{"type":"VISITOR_CONCERN","text":"Needs interpreter"}],'
    '"createDateTime":"2026-03-05T10:00:00"}'
)

ERRONEOUS_FUTURE: dict[str, Any] = {
    **FUTURE_HEWELL,
    "startDateTime": "2027-03-11T10:30:00",
    "endDateTime": "2027-03-11T11:30:00",
}

ERRONEOUS_FUTURE_REQUEST = (
    '{"actionedBy":"EF_GEN","prisonerId":"A5678KX","prisonId":"HEI","startTimestamp":"2027-03-11T09:00:00",'
    '"endTimestamp":"2027-03-11T10:00:00","visitType":"OFFICIAL","visitStatus":"BOOKED",'
    '"visitRoom":"HEI-VISITS-HB7CLO","visitRestriction":"UNKNOWN","contactList":[{"nomisPersonId":880003}],'
    '"visitors":[{"nomisPersonId":880003}],"visitNotes":[{"type":"VISITOR_CONCERN","text":"Needs interpreter"}],'
    '"createDateTime":"2026-03-05T10:00:00"}'
)
