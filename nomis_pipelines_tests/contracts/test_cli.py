"""Promise: `contracts check` and `contracts generate` say what they found, and their exit status can be relied on."""

import copy
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nomis_pipelines.cli.contracts import contracts
from nomis_pipelines.contract_tools import generation, load_contracts

SCHEDULER = next(contract for contract in load_contracts() if contract.name == "visit-scheduler")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(contracts, list(arguments))


@pytest.fixture
def producer(tmp_path: Path) -> Path:
    """A document that keeps the visit scheduler's contract."""
    path = tmp_path / "producer.json"
    path.write_text(json.dumps(SCHEDULER.content))
    return path


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A document that breaks it: no cancelling, no health endpoint published."""
    content = copy.deepcopy(SCHEDULER.content)
    del content["paths"]["/migrate-visits/{reference}/cancel"], content["paths"]["/health/ping"]
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(content))
    return path


def test_a_kept_contract_ends_with_0(producer: Path):
    result = run("check", "--against", str(producer))

    assert result.exit_code == 0, result.output
    assert "visit-scheduler against" in result.output
    assert "no breaks" in result.output


def test_a_broken_contract_ends_with_1_and_lists_breaks_before_what_is_accepted(broken: Path):
    result = run("check", "--against", str(broken))

    assert result.exit_code == 1
    lines = [line for line in result.output.splitlines() if "path-missing" in line]
    assert "PUT /migrate-visits/{reference}/cancel" in lines[0]
    assert lines[0].startswith("BREAK")
    assert lines[1].startswith("accepted")
    assert "1 break, 1 accepted" in result.output


def test_the_findings_can_be_had_as_json(broken: Path):
    result = run("check", "--against", str(broken), "--contract", "visit_scheduler", "--json")

    found = json.loads(result.output)
    assert result.exit_code == 1
    assert found["contract"] == "visit-scheduler"
    assert [each["kind"] for each in found["breaks"]] == ["path-missing"]
    assert [each["operation"] for each in found["accepted"]] == ["GET /health/ping"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--against", "nowhere.json"), "nowhere.json cannot be read"),
        (("--against", "http://127.0.0.1:1/v3/api-docs"), "cannot be fetched"),
        ((), "--against"),
    ],
)
def test_a_document_that_cannot_be_had_ends_with_2(arguments: tuple[str, ...], message: str):
    result = run("check", *arguments)

    assert result.exit_code == 2
    assert message in result.output


def test_an_unknown_contract_ends_with_2_and_names_those_there_are(producer: Path):
    result = run("check", "--against", str(producer), "--contract", "unknown")

    assert result.exit_code == 2
    assert "nomis-prisoner" in result.output


def test_generating_twice_changes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "gone.py").write_text("# a contract that is no more")
    files = generation.generate()

    assert generation.write_files(files, tmp_path) == sorted([*files, "gone.py"])
    assert generation.write_files(files, tmp_path) == []
    assert not (tmp_path / "gone.py").exists()


def test_stale_models_end_with_1_and_are_named(monkeypatch: pytest.MonkeyPatch):
    def changed() -> dict[str, str]:
        return {**generated, "visit_scheduler.py": "# newer"}

    generated = generation.generate()
    monkeypatch.setattr(generation, "generate", lambda: generated)
    assert run("generate", "--check").exit_code == 0

    monkeypatch.setattr(generation, "generate", changed)
    result = run("generate", "--check")

    assert result.exit_code == 1
    assert "visit_scheduler.py" in result.output


def test_without_the_generator_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "datamodel_code_generator", None)

    result = run("generate")

    assert result.exit_code == 2
    assert "dev extra" in result.output
