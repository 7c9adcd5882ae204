"""Fixtures for every test: a PostgreSQL server for the session, a database for each test that asks."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from nomis_pipelines.sandbox.postgres import THROWAWAY, EmbeddedPostgres


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


@pytest.fixture
def ledger_url(postgres_server: EmbeddedPostgres, ledger_template: str) -> Iterator[str]:
    """A fresh database at the newest schema."""
    name = f"test_{uuid4().hex}"
    yield postgres_server.create_database(name, template=ledger_template)
    postgres_server.drop_database(name)
