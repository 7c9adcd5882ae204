"""The activities service, as far as a migration sees it (activities card, section 4; allocations card, section 4)."""

from datetime import date

from pydantic import TypeAdapter
from pydantic_core import from_json

from nomis_pipelines.contracts.activities import NewActivity, NewAllocation
from nomis_pipelines.sandbox.answers import Answer, Refusal, bad_request, json_answer, not_found
from nomis_pipelines.sandbox.data.prisons import PRISONS
from nomis_pipelines.sandbox.data.world import World
from nomis_pipelines.sandbox.reading import Query, check_length, read_body
from nomis_pipelines.sandbox.routing import Request, Router
from nomis_pipelines.sandbox.services import add_health
from nomis_pipelines.sandbox.stores.dps_activities import DpsActivities, DpsActivity
from nomis_pipelines.sandbox.tokens import ACTIVITIES_ROLES

PAY_BANDS = frozenset(str(band) for band in range(1, 11))

_ACTIVITY = TypeAdapter(NewActivity)
_ALLOCATION = TypeAdapter(NewAllocation)


def build(activities: DpsActivities, world: World) -> Router:
    """The routing table of the activities service."""
    router = Router()
    add_health(router)

    def migrate(request: Request) -> Answer:
        body = read_body(_ACTIVITY, request)
        _check_activity(body)
        made = activities.add(body, from_json(request.body))
        answer = {"prisonCode": made.prison, "activityId": made.id, "splitRegimeActivityId": made.second}
        return json_answer(answer)

    def allocate(request: Request) -> Answer:
        body = read_body(_ALLOCATION, request)
        _check_allocation(body, activities)
        made = activities.allocate(body, from_json(request.body))
        return json_answer({"activityId": made.activity, "allocationId": made.id})

    def move(request: Request) -> Answer:
        prison, today = request.parameters[0], world.london_today()
        day = _future_day(request, today)
        if prison not in PRISONS:
            return not_found(f"Prison {prison} not found")
        activities.move_starts(prison, day, today)
        return json_answer([])

    router.add("POST", "/migrate/activity", migrate, roles=ACTIVITIES_ROLES)
    router.add("POST", "/migrate/allocation", allocate, roles=ACTIVITIES_ROLES)
    router.add("POST", "/migrate/{prisonCode}/move-activity-start-dates", move, roles=ACTIVITIES_ROLES)
    return router


def _check_activity(activity: NewActivity) -> None:
    check_length("prisonCode", activity.prison_code, 3)
    check_length("description", activity.description, 50)
    if activity.prison_code not in PRISONS:
        raise Refusal(bad_request(f"Prison {activity.prison_code} is not rolled out"))
    if not activity.schedule_rules:
        raise Refusal(bad_request("scheduleRules: must not be empty"))
    if not {rate.nomis_pay_band for rate in activity.pay_rates} <= PAY_BANDS:
        raise Refusal(bad_request("payRates: unknown pay band"))


def _check_allocation(allocation: NewAllocation, activities: DpsActivities) -> None:
    activity = activities.get(allocation.activity_id)
    if activity is None:
        raise Refusal(bad_request(f"Activity {allocation.activity_id} not found"))
    if activities.is_on(allocation.prisoner_number, activity):
        raise Refusal(bad_request(f"The prisoner is on activity {activity.id} already"))
    if allocation.nomis_pay_band is not None and allocation.nomis_pay_band not in PAY_BANDS:
        raise Refusal(bad_request("nomisPayBand: unknown pay band"))
    _check_exclusions(allocation, activity)


def _check_exclusions(allocation: NewAllocation, activity: DpsActivity) -> None:
    for slot in allocation.exclusions:
        for day in slot.days_of_week:
            if (slot.time_slot, day.lower()) not in activity.sessions:
                raise Refusal(bad_request(f"exclusions: activity {activity.id} has no {slot.time_slot} on {day}"))


def _future_day(request: Request, today: date) -> date:
    day = Query(request).day("activityStartDate")
    if day is None or day <= today:
        raise Refusal(bad_request("activityStartDate: must be in the future"))
    return day
