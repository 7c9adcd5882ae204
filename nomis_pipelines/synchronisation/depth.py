"""How many messages wait on a queue: all that a sensor asks. Synchronous, since sensors are."""

from functools import lru_cache
from typing import Any

from nomis_pipelines.settings import Settings

TIMEOUT_SECONDS = 5


@lru_cache(maxsize=1)
def _client(region: str, endpoint: str | None) -> Any:
    import boto3
    from botocore.config import Config

    quick = Config(connect_timeout=TIMEOUT_SECONDS, read_timeout=TIMEOUT_SECONDS, retries={"max_attempts": 1})
    return boto3.client("sqs", region_name=region, endpoint_url=endpoint, config=quick)


@lru_cache(maxsize=100)
def _url(client: Any, queue_name: str) -> str:
    return client.get_queue_url(QueueName=queue_name)["QueueUrl"]


def depth(settings: Settings, queue_id: str) -> int:
    """Visible messages, as SQS counts them. Raises botocore's errors when SQS cannot be asked."""
    client = _client(settings.aws_region, settings.sqs_endpoint_url)
    url = _url(client, settings.queue(queue_id).queue_name)
    name = "ApproximateNumberOfMessages"
    return int(client.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name])
