"""SQS and SNS for the sandbox: moto's server as a child process, with our queues in it.

What is on the queues is not kept over a restart.
"""

import contextlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from nomis_pipelines.sandbox.state import SandboxError

REGION = "eu-west-2"
ACCESS_KEY = "sandbox"
SECRET_KEY = "sandbox"  # noqa: S105 - moto takes anything
MAX_RECEIVES = 5
VISIBILITY_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class QueueSpec:
    """One queue: its id in our settings, its names, and the event types that it gets from the topics."""

    queue_id: str
    name: str
    dlq_name: str = ""
    event_types: tuple[str, ...] = ()


def _event_queue(queue_id: str, stem: str, *event_types: str) -> QueueSpec:
    return QueueSpec(
        queue_id=queue_id,
        name=f"sandbox-prisoner_from_nomis_{stem}_queue",
        dlq_name=f"sandbox-prisoner_from_nomis_{stem}_dl_queue",
        event_types=event_types,
    )


_CHANGES = ("INSERTED", "UPDATED", "DELETED")
_CSIP_PARTS = ("FACTORS", "INTVW", "PLANS", "REVIEWS", "ATTENDEES")

OFFENDER_EVENTS = "offender_events"
"""The topic of NOMIS."""
DOMAIN_EVENTS = "domain_events"
"""The topic of the services: what has become of a prisoner, say."""

QUEUES: tuple[QueueSpec, ...] = (
    QueueSpec(queue_id="audit", name="sandbox-audit_queue"),
    _event_queue("eventvisits", "visits", "VISIT_CANCELLED"),
    _event_queue(
        "eventsentencing",
        "sentencing",
        "SENTENCE_ADJUSTMENT_UPSERTED",
        "SENTENCE_ADJUSTMENT_DELETED",
        "KEY_DATE_ADJUSTMENT_UPSERTED",
        "KEY_DATE_ADJUSTMENT_DELETED",
        "BOOKING_NUMBER-CHANGED",
    ),
    _event_queue(
        "eventcourtsentencing",
        "courtsentencing",
        *(f"OFFENDER_CASES-{what}" for what in ("INSERTED", "UPDATED", "DELETED", "LINKED", "UNLINKED")),
        *(f"COURT_EVENTS-{what}" for what in _CHANGES),
        *(f"COURT_EVENT_CHARGES-{what}" for what in (*_CHANGES, "LINKED")),
        "OFFENDER_CHARGES-UPDATED",
        *(f"OFFENDER_SENTENCES-{what}" for what in _CHANGES),
        "OFFENDER_SENTENCE_CHARGES-INSERTED",
        "OFFENDER_SENTENCE_CHARGES-DELETED",
        *(f"OFFENDER_SENTENCE_TERMS-{what}" for what in _CHANGES),
        *(f"OFFENDER_CASE_IDENTIFIERS-{what}" for what in _CHANGES),
        "OFFENDER_FIXED_TERM_RECALLS-UPDATED",
        "prison-offender-events.prisoner.merged",
    ),
    _event_queue(
        "eventalerts",
        "alerts",
        "ALERT-INSERTED",
        "ALERT-UPDATED",
        "ALERT-DELETED",
        "prison-offender-events.prisoner.merged",
        "prison-offender-events.prisoner.booking.moved",
        "prisoner-offender-search.prisoner.received",
    ),
    _event_queue(
        "eventlocations",
        "locations",
        "AGENCY_INTERNAL_LOCATIONS-UPDATED",
        "AGY_INT_LOC_PROFILES-UPDATED",
        "INT_LOC_USAGE_LOCATIONS-UPDATED",
    ),
    _event_queue(
        "eventincidents",
        "incidents",
        "INCIDENT-INSERTED",
        *(f"INCIDENT-CHANGED-{what}" for what in ("CASES", "PARTIES", "RESPONSES", "REQUIREMENTS")),
        *(f"INCIDENT-DELETED-{what}" for what in ("CASES", "PARTIES", "RESPONSES", "REQUIREMENTS")),
    ),
    _event_queue(
        "eventcsip",
        "csip",
        *(f"CSIP_REPORTS-{what}" for what in _CHANGES),
        *(f"CSIP_{what}-INSERTED" for what in _CSIP_PARTS),
        *(f"CSIP_{what}-UPDATED" for what in _CSIP_PARTS),
        "prison-offender-events.prisoner.booking.moved",
    ),
    _event_queue(
        "eventcasenotes",
        "casenotes",
        *(f"OFFENDER_CASE_NOTES-{what}" for what in _CHANGES),
        "prison-offender-events.prisoner.merged",
        "prison-offender-events.prisoner.booking.moved",
    ),
)


def environment(endpoint: str) -> dict[str, str]:
    """The variables that lead boto3 and our settings to these queues."""
    names: dict[str, str] = {}
    for queue in QUEUES:
        stem = f"HMPPS_SQS_QUEUES_{queue.queue_id.upper()}"
        names[f"{stem}_QUEUE_NAME"] = queue.name
        if queue.dlq_name:
            names[f"{stem}_DLQ_NAME"] = queue.dlq_name
    return {
        "AWS_ENDPOINT_URL_SQS": endpoint,
        "AWS_ENDPOINT_URL_SNS": endpoint,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        **names,
    }


class EmbeddedSqs:
    """The child process. It ends by itself when its parent does."""

    def __init__(self, *, port: int = 0, log_file: Path | None = None) -> None:
        self.port = port
        self._log_file = log_file
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def endpoint(self) -> str:
        """Where SQS and SNS listen."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """The child's process id."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the server and make the queues. Raises `SandboxError` with the log's place."""
        with contextlib.ExitStack() as stack:
            log = stack.enter_context(self._log_file.open("ab")) if self._log_file else subprocess.DEVNULL
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "nomis_pipelines.sandbox.sqs", str(self.port)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C must reach the sandbox first, which stops us in order
            )
        line = self._process.stdout.readline() if self._process.stdout else b""
        if not line:
            self.stop()
            raise SandboxError(f"moto's server did not start; see {self._log_file or 'its standard error'}")
        self.port = int(json.loads(line)["port"])

    def stop(self) -> None:
        """End the child."""
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def create_queues(sqs: Any, sns: Any) -> None:
    """Make every queue with its dead-letter queue, and the topics that feed them (platform card, 4.1).

    Each subscription lets through the event types of its queue, as the real ones do.
    """
    topics = [sns.create_topic(Name=name)["TopicArn"] for name in (OFFENDER_EVENTS, DOMAIN_EVENTS)]
    for queue in QUEUES:
        attributes = {"VisibilityTimeout": str(VISIBILITY_SECONDS)}
        if queue.dlq_name:
            dead = _arn(sqs, sqs.create_queue(QueueName=queue.dlq_name)["QueueUrl"])
            attributes["RedrivePolicy"] = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": MAX_RECEIVES})
        arn = _arn(sqs, sqs.create_queue(QueueName=queue.name, Attributes=attributes)["QueueUrl"])
        if queue.event_types:
            policy = {"FilterPolicy": json.dumps({"eventType": list(queue.event_types)})}
            for topic in topics:
                sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=policy)


def _arn(sqs: Any, url: str) -> str:
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def _serve(port: int) -> None:
    import logging

    import boto3
    from moto.server import ThreadedMotoServer

    from nomis_pipelines.sandbox import moto_queue

    moto_queue.install()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line a request otherwise
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    port = server.get_host_and_port()[1]
    options: dict[str, Any] = {
        "endpoint_url": f"http://127.0.0.1:{port}",
        "region_name": REGION,
        "aws_access_key_id": ACCESS_KEY,
        "aws_secret_access_key": SECRET_KEY,
    }
    create_queues(boto3.client("sqs", **options), boto3.client("sns", **options))
    sys.stdout.write(json.dumps({"port": port}) + "\n")
    sys.stdout.flush()
    sys.stdin.buffer.read()  # until the parent closes it, or ends
    server.stop()


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
