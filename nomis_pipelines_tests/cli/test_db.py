"""`nomis-pipelines db`: upgrades, shows, checks and refuses, in words an operator can act on."""

from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from nomis_pipelines.cli.db import db
from nomis_pipelines.ledger.schema import head
from nomis_pipelines.settings import load_settings

pytestmark = pytest.mark.server


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, database_url: str) -> Iterator[pytest.MonkeyPatch]:
    """The settings of an empty database."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    load_settings.cache_clear()
    yield monkeypatch
    load_settings.cache_clear()


def run(*arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(db, arguments, input=answer)


def test_an_empty_database_is_told_apart_brought_up_and_then_found_right():
    assert "run `nomis-pipelines db upgrade`" in run("check").output
    assert run("check").exit_code == 1
    assert run("current").output == f"database: no ledger schema\nrelease:  {head()}\n"
    assert run("upgrade").output == f"schema is at {head()} (was empty)\n"
    assert run("upgrade").output == f"schema is at {head()}\n"
    assert run("check").output == "schema is up to date\n"
    assert run("current").output == f"database: {head()}\nrelease:  {head()}\n"


def test_going_back_asks_first():
    run("upgrade")
    refused = run("downgrade", "base", answer="n\n")
    assert refused.exit_code == 1
    assert run("check").exit_code == 0
    assert run("downgrade", "base", "--yes").output == "schema is at base (no ledger)\n"
    assert run("check").exit_code == 1


def test_an_unknown_revision_is_a_message_not_a_traceback():
    run("upgrade")
    result = run("downgrade", "nonsense", "--yes")
    assert result.exit_code == 1
    assert "nonsense" in result.output
    assert "Error: the schema cannot be changed" in result.output


@pytest.mark.parametrize("command", ["upgrade", "current", "check"])
def test_a_database_that_is_away_or_not_configured_is_named(environment: pytest.MonkeyPatch, command: str):
    environment.setenv("DATABASE_URL", "postgresql://me:s3cret@127.0.0.1:1/ledger")
    load_settings.cache_clear()
    away = run(command)
    assert away.exit_code == 1
    assert "127.0.0.1:1/ledger cannot be reached (connection refused)" in away.output
    assert "s3cret" not in away.output
    environment.delenv("DATABASE_URL")
    load_settings.cache_clear()
    assert "DATABASE_URL is not set" in run(command).output
