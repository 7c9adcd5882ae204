"""The allocation of the card's worked examples (allocations card, section 10)."""

from typing import Any

from nomis_pipelines_tests.domains.activities.examples import LATE_MONDAY, MORNINGS

ALLOCATION: dict[str, Any] = {
    "prisonId": "LNI", "courseActivityId": 90110, "nomisId": "A4321BC", "bookingId": 1182001,
    "startDate": "2025-02-03", "suspended": False, "payBand": "2", "livingUnitDescription": "LNI-B-2-014",
    "activityStartDate": "2019-04-01",
    "exclusions": [{"day": "MON"}, {"day": "WED", "slot": "AM"}, {"day": "SAT", "slot": "AM"}],
    "scheduleRules": [MORNINGS, LATE_MONDAY],
}  # fmt: skip
ALLOCATION_BODY = (
    '{"prisonCode":"LNI","activityId":5501,"splitRegimeActivityId":null,"prisonerNumber":"A4321BC","bookingId":1182001,'
    '"cellLocation":"LNI-B-2-014","nomisPayBand":"2","startDate":"2025-02-03","endDate":null,"endComment":null,'
    '"suspendedFlag":false,"exclusions":['
    '{"weekNumber":1,"timeSlot":"AM","monday":true,"tuesday":false,"wednesday":true,"thursday":false,"friday":false,'
    '"saturday":false,"sunday":false,"daysOfWeek":["MONDAY","WEDNESDAY"],"customStartTime":null,"customEndTime":null},'
    '{"weekNumber":1,"timeSlot":"PM","monday":true,"tuesday":false,"wednesday":false,"thursday":false,"friday":false,'
    '"saturday":false,"sunday":false,"daysOfWeek":["MONDAY"],"customStartTime":null,"customEndTime":null}]}'
)
