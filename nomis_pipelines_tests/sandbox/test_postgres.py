"""The embedded PostgreSQL: starts anywhere, keeps its data and port, survives being killed, and says why it cannot."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from nomis_pipelines.ledger.address import Address
from nomis_pipelines.sandbox.postgres import THROWAWAY, EmbeddedPostgres, PostgresError, data_directory

pytestmark = pytest.mark.server


@pytest.fixture
def folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="nomis-pipelines-tests-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def ask(url: str, statement: str) -> object:
    with psycopg.connect(autocommit=True, **Address.parse(url).connect_options()) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchone() if cursor.description else None


def test_data_and_port_are_kept_over_a_stop_and_a_kill(folder: Path):
    server = EmbeddedPostgres(folder / "data", settings=THROWAWAY)
    with server:
        url = server.create_database("kept")
        ask(url, "CREATE TABLE kept AS SELECT 42 AS answer")
        ask(url, "CHECKPOINT")
        server.stop()
        assert not server.running
        server.start()
        assert ask(url, "SELECT answer FROM kept") == (42,)
        server.kill()
        server.start()
        assert ask(url, "SELECT answer FROM kept") == (42,)
        server.drop_database("kept")
    assert not server.running


def test_it_listens_on_this_machine_only(folder: Path):
    with EmbeddedPostgres(folder / "data", settings=THROWAWAY) as server:
        assert ask(server.url(), "SHOW listen_addresses") == ("127.0.0.1",)


def test_a_second_server_over_the_same_directory_is_refused_with_the_log(folder: Path):
    with EmbeddedPostgres(folder / "data", settings=THROWAWAY), pytest.raises(PostgresError, match=r"postmaster\.pid"):
        EmbeddedPostgres(folder / "data", settings=THROWAWAY).start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another account")
def test_a_directory_that_the_service_account_may_not_enter_is_named(folder: Path):
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(PostgresError, match=f"may not enter {closed}"):
        EmbeddedPostgres(closed / "data").start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another account")
def test_data_wanted_where_the_service_account_may_not_enter_is_kept_elsewhere_and_found_again(folder: Path):
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    for attempt in range(2):
        with EmbeddedPostgres(data_directory(closed / "data"), settings=THROWAWAY) as server:
            if attempt == 0:
                server.create_database("kept")
            assert ask(server.url("kept"), "SELECT 1") == (1,)
    place = data_directory(closed / "data")
    assert place != closed / "data"
    shutil.rmtree(place.parent)
    assert data_directory(closed / "data") not in {place, closed / "data"}
    shutil.rmtree(data_directory(closed / "data").parent)
    assert data_directory(folder / "open") == folder / "open"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another account")
def test_binaries_out_of_the_service_accounts_reach_are_copied(folder: Path, monkeypatch: pytest.MonkeyPatch):
    from nomis_pipelines.sandbox import postgres

    monkeypatch.setattr(postgres, "_unreachable", lambda path: path if path.name.startswith("pginstall") else None)
    with EmbeddedPostgres(folder / "data", settings=THROWAWAY) as server:
        assert ask(server.url(), "SELECT 1") == (1,)
        copied = server._copied
        assert copied is not None
        assert copied.exists()
    assert not copied.exists()
