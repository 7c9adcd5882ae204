"""Promise: `--prison`, `--from` and `--to` mean what they say for every filter, and nonsense is refused by name."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import click
import httpx
import pytest
import respx
from click.testing import CliRunner, Result
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from nomis_pipelines.cli.filter_options import with_options
from nomis_pipelines.cli.launch import UNMARKED_LOOKS
from nomis_pipelines.cli.main import cli
from nomis_pipelines.domains.activities import ACTIVITIES
from nomis_pipelines.domains.visits import VISITS
from nomis_pipelines.ledger import Ledger
from nomis_pipelines.migration.filters import run_filter
from nomis_pipelines.migration.partitions import ByMonth
from nomis_pipelines.settings import load_settings
from nomis_pipelines_tests import world

MIGRATION = VISITS.migration


class DateFilter(BaseModel):
    """A filter of dates, without prisons."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    from_date: date | None = None
    to_date: date | None = None


class ByDate(MIGRATION):
    """A domain that knows no prisons."""

    name = "by_date"
    filter = DateFilter
    partitions = ByMonth("2010-01", "from_date", "to_date")


def test_months_of_some_prisons_are_the_windows_of_their_partitions() -> None:
    values = with_options(MIGRATION, {}, prisons=["HEI", "MDI"], start="2024-05", end="2024-05")
    assert values["prisonIds"] == ["HEI", "MDI"]
    chosen, partition = run_filter(MIGRATION, values, None), run_filter(MIGRATION, {}, "HEI|2024-05")
    assert chosen.model_copy(update={"prison_ids": ["HEI"]}) == partition


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2024-02", "2024-02-01T00:00:00", "2024-03-01T00:00:00"),
        ("2024-12-31", "2024-12-31T00:00:00", "2025-01-01T00:00:00"),
        ("2024-05-31T12:30", "2024-05-31T12:30:00", "2024-05-31T12:30:00"),
    ],
)
def test_an_end_is_included_where_the_filter_has_times(text: str, start: str, end: str) -> None:
    values = with_options(MIGRATION, {}, start=text, end=text)
    assert (values["fromDateTime"], values["toDateTime"]) == (start, end)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [("2024-02", "2024-02-01", "2024-02-29"), ("2024-12-31", "2024-12-31", "2024-12-31")],
)
def test_an_end_is_included_where_the_filter_has_dates(text: str, start: str, end: str) -> None:
    values = with_options(ByDate, {}, start=text, end=text)
    assert (values["fromDate"], values["toDate"]) == (start, end)
    run_filter(ByDate, values, None)


@pytest.mark.parametrize(
    ("migration", "values", "options", "words"),
    [
        (MIGRATION, {"prisonIds": ["HEI"]}, {"prisons": ["MDI"]}, "--filter sets prisonIds already"),
        (MIGRATION, {"to_date_time": "2024-05-01"}, {"end": "2024-06"}, "--filter sets toDateTime already"),
        (MIGRATION, {}, {"start": "May"}, "'May' is not a date: write 2024-05, 2024-05-31 or 2024-05-31T12:00"),
        (MIGRATION, {}, {"end": "2024-13"}, "'2024-13' is not a date"),
        (ByDate, {}, {"start": "2024-05-31T12:00"}, "is not a date: write 2024-05, 2024-05-31"),
        (ByDate, {}, {"prisons": ["HEI"]}, "by_date cannot be asked for by prison"),
    ],
)
def test_what_cannot_be_meant_is_refused(migration: Any, values: Any, options: Any, words: str) -> None:
    with pytest.raises(click.BadParameter, match=words):
        with_options(migration, values, **options)


def test_the_command_refuses_a_wrong_prison_before_it_begins() -> None:
    result = CliRunner().invoke(cli, ["migrate", "visits", "--prison", "hei", "--wait"])
    assert (result.exit_code, "--wait goes with --launch" in result.output) == (2, True)
    result = CliRunner().invoke(cli, ["migrate", "visits", "--prison", "hei"])
    assert (result.exit_code, "prisonIds" in result.output) == (2, True)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[respx.Route]:
    """Dagster's webserver."""
    for name, value in world.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("NOMIS_PIPELINES_DAGSTER_URL", "http://dagster.test")
    monkeypatch.setenv("NOMIS_PIPELINES_UI_URL", "http://ui.test")
    load_settings.cache_clear()
    with respx.mock() as router:
        yield router.post("http://dagster.test/graphql")
    load_settings.cache_clear()


def launched(*more: str) -> Result:
    return CliRunner().invoke(cli, ["migrate", "visits", "--prison", "HEI", "--from", "2024-05", "--launch", *more])


def test_a_run_is_launched_on_the_server_with_its_filter(server: respx.Route) -> None:
    answer = {"data": {"launchRun": {"__typename": "LaunchRunSuccess", "run": {"runId": "r1"}}}}
    server.mock(return_value=httpx.Response(200, json=answer))
    result = launched("--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"run_id": "r1", "run_url": "http://ui.test/runs/r1"})
    params = json.loads(server.calls[0].request.content)["variables"]["params"]
    assert params["selector"]["jobName"] == "migrate_visits_by_filter"
    filter = params["runConfigData"]["ops"]["plan_pages"]["config"]["filter"]
    assert filter == {"prisonIds": ["HEI"], "fromDateTime": "2024-05-01T00:00:00"}
    assert params["executionMetadata"] == {"tags": [{"key": "nomis_pipelines/who", "value": "NOMIS_PIPELINES"}]}


def test_what_the_server_refuses_is_said_in_one_line(server: respx.Route) -> None:
    refusal = {"__typename": "RunConfigValidationInvalid", "errors": [{"message": "no such op"}]}
    server.mock(return_value=httpx.Response(200, json={"data": {"launchRun": refusal}}))
    result = launched()
    assert (result.exit_code, "did not launch migrate_visits_by_filter: no such op" in result.output) == (1, True)
    server.mock(side_effect=httpx.ConnectError("refused"))
    result = launched()
    assert (result.exit_code, len(result.output.splitlines())) == (1, 1)
    assert "http://dagster.test (NOMIS_PIPELINES_DAGSTER_URL) cannot be reached" in result.output


def run_is(status: str, **tags: str) -> dict[str, Any]:
    """Dagster's answer about a run, with those of its tags that tell of retries."""
    shown = [{"key": f"dagster/{name}", "value": value} for name, value in tags.items()]
    return {"runOrError": {"__typename": "Run", "status": status, "tags": shown}}


@pytest.fixture
def following(server: respx.Route, ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Launches run r1 and follows it while the server gives these answers; every one of them must be asked for."""
    monkeypatch.setenv("DATABASE_URL", ledger_url)
    monkeypatch.setattr("nomis_pipelines.cli.launch.FOLLOW_SECONDS", 0.01)
    load_settings.cache_clear()

    def follow(*answers: dict[str, Any]) -> Result:
        given: list[dict[str, Any]] = [{"launchRun": {"run": {"runId": "r1"}}}, *answers]
        server.mock(side_effect=[httpx.Response(200, json={"data": answer}) for answer in given])
        result = launched("--wait", "--json")
        assert server.call_count == len(given), result.output
        return result

    return follow


def told_by(result: Result) -> dict[str, Any]:
    return json.loads(result.stdout.splitlines()[-1])


@pytest.mark.server
@pytest.mark.parametrize(
    "ending",
    [[run_is("FAILURE", will_retry="false")], [run_is("FAILURE")] * (UNMARKED_LOOKS + 1)],
    ids=["not retried", "no retries at all"],
)
def test_a_launched_run_is_followed_to_its_end(following: Callable[..., Result], ending: list[dict[str, Any]]) -> None:
    result = following(run_is("QUEUED"), run_is("STARTED"), *ending)
    assert result.exit_code == 1
    told = told_by(result)
    assert (told["status"], told["error"]) == ("NOT_STARTED", "the run ended as FAILURE: http://ui.test/runs/r1")


async def leave_migration(url: str, run_id: str, status: str) -> str:
    """What a run leaves in the ledger; the migration's id."""
    now = datetime.now(UTC)
    async with await Ledger.open(url) as ledger:
        migration_id = await ledger.start_migration(
            migration_type="VISITS", domain="visits", filter_json="{}", estimated=9, now=now, run_id=run_id
        )
        await ledger.save_progress(migration_id, {"migrated": 9})
        await ledger.end_migration(migration_id, status=status, migrated=9, failed=0, now=now)
    return migration_id


@pytest.mark.server
def test_a_run_that_dagster_retries_is_followed_to_its_last_attempt(
    following: Callable[..., Result], ledger_url: str
) -> None:
    asyncio.run(leave_migration(ledger_url, "r1", "FAILED"))
    completed = asyncio.run(leave_migration(ledger_url, "r2", "COMPLETED"))
    result = following(
        run_is("STARTED"),
        run_is("FAILURE"),  # not marked yet
        run_is("FAILURE", will_retry="true"),  # the daemon has not launched it yet
        run_is("FAILURE", will_retry="true", auto_retry_run_id="r2"),
        run_is("QUEUED"),
        run_is("SUCCESS"),
    )
    assert (result.exit_code, told_by(result)["error"]) == (0, None)
    assert (told_by(result)["migration_id"], told_by(result)["migrated"]) == (completed, 9)
    assert "it failed; attempt 2: http://ui.test/runs/r2" in result.stderr


@pytest.mark.server
def test_the_last_attempts_failure_is_the_commands(following: Callable[..., Result]) -> None:
    result = following(
        run_is("FAILURE", will_retry="true", auto_retry_run_id="r2"),
        run_is("FAILURE", will_retry="true", auto_retry_run_id="r3"),
        run_is("FAILURE", will_retry="false"),
    )
    assert result.exit_code == 1
    assert told_by(result)["error"] == "the run ended as FAILURE after 3 attempts: http://ui.test/runs/r3"


@pytest.mark.parametrize(("words", "found"), [("fail", "failures"), ("failures ", "retry"), ("status ", "")])
def test_shells_complete_commands(words: str, found: str) -> None:
    assert found in complete(f"nomis-pipelines {words}")


def test_shells_complete_domains() -> None:
    assert "visits" in complete("nomis-pipelines duplicates list vi")


def complete(line: str) -> str:
    words = line.split()
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - (0 if line.endswith(" ") else 1))}
    code = "import sys; sys.argv[0] = 'nomis-pipelines'; from nomis_pipelines.cli.main import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "_NOMIS_PIPELINES_COMPLETE": "bash_complete", **asked},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return ended.stdout


def test_one_prison_is_the_filter_of_a_domain_that_takes_exactly_one() -> None:
    assert with_options(ACTIVITIES.migration, {}, prisons=["HEI"]) == {"prisonId": "HEI"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"prisons": ["HEI", "MDI"]}, "one prison at a time"),
        ({"prisons": ["HEI"], "start": "2024-05"}, "cannot be asked for by time"),
    ],
)
def test_a_domain_of_single_prisons_takes_no_more_and_no_time(options: dict[str, Any], words: str) -> None:
    with pytest.raises(click.BadParameter, match=words):
        with_options(ACTIVITIES.migration, {}, **options)
