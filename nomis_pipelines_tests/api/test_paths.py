"""Promise: every path of both contracts (platform card, 3.2 to 3.10) takes the roles it should and no others."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from nomis_pipelines.api.app import build_app
from nomis_pipelines.domains.court_sentencing import COURT_SENTENCING
from nomis_pipelines.ledger import Ledger
from nomis_pipelines_tests import world
from nomis_pipelines_tests.api.conftest import QUEUE_IDS
from nomis_pipelines_tests.api.support import (
    ACTIVITIES_2024,
    ADJUDICATIONS_2024,
    ALERTS_2024,
    ALL_ROLES,
    APPOINTMENTS_2024,
    CASE_NOTE_REPAIRS_2025,
    CASE_NOTES_2024,
    CSIP_2024,
    HISTORY_2024,
    INCIDENTS_2024,
    LOCATION_REPAIRS_2024,
    LOCATIONS_2024,
    MIGRATION,
    QUEUES,
    QUEUES_2024,
    SENTENCING_2024,
    SYSCON,
    UPDATE,
    VISITS_2024,
    Api,
    activities_answers,
)

VISITS_ID, SENTENCING_ID, ALERTS_ID = "2026-03-01T10:00:00", "2026-03-01T11:00:00", "2026-03-01T13:00:00"
VISITS_ROLES = (MIGRATION, SYSCON, VISITS_2024)
SENTENCING_ROLES = (MIGRATION, SYSCON, SENTENCING_2024)
ALERTS_ROLES = (MIGRATION, SYSCON, ALERTS_2024)
LOCATIONS_ID = "2026-03-01T12:00:00"
LOCATIONS_ROLES = (MIGRATION, SYSCON, LOCATIONS_2024)
ACTIVITIES_ID, ALLOCATIONS_ID = "2026-03-01T14:00:00", "2026-03-01T15:00:00"
ACTIVITIES_ROLES = (MIGRATION, SYSCON, ACTIVITIES_2024)
ACTIVITIES_FILTER = '{"prisonId":"BXI","activityStartDate":"2026-03-20","nomisActivityEndDate":"2026-03-19"}'
APPOINTMENTS_ID, ADJUDICATIONS_ID = "2026-03-01T16:00:00", "2026-03-01T17:00:00"
APPOINTMENTS_ROLES = (MIGRATION, SYSCON, APPOINTMENTS_2024)
ADJUDICATIONS_ROLES = (MIGRATION, SYSCON, ADJUDICATIONS_2024)
MOVED: dict[str, Any] = {"prisonIds": ["MDI"], "fromDate": "2024-01-01"}
CSIP_ID = "2026-03-01T21:00:00"
CSIP_ROLES = (MIGRATION, SYSCON, CSIP_2024)
COURTS_ID = "2026-03-01T18:00:00"
COURTS_ROLES = (MIGRATION, SYSCON)
COURTS = {
    "offenderNo": "A4321BC", "bookingId": "90210", "caseId": "70001", "eventId": "81001", "chargeId": "9101",
    "sentenceSeq": "1", "sentenceLevel": "IND", "sentenceCategory": "2020", "termSeq": "1",
}  # fmt: skip
INCIDENTS_ID, INCIDENTS_ROLES = "2026-03-01T19:00:00", (MIGRATION, SYSCON, INCIDENTS_2024)
CASE_NOTES_ID = "2026-03-01T22:00:00"
CASE_NOTES_ROLES = (MIGRATION, SYSCON, CASE_NOTES_2024)
BOOKING = "/prisoners/booking-id/{bookingId}"


@dataclass(frozen=True)
class Row:
    """One endpoint: where it is, what it takes, whom it takes, and the status when all is well."""

    method: str
    path: str
    roles: tuple[str, ...]
    status: int = 200
    values: dict[str, str] = field(default_factory=dict[str, str])
    json: Any = None

    @property
    def url(self) -> str:
        """The path with its variables."""
        return self.path.format(**self.values)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def of_type(method: str, path: str, status: int = 200) -> list[Row]:
    return [
        Row(method, path, VISITS_ROLES, status, {"migrationType": "VISITS"}),
        Row(method, path, SENTENCING_ROLES, status, {"migrationType": "SENTENCING_ADJUSTMENTS"}),
        Row(method, path, ALERTS_ROLES, status, {"migrationType": "ALERTS"}),
        Row(method, path, LOCATIONS_ROLES, status, {"migrationType": "LOCATIONS"}),
        Row(method, path, APPOINTMENTS_ROLES, status, {"migrationType": "APPOINTMENTS"}),
        Row(method, path, ADJUDICATIONS_ROLES, status, {"migrationType": "ADJUDICATIONS"}),
        Row(method, path, COURTS_ROLES, status, {"migrationType": "COURT_SENTENCING"}),
        Row(method, path, INCIDENTS_ROLES, status, {"migrationType": "INCIDENTS"}),
        Row(method, path, CSIP_ROLES, status, {"migrationType": "CSIP"}),
        Row(method, path, CASE_NOTES_ROLES, status, {"migrationType": "CASENOTES"}),
    ]


def of_id(method: str, path: str, status: int) -> list[Row]:
    return [
        Row(method, path, VISITS_ROLES, status, {"migrationId": VISITS_ID}),
        Row(method, path, SENTENCING_ROLES, status, {"migrationId": SENTENCING_ID}),
        Row(method, path, ALERTS_ROLES, status, {"migrationId": ALERTS_ID}),
        Row(method, path, LOCATIONS_ROLES, status, {"migrationId": LOCATIONS_ID}),
        Row(method, path, APPOINTMENTS_ROLES, status, {"migrationId": APPOINTMENTS_ID}),
        Row(method, path, ADJUDICATIONS_ROLES, status, {"migrationId": ADJUDICATIONS_ID}),
        Row(method, path, COURTS_ROLES, status, {"migrationId": COURTS_ID}),
        Row(method, path, INCIDENTS_ROLES, status, {"migrationId": INCIDENTS_ID}),
        Row(method, path, CSIP_ROLES, status, {"migrationId": CSIP_ID}),
        Row(method, path, CASE_NOTES_ROLES, status, {"migrationId": CASE_NOTES_ID}),
    ]


def of_2024(segment: str, roles: tuple[str, ...], migration_id: str) -> list[Row]:
    values = {"migrationId": migration_id}
    return [
        Row("GET", f"/migrate/{segment}/history", roles),
        Row("GET", f"/migrate/{segment}/history/{{migrationId}}", roles, values=values),
        Row("POST", f"/migrate/{segment}/{{migrationId}}/cancel", roles, 202, values),
        Row("GET", f"/migrate/{segment}/active-migration", roles),
    ]


ROWS = [
    Row("POST", "/migrate/visits", VISITS_ROLES, 202, json={"prisonIds": ["BXI"]}),
    Row("POST", "/migrate/sentencing", SENTENCING_ROLES, 202, json={"fromDate": "2024-01-01"}),
    Row("POST", "/migrate/alerts", ALERTS_ROLES, 202, json={"fromDate": "2024-01-01"}),
    Row("POST", "/migrate/locations", LOCATIONS_ROLES, 202, json={"fromDate": "2024-01-01"}),
    Row("POST", "/migrate/activities", ACTIVITIES_ROLES, 202, json={"prisonId": "BXI"}),
    Row("POST", "/migrate/allocations", ACTIVITIES_ROLES, 202, json={"prisonId": "BXI"}),
    Row("PUT", "/migrate/activities/{migrationId}/end", ACTIVITIES_ROLES, values={"migrationId": ACTIVITIES_ID}),
    Row("PUT", "/migrate/activities/{migrationId}/move-start-dates", ACTIVITIES_ROLES,
        values={"migrationId": ACTIVITIES_ID}, json={"newActivityStartDate": "2026-04-01"}),
    *of_2024("activities", ACTIVITIES_ROLES, ACTIVITIES_ID),
    *of_2024("allocations", ACTIVITIES_ROLES, ALLOCATIONS_ID),
    Row("POST", "/migrate/appointments", APPOINTMENTS_ROLES, 202, json=MOVED),
    Row("POST", "/migrate/adjudications", ADJUDICATIONS_ROLES, 202, json=MOVED),
    *of_type("GET", "/migrate/history/all/{migrationType}"),
    *of_type("GET", "/migrate/history/active/{migrationType}"),
    *of_type("GET", "/migrate/dead-letter-queue/{migrationType}"),
    *of_type("GET", "/migrate/dead-letter-queue/{migrationType}/count"),
    *of_type("DELETE", "/migrate/dead-letter-queue/{migrationType}", 204),
    *of_id("GET", "/migrate/history/{migrationId}", 200),
    *of_id("POST", "/migrate/cancel/{migrationId}", 202),
    *of_id("POST", "/migrate/refresh/{migrationId}", 204),
    *of_2024("visits", VISITS_ROLES, VISITS_ID),
    *of_2024("sentencing", SENTENCING_ROLES, SENTENCING_ID),
    *of_2024("alerts", ALERTS_ROLES, ALERTS_ID),
    *of_2024("locations", LOCATIONS_ROLES, LOCATIONS_ID),
    *of_2024("appointments", APPOINTMENTS_ROLES, APPOINTMENTS_ID),
    *of_2024("adjudications", ADJUDICATIONS_ROLES, ADJUDICATIONS_ID),
    Row("POST", "/migrate/court-sentencing", COURTS_ROLES, 202, json={"offenderNo": "A4321BC"}),
    Row("GET", "/migrate/court-sentencing/offender-payload/{offenderNo}", COURTS_ROLES, values=COURTS),
    *(Row(repair.method, repair.path, (UPDATE,), values=COURTS) for repair in COURT_SENTENCING.repairs),
    Row("POST", "/migrate/incidents", INCIDENTS_ROLES, 202, json={"fromDate": "2024-01-01"}),
    *of_2024("incidents", INCIDENTS_ROLES, INCIDENTS_ID),
    Row("POST", "/incidents/{incidentId}/repair", (UPDATE,), values={"incidentId": "501"}),
    Row("POST", "/migrate/csip", CSIP_ROLES, 202, json={"fromDate": "2024-01-01"}),
    *of_2024("csip", CSIP_ROLES, CSIP_ID),
    Row("POST", "/migrate/casenotes", CASE_NOTES_ROLES, 202, json={"offenderNos": ["B2002CD"]}),
    *of_2024("casenotes", CASE_NOTES_ROLES, CASE_NOTES_ID),
    Row("DELETE", "/casenotes/{nomisCaseNoteId}/repair", (UPDATE, CASE_NOTE_REPAIRS_2025), 204,
        values={"nomisCaseNoteId": "701"}),
    Row("GET", "/migrate/visits/rooms/usage", VISITS_ROLES),
    Row("GET", "/history", (HISTORY_2024,)),
    Row("DELETE", "/history", (HISTORY_2024,), 204),
    Row("POST", f"{BOOKING}/merge/sentencing-adjustments/repair", (UPDATE, SYSCON, SENTENCING_2024),
        values={"bookingId": "70010"}),
    Row("POST", f"{BOOKING}/update/sentencing-adjustments/repair", (UPDATE,), values={"bookingId": "70010"}),
    Row("POST", "/prisoners/{offenderNo}/alerts/resynchronise", (UPDATE, SYSCON, ALERTS_2024),
        values={"offenderNo": "A7001BC"}),
    Row("POST", "/locations/id/{internalLocationId}/repair", (UPDATE, LOCATION_REPAIRS_2024),
        values={"internalLocationId": "70412"}),
    Row("PUT", "/queue-admin/retry-dlq/{dlqName}", (QUEUES, QUEUES_2024), values={"dlqName": "DLQ"}),
    Row("PUT", "/queue-admin/retry-all-dlqs", (QUEUES, QUEUES_2024)),
    Row("PUT", "/queue-admin/purge-queue/{queueName}", (QUEUES, QUEUES_2024), values={"queueName": "QUEUE"}),
    Row("GET", "/queue-admin/get-dlq-messages/{dlqName}", (QUEUES, QUEUES_2024), values={"dlqName": "DLQ"}),
]  # fmt: skip
OPEN = ["/health", "/health/ping", "/health/liveness", "/health/readiness", "/info", "/v3/api-docs", "/swagger-ui.html"]


@pytest.fixture(scope="module")
def queue_names(make_queues: Callable[[], dict[str, str]]) -> dict[str, str]:
    """The same empty queues for all tests here."""
    return make_queues()


@pytest.fixture
async def api(api: Api) -> Api:
    """The application with a completed migration of each type, and the answers that repairs and reports need."""
    ledger = api.context.platform.ledger
    await completed(ledger, "VISITS", "visits", hour=10)
    await completed(ledger, "SENTENCING_ADJUSTMENTS", "sentencing_adjustments", hour=11)
    await completed(ledger, "ALERTS", "alerts", hour=13)
    await completed(ledger, "LOCATIONS", "locations", hour=12)
    await completed(ledger, "APPOINTMENTS", "appointments", hour=16)
    await completed(ledger, "ADJUDICATIONS", "adjudications", hour=17)
    await completed(ledger, "ACTIVITIES", "activities", hour=14, filter_json=ACTIVITIES_FILTER)
    await completed(ledger, "ALLOCATIONS", "allocations", hour=15)
    await completed(ledger, "COURT_SENTENCING", "court_sentencing", hour=18)
    await completed(ledger, "INCIDENTS", "incidents", hour=19)
    await completed(ledger, "CSIP", "csip", hour=21)
    await completed(ledger, "CASENOTES", "case_notes", hour=22)
    api.services.answers |= activities_answers(ACTIVITIES_ID)
    api.services.answer_every_domain()
    return api


async def completed(ledger: Ledger, migration_type: str, domain: str, *, hour: int, filter_json: str = "{}") -> None:
    now = datetime(2026, 3, 1, hour, tzinfo=UTC)
    migration_id = await ledger.start_migration(
        migration_type=migration_type, domain=domain, filter_json=filter_json, estimated=3, now=now
    )
    await ledger.end_migration(migration_id, status="COMPLETED", migrated=2, failed=1, now=now)


def url(api: Api, row: Row) -> str:
    queue = api.context.platform.settings.queue("eventvisits")
    return row.url.replace("DLQ", queue.dlq_name).replace("QUEUE", queue.queue_name)


def test_the_table_holds_every_endpoint_there_is() -> None:
    document = build_app(world.settings()).openapi()
    offered = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert offered == {(row.method, row.path) for row in ROWS} | {
        ("GET", path) for path in OPEN if path.startswith(("/h", "/i"))
    }


@pytest.mark.server
async def test_without_a_token_the_answer_is_401_and_empty(api: Api) -> None:
    for row in ROWS:
        answer = await api.client.request(row.method, url(api, row), json=row.json)
        assert (answer.status_code, answer.content) == (401, b""), row


@pytest.mark.server
async def test_without_one_of_its_roles_the_answer_is_403(api: Api) -> None:
    for row in ROWS:
        unfit = {*ALL_ROLES, "ROLE_SOMETHING_ELSE", row.roles[0].removeprefix("ROLE_")} - set(row.roles)
        answer = await api.call(row.method, url(api, row), *unfit, json=row.json)
        assert (answer.status_code, answer.json()) == (403, {"status": 403}), row
    assert api.launcher.launched == []


@pytest.mark.server
@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_each_of_its_roles_is_enough(api: Api, row: Row) -> None:
    answer = await api.call(row.method, url(api, row), row.roles[0], json=row.json)
    assert answer.status_code == row.status, answer.text
    if row.status != 200 and row.method != "POST":
        assert answer.content == b""
    for role in row.roles[1:]:
        # what was asked for has been done once, so the answer may be another; that it is one at all is the point
        assert (await api.call(row.method, url(api, row), role, json=row.json)).status_code not in (401, 403), role


@pytest.mark.server
@pytest.mark.parametrize("path", OPEN)
async def test_what_is_open_needs_no_token(api: Api, path: str) -> None:
    assert (await api.client.get(path)).status_code == 200


@pytest.mark.server
@pytest.mark.parametrize("path", ["/nothing", "/migrate/incentives", "/migrate", "/", "/healthy", "/v3/api", "/infos"])
async def test_an_unknown_path_is_unknown_to_those_with_a_token_only(api: Api, path: str) -> None:
    assert (await api.client.get(path)).status_code == 401
    answer = await api.call("GET", path)
    assert answer.status_code == 404
    assert answer.json()["userMessage"] == "Not Found: no such path"


@pytest.mark.server
async def test_another_method_is_405_in_the_shape_of_errors(api: Api) -> None:
    for row in ROWS:
        answer = await api.call("PATCH", url(api, row), *row.roles)
        assert answer.status_code == 405, row
        assert answer.json()["status"] == 405
        assert answer.json()["userMessage"].startswith("Method Not Allowed: ")
        assert answer.headers["allow"]


BAD = [
    ("GET", "/migrate/history/all/NONSENSE", 400, "Invalid Argument: 'NONSENSE' is not a migration type"),
    ("GET", "/migrate/history/active/NONSENSE", 400, "Invalid Argument: "),
    ("GET", "/migrate/dead-letter-queue/NONSENSE", 400, "Invalid Argument: "),
    ("GET", "/migrate/dead-letter-queue/NONSENSE/count", 400, "Invalid Argument: "),
    ("DELETE", "/migrate/dead-letter-queue/NONSENSE", 400, "Invalid Argument: "),
    ("GET", "/migrate/history/all/VISITS?fromDateTime=yesterday", 400, "Invalid Argument: fromDateTime"),
    ("GET", "/migrate/history/all/VISITS?toDateTime=2024-05-01", 400, "Invalid Argument: toDateTime"),
    ("GET", "/migrate/history/all/VISITS?toDateTime=2024-13-01T00:00", 400, "Invalid Argument: toDateTime"),
    ("GET", "/migrate/history/all/VISITS?toDateTime=2024-05-01T00:00:00Z", 400, "Invalid Argument: toDateTime"),
    ("GET", "/migrate/history/all/VISITS?includeOnlyFailures=perhaps", 400, "Invalid Argument: includeOnlyFailures"),
    ("GET", "/migrate/history/all/VISITS?prisonId=%00", 400, "Invalid Argument: prisonId"),
    ("GET", "/migrate/visits/history?fromDateTime=x", 400, "Invalid Argument: fromDateTime"),
    ("GET", "/migrate/history/2020-01-01T00:00:00", 404, "Not Found: 2020-01-01T00:00:00"),
    ("GET", "/migrate/history/%00", 404, "Not Found: "),
    ("GET", "/migrate/visits/history/2020-01-01T00:00:00", 404, "Not Found: 2020-01-01T00:00:00"),
    ("GET", f"/migrate/visits/history/{SENTENCING_ID}", 404, f"Not Found: {SENTENCING_ID}"),
    ("POST", "/migrate/cancel/2020-01-01T00:00:00", 404, "Not Found: 2020-01-01T00:00:00"),
    ("POST", "/migrate/visits/2020-01-01T00:00:00/cancel", 404, "Not Found: 2020-01-01T00:00:00"),
    ("POST", f"/migrate/sentencing/{VISITS_ID}/cancel", 404, f"Not Found: {VISITS_ID}"),
    ("POST", "/migrate/refresh/2020-01-01T00:00:00", 404, "Not Found: 2020-01-01T00:00:00"),
    ("GET", "/migrate/visits/rooms/usage?fromDateTime=soon", 400, "Invalid Argument: fromDateTime"),
    ("GET", "/migrate/visits/rooms/usage?prisonIds=somewhere", 400, "Invalid Argument: prisonIds"),
    ("GET", "/history?migrationTypes=NONSENSE", 400, "Invalid Argument: "),
    ("POST", "/prisoners/booking-id/many/merge/sentencing-adjustments/repair", 400, "Invalid Argument: "),
    ("PUT", "/queue-admin/retry-dlq/nothing", 404, "Not Found: "),
    ("PUT", "/queue-admin/purge-queue/nothing", 404, "Not Found: "),
    ("GET", "/queue-admin/get-dlq-messages/nothing", 404, "Not Found: "),
    ("GET", "/queue-admin/get-dlq-messages/nothing?maxMessages=some", 400, "Invalid Argument: maxMessages"),
]


@pytest.mark.server
@pytest.mark.parametrize(("method", "path", "status", "message"), BAD)
async def test_bad_input_is_refused_in_one_shape(api: Api, method: str, path: str, status: int, message: str) -> None:
    answer = await api.call(method, path, *ALL_ROLES)
    body = answer.json()
    assert answer.status_code == status, answer.text
    assert list(body) == ["status", "errorCode", "userMessage", "developerMessage", "moreInfo"]
    assert body["userMessage"].startswith(message)
    assert body["userMessage"].endswith(f": {body['developerMessage']}")
    assert (body["status"], body["errorCode"], body["moreInfo"]) == (status, None, None)


BODIES = [
    (b"", 400, "Bad Request: the body is not JSON"),
    (b'{"prisonIds":', 400, "Bad Request: the body is not JSON"),
    (b"\xff", 400, "Bad Request: the body is not JSON"),
    (b"[" * 100_000, 400, "Bad Request: the body is not JSON"),
    (b"[]", 400, "Validation failure: body: "),
    (b"null", 400, "Validation failure: body: "),
    (b'{"prisonIds": "BXI"}', 400, "Validation failure: prisonIds: "),
    (b'{"prisonIds": ["somewhere"]}', 400, "Validation failure: prisonIds: "),
    (b'{"visitTypes": ["OTHER"]}', 400, "Validation failure: visitTypes.0: "),
    (b'{"fromDateTime": "yesterday"}', 400, "Validation failure: fromDateTime: "),
    (b'{"fromDateTime": "2024-05-01T00:00:00Z"}', 400, "Validation failure: fromDateTime: "),
    (b'{"ignoreMissingRoom": "perhaps"}', 400, "Validation failure: ignoreMissingRoom: "),
    (b'{"x": "' + b"x" * 1_000_000 + b'"}', 413, "Content Too Large: "),
]


@pytest.mark.server
@pytest.mark.parametrize(("body", "status", "message"), BODIES, ids=lambda value: str(value)[:40])
async def test_a_bad_body_starts_nothing(api: Api, body: bytes, status: int, message: str) -> None:
    answer = await api.call("POST", "/migrate/visits", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text
    assert answer.json()["userMessage"].startswith(message)
    assert api.launcher.launched == []


@pytest.mark.server
async def test_a_body_of_unknown_length_has_the_same_limit(api: Api) -> None:
    async def endless():
        for _ in range(20):
            yield b"[" * 100_000

    answer = await api.call("POST", "/migrate/visits", content=endless(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


@pytest.mark.server
async def test_a_body_that_is_not_json_by_its_own_word_is_415(api: Api) -> None:
    answer = await api.call("POST", "/migrate/visits", data={"prisonIds": "BXI"})
    assert answer.status_code == 415
    assert answer.json()["userMessage"].startswith("Unsupported Media Type: ")


@pytest.mark.server
@pytest.mark.parametrize("api", [{"QUEUE_ADMIN_ROLE": "MY_QUEUES"}], indirect=True)
async def test_another_role_for_queues_replaces_the_published_ones(api: Api) -> None:
    path = "/queue-admin/retry-all-dlqs"
    assert (await api.call("PUT", path, "ROLE_MY_QUEUES")).status_code == 200
    assert (await api.call("PUT", path, QUEUES, QUEUES_2024)).status_code == 403


@pytest.mark.server
@pytest.mark.parametrize("api", [{"RETRY_ALL_DLQS_UNPROTECTED": "true"}], indirect=True)
async def test_retry_all_can_be_opened_and_nothing_else_with_it(api: Api) -> None:
    assert (await api.client.put("/queue-admin/retry-all-dlqs")).json() == [{"messagesFoundCount": 0}] * len(QUEUE_IDS)
    name = api.context.platform.settings.queue("eventvisits").queue_name
    assert (await api.client.put(f"/queue-admin/purge-queue/{name}")).status_code == 401
    assert (await api.call("PUT", f"/queue-admin/purge-queue/{name}", MIGRATION)).status_code == 403
