"""Promise: what clients of 2024 and of today ask of the control API they get, while a real Dagster does the work; and
of a run or a check that fails in it exactly one alert arrives, with the link to the run.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from nomis_pipelines.domains.visits import VISITS
from nomis_pipelines.ledger import Ledger
from nomis_pipelines.sandbox import Sandbox, SandboxAdmin
from nomis_pipelines.sandbox.postgres import EmbeddedPostgres
from nomis_pipelines_tests.conftest import SANDBOX_TODAY
from nomis_pipelines_tests.e2e.deployment import UI, Deployment, eventually
from nomis_pipelines_tests.e2e.support import bare, run, written

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]
PATIENCE = 120.0
"""Seconds, on a machine that has other things to do: nothing here is about speed."""


@pytest.fixture(scope="module")
def deployment(
    sandbox_server: Sandbox,
    postgres_server: EmbeddedPostgres,
    ledger_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Deployment]:
    """A deployment on the session's sandbox, with databases of its own."""
    directory = tmp_path_factory.mktemp("deployment")
    ledger = postgres_server.create_database(f"ledger_of_{directory.name}", template=ledger_template)
    dagster = postgres_server.create_database(f"dagster_of_{directory.name}")
    environment = {
        **sandbox_server.environment,
        "DATABASE_URL": ledger,
        "NOMIS_PIPELINES_TODAY": SANDBOX_TODAY.isoformat(),
        "NOMIS_PIPELINES_TELEMETRY_FILE": str(directory / "telemetry.jsonl"),
        "NOMIS_PIPELINES_HTTP_ATTEMPTS": "1",
        "NOMIS_PIPELINES_HTTP_START_CONCURRENCY": "4",
        "NOMIS_PIPELINES_HTTP_MAX_CONCURRENCY": "4",
    }
    with Deployment(directory, environment, dagster.replace("+psycopg", "")) as started:
        yield started
    for database in (ledger, dagster):
        postgres_server.drop_database(database.rsplit("/", 1)[1])


class Client:
    """What `curl` does: a token from HMPPS Auth by client credentials, then calls with it."""

    def __init__(self, deployment: Deployment, client_id: str) -> None:
        auth = deployment.environment["API_BASE_URL_HMPPS_AUTH"]
        grant = {"grant_type": "client_credentials"}
        answer = httpx.post(f"{auth}/oauth/token", data=grant, auth=(client_id, f"{client_id}-secret"))
        token = answer.raise_for_status().json()["access_token"]
        self.http = httpx.Client(
            base_url=deployment.api, headers={"Authorization": f"Bearer {token}"}, timeout=60, trust_env=False
        )

    def __call__(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        """Call, and give the body as JSON."""
        answer = self.http.request(method, path, **options)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None


@pytest.fixture
def client(deployment: Deployment) -> Iterator[Callable[[str], Client]]:
    """Makes clients by their id."""
    made: list[Client] = []

    def make(client_id: str) -> Client:
        made.append(Client(deployment, client_id))
        return made[-1]

    yield make
    for each in made:
        each.http.close()


ACTIVE = {
    "recordsMigrated", "toBeProcessedCount", "beingProcessedCount", "recordsFailed", "migrationId", "whenStarted",
    "estimatedRecordCount", "migrationType", "status",
}  # fmt: skip
TODAY = {
    "one": "/migrate/history/{}", "all": "/migrate/history/all/VISITS", "active": "/migrate/history/active/VISITS",
    "cancel": "/migrate/cancel/{}",
}  # fmt: skip
IN_2024 = {
    "one": "/migrate/visits/history/{}", "all": "/migrate/visits/history", "active": "/migrate/visits/active-migration",
    "cancel": "/migrate/visits/{}/cancel",
}  # fmt: skip
ERAS = pytest.mark.parametrize(
    ("client_id", "paths", "prison"),
    [("operator-2024", IN_2024, "HEI"), ("operator", TODAY, "BXI")],
    ids=["in 2024", "today"],
)


@ERAS
def test_a_client_starts_a_migration_and_follows_it_to_its_end(
    client: Callable[[str], Client], sandbox: SandboxAdmin, client_id: str, paths: dict[str, str], prison: str
) -> None:
    call = client(client_id)
    filter = {"prisonIds": [prison], "visitTypes": ["SCON"]}
    started = call("POST", "/migrate/visits", 202, json=filter)
    fields = ["type", "migrationId", "estimatedCount", "body"]
    assert list(started) == (fields if paths is IN_2024 else [*fields, "properties"])
    body = {"prisonIds": [prison], "visitTypes": ["SCON"], "ignoreMissingRoom": False}
    assert (started["type"], started["body"]) == ("VISITS", body)
    migration_id, estimated = started["migrationId"], started["estimatedCount"]
    assert estimated > 0

    seen: list[dict[str, Any]] = []

    def ended() -> bool:
        seen.append(call("GET", paths["active"]))
        return seen[-1]["status"] == "COMPLETED"

    eventually(ended, PATIENCE, f"migration {migration_id} completed")
    assert all(set(each) == ACTIVE and each["migrationId"] == migration_id for each in seen)
    assert seen[0]["status"] == "STARTED"
    assert [each["recordsMigrated"] for each in seen] == sorted(each["recordsMigrated"] for each in seen)
    row = call("GET", paths["one"].format(migration_id))
    assert (row["status"], row["estimatedRecordCount"], row["migrationType"]) == ("COMPLETED", estimated, "VISITS")
    assert row["recordsMigrated"] + row["recordsFailed"] == estimated
    assert row["recordsMigrated"] == len(written(sandbox))
    assert json.loads(row["filter"]) == body
    assert row["whenEnded"]
    assert row in call("GET", paths["all"])
    assert call("GET", f"{paths['all']}?prisonId={prison}")[0] == row
    if paths is TODAY:
        call("POST", f"/migrate/refresh/{migration_id}", 204)
        again = call("GET", paths["one"].format(migration_id))
        assert again["whenEnded"] > row["whenEnded"]
        assert {**again, "whenEnded": row["whenEnded"]} == row


def test_a_cancelled_migration_stops_with_what_was_in_flight_recorded(
    deployment: Deployment, client: Callable[[str], Client], sandbox: SandboxAdmin
) -> None:
    call = client("operator")
    sandbox.set_fault("latency", "visits", milliseconds=200, when="after")
    migration_id = call("POST", "/migrate/visits", 202, json={"prisonIds": ["MDI"]})["migrationId"]
    eventually(lambda: call("GET", TODAY["active"])["recordsMigrated"] > 8, PATIENCE, "some are migrated")
    refused = call("POST", "/migrate/visits", 409, json={"prisonIds": ["LEI"]})
    assert refused["userMessage"].startswith("Migration already in progress: ")
    call("POST", TODAY["cancel"].format(migration_id), 202)
    one = TODAY["one"].format(migration_id)
    eventually(lambda: call("GET", one)["status"] == "CANCELLED", PATIENCE, "it is cancelled")
    row = call("GET", one)
    assert 8 < row["recordsMigrated"] < row["estimatedRecordCount"]
    assert len(written(sandbox)) == row["recordsMigrated"], "what was in flight is recorded"
    query = """query ($tag: String!) {
      runsOrError(filter: {tags: [{key: "nomis_pipelines/migration_id", value: $tag}]}) {
        ... on Runs { results { status } } } }"""

    def statuses() -> list[str]:
        runs = deployment.ask(query, tag=migration_id)["runsOrError"]["results"]
        return [each["status"] for each in runs]

    eventually(lambda: statuses() == ["CANCELED"], PATIENCE, "Dagster's run is cancelled too, and not retried")


STARTED = """{ runsOrError(filter: {statuses: [STARTING, STARTED]}) { ... on Runs { results { jobName } } } }"""


def test_three_migrations_at_once_read_nomis_no_more_than_two_at_a_time(
    deployment: Deployment, client: Callable[[str], Client], sandbox: SandboxAdmin
) -> None:
    """The pool's limit is for all domains together: 2 runs of at most 4 calls each, however many are started."""
    assert run_tool(deployment, "dagster", "instance", "concurrency", "set", "nomis", "2") == 0
    try:
        call = client("operator")
        sandbox.set_fault("latency", "nomis", milliseconds=150)
        sandbox.reset("counts")
        started = [
            call("POST", f"/migrate/{path}", 202, json=filter)["migrationId"]
            for path, filter in (
                ("visits", {"prisonIds": ["LEI"]}),
                ("incidents", {"fromDate": "2026-01-01"}),
                ("csip", {"fromDate": "2026-01-01"}),
            )
        ]
        at_once: list[int] = []

        def ended() -> bool:
            runs = deployment.ask(STARTED)["runsOrError"]["results"]
            at_once.append(sum(each["jobName"].startswith("migrate_") for each in runs))
            return all(call("GET", f"/migrate/history/{each}")["status"] == "COMPLETED" for each in started)

        eventually(ended, 2 * PATIENCE, "all three are completed")
        assert max(at_once) == 2
        assert 4 < sandbox.counts()["nomis"]["max_in_flight"] <= 8 + 3, "the three starts ask NOMIS for estimates too"
    finally:
        assert run_tool(deployment, "dagster", "instance", "concurrency", "set", "nomis", "6") == 0


def run_tool(deployment: Deployment, tool: str, *arguments: str) -> int:
    """The exit status of a command of Dagster's on the deployment's instance."""
    command = [str(Path(sys.executable).with_name(tool)), *arguments]
    return subprocess.run(command, env=bare(deployment.environment), check=False, capture_output=True).returncode


async def plant_a_duplicate(url: str, partition: str) -> None:
    """A record whose mapping the mapping service refused, since another DPS record is mapped."""
    key = VISITS.migration.record_key("999999999")
    async with await Ledger.open(url) as ledger:
        await ledger.claim(key, migration_id="2026-03-10T09:00:00", partition=partition)
        await ledger.written(key, dps_id="surplus", mapping={"nomisId": 999999999})
        await ledger.duplicate(key, dps_id="surplus", existing_dps_id="kept")


LAUNCH = """mutation ($partition: String!) { launchRun(executionParams: {
  selector: {
    jobName: "migrate_visits", repositoryName: "__repository__", repositoryLocationName: "nomis-pipelines"},
  runConfigData: {}, executionMetadata: {tags: [{key: "dagster/partition", value: $partition}]}
}) { __typename ... on LaunchRunSuccess { run { runId } } ... on Error { message } } }"""


def test_a_run_that_fails_and_a_check_that_fails_are_told_once_each_with_their_runs(
    deployment: Deployment, sandbox: SandboxAdmin
) -> None:
    told = deployment.slack.messages
    told.clear()
    sandbox.set_fault("status", "nomis", code=503)
    command = ("migrate", "visits", "--prison", "LEI", "--launch", "--wait", "--json")
    failed = run(deployment.environment, *command)
    assert failed.status == 1
    error = failed.result["error"]
    assert error.startswith(f"the run ended as FAILURE after 2 attempts: {UI}/runs/"), failed.err
    eventually(lambda: told, PATIENCE, "the failed run is told")
    assert told[0].startswith("*migrate_visits_by_filter failed (2 attempts)*")
    assert told[0].endswith(error.rsplit(" ", 1)[1]), "the link leads to the last attempt"
    sandbox.clear_faults()

    asyncio.run(plant_a_duplicate(deployment.environment["DATABASE_URL"], "BXI|2024-05"))
    run_id = deployment.ask(LAUNCH, partition="BXI|2024-05")["launchRun"]["run"]["runId"]
    eventually(lambda: deployment.status_of(run_id) == "SUCCESS", PATIENCE, "the partition is migrated")
    eventually(lambda: len(told) > 1, PATIENCE, "the failed check is told")
    assert "dps/visits: check failed: no_duplicates" in told[1]
    assert "nomis-pipelines duplicates resolve visits" in told[1]
    assert told[1].endswith(f"{UI}/runs/{run_id}")

    ticks = """query { sensorOrError(sensorSelector: {sensorName: "run_failure_alerts",
      repositoryName: "__repository__", repositoryLocationName: "nomis-pipelines"}) {
      ... on Sensor { sensorState { ticks(limit: 1) { timestamp } } } } }"""

    def newest() -> float:
        return deployment.ask(ticks)["sensorOrError"]["sensorState"]["ticks"][0]["timestamp"]

    for _ in range(2):  # the sensors have looked twice more
        before = newest()
        eventually(lambda before=before: newest() > before, PATIENCE, "another tick")
    assert len(told) == 2, told
