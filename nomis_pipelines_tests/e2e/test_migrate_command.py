"""Promise: `nomis-pipelines migrate` runs against anything the documented environment leads to, says what became of
every record, and names place and fix of whatever stops it.
"""

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from nomis_pipelines.ledger import LedgerReader, MigrationStatus
from nomis_pipelines.sandbox import Sandbox, SandboxAdmin
from nomis_pipelines_tests.e2e.support import (
    INTEGERS,
    Ended,
    all_accounted_for,
    mapped,
    migrate,
    run,
    start,
    wait_for_writes,
)

pytestmark = pytest.mark.server

BRIXTON_MAY = {
    "prisonIds": ["BXI"], "visitTypes": ["SCON"],
    "fromDateTime": "2024-05-01T00:00:00", "toDateTime": "2024-06-01T00:00:00",
}  # fmt: skip
IMPATIENT = {"NOMIS_PIPELINES_HTTP_ATTEMPTS": "1", "NOMIS_PIPELINES_BREAKER_SECONDS": "1", "API_TIMEOUT": "5s"}


def clean(ended: Ended) -> Ended:
    """The same, asserted to be readable by people."""
    assert "Traceback" not in ended.err + ended.out, ended.err
    return ended


def test_it_migrates_and_says_so_on_the_last_line(
    environment: dict[str, str], sandbox: SandboxAdmin, sandbox_server: Sandbox
) -> None:
    audited(sandbox_server)  # what other tests left there
    first = clean(migrate(environment, BRIXTON_MAY))
    result = first.result
    assert first.status == 0
    assert first.out.count("\n") == 1  # whatever else is for people goes to standard error
    assert all(type(result[name]) is int for name in INTEGERS)
    assert isinstance(result["migration_id"], str)
    assert isinstance(result["seconds"], float)
    assert isinstance(result["reasons"], dict)
    assert result["estimated"] > 0
    assert result["migrated"] + result["rejected"] == result["estimated"]
    assert sum(result["reasons"].values()) == result["rejected"] + result["failed"]
    assert len(mapped(sandbox)) == result["migrated"]
    assert result["status"] == "COMPLETED"
    assert "no_duplicates" in first.err
    assert str(result["migrated"]) in first.err

    again = clean(migrate(environment, BRIXTON_MAY))
    assert (again.status, again.result["migrated"], again.result["skipped"]) == (0, 0, result["migrated"])
    assert "Nothing was migrated" in again.err or again.result["rejected"]
    assert audited(sandbox_server)[0]["what"] == "MIGRATION_STARTED"


def audited(sandbox_server: Sandbox) -> list[dict[str, Any]]:
    """What lies on the audit queue."""
    import boto3

    variables = sandbox_server.environment
    sqs: Any = boto3.client(
        "sqs", endpoint_url=variables["AWS_ENDPOINT_URL_SQS"], region_name=variables["AWS_REGION"],
        aws_access_key_id="test", aws_secret_access_key="test",
    )  # fmt: skip
    url = sqs.get_queue_url(QueueName=variables["HMPPS_SQS_QUEUES_AUDIT_QUEUE_NAME"])["QueueUrl"]
    bodies: list[dict[str, Any]] = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        bodies += [json.loads(message["Body"]) for message in messages]
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    sqs.close()
    return bodies


def test_the_audit_event_has_the_filter_exactly_and_who_ran_it(
    environment: dict[str, str], sandbox_server: Sandbox
) -> None:
    audited(sandbox_server)
    result = clean(migrate({**environment, "NOMIS_PIPELINES_USER": "A_PERSON"}, BRIXTON_MAY)).result
    (event,) = audited(sandbox_server)
    assert (event["who"], event["service"]) == ("A_PERSON", "hmpps-prisoner-from-nomis-migration")
    before, after = event["details"].split(result["migration_id"])
    assert before == '{"migrationType":"VISITS","migrationId":"'
    assert after == (
        '","filter":{"prisonIds":["BXI"],"visitTypes":["SCON"],"fromDateTime":"2024-05-01T00:00:00",'
        '"toDateTime":"2024-06-01T00:00:00","ignoreMissingRoom":false}}'
    )


def test_records_that_fail_are_no_failure_of_the_run(
    environment: dict[str, str], sandbox: SandboxAdmin, reader: LedgerReader
) -> None:
    sandbox.set_fault("status", "visits", code=500, method="POST", limit=3)
    sandbox.set_fault("status", "mapping", code=500, method="POST", path="/mapping/visits", limit=100)
    ended = clean(migrate(environment, BRIXTON_MAY))
    assert ended.status == 0
    assert ended.result["failed"] == 3
    assert ended.result["reasons"]["visits-500"] == 3
    assert ended.result["unmapped"] > 0
    sandbox.clear_faults()
    again = clean(migrate(environment, BRIXTON_MAY)).result
    assert (again["failed"], again["unmapped"]) == (0, 0)
    assert sandbox.agreement()["visits"]["dps_surplus"] == 0


@pytest.fixture
def reader(environment: dict[str, str]) -> Any:
    with LedgerReader(environment["DATABASE_URL"]) as made:
        yield made


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["migrate", "visits", "--filter", "{"], "not JSON"),
        (["migrate", "visits", "--filter", "[]"], "must be a JSON object"),
        (["migrate", "visits", "--filter", '{"prisons": ["HEI"]}'], "prisons unknown; there are prisonIds"),
        (["migrate", "visits", "--filter", '{"prisonIds": ["hei"]}'], "three to six capitals or digits, such as HEI"),
        (["migrate", "visits", "--filter", '{"toDateTime": "tomorrow"}'], "toDateTime: Input should be a valid date"),
        (["migrate", "visitz"], "'visitz' is not a domain; there are: visits"),
        (["migrate"], "Missing argument 'DOMAIN'"),
        (["migrate", "visits", "--jsn"], "No such option"),
    ],
)
def test_a_wrong_call_ends_with_status_2_and_says_what_would_do(
    arguments: list[str], message: str, environment: dict[str, str], sandbox: SandboxAdmin
) -> None:
    ended = clean(run(environment, *arguments))
    assert ended.status == 2
    assert message in " ".join(ended.err.split())
    assert ended.out == ""
    assert sandbox.counts()["nomis"]["requests"] == []


@pytest.mark.parametrize(
    ("changes", "status", "messages"),
    [
        ({"API_BASE_URL_VISITS": ""}, 2, ["API_BASE_URL_VISITS is not set: base URL of the visit scheduler"]),
        ({"NOMIS_PRISONER_API_SECRET": ""}, 2, ["NOMIS_PRISONER_API_SECRET is not set"]),
        ({"API_BASE_URL_HMPPS_AUTH": ""}, 2, ["API_BASE_URL_HMPPS_AUTH is not set"]),
        ({"DATABASE_URL": ""}, 2, ["DATABASE_URL is not set"]),
        ({"NOMIS_PIPELINES_PAGE_SIZE": "1"}, 2, ["NOMIS_PIPELINES_PAGE_SIZE", "greater than or equal to 2"]),
        ({"API_BASE_URL_NOMIS": "localhost"}, 2, ["API_BASE_URL_NOMIS must begin with http"]),
        (
            {"DATABASE_URL": "postgresql://someone:hunter22@127.0.0.1:1/gone"}, 1,
            ["127.0.0.1", "gone", "cannot be reached"],
        ),
        ({"API_BASE_URL_NOMIS": "http://127.0.0.1:1"}, 1, ["nomis GET /health/ping", "check API_BASE_URL_NOMIS"]),
        ({"API_BASE_URL_VISITS": "http://127.0.0.1:1"}, 1, ["visits GET /health/ping", "check API_BASE_URL_VISITS"]),
        ({"API_BASE_URL_MAPPING": "http://127.0.0.1:1"}, 1, ["check API_BASE_URL_MAPPING"]),
        (
            {"NOMIS_PRISONER_API_SECRET": "hunter22"}, 1,
            ["nomis POST /oauth/token answered 401", "NOMIS_PRISONER_API_CLIENT_ID", "NOMIS_PRISONER_API_SECRET"],
        ),
        ({"API_BASE_URL_HMPPS_AUTH": "http://127.0.0.1:1/auth"}, 1, ["/oauth/token", "API_BASE_URL_HMPPS_AUTH"]),
        ({"NOMIS_PIPELINES_TELEMETRY_FILE": "/dev/null/x"}, None, ["NOMIS_PIPELINES_TELEMETRY_FILE cannot be written"]),
    ],
)  # fmt: skip
def test_what_stops_a_run_is_named_with_its_place_and_its_fix(
    changes: dict[str, str], status: int | None, messages: list[str], environment: dict[str, str]
) -> None:
    ended = clean(migrate({**environment, **IMPATIENT, **changes}, BRIXTON_MAY))
    assert ended.status != 0
    assert status in (None, ended.status)
    text = " ".join(ended.err.split())
    for message in messages:
        assert message in text, ended.err
    assert "hunter22" not in ended.err + ended.out


def test_a_database_without_our_schema_is_told_how_to_get_it(environment: dict[str, str], database_url: str) -> None:
    ended = clean(migrate({**environment, "DATABASE_URL": database_url}, BRIXTON_MAY))
    assert ended.status == 1
    assert "nomis-pipelines db upgrade" in ended.err
    assert clean(run({**environment, "DATABASE_URL": database_url}, "db", "upgrade")).status == 0
    assert clean(migrate({**environment, "DATABASE_URL": database_url}, BRIXTON_MAY)).status == 0


def test_a_failed_run_still_prints_its_json(environment: dict[str, str], sandbox: SandboxAdmin) -> None:
    sandbox.set_fault("status", "nomis", code=500, path="/visits/ids")
    ended = clean(migrate({**environment, **IMPATIENT}, BRIXTON_MAY))
    assert ended.status == 1
    assert ended.result["status"] == "NOT_STARTED"
    assert ended.result["migration_id"] is None
    assert "nomis GET /visits/ids answered 500" in ended.result["error"]
    assert all(ended.result[name] == 0 for name in INTEGERS)


def test_an_outage_of_dps_ends_the_run_and_not_every_record(
    environment: dict[str, str], sandbox: SandboxAdmin, reader: LedgerReader
) -> None:
    sandbox.set_fault("status", "visits", code=503)
    ended = clean(migrate({**environment, **IMPATIENT}))
    assert ended.status == 1
    assert ended.result["status"] == "FAILED"
    assert "visits" in ended.result["error"]
    assert ended.result["failed"] < 300
    assert not {"writing", "in_doubt"} & set(reader.counts("visits"))
    sandbox.clear_faults()
    again = clean(migrate(environment))
    assert again.status == 0
    assert again.result["failed"] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_finishes_what_is_in_flight_and_says_that_it_was_cancelled(
    number: signal.Signals, environment: dict[str, str], sandbox: SandboxAdmin, reader: LedgerReader
) -> None:
    sandbox.set_fault("latency", "visits", milliseconds=20)
    slow = {"NOMIS_PIPELINES_HTTP_MAX_CONCURRENCY": "8", "NOMIS_PIPELINES_HTTP_START_CONCURRENCY": "8"}
    process = start({**environment, **slow, "NOMIS_PIPELINES_PAGE_SIZE": "200"})
    wait_for_writes(sandbox, process, 250)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    ended = clean(Ended(process.returncode, out, err))
    assert ended.status == 1, ended.err
    assert ended.result["status"] == "CANCELLED"
    assert "cancelled" in str(ended.result["error"])
    states = all_accounted_for(sandbox, reader, set())
    assert not {"written", "in_doubt", "writing"} & set(states)
    assert len(states["mapped"]) == ended.result["migrated"]
    row = reader.latest("VISITS")
    assert row is not None
    assert row.status is MigrationStatus.CANCELLED


def test_telemetry_goes_to_the_file_as_lines(environment: dict[str, str], tmp_path: Path) -> None:
    result = clean(migrate(environment, BRIXTON_MAY)).result
    lines = [json.loads(line) for line in (tmp_path / "telemetry.jsonl").read_text().splitlines()]
    assert all(set(line) == {"name", "timestamp", "properties"} for line in lines)
    names = [line["name"] for line in lines]
    assert names[0] == "visits-migration-started"
    assert names[-1] == "visits-migration-completed"
    assert names.count("visits-migration-entity-migrated") == result["migrated"]
    assert all(type(value) is str for line in lines for value in line["properties"].values())


def test_nothing_is_left_behind_where_it_was_run(environment: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    from nomis_pipelines_tests.e2e.support import bare, command

    ended = subprocess.run(
        command("migrate", "visits", "--filter", json.dumps(BRIXTON_MAY)),
        env=bare({**environment, "TMPDIR": str(folder)}), cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert [path for path in folder.rglob("*") if path.is_file()] == []
