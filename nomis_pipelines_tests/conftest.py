"""Fixtures for every test: PostgreSQL and a sandbox for the session, a database for each test that asks."""

import shutil
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from nomis_pipelines.sandbox import Sandbox, SandboxAdmin
from nomis_pipelines.sandbox.postgres import THROWAWAY, EmbeddedPostgres

SANDBOX_TODAY = date(2026, 3, 10)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[EmbeddedPostgres]:
    """A server of our own, gone with the session. Do not stop or kill it: tests that must, start their own."""
    # not pytest's temporary directory: only its owner may enter that, and as root the server runs as somebody else
    folder = Path(tempfile.mkdtemp(prefix="nomis-pipelines-tests-"))
    folder.chmod(0o755)
    try:
        with EmbeddedPostgres(folder / "data", settings={**THROWAWAY, "max_connections": "200"}) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def ledger_template(postgres_server: EmbeddedPostgres) -> str:
    """A database at the newest schema, to make others from."""
    from nomis_pipelines.ledger.schema import upgrade

    upgrade(postgres_server.create_database("ledger_template"))
    return "ledger_template"


@pytest.fixture
def database_url(postgres_server: EmbeddedPostgres) -> Iterator[str]:
    """A fresh, empty database."""
    name = f"test_{uuid4().hex}"
    yield postgres_server.create_database(name)
    postgres_server.drop_database(name)


@pytest.fixture(scope="session")
def clean_databases() -> list[str]:
    """Names of databases at the newest schema that hold nothing: emptying one is ten times cheaper than making one."""
    return []


@pytest.fixture
def ledger_url(postgres_server: EmbeddedPostgres, ledger_template: str, clean_databases: list[str]) -> Iterator[str]:
    """A database at the newest schema that holds nothing."""
    if clean_databases:
        name = clean_databases.pop()
    else:
        name = f"test_{uuid4().hex}"
        postgres_server.create_database(name, template=ledger_template)
    yield postgres_server.url(name)
    try:
        _empty(postgres_server, name)
    except psycopg.Error:  # the test has changed the schema
        postgres_server.drop_database(name)
    else:
        clean_databases.append(name)


def _empty(server: EmbeddedPostgres, name: str) -> None:
    with psycopg.connect(
        host="127.0.0.1", port=server.port, user="postgres", dbname=name, autocommit=True
    ) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        for table in ("record", "ledger_owner", "migration_progress", "migration_history"):
            connection.execute(f"DELETE FROM {table}")


@pytest.fixture(scope="session")
def sandbox_server() -> Iterator[Sandbox]:
    """A sandbox of 3,000 visits with SQS, for the session; its PostgreSQL is the session's. Ask for `sandbox`."""
    with Sandbox(visits=3000, locations=1000, seed=7, today=SANDBOX_TODAY, postgres=False) as started:
        yield started


@pytest.fixture
def sandbox(sandbox_server: Sandbox) -> Iterator[SandboxAdmin]:
    """The sandbox as on its first day: nothing stored, no faults, nothing counted."""
    sandbox_server.admin.reset()
    sandbox_server.admin.settings(token_seconds=599, refused_after_days=1825)
    yield sandbox_server.admin
    sandbox_server.admin.clear_faults()


@pytest.fixture
def environment(sandbox: SandboxAdmin, sandbox_server: Sandbox, ledger_url: str, tmp_path: Path) -> dict[str, str]:
    """What leads a process to the sandbox and to a ledger of its own, as the documentation has it."""
    variables = {name: value for name, value in sandbox_server.environment.items() if name != "DAGSTER_HOME"}
    return {
        **variables,
        "DATABASE_URL": ledger_url,
        "NOMIS_PIPELINES_TODAY": SANDBOX_TODAY.isoformat(),
        "NOMIS_PIPELINES_TELEMETRY_FILE": str(tmp_path / "telemetry.jsonl"),
    }


@pytest.fixture
def in_environment(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process led to the sandbox."""
    from nomis_pipelines.settings import load_settings

    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    load_settings.cache_clear()
    yield
    load_settings.cache_clear()
