"""Promise: the folders are those of the architecture, and imports follow its arrows (contracts in pyproject.toml)."""

import ast
import contextlib
import io
from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "nomis_pipelines"
TESTS = ROOT / "nomis_pipelines_tests"

FOLDERS = {
    "api", "cli", "contract_tools", "contracts", "domains", "http", "ledger", "migration", "observability", "sandbox",
    "synchronisation",
}  # fmt: skip
NOT_YET = {"api"}  # may be absent
MODULES = {
    "__init__.py", "__main__.py", "alerting.py", "definitions.py", "failed_runs.py", "maintenance.py", "markdown.py",
    "platform.py", "resources.py", "settings.py", "signals.py",
}  # fmt: skip
WITHOUT_A_PACKAGE = {"chaos", "e2e"}


def folders_of(parent: Path) -> set[str]:
    return {path.name for path in parent.iterdir() if path.is_dir() and any(path.rglob("*.py"))}


def test_imports_follow_the_arrows_of_the_architecture(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    report = io.StringIO()
    with contextlib.redirect_stdout(report):
        status = lint_imports(config_filename="pyproject.toml", no_cache=True)
    assert status == EXIT_STATUS_SUCCESS, report.getvalue()


def test_the_package_holds_the_folders_of_the_architecture_and_no_others():
    found = folders_of(PACKAGE)
    assert found <= FOLDERS
    assert found >= FOLDERS - NOT_YET


def test_modules_outside_a_folder_are_the_few_that_are_meant_to_be():
    assert {path.name for path in PACKAGE.glob("*.py")} == MODULES


def test_every_domain_is_a_folder_with_a_declaration():
    for folder in folders_of(PACKAGE / "domains"):
        source = (PACKAGE / "domains" / folder / "__init__.py").read_text()
        assert f"{folder.upper()} = Domain(" in source, folder


def test_tests_mirror_the_package():
    assert folders_of(TESTS) - WITHOUT_A_PACKAGE <= FOLDERS
    for folder in TESTS.rglob("*"):
        if folder.is_dir() and any(folder.glob("*.py")):
            assert (folder / "__init__.py").exists(), folder


def test_every_module_says_what_belongs_there():
    silent = [
        str(path.relative_to(PACKAGE))
        for path in sorted(PACKAGE.rglob("*.py"))
        if (PACKAGE / "contracts") not in path.parents  # generated
        and path.read_text().strip()
        and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []
