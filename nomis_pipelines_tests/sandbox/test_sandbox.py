"""Promise: a sandbox starts whole, leads our settings to it, keeps what it stores, and leaves no process behind."""

import json
import os
import shlex
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import httpx
import psycopg
import pytest
from click.testing import CliRunner

from nomis_pipelines.cli.sandbox import sandbox as command
from nomis_pipelines.sandbox import Sandbox, SandboxError, SandboxOptions
from nomis_pipelines.sandbox.sqs import QUEUES
from nomis_pipelines.sandbox.state import StateDirectory
from nomis_pipelines.settings import Settings
from nomis_pipelines_tests.sandbox.test_services import migrate_body

pytestmark = pytest.mark.server


@pytest.fixture
def folder() -> Iterator[Path]:
    # not pytest's own: as root, PostgreSQL runs as another account, which may not enter that
    with tempfile.TemporaryDirectory(prefix="sandbox-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name) / "state"


@pytest.fixture(scope="module")
def whole() -> Iterator[Sandbox]:
    with Sandbox(visits=2000) as sandbox:
        yield sandbox


def call(sandbox: Sandbox, client: str, method: str, variable: str, path: str, **options: object) -> httpx.Response:
    headers = {"Authorization": f"Bearer {sandbox.admin.token(client)}"}
    return httpx.request(method, sandbox.environment[variable] + path, headers=headers, trust_env=False, **options)


def migrate(sandbox: Sandbox, number: int) -> str:
    visit = call(sandbox, "nomis-prisoner-api", "GET", "API_BASE_URL_NOMIS", f"/visits/{number}").json()
    body = migrate_body(visit)
    return call(sandbox, "visits-api", "POST", "API_BASE_URL_VISITS", "/migrate-visits", json=body).text


def gone(pid: int) -> bool:
    for _ in range(200):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


def children(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found


def test_our_settings_find_everything_in_its_environment(whole: Sandbox) -> None:
    settings = Settings.load(whole.environment)
    for name in ("nomis", "mapping", "visits", "sentencing", "alerts"):
        service = settings.service(name)
        assert httpx.get(f"{service.base_url}/health/ping", trust_env=False).json() == {"status": "UP"}
        answer = httpx.post(
            f"{settings.auth_url}/oauth/token",
            data={"grant_type": "client_credentials"},
            auth=(service.client_id, service.client_secret.get_secret_value()),
            trust_env=False,
        )
        assert answer.status_code == 200
    for queue in QUEUES:
        assert settings.queue(queue.queue_id).queue_name == queue.name
    assert Path(whole.environment["DAGSTER_HOME"]).is_dir()


def test_the_ledgers_database_is_at_the_newest_schema_and_dagster_has_its_own(whole: Sandbox) -> None:
    from nomis_pipelines.ledger.schema import check_schema

    check_schema(Settings.load(whole.environment).database_url)
    dagster = whole.environment["NOMIS_PIPELINES_DAGSTER_DATABASE_URL"]
    with psycopg.connect(dagster) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("dagster",)


def test_the_queues_have_dead_letter_queues_and_are_fed_by_the_topics(whole: Sandbox) -> None:
    options = {
        "region_name": whole.environment["AWS_REGION"],
        "aws_access_key_id": whole.environment["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": whole.environment["AWS_SECRET_ACCESS_KEY"],
    }
    sqs = boto3.client("sqs", endpoint_url=whole.environment["AWS_ENDPOINT_URL_SQS"], **options)
    sns = boto3.client("sns", endpoint_url=whole.environment["AWS_ENDPOINT_URL_SNS"], **options)
    name = whole.environment["HMPPS_SQS_QUEUES_EVENTVISITS_QUEUE_NAME"]
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["VisibilityTimeout"] == "30"
    redrive = json.loads(attributes["RedrivePolicy"])
    assert redrive["maxReceiveCount"] == 5
    dead = redrive["deadLetterTargetArn"].rsplit(":", 1)[1]
    assert dead == whole.environment["HMPPS_SQS_QUEUES_EVENTVISITS_DLQ_NAME"]
    topic = next(t["TopicArn"] for t in sns.list_topics()["Topics"] if t["TopicArn"].endswith(":offender_events"))
    event = {"eventType": {"DataType": "String", "StringValue": "VISIT_CANCELLED"}}
    sns.publish(TopicArn=topic, Message='{"visitId":"9"}', MessageAttributes=event)
    (message,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]
    body = json.loads(message["Body"])
    assert (body["Type"], body["MessageAttributes"]["eventType"]["Value"]) == ("Notification", "VISIT_CANCELLED")


def test_a_restart_keeps_what_was_stored_the_ports_and_the_tokens(folder: Path) -> None:
    with Sandbox(state=folder, visits=2000, postgres=False, sqs=False) as sandbox:
        reference = migrate(sandbox, 7)
        environment, token = sandbox.environment, sandbox.admin.token("visits-api")
    with Sandbox(state=folder, postgres=False, sqs=False) as sandbox:
        assert sandbox.environment == environment
        assert sandbox.admin.visit(reference)["nomisId"] == 7
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{environment['API_BASE_URL_VISITS']}/visits/{reference}"
        assert httpx.get(url, headers=headers, trust_env=False).status_code == 200
        migrate(sandbox, 7)
        assert sandbox.admin.duplicates()[0]["nomisId"] == 7
        sandbox.admin.reset()
        assert sandbox.admin.agreement()["visits"]["dps_records"] == 0


def test_a_killed_sandbox_leaves_no_child_and_can_be_started_again(folder: Path) -> None:
    sandbox = Sandbox(state=folder, visits=2000)
    sandbox.start()
    answers = [migrate(sandbox, number) for number in range(1, 20)]
    references = [answer for answer in answers if len(answer) == 11]  # one or other is refused as too far ahead
    time.sleep(0.2)
    processes = children(sandbox.pid)
    assert len(processes) == 3  # PostgreSQL, moto and the shell that ends PostgreSQL
    sandbox.kill()
    assert all(gone(pid) for pid in processes)
    with pytest.raises(SandboxError, match="no sandbox is running"):
        StateDirectory(folder).read()
    with sandbox:
        assert sandbox.admin.agreement()["visits"]["dps_records"] == len(references)
        processes = children(sandbox.pid)
    assert all(gone(pid) for pid in processes)


def test_a_sandbox_that_cannot_start_says_why(folder: Path) -> None:
    with pytest.raises(SandboxError, match="begin earlier"):
        Sandbox(state=folder, visits=10**9, postgres=False, sqs=False).start()


# a sandbox in the background is meant to outlive the process that started it
@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
def test_the_command_starts_shows_steers_and_stops(folder: Path) -> None:
    runner = CliRunner()

    def run(*arguments: str) -> str:
        group, *rest = arguments
        words = [group, *rest, "--state", str(folder)]
        result = runner.invoke(command, words)
        assert result.exit_code == 0, result.output
        return result.output

    assert "2,000 visits" in run("start", "--detach", "--visits", "2000", "--no-postgres", "--no-sqs")
    try:
        exports = dict(line.removeprefix("export ").split("=", 1) for line in run("env").splitlines())
        assert shlex.split(exports["API_BASE_URL_HMPPS_AUTH"])[0].endswith("/auth")
        run("faults", "set", "status", "nomis", "code=503", "path=/visits/*", "probability=0.5", "retry_after=1")
        assert '"retry_after": 1' in run("faults", "list")
        run("faults", "clear")
        assert run("faults", "list") == ""
        assert "dps_records" in run("counts", "--json")
        assert "visits: dps records 0" in run("counts")
        assert run("token", "--username", "AB_GEN").count(".") == 2
        assert '"visits": 2000' in run("status")
        run("reset", "data")
        assert runner.invoke(command, ["start", "--detach", "--state", str(folder)]).exit_code == 1
    finally:
        pid = StateDirectory(folder).read()["pid"]
        run("stop")
    assert gone(pid)
    result = runner.invoke(command, ["status", "--state", str(folder)])
    assert (result.exit_code, "no sandbox is running" in result.output) == (1, True)


def test_it_ends_when_whoever_started_it_is_gone(folder: Path) -> None:
    sandbox = Sandbox(state=folder, visits=2000, postgres=False, sqs=False)
    sandbox.start()
    assert SandboxOptions(state=folder).tied is False
    assert sandbox._process is not None
    sandbox._process.stdin.close()
    sandbox._process.wait(20)
    assert StateDirectory(folder).ready() is None
