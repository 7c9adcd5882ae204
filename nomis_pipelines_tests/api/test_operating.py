"""Promise: queues are maintained and health and info are told as operators' tools expect (queue maintenance card)."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from nomis_pipelines.synchronisation import Sqs
from nomis_pipelines.synchronisation.sqs import SqsQueue
from nomis_pipelines_tests.api.conftest import QUEUE_IDS
from nomis_pipelines_tests.api.support import MIGRATION, QUEUES, UPDATE, Api
from nomis_pipelines_tests.fake_services import broken, error, json_answer

pytestmark = pytest.mark.server

EVENT = {"Type": "Notification", "Message": "{}", "MessageAttributes": {"eventType": {"Value": "VISIT_CANCELLED"}}}
BOOKING = "/prisoners/booking-id/70010"


@pytest.fixture
def queue_names(make_queues: Callable[[], dict[str, str]]) -> dict[str, str]:
    """Queues of its own for each test."""
    return make_queues()


async def queue(api: Api, *, dead: bool, queue_id: str = "eventvisits") -> SqsQueue:
    sqs = api.context.letters._sqs
    config = api.context.platform.settings.queue(queue_id)
    return sqs.queue(config.dlq_name if dead else config.queue_name)


async def put(api: Api, path: str) -> Any:
    answer = await api.call("PUT", f"/queue-admin/{path}", QUEUES)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_dead_letters_are_shown_and_left_where_they_are(api: Api) -> None:
    dlq = await queue(api, dead=True)
    sent = [await dlq.send(json.dumps({**EVENT, "MessageId": str(number)})) for number in range(3)]
    answer = await api.call("GET", f"/queue-admin/get-dlq-messages/{dlq.name}?maxMessages=2", QUEUES)
    body = answer.json()
    assert (body["messagesFoundCount"], body["messagesReturnedCount"], len(body["messages"])) == (3, 2, 2)
    assert set(body["messages"][0]) == {"messageId", "body"}
    assert body["messages"][0]["messageId"] in sent
    assert body["messages"][0]["body"]["Type"] == "Notification"
    assert (await dlq.attributes()).visible + (await dlq.attributes()).in_flight == 3
    empty = await api.call("GET", f"/queue-admin/get-dlq-messages/{dlq.name}?maxMessages=0", QUEUES)
    assert empty.json()["messages"] == []


async def test_a_retry_moves_everything_back(api: Api) -> None:
    dlq, main = await queue(api, dead=True), await queue(api, dead=False)
    for _ in range(3):
        await dlq.send(json.dumps(EVENT))
    assert await put(api, f"retry-dlq/{dlq.name}") == {"messagesFoundCount": 3}
    assert (await main.attributes()).visible == 3
    assert api.telemetry.named("RetryDLQ") == [{"dlq-name": dlq.name, "messages-found": "3"}]
    assert await put(api, f"retry-dlq/{dlq.name}") == {"messagesFoundCount": 0}
    assert await put(api, "retry-all-dlqs") == [{"messagesFoundCount": 0}] * len(QUEUE_IDS)


async def test_a_purge_empties_a_queue_but_never_the_audits(api: Api) -> None:
    dlq, main = await queue(api, dead=True), await queue(api, dead=False)
    await main.send("{}")
    await dlq.send("{}")
    assert await put(api, f"purge-queue/{main.name}") == {"messagesFoundCount": 1}
    assert await put(api, f"purge-queue/{dlq.name}") == {"messagesFoundCount": 1}
    assert [each["queue-name"] for each in api.telemetry.named("PurgeQueue")] == [main.name, dlq.name]
    audit = api.context.platform.settings.queue("audit").queue_name
    assert (await api.call("PUT", f"/queue-admin/purge-queue/{audit}", QUEUES)).status_code == 404
    assert (await api.call("PUT", f"/queue-admin/retry-dlq/{main.name}", QUEUES)).status_code == 404


async def test_health_names_every_component(api: Api) -> None:
    answer = await api.client.get("/health")
    body = answer.json()
    assert (answer.status_code, body["status"]) == (200, "UP")
    assert set(body["components"]) == {
        "hmppsAuthApiHealth", "nomisApiHealth", "nomisMappingApi", "visitsApi", "sentencingApi", "alertsApi",
        "locationsApi", "activitiesApi", "adjudicationsApi", "courtSentencingApi", "incidentsApi", "csipApi", "r2dbc",
        "diskSpace", "caseNotesApi", "eventcasenotes-health", "ping", "livenessState", "readinessState", "healthInfo",
        "dagster",
        "eventvisits-health", "eventsentencing-health", "eventalerts-health", "eventlocations-health",
        "eventcourtsentencing-health", "eventincidents-health", "eventcsip-health", "audit-health",
    }  # fmt: skip
    assert body["components"]["visitsApi"] == {"status": "UP", "details": {"HttpStatus": "OK"}}
    config = api.context.platform.settings.queue("eventvisits")
    assert body["components"]["eventvisits-health"] == {
        "status": "UP",
        "details": {
            "queueName": config.queue_name, "messagesOnQueue": "0", "messagesInFlight": "0",
            "dlqName": config.dlq_name, "dlqStatus": "UP", "messagesOnDlq": "0",
        },
    }  # fmt: skip


async def test_one_component_down_is_a_503_with_the_others_shown(api: Api) -> None:
    api.services.answers["/health/ping"] = json_answer(503, {})
    answer = await api.client.get("/health")
    assert (answer.status_code, answer.json()["status"]) == (503, "DOWN")
    shown = answer.json()["components"]
    assert shown["nomisApiHealth"] == {"status": "DOWN", "details": {"HttpStatus": "SERVICE_UNAVAILABLE"}}
    assert shown["r2dbc"]["status"] == "UP"


async def test_health_is_remembered_for_two_seconds(api: Api) -> None:
    await api.client.get("/health")
    asked = len(api.services.asked)
    api.services.answers["/health/ping"] = broken()
    assert (await api.client.get("/health")).status_code == 200
    assert len(api.services.asked) == asked


async def test_without_dagster_the_service_is_not_taken_out(api: Api) -> None:
    api.launcher.away = True
    answer = await api.client.get("/health")
    assert answer.status_code == 200
    assert answer.json()["components"]["dagster"]["status"] == "UNKNOWN"


async def test_a_queue_that_is_missing_or_drops_its_failures_is_down(api: Api) -> None:
    settings = api.context.platform.settings
    async with Sqs.open(settings) as sqs:
        await sqs.call("delete_queue", settings.queue("eventsentencing").queue_name)
        await sqs.call(
            "set_queue_attributes", settings.queue("eventvisits").queue_name, Attributes={"RedrivePolicy": ""}
        )
    shown = (await api.client.get("/health")).json()["components"]
    assert shown["eventsentencing-health"]["status"] == "DOWN"
    assert shown["eventvisits-health"]["status"] == "DOWN"
    assert shown["eventvisits-health"]["details"]["dlqStatus"] == "DOWN"


async def test_ping_liveness_and_readiness_just_answer(api: Api) -> None:
    for name in ("ping", "liveness", "readiness"):
        assert (await api.client.get(f"/health/{name}")).json() == {"status": "UP"}


@pytest.mark.parametrize("api", [{"FEATURE_EVENT_VISIT_CANCELLED": "false", "PRODUCT_ID": "DPS099"}], indirect=True)
async def test_info_tells_version_and_switches(api: Api) -> None:
    info = (await api.client.get("/info")).json()
    assert info["build"]["name"] == "nomis-pipelines"
    assert info["build"]["version"]
    assert info["productId"] == "DPS099"
    assert info["event-feature-switches"] == {"FEATURE_EVENT_VISIT_CANCELLED": "false"}


async def test_the_rooms_report_adds_what_the_scheduler_calls_them(api: Api) -> None:
    rooms = [
        {"agencyInternalLocationDescription": "MDI-VISITS-B", "count": 2, "prisonId": "MDI"},
        {"agencyInternalLocationDescription": "BXI-VISITS-SOC_VIS", "count": 5, "prisonId": "BXI"},
        {"agencyInternalLocationDescription": "BXI-VISITS-A", "count": 1, "prisonId": "BXI"},
    ]
    api.services.answers["/visits/rooms/usage-count"] = json_answer(200, rooms)
    api.services.rooms["BXI-VISITS-SOC_VIS"] = ("Main Hall", True)
    query = "?prisonIds=BXI&prisonIds=MDI&visitTypes=SCON&fromDateTime=2026-03-01T00:00:00&other=1"
    answer = await api.call("GET", f"/migrate/visits/rooms/usage{query}")
    assert answer.json() == [
        {"agencyInternalLocationDescription": "BXI-VISITS-A", "count": 1, "prisonId": "BXI"},
        {
            "agencyInternalLocationDescription": "BXI-VISITS-SOC_VIS",
            "count": 5,
            "vsipRoom": "Main Hall",
            "prisonId": "BXI",
        },
        {"agencyInternalLocationDescription": "MDI-VISITS-B", "count": 2, "prisonId": "MDI"},
    ]
    (asked,) = [url for url in api.services.asked if "usage-count" in url]
    assert asked.endswith("?prisonIds=BXI&prisonIds=MDI&visitTypes=SCON&fromDateTime=2026-03-01T00%3A00")
    await api.call("GET", "/migrate/visits/rooms/usage?prisonIds=BXI,MDI")
    asked = [url for url in api.services.asked if "usage-count" in url][-1]
    assert asked.endswith("usage-count?prisonIds=BXI&prisonIds=MDI"), "no types means all of them"


@pytest.mark.parametrize("kind", ["merge", "update"])
async def test_a_repair_is_done_before_the_answer_and_told(api: Api, kind: str) -> None:
    nothing = {"sentenceAdjustments": [], "keyDateAdjustments": []}
    api.services.answers["/sentencing-adjustments"] = json_answer(200, nothing)
    answer = await api.call("POST", f"{BOOKING}/{kind}/sentencing-adjustments/repair", UPDATE)
    assert (answer.status_code, answer.content) == (200, b"")
    assert api.telemetry.named(f"from-nomis-synch-adjustment-{kind}-repair") == [{"bookingId": "70010"}]


async def test_the_repair_of_alerts_is_done_before_the_answer_though_the_mappings_are_put_off(api: Api) -> None:
    api.services.answers["/alerts/to-migrate"] = error(404)
    api.services.answers["/resync/A7001BC/alerts"] = json_answer(201, [])
    api.services.answers["/mapping/alerts/A7001BC/all"] = error(500)
    answer = await api.call("POST", "/prisoners/A7001BC/alerts/resynchronise", UPDATE)
    assert (answer.status_code, answer.content) == (200, b"")
    told = {"offenderNo": "A7001BC", "alertsCount": "0", "alerts": ""}
    assert api.telemetry.names() == [
        "RETRY_RESYNCHRONISATION_MAPPING_BATCH",
        "from-nomis-synch-alerts-resynchronise",
        "from-nomis-synch-alerts-resynchronisation-repair",
    ]
    assert api.telemetry.events[1:] == [
        ("from-nomis-synch-alerts-resynchronise", told),
        ("from-nomis-synch-alerts-resynchronisation-repair", {"offenderNo": "A7001BC"}),
    ]


@pytest.mark.parametrize(("end", "status"), [("/alerts/to-migrate", 500), ("/resync/A7001BC/alerts", 400)])
async def test_the_repair_of_alerts_that_fails_in_nomis_or_dps_is_500_and_tells_of_none(
    api: Api, end: str, status: int
) -> None:
    api.services.answers["/alerts/to-migrate"] = json_answer(200, {"latestBookingAlerts": []})
    api.services.answers[end] = error(status)
    answer = await api.call("POST", "/prisoners/A7001BC/alerts/resynchronise", UPDATE)
    assert answer.status_code == 500
    assert api.telemetry.events == []


async def test_a_repair_that_fails_on_its_way_is_500(api: Api) -> None:
    api.services.answers["/sentencing-adjustments"] = error(404)
    answer = await api.call("POST", f"{BOOKING}/update/sentencing-adjustments/repair", UPDATE)
    assert answer.status_code == 500
    assert "answered 404" in answer.json()["userMessage"]
    assert "Secret" not in answer.text


async def test_what_nobody_foresaw_is_a_500_without_its_words(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    async def fails(*_arguments: Any, **_options: Any) -> Any:
        raise RuntimeError("Mr Secret Person, born 1970-01-01")

    object.__setattr__(api.context.platform.ledger, "history", fails)
    with caplog.at_level(logging.DEBUG, "nomis_pipelines"):
        answer = await api.call("GET", "/migrate/history/all/VISITS?prisonId=SECRET")
    assert answer.status_code == 500
    assert answer.json()["userMessage"].startswith("Internal error: unexpected RuntimeError")
    ours = [record for record in caplog.records if record.name.startswith("nomis_pipelines.api")]
    text = " ".join(record.getMessage() + str(record.exc_text) for record in ours)
    assert "RuntimeError at" in text
    assert "GET /migrate/history/all/{migrationType}: 500 in" in text
    assert "SECRET" not in (text + answer.text).upper()


async def test_without_the_key_set_nobody_can_be_told_from_anybody(api: Api) -> None:
    headers = api.auth.bearer(MIGRATION)
    api.auth.broken = True
    answer = await api.client.get("/migrate/history/all/VISITS", headers=headers)
    assert answer.status_code == 503
    assert answer.json()["userMessage"].startswith("Service Unavailable: the key set of HMPPS Auth")
