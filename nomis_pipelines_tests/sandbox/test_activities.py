"""Promise: the sandbox plays activities and allocations as their cards have NOMIS, DPS and the mapping service."""

from datetime import timedelta
from typing import Any

import pytest

from nomis_pipelines.contracts.nomis_prisoner import Activity, Allocation
from nomis_pipelines.sandbox.data.activities import SPLIT_REGIME, ActivityData
from nomis_pipelines.sandbox.data.prisons import PRISONS
from nomis_pipelines_tests.sandbox.conftest import WORLD, Running

DATA = ActivityData(WORLD)
NUMBERS = range(1, DATA.count + 1)
MIGRATE = "/mapping/activities/migration"


def activity_body(number: int, **changes: Any) -> dict[str, Any]:
    """What DPS may be sent for an activity that is held in the morning and in the afternoon."""
    activity = DATA.activity(number)
    days = dict.fromkeys(("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"), True)
    rules = [{"startTime": "08:30", "endTime": "11:45", **days, "timeSlot": slot} for slot in ("AM", "PM")]
    return {
        "programServiceCode": activity["programCode"], "prisonCode": activity["prisonId"], "startDate": "2026-03-20",
        "capacity": 1, "description": activity["description"], "payPerSession": "H", "runsOnBankHoliday": True,
        "outsideWork": False, "scheduleRules": rules, "payRates": [], **changes,
    }  # fmt: skip


def allocation_body(activity: int, number: int, **changes: Any) -> dict[str, Any]:
    """What DPS may be sent for the first allocation of an activity."""
    allocation = DATA.allocation(DATA.allocations_of(number)[0])
    return {
        "prisonCode": allocation["prisonId"], "activityId": activity, "prisonerNumber": allocation["nomisId"],
        "bookingId": allocation["bookingId"], "startDate": "2026-03-20", "suspendedFlag": False, "exclusions": [],
        **changes,
    }  # fmt: skip


def test_every_record_is_what_the_contract_says() -> None:
    for number in NUMBERS:
        Activity.model_validate(DATA.activity(number))
        for allocation in DATA.allocations_of(number):
            Allocation.model_validate(DATA.allocation(allocation))


def test_every_kind_of_activity_is_there() -> None:
    activities = [DATA.activity(number) for number in NUMBERS]
    assert set(DATA.by_prison) == set(PRISONS)
    assert min(len(numbers) for numbers in DATA.by_prison.values()) >= 2
    for field, values in {"payPerSession": {"H", "F"}, "excludeBankHolidays": {True, False}}.items():
        assert {activity[field] for activity in activities} == values
    assert {bool(activity["scheduleRules"]) for activity in activities} == {True, False}
    assert {bool(activity["payRates"]) for activity in activities} == {True, False}
    assert {"internalLocationId" in activity for activity in activities} == {True, False}
    assert any(activity["capacity"] == 0 for activity in activities)
    assert any(activity["startDate"] > WORLD.until.isoformat() for activity in activities)
    assert any(rate["rate"] * 100 % 1 > 0.1 for activity in activities for rate in activity["payRates"])


def test_every_kind_of_allocation_is_there_and_a_prisoner_once_on_an_activity() -> None:
    for number in NUMBERS:
        prisoners = [DATA.allocation(id)["nomisId"] for id in DATA.allocations_of(number)]
        assert len(prisoners) == len(set(prisoners))
    allocations = [DATA.allocation(id) for number in NUMBERS for id in DATA.allocations_of(number)]
    for test in ("payBand", "livingUnitDescription"):
        assert {test in allocation for allocation in allocations} == {True, False}
    assert {allocation["suspended"] for allocation in allocations} == {True, False}
    assert {bool(allocation["exclusions"]) for allocation in allocations} == {True, False}


@pytest.mark.parametrize("path", ["/activities/ids", "/allocations/ids"])
async def test_a_prison_must_be_named_and_be_one(running: Running, path: str) -> None:
    for query in ("", "?prisonId=", "?prisonId=nowhere", "?prisonId=HEI&prisonId=MDI"):
        answer = await running.call("nomis", "GET", path + query)
        assert (answer.status_code, "does not exist" in answer.json()["userMessage"]) == (400, True)


async def test_what_is_ended_by_today_is_listed_no_more_and_an_end_can_be_moved(running: Running) -> None:
    number = next(number for number in DATA.by_prison["HEI"] if DATA.has_rules(number))
    course = 90_000 + number
    one = f"/activities/ids?prisonId=HEI&courseActivityId={course}"
    assert (await running.call("nomis", "GET", one)).json()["totalElements"] == 1
    end, later = WORLD.until, WORLD.until + timedelta(days=9)
    body = {"courseActivityIds": [course], "endDate": end.isoformat()}
    assert (await running.call("nomis", "PUT", "/activities/end", json=body)).status_code == 200
    assert (await running.call("nomis", "GET", one)).json()["totalElements"] == 0
    move = {"courseActivityIds": [course], "oldEndDate": end.isoformat(), "newEndDate": later.isoformat()}
    for _ in range(2):
        assert (await running.call("nomis", "PUT", "/activities/move-end-date", json=move)).status_code == 200
    assert (await running.call("nomis", "GET", f"/activities/{course}")).json()["endDate"] == later.isoformat()
    allocation = (await running.call("nomis", "GET", f"/allocations/{DATA.allocations_of(number)[0]}")).json()
    assert (allocation["endDate"], allocation["endReasonCode"]) == (later.isoformat(), "OTH")


async def test_dps_splits_mornings_and_afternoons_in_a_split_regime_only(running: Running) -> None:
    for prison in (SPLIT_REGIME, "HEI"):
        made = await running.call(
            "activities", "POST", "/migrate/activity", json=activity_body(DATA.by_prison[prison][0])
        )
        assert (made.json()["splitRegimeActivityId"] is not None) == (prison == SPLIT_REGIME)


async def test_dps_refuses_what_the_real_one_refuses(running: Running) -> None:
    number = DATA.by_prison["HEI"][0]
    path = "/migrate/activity"
    for wrong in ({"prisonCode": "XXX"}, {"scheduleRules": []}, {"description": "x" * 51}):
        assert (await running.call("activities", "POST", path, json=activity_body(number, **wrong))).status_code == 400
    activity = (await running.call("activities", "POST", path, json=activity_body(number))).json()["activityId"]
    path = "/migrate/allocation"
    days = {**dict.fromkeys(("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"), False)}
    evening = {"weekNumber": 1, "timeSlot": "ED", **days, "daysOfWeek": ["MONDAY"]}
    for wrong in ({"activityId": 1}, {"nomisPayBand": "Z"}, {"exclusions": [evening]}):
        body = allocation_body(activity, number, **wrong)
        assert (await running.call("activities", "POST", path, json=body)).status_code == 400
    body = allocation_body(activity, number)
    assert (await running.call("activities", "POST", path, json=body)).json()["activityId"] == activity
    assert (await running.call("activities", "POST", path, json=body)).status_code == 400


@pytest.mark.parametrize(
    ("again", "status"),
    [
        ({}, 201),
        ({"activityId": 5503}, 400),
        ({"activityId2": None}, 400),
        ({"nomisCourseActivityId": 90002}, 400),
        ({"nomisCourseActivityId": 90002, "activityId": None, "activityId2": None}, 201),
    ],
)
async def test_a_mapping_that_contradicts_another_is_refused_with_400(
    running: Running, again: dict[str, Any], status: int
) -> None:
    pair = {"nomisCourseActivityId": 90001, "activityId": 5501, "activityId2": 5502, "label": "2026-03-10T10:00:00"}
    assert (await running.call("mapping", "POST", MIGRATE, json=pair)).status_code == 201
    assert (await running.call("mapping", "POST", MIGRATE, json=pair | again)).status_code == status


async def test_mappings_of_nothing_are_counted_and_listed_apart_in_the_order_of_the_ids(running: Running) -> None:
    label = "2026-03-10T10:00:00"
    for number, id in ((90003, None), (90001, 5501), (90002, None)):
        body = {"nomisCourseActivityId": number, "activityId": id, "activityId2": None, "label": label}
        await running.call("mapping", "POST", MIGRATE, json=body)
    count = f"/mapping/activities/migration-count/migration-id/{label}"
    assert (await running.call("mapping", "GET", count)).json() == 3
    assert (await running.call("mapping", "GET", f"{count}?includeIgnored=false")).json() == 1
    content = (await running.call("mapping", "GET", f"{MIGRATE}/migration-id/{label}?size=3")).json()["content"]
    assert [row["nomisCourseActivityId"] for row in content] == [90001, 90002, 90003]
    assert [row.get("activityId") for row in content] == [5501, None, None]
