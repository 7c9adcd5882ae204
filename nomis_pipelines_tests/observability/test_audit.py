"""Promise: who started or stopped a migration is on the audit queue as published, and audit stops no migration."""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import boto3
import pytest

from nomis_pipelines.observability import Audit
from nomis_pipelines.settings import Settings

WHEN = datetime(2026, 8, 20, 9, 13, 56, 412_345, tzinfo=UTC)
ENVIRONMENT = {"HMPPS_SQS_QUEUES_AUDIT_QUEUE_NAME": "audit", "AWS_REGION": "eu-west-2"}


@pytest.fixture
def sqs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A queue `audit` behind an SQS server on a free port; the client to look into it."""
    from moto.server import ThreadedMotoServer

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client: Any = boto3.client("sqs", endpoint_url=f"http://{host}:{port}", region_name="eu-west-2")
    client.create_queue(QueueName="audit")
    yield client
    client.close()
    server.stop()


def received(sqs: Any) -> dict[str, Any]:
    url = sqs.get_queue_url(QueueName="audit")["QueueUrl"]
    (message,) = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
    return message


@pytest.mark.server
async def test_a_start_is_audited_in_the_published_form(sqs: Any):
    settings = Settings.load(ENVIRONMENT | {"AWS_ENDPOINT_URL_SQS": sqs.meta.endpoint_url})
    await Audit(settings, now=lambda: WHEN).migration_started(
        migration_type="VISITS",
        migration_id="2026-08-20T10:13:56",
        filter={"prisonIds": ["MDI"], "visitTypes": ["SCON"], "fromDateTime": None, "ignoreMissingRoom": False},
        who="SYSCON_USER",
    )
    message = received(sqs)
    assert json.loads(message["Body"]) == {
        "what": "MIGRATION_STARTED",
        "when": "2026-08-20T09:13:56.412Z",
        "who": "SYSCON_USER",
        "service": "hmpps-prisoner-from-nomis-migration",
        "details": '{"migrationType":"VISITS","migrationId":"2026-08-20T10:13:56",'
        '"filter":{"prisonIds":["MDI"],"visitTypes":["SCON"],"ignoreMissingRoom":false}}',
    }
    assert list(json.loads(message["Body"])) == ["what", "when", "who", "service", "details"]
    assert message["MessageAttributes"]["eventType"]["StringValue"] == "hmpps-audit-event"


@pytest.mark.server
async def test_a_request_to_cancel_is_audited_without_a_filter(sqs: Any):
    settings = Settings.load(ENVIRONMENT | {"AWS_ENDPOINT_URL_SQS": sqs.meta.endpoint_url})
    await Audit(settings).migration_cancel_requested(
        migration_type="VISITS", migration_id="2026-08-20T10:13:56", who="SYSCON_USER"
    )
    body = json.loads(received(sqs)["Body"])
    assert body["what"] == "MIGRATION_CANCEL_REQUESTED"
    assert body["details"] == '{"migrationType":"VISITS","migrationId":"2026-08-20T10:13:56"}'
    assert datetime.fromisoformat(body["when"]).utcoffset() == WHEN.utcoffset()


@pytest.mark.server
async def test_dates_in_a_filter_are_iso_text(sqs: Any):
    settings = Settings.load(ENVIRONMENT | {"AWS_ENDPOINT_URL_SQS": sqs.meta.endpoint_url})
    await Audit(settings).migration_started(
        migration_type="LOCATIONS", migration_id="m", filter={"fromDate": date(2020, 1, 1)}, who="w"
    )
    assert '"filter":{"fromDate":"2020-01-01"}' in json.loads(received(sqs)["Body"])["details"]


async def test_without_a_queue_the_event_is_in_the_log_and_the_warning_comes_once(caplog: pytest.LogCaptureFixture):
    audit = Audit(Settings.load({}))
    with caplog.at_level(logging.INFO):
        for migration in ("2026-08-20T10:13:56", "2026-08-20T10:13:57"):
            await audit.migration_started(migration_type="VISITS", migration_id=migration, filter={}, who="SYSCON_USER")
    assert [record.getMessage() for record in caplog.records] == [
        "audit events go to the log only: HMPPS_SQS_QUEUES_AUDIT_QUEUE_NAME is not set",
        "audit event: MIGRATION_STARTED VISITS 2026-08-20T10:13:56 by SYSCON_USER",
        "audit event: MIGRATION_STARTED VISITS 2026-08-20T10:13:57 by SYSCON_USER",
    ]


@pytest.mark.server
async def test_a_queue_that_does_not_exist_is_logged_and_stops_nothing(sqs: Any, caplog: pytest.LogCaptureFixture):
    settings = Settings.load(
        {"HMPPS_SQS_QUEUES_AUDIT_QUEUE_NAME": "nowhere", "AWS_ENDPOINT_URL_SQS": sqs.meta.endpoint_url}
    )
    with caplog.at_level(logging.ERROR, "nomis_pipelines"):
        await Audit(settings).migration_started(migration_type="VISITS", migration_id="m", filter={}, who="somebody")
    assert [record.getMessage() for record in caplog.records] == [
        "audit event lost: MIGRATION_STARTED VISITS m by somebody"
    ]
