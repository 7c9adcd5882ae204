"""Fixtures of the control API's tests: the application over services in memory, a real ledger and real queues."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import uuid4

import boto3
import httpx
import pytest
from moto.server import ThreadedMotoServer

from nomis_pipelines.api.app import build_app
from nomis_pipelines.platform import Platform
from nomis_pipelines.sandbox import moto_queue
from nomis_pipelines.settings import Settings
from nomis_pipelines_tests import world
from nomis_pipelines_tests.api.support import Api, FakeAuth, FakeLauncher, Services
from nomis_pipelines_tests.fake_services import platform_on

QUEUE_IDS = (
    "eventvisits",
    "eventsentencing",
    "eventalerts",
    "eventlocations",
    "eventcourtsentencing",
    "eventincidents",
    "eventcsip",
    "eventcasenotes",
)


@pytest.fixture(scope="session")
def sqs_endpoint() -> Iterator[str]:
    """The address of an SQS server, with credentials for it in boto3's variables."""
    moto_queue.install()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def make_queues(sqs_endpoint: str) -> Callable[[], dict[str, str]]:
    """Makes fresh queues with dead letters, and the audit's; gives the settings that name them."""
    client: Any = boto3.client("sqs", region_name="eu-west-2", endpoint_url=sqs_endpoint)

    def make() -> dict[str, str]:
        stem = uuid4().hex
        names = {"AWS_ENDPOINT_URL_SQS": sqs_endpoint, "HMPPS_SQS_QUEUES_AUDIT_QUEUE_NAME": f"{stem}-audit"}
        client.create_queue(QueueName=f"{stem}-audit")
        for queue_id in QUEUE_IDS:
            name = f"{stem}-{queue_id}"
            dlq = client.create_queue(QueueName=f"{name}-dlq")["QueueUrl"]
            arn = client.get_queue_attributes(QueueUrl=dlq, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
            policy = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 3})}
            client.create_queue(QueueName=name, Attributes=policy)
            names[f"HMPPS_SQS_QUEUES_{queue_id.upper()}_QUEUE_NAME"] = name
            names[f"HMPPS_SQS_QUEUES_{queue_id.upper()}_DLQ_NAME"] = f"{name}-dlq"
        return names

    return make


@pytest.fixture
def queue_names() -> dict[str, str]:
    """Settings that name queues: none, unless a module has its own fixture of this name."""
    return {}


@pytest.fixture
def changes(queue_names: dict[str, str]) -> dict[str, str]:
    """Settings of the application, by variable."""
    return {**queue_names, "NOMIS_PIPELINES_HTTP_ATTEMPTS": "1", "NOMIS_PIPELINES_PAGE_SIZE": "4"}


@pytest.fixture
async def api(ledger_url: str, changes: dict[str, str], request: pytest.FixtureRequest) -> AsyncIterator[Api]:
    """The application with nine visits in NOMIS, none of them mapped. Parametrise `api` to change settings."""
    changes |= getattr(request, "param", {})
    services, auth, launcher = Services(), FakeAuth(), FakeLauncher()
    services.add(*range(1, 10))
    settings = world.settings(DATABASE_URL=ledger_url, **changes)

    def open_platform(_settings: Settings) -> AbstractAsyncContextManager[Platform]:
        return platform_on(services, ledger_url, **changes)

    app: Any = build_app(settings, open_platform=open_platform, launcher=launcher, wire=auth)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test") as client,
    ):
        yield Api(client, app.state.context, auth, launcher, services, ledger_url)
