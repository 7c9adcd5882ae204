"""Promise: what the activities card says of the control API: the actions' answers, and NOMIS's 400 at a start."""

from datetime import UTC, datetime

import pytest

from nomis_pipelines.http import NeverSent
from nomis_pipelines_tests.api.support import ACTIVITIES_2024, Api, activities_answers
from nomis_pipelines_tests.fake_services import json_answer

pytestmark = pytest.mark.server

ID = "2026-03-01T12:00:00"
ENDED = '{"prisonId":"BXI","activityStartDate":"2026-03-20","nomisActivityEndDate":"2026-03-19"}'
END, MOVE = f"/migrate/activities/{ID}/end", f"/migrate/activities/{ID}/move-start-dates"
NEW = {"newActivityStartDate": "2026-04-01"}


@pytest.fixture
async def api(api: Api) -> Api:
    """The application with a migration of activities that were ended in NOMIS."""
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    ledger = api.context.platform.ledger
    await ledger.start_migration(
        migration_type="ACTIVITIES", domain="activities", filter_json=ENDED, estimated=2, now=now
    )
    await ledger.end_migration(ID, status="COMPLETED", migrated=2, failed=0, now=now)
    api.services.answers |= activities_answers(ID)
    return api


async def test_an_end_answers_nothing_and_moves_the_filter_of_the_history(api: Api) -> None:
    answer = await api.call("PUT", END, ACTIVITIES_2024)
    assert (answer.status_code, answer.content) == (200, b"")
    assert (await api.call("GET", f"/migrate/history/{ID}")).json()["filter"] == ENDED


async def test_a_move_answers_what_dps_could_not_move(api: Api) -> None:
    answer = await api.call("PUT", MOVE, json=NEW)
    assert (answer.status_code, answer.json()) == (200, ["Activity 5499 not moved"])
    moved = ENDED.replace("2026-03-20", "2026-04-01").replace("2026-03-19", "2026-03-31")
    assert (await api.call("GET", f"/migrate/history/{ID}")).json()["filter"] == moved


async def test_a_move_that_fails_midway_is_a_500_whose_body_says_400(api: Api) -> None:
    api.services.answers["/move-activity-start-dates"] = json_answer(503, {})
    answer = await api.call("PUT", MOVE, json=NEW)
    assert answer.status_code == 500
    assert answer.json() == {
        "status": 400,
        "errorCode": None,
        "userMessage": "Internal error: Failed to move activity start dates",
        "developerMessage": "Failed to move activity start dates",
        "moreInfo": None,
    }


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        (MOVE, b"", 400, "Bad Request: the body is not JSON"),
        (MOVE, b"{}", 400, "Validation failure: newActivityStartDate: "),
        (MOVE, b'{"newActivityStartDate":"soon"}', 400, "Validation failure: newActivityStartDate: "),
        (MOVE, b'{"newActivityStartDate":"2026-03-10"}', 400, "Bad Request: The new start date must be after today"),
        (
            MOVE,
            b'{"newActivityStartDate":"2026-03-20"}',
            400,
            "Bad Request: The new start date must be after the current start date 2026-03-20",
        ),
        ("/migrate/activities/2020-01-01T00:00:00/end", b"", 404, "Not Found: "),
        ("/migrate/activities/nonsense/end", b"", 404, "Not Found: nonsense"),
    ],
)
async def test_what_cannot_be_done_says_why(api: Api, path: str, body: bytes, status: int, message: str) -> None:
    api.services.answers["2020-01-01T00%3A00%3A00"] = json_answer(404, {})
    answer = await api.call("PUT", path, content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert answer.json()["userMessage"].startswith(message)


async def test_a_service_that_is_away_is_a_503(api: Api) -> None:
    api.services.answers["/activities/end"] = NeverSent("refused")
    assert (await api.call("PUT", END)).status_code == 503


@pytest.mark.parametrize("segment", ["activities", "allocations"])
async def test_a_400_of_nomis_at_the_start_is_passed_on_in_its_words(api: Api, segment: str) -> None:
    path = f"/{segment}/ids"
    api.services.answers[path] = json_answer(400, {"status": 400, "userMessage": "Prison with id=XXX does not exist"})
    answer = await api.call("POST", f"/migrate/{segment}", json={"prisonId": "XXX"})
    assert answer.status_code == 400
    assert answer.json()["userMessage"] == "Bad Request: Prison with id=XXX does not exist"
    api.services.answers[path] = json_answer(400, {})
    answer = await api.call("POST", f"/migrate/{segment}", json={"prisonId": "XXX"})
    assert answer.json()["userMessage"] == f"Bad Request: Received a 400 calling {path}"
    assert api.launcher.launched == []


@pytest.mark.parametrize("segment", ["activities", "allocations"])
async def test_a_start_needs_its_prison(api: Api, segment: str) -> None:
    answer = await api.call("POST", f"/migrate/{segment}", json={"activityStartDate": "2026-10-05"})
    assert answer.status_code == 400
    assert answer.json()["userMessage"] == "Validation failure: prisonId: Field required"


async def test_a_start_echoes_the_filter_with_its_defaults_and_the_run_gets_it(api: Api) -> None:
    activities = await api.call("POST", "/migrate/activities", json={"prisonId": "BXI", "courseActivityId": 90110})
    assert activities.json()["body"] == {"prisonId": "BXI", "courseActivityId": 90110}
    assert activities.json()["properties"] == {}
    allocations = (await api.call("POST", "/migrate/allocations", json={"prisonId": "BXI"})).json()
    assert allocations["body"].keys() == {"prisonId", "activityStartDate"}
    assert [job for job, _, _ in api.launcher.launched] == [
        "migrate_activities_by_filter", "migrate_allocations_by_filter",
    ]  # fmt: skip
    assert allocations["body"] in [
        config["ops"]["plan_pages"]["config"]["filter"] for _, config, _ in api.launcher.launched
    ]
    again = await api.call("POST", "/migrate/activities", json={"prisonId": "MDI"})
    assert again.status_code == 409


async def test_migrated_activities_are_those_that_dps_has(api: Api) -> None:
    answer = await api.call("GET", "/migrate/history/active/ACTIVITIES")
    assert answer.json()["recordsMigrated"] == 2
    assert any(url.endswith("?includeIgnored=false") for url in api.services.asked)
    assert (await api.call("POST", f"/migrate/refresh/{ID}")).status_code == 204
