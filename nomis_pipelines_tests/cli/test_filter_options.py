"""Promise: `--prison`, `--from` and `--to` mean what they say for every filter, and nonsense is refused by name."""

import json
import os
import subprocess
import sys
from datetime import date
from typing import Any

import click
import httpx
import pytest
import respx
from click.testing import CliRunner
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from nomis_pipelines.cli import remote
from nomis_pipelines.cli.filter_options import with_options
from nomis_pipelines.cli.main import cli
from nomis_pipelines.domains.visits import VISITS
from nomis_pipelines.migration.filters import run_filter
from nomis_pipelines.migration.partitions import ByMonth

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


@respx.mock
def test_a_run_is_launched_on_the_server_with_its_filter() -> None:
    answer = {"data": {"launchRun": {"__typename": "LaunchRunSuccess", "run": {"runId": "r1"}}}}
    route = respx.post("http://ui.test/graphql").mock(return_value=httpx.Response(200, json=answer))
    config = {"ops": {"plan_pages": {"config": {"filter": {"prisonIds": ["HEI"]}}}}}
    assert remote.launch("http://ui.test", "migrate_visits_by_filter", config, {"who": "me"}) == "r1"
    params = json.loads(route.calls[0].request.content)["variables"]["params"]
    assert params["selector"]["jobName"] == "migrate_visits_by_filter"
    assert params["runConfigData"] == config
    assert params["executionMetadata"] == {"tags": [{"key": "who", "value": "me"}]}


@respx.mock
def test_what_the_server_refuses_is_said_in_its_words() -> None:
    refusal = {"__typename": "RunConfigValidationInvalid", "errors": [{"message": "no such op"}]}
    route = respx.post("http://ui.test/graphql")
    route.mock(return_value=httpx.Response(200, json={"data": {"launchRun": refusal}}))
    with pytest.raises(click.ClickException, match="did not launch migrate_x: no such op"):
        remote.launch("http://ui.test", "migrate_x", {}, {})
    route.mock(return_value=httpx.Response(200, json={"data": {"runOrError": {"status": "STARTED"}}}))
    assert remote.run_status("http://ui.test", "r1") == "STARTED"
    route.mock(side_effect=httpx.ConnectError("refused"))
    with pytest.raises(click.ClickException, match=r"http://ui.test \(NOMIS_PIPELINES_DAGSTER_URL\) cannot be reached"):
        remote.run_status("http://ui.test", "r1")
    route.mock(return_value=httpx.Response(502, text="<html>"))
    with pytest.raises(click.ClickException, match="does not answer as Dagster's would"):
        remote.run_status("http://ui.test", "r1")


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
