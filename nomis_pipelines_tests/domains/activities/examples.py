"""The activities of the card's worked examples, and the calls that concern them (activities card, section 10)."""

from typing import Any

import httpx
import respx

from nomis_pipelines_tests import world
from nomis_pipelines_tests.domains.edge import page

LOCATION = "6b1f1f0e-93a5-4f0c-8d51-7f6e3c1a2b90"
MAPPINGS = f"{world.MAPPING}/mapping/activities/migration"
FILTER = {"prisonId": "LNI", "activityStartDate": "2026-10-05"}


def rule(start: str, end: str, days: str, **more: str) -> dict[str, Any]:
    """A schedule rule; `days` is a letter for each day from Monday, a dot where it does not run."""
    names = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    on = {name: letter != "." for name, letter in zip(names, days, strict=True)}
    return {"startTime": start, "endTime": end, **on, **more}


MORNINGS = rule("08:30", "11:45", "MTWTF..", slotCategoryCode="AM")
LATE_MONDAY = rule("16:45", "18:15", "M......", slotCategoryCode="ED")
KITCHEN: dict[str, Any] = {
    "courseActivityId": 90110, "programCode": "KITCHENS", "prisonId": "LNI", "startDate": "2019-04-01",
    "internalLocationId": 77001, "internalLocationCode": "KITCH",
    "internalLocationDescription": "LNI-WORK_IND-KITCH", "capacity": 0, "description": "Kitchen morning team",
    "excludeBankHolidays": True, "payPerSession": "H", "outsideWork": False,
    "scheduleRules": [MORNINGS, MORNINGS, LATE_MONDAY],
    "payRates": [
        {"incentiveLevelCode": "BAS", "payBand": "1", "rate": 1.05},
        {"incentiveLevelCode": "STD", "payBand": "2", "rate": 1.255},
    ],
}  # fmt: skip
KITCHEN_BODY = (
    '{"programServiceCode":"KITCHENS","prisonCode":"LNI","startDate":"2026-10-05","endDate":null,'
    f'"dpsLocationId":"{LOCATION}","capacity":1,"description":"Kitchen morning team",'
    '"payPerSession":"H","runsOnBankHoliday":false,"outsideWork":false,'
    '"scheduleRules":['
    '{"startTime":"08:30","endTime":"11:45","monday":true,"tuesday":true,"wednesday":true,"thursday":true,'
    '"friday":true,"saturday":false,"sunday":false,"timeSlot":"AM"},'
    '{"startTime":"16:45","endTime":"18:15","monday":true,"tuesday":false,"wednesday":false,"thursday":false,'
    '"friday":false,"saturday":false,"sunday":false,"timeSlot":"PM"}],'
    '"payRates":[{"incentiveLevel":"BAS","nomisPayBand":"1","rate":105},'
    '{"incentiveLevel":"STD","nomisPayBand":"2","rate":125}]}'
)
LISTED = {"courseActivityId": 90110, "hasScheduleRules": True}
UNHELD = {"courseActivityId": 90111, "hasScheduleRules": False}


def lookup(activity: int = 90110) -> respx.Route:
    """Where the mapping of an activity is asked for."""
    return respx.get(f"{MAPPINGS}/nomis-course-activity-id/{activity}")


def in_nomis(*listed: dict[str, Any], activity: dict[str, Any] = KITCHEN) -> None:
    """Activities that NOMIS lists, not mapped; only 90110 can be read."""
    respx.get(f"{world.NOMIS}/activities/ids").mock(return_value=page(*listed))
    respx.get(f"{world.NOMIS}/activities/90110").respond(json=activity)
    respx.get(f"{world.MAPPING}/api/locations/nomis/77001").respond(
        json={"dpsLocationId": LOCATION, "nomisLocationId": 77001}
    )
    for row in listed:
        lookup(row["courseActivityId"]).respond(404)


def dps_creates(second: int | None = None) -> respx.Route:
    """DPS makes activity 5501, with a second one where given."""
    answer = {"prisonCode": "LNI", "activityId": 5501, "splitRegimeActivityId": second}
    return respx.post(f"{world.ACTIVITIES}/migrate/activity").respond(201, json=answer)


def mapping_answers(*answers: httpx.Response) -> respx.Route:
    """What posts of a mapping are answered, one after another; 201 unless told otherwise."""
    route = respx.post(MAPPINGS)
    return route.mock(side_effect=list(answers)) if answers else route.respond(201)


def conflict(existing: dict[str, Any] | None, duplicate: dict[str, Any] | None = None) -> httpx.Response:
    """The 409 of the mapping service (section 2)."""
    more = {"existing": existing, "duplicate": duplicate}
    return httpx.Response(409, json={"status": "409 CONFLICT", "errorCode": 1409, "moreInfo": more})
