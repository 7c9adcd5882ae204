"""Promise: every command, call, job, sensor and link of the runbook exists, and what points to it finds its place."""

import re
import shlex
from pathlib import Path
from typing import Any

import click
import dagster as dg
import pytest
import yaml

from nomis_pipelines.api.app import build_app
from nomis_pipelines.cli.main import cli
from nomis_pipelines.definitions import build_definitions
from nomis_pipelines.failed_runs import SPEAKING
from nomis_pipelines.migration import checks, reconcile_report
from nomis_pipelines_tests import world

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")]
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text().replace("\\|", "|")
SECTIONS = re.findall(r"(?m)^## (.+)$", RUNBOOK)
REPOSITORY = build_definitions().get_repository_def()
JOB_OF_OP = {
    "plan_pages": "migrate_visits_by_filter",
    "retry": "retry_failed_visits",
    "resolve": "resolve_duplicates",
    "reconcile": "reconcile_visits",
    "act": "activities_end",
}


def spans() -> list[str]:
    """What is written as code: in the line, and the lines of blocks without their prompt and remark."""
    blocks = re.findall(r"(?ms)^```\w*\n(.*?)^```", RUNBOOK)
    lines = [re.sub(r"\s+#.*$", "", line).removeprefix("$ ") for block in blocks for line in block.splitlines()]
    return lines + re.findall(r"`([^`\n]+)`", re.sub(r"(?ms)^```.*?^```", "", RUNBOOK))


def found(*patterns: str) -> list[str]:
    """What the first group of each pattern catches in the runbook, each once; DOMAIN stands for any."""
    caught = {name for pattern in patterns for name in re.findall(pattern, RUNBOOK)}
    assert caught
    return sorted(name.replace("DOMAIN", "visits") for name in caught)


def anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


COMMANDS = sorted({span for span in spans() if span.startswith("nomis-pipelines ") and "…" not in span})
CALLS = sorted({span for span in spans() if span.startswith("call ")})
CONFIGS = [span for span in spans() if span.startswith("ops: ")]


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_is_one_that_is_there(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("click.core.confirm", lambda *_, **__: True)
    words = shlex.split(line)[1:]
    command: click.Command = cli
    context = click.Context(command)
    while isinstance(command, click.Group):
        name, found, words = command.resolve_command(context, words)
        assert found is not None, name
        command, context = found, click.Context(found, parent=context)
    with command.make_context(line, words):
        """Its options and arguments are taken."""


@pytest.fixture(scope="module")
def routes() -> list[tuple[str, str]]:
    """(method, pattern of the path) of all that the control API answers."""
    paths = build_app(world.settings()).openapi()["paths"]
    return [
        (method.upper(), re.sub(r"\{\w+\}", "[^/]+", path)) for path, methods in paths.items() for method in methods
    ]


@pytest.mark.parametrize("line", CALLS)
def test_a_call_is_one_that_the_control_api_answers(line: str, routes: list[tuple[str, str]]) -> None:
    words = shlex.split(line)
    method = words[words.index("-X") + 1] if "-X" in words else "GET"
    (url,) = [word for word in words if word.startswith("$API/")]
    path = url.removeprefix("$API").partition("?")[0]
    assert [route for route in routes if route[0] == method and re.fullmatch(route[1], path)]


@pytest.mark.parametrize("text", CONFIGS)
def test_a_configuration_is_one_that_its_job_takes(text: str) -> None:
    config: dict[str, Any] = yaml.safe_load(text)
    (op,) = config["ops"]
    assert dg.validate_run_config(REPOSITORY.get_job(JOB_OF_OP[op]), config)


@pytest.mark.parametrize("name", found(r"job `(\w+)`", r" -j (\w+)", r"\*Jobs\*, `(\w+)`", r"run of `(\w+)`"))
def test_a_job_is_there(name: str) -> None:
    assert REPOSITORY.has_job(name)


@pytest.mark.parametrize("name", found(r"sensor `(\w+)`", r"dagster sensor st\w+ (\w+)", r"(?m)^\| `(\w+_alerts)"))
def test_a_sensor_is_there(name: str) -> None:
    assert REPOSITORY.has_sensor_def(name)


@pytest.mark.parametrize("name", found(r"schedule `(\w+)`", r"dagster schedule st\w+ (\w+)", r"switch `(\w+)` off"))
def test_a_schedule_is_there(name: str) -> None:
    assert REPOSITORY.has_schedule_def(name)


@pytest.mark.parametrize("check", [*checks.NAMES, reconcile_report.CHECK])
def test_every_check_that_can_alert_is_explained(check: str) -> None:
    (row,) = [line for line in RUNBOOK.splitlines() if line.startswith("| `check failed") and f"{check}`" in line]
    assert row.count("|") == 4


def test_every_cause_that_is_explained_can_be_told() -> None:
    causes = found(r"(?m)^\| `([A-Z]\w+)`", r"(?m)^\| `[A-Z]\w+`, `([A-Z]\w+)`")
    assert set(causes) <= SPEAKING


def test_what_the_checks_advise_is_a_section() -> None:
    advised = set()
    for name in ("verdicts", "reconcile_report"):
        source = (ROOT / "nomis_pipelines" / "migration" / f"{name}.py").read_text()
        advised |= set(re.findall(r"runbook, ([A-Z][\w ]+?)[),]", source))
    assert advised
    assert advised <= set(SECTIONS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text()):
        path, _, place = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if place:
            assert place in {anchor(heading) for heading in re.findall(r"(?m)^#+ (.+)$", file.read_text())}, target
