"""Promise: `--prison`, `--from` and `--to` mean what they say for every filter, and nonsense is refused by name."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from typing import Any

import click
import httpx
import pytest
import respx
from click.testing import CliRunner, Result
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from nomis_pipelines.cli.filter_options import with_options
from nomis_pipelines.cli.main import cli
from nomis_pipelines.domains.visits import VISITS
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


@pytest.mark.server
def test_a_launched_run_is_followed_to_its_end(
    server: respx.Route, ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", ledger_url)
    monkeypatch.setattr("nomis_pipelines.cli.launch.FOLLOW_SECONDS", 0.01)
    load_settings.cache_clear()
    answers: list[dict[str, Any]] = [{"launchRun": {"run": {"runId": "r1"}}}]
    answers += [{"runOrError": {"__typename": "Run", "status": status}} for status in ("QUEUED", "STARTED", "FAILURE")]
    server.mock(side_effect=[httpx.Response(200, json={"data": answer}) for answer in answers])
    result = launched("--wait", "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout.splitlines()[-1])
    assert (told["status"], told["error"]) == ("NOT_STARTED", "the run ended as FAILURE: http://ui.test/runs/r1")


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
