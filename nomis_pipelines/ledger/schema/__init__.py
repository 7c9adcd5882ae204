"""The ledger's schema: upgrading, going back, and refusing to work with the wrong one.

Alembic is configured here in code, there is no `alembic.ini`. Its version table has a name of its own, because Dagster
keeps an `alembic_version` of another history when both live in one database.
"""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from nomis_pipelines.ledger.address import Address, is_away
from nomis_pipelines.ledger.errors import LedgerError, SchemaOutOfDate

if TYPE_CHECKING:
    from alembic.config import Config

VERSION_TABLE = "ledger_schema_version"
_UPGRADE_LOCK = 0x6E6F6D6973  # two upgrades at once wait for each other


def upgrade(database_url: str, revision: str = "head") -> None:
    """Bring the schema to `revision`. Safe to run twice, and from several processes at once.

    Raises `LedgerUnavailable` when the database cannot be reached.
    """
    from alembic import command

    with _connection(database_url) as connection, _known_revision():
        command.upgrade(_config(connection), revision)


def downgrade(database_url: str, revision: str) -> None:
    """Take the schema back to `revision` ("base" drops the ledger's tables with all they hold)."""
    from alembic import command

    with _connection(database_url) as connection, _known_revision():
        command.downgrade(_config(connection), revision)


def current(database_url: str) -> str | None:
    """The revision the database is at; None when the ledger's schema is not there."""
    with _connection(database_url) as connection:
        return current_of(connection)


def head() -> str:
    """The revision this release needs."""
    from alembic.script import ScriptDirectory

    revision = ScriptDirectory.from_config(_config(None)).get_current_head()
    if revision is None:
        raise SchemaOutOfDate("this installation lacks the ledger's schema scripts: install it again")
    return revision


def check_schema(database_url: str) -> None:
    """Raise `SchemaOutOfDate` unless the database has the schema of this release."""
    with _connection(database_url) as connection:
        require_current(current_of(connection), Address.parse(database_url))


def current_of(connection: Connection) -> str | None:
    """The revision of the database that `connection` speaks to."""
    found = connection.execute(text("SELECT to_regclass(:table) IS NOT NULL"), {"table": VERSION_TABLE}).scalar_one()
    if not found:
        return None
    return connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar_one_or_none()  # noqa: S608


def require_current(revision: str | None, address: Address) -> None:
    """Raise `SchemaOutOfDate` unless `revision` is the one this release needs."""
    needed = head()
    if revision != needed:
        state = f"is at revision {revision}" if revision else "has no ledger schema"
        raise SchemaOutOfDate(
            f"database {address} {state}, this release needs {needed}: run `nomis-pipelines db upgrade`"
        )


@contextmanager
def _connection(database_url: str) -> Generator[Connection]:
    address = Address.parse(database_url)
    options = address.engine_options()
    engine = create_engine(address.url, poolclass=NullPool, connect_args=options["connect_args"], hide_parameters=True)
    try:
        with engine.begin() as connection:
            yield connection
    except DBAPIError as error:
        if is_away(error):
            raise address.unavailable(error) from None
        raise address.refused(error, "a change of its schema") from None
    finally:
        engine.dispose()


@contextmanager
def _known_revision() -> Generator[None]:
    from alembic.util import CommandError

    try:
        yield
    except CommandError as error:  # a revision that does not exist, or that an older release cannot know
        raise LedgerError(f"the schema cannot be changed: {error}") from None


def _config(connection: Connection | None) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    if connection is not None:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})
        config.attributes["connection"] = connection
    return config
