"""SQS for the tests of this package: moto's server in this process."""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from uuid import uuid4

import pytest
from moto.server import ThreadedMotoServer

from nomis_pipelines.sandbox import moto_queue
from nomis_pipelines.settings import Settings
from nomis_pipelines.synchronisation import Sqs
from nomis_pipelines.synchronisation.sqs import SqsQueue


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


@dataclass
class QueueWorld:
    """A fresh queue with dead letters, and settings that name them `eventbookings`."""

    sqs: Sqs
    settings: Settings
    queue: SqsQueue
    dlq: SqsQueue


@pytest.fixture
async def queues(sqs_endpoint: str) -> AsyncIterator[QueueWorld]:
    """A fresh queue (three receives) with its dead-letter queue."""
    name = f"bookings-{uuid4().hex}"
    environment = {
        "AWS_ENDPOINT_URL_SQS": sqs_endpoint,
        "HMPPS_SQS_QUEUES_EVENTBOOKINGS_QUEUE_NAME": name,
        "HMPPS_SQS_QUEUES_EVENTBOOKINGS_DLQ_NAME": f"{name}-dlq",
        "HMPPS_SQS_QUEUES_AUDIT_QUEUE_NAME": f"{name}-audit",
    }
    settings = Settings.load(environment)
    async with Sqs.open(settings) as sqs:
        await sqs.client.create_queue(QueueName=f"{name}-audit")
        await sqs.client.create_queue(QueueName=f"{name}-dlq")
        dlq = sqs.queue(f"{name}-dlq")
        policy = {"deadLetterTargetArn": (await dlq.attributes()).arn, "maxReceiveCount": 3}
        await sqs.client.create_queue(QueueName=name, Attributes={"RedrivePolicy": json.dumps(policy)})
        yield QueueWorld(sqs, settings, sqs.queue(name), dlq)
