"""The schema: exactly the old history table, scripts and models that agree, the way back, and a refusal that helps."""

import asyncio
import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.pool import NullPool

from nomis_pipelines.ledger import Ledger, LedgerError, LedgerReader, LedgerUnavailable, SchemaOutOfDate, check_schema
from nomis_pipelines.ledger.address import Address
from nomis_pipelines.ledger.schema import VERSION_TABLE, current, downgrade, head, upgrade
from nomis_pipelines.ledger.tables import metadata
from nomis_pipelines_tests.ledger.conftest import key

pytestmark = pytest.mark.server

# name, type, nullable, default: platform card, section 2.9
HISTORY = [
    ("migration_id", "character varying(40)", "NO", None),
    ("when_started", "timestamp with time zone", "NO", "now()"),
    ("when_ended", "timestamp with time zone", "YES", None),
    ("estimated_record_count", "bigint", "NO", None),
    ("records_migrated", "bigint", "YES", "0"),
    ("records_failed", "bigint", "YES", "0"),
    ("migration_type", "character varying(35)", "NO", None),
    ("status", "character varying(20)", "NO", None),
    ("filter", "text", "YES", None),
]


def query(url: str, statement: str) -> list[tuple]:
    with psycopg.connect(**Address.parse(url).connect_options()) as connection:
        return connection.execute(statement).fetchall()


def columns(url: str) -> list[tuple]:
    return query(
        url,
        "SELECT column_name, data_type || coalesce('(' || character_maximum_length || ')', ''), is_nullable,"
        " column_default FROM information_schema.columns WHERE table_name = 'migration_history'"
        " ORDER BY ordinal_position",
    )


def test_the_history_table_is_the_one_that_others_read(ledger_url: str):
    assert columns(ledger_url) == HISTORY
    keys = "SELECT constraint_type FROM information_schema.table_constraints WHERE table_name = 'migration_history'"
    assert ("PRIMARY KEY",) in query(ledger_url, keys)


def test_scripts_and_models_agree(ledger_url: str):
    engine = create_engine(ledger_url, poolclass=NullPool)
    options = {"compare_type": True, "compare_server_default": True, "version_table": VERSION_TABLE}
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
        checks = {found["name"]: found["sqltext"] for found in inspect(connection).get_check_constraints("record")}
    assert set(checks) == {"ck_record_state", "ck_record_dps_id"}
    for state in ("writing", "written", "mapped", "duplicate", "rejected", "failed", "in_doubt"):
        assert f"'{state}'" in checks["ck_record_state"]


def test_the_database_itself_refuses_states_that_cannot_be(ledger_url: str):
    insert = "INSERT INTO record (domain, entity, nomis_key, state, owner, token) VALUES ('v', 'v', '1', '{}', 1, 1)"
    for state in ("lost", "written"):
        with pytest.raises(psycopg.errors.CheckViolation):
            query(ledger_url, insert.format(state))


def test_an_upgrade_may_be_repeated_and_taken_back(database_url: str):
    assert current(database_url) is None
    upgrade(database_url)
    upgrade(database_url)
    assert current(database_url) == head()
    check_schema(database_url)
    downgrade(database_url, "base")
    assert current(database_url) is None
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    assert query(database_url, tables) == [(VERSION_TABLE,)]
    upgrade(database_url)
    check_schema(database_url)


def test_two_upgrades_at_once_wait_for_each_other(database_url: str):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(upgrade, [database_url] * 4))
    check_schema(database_url)


def test_the_history_of_the_service_before_us_is_kept(database_url: str):
    """Its table stands in the database already; in 2024 the type was shorter."""
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE TABLE migration_history (migration_id varchar(40) PRIMARY KEY,"
                " when_started timestamptz NOT NULL DEFAULT now(), when_ended timestamptz,"
                " estimated_record_count bigint NOT NULL, records_migrated bigint DEFAULT 0,"
                " records_failed bigint DEFAULT 0, migration_type varchar(20) NOT NULL,"
                " status varchar(20) NOT NULL, filter text)"
            )
        )
        connection.execute(
            text(
                "INSERT INTO migration_history VALUES"
                " ('2024-01-01T00:00:00', now(), NULL, 5, NULL, NULL, 'VISITS', 'STARTED')"
            )
        )
    upgrade(database_url)
    assert columns(database_url) == HISTORY
    with LedgerReader(database_url) as reader:
        row = reader.latest("VISITS")
    assert row is not None
    assert (row.migration_id, row.records_migrated) == ("2024-01-01T00:00:00", 0)


async def test_what_the_service_before_us_left_started_can_be_closed(database_url: str):
    upgrade(database_url)
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO migration_history (migration_id, estimated_record_count, migration_type, status)"
                " VALUES ('2024-01-01T00:00:00', 5, 'VISITS', 'STARTED')"
            )
        )
    async with await Ledger.open(database_url) as ledger:
        assert await ledger.close_abandoned("VISITS", datetime.now(UTC)) == ["2024-01-01T00:00:00"]


async def test_a_database_without_the_schema_is_refused_with_what_to_do(database_url: str):
    with pytest.raises(SchemaOutOfDate, match=r"has no ledger schema.*run `nomis-pipelines db upgrade`"):
        check_schema(database_url)
    with pytest.raises(SchemaOutOfDate, match=r"has no ledger schema.*run `nomis-pipelines db upgrade`"):
        await Ledger.open(database_url)


async def test_another_revision_is_refused(database_url: str):
    upgrade(database_url)
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(SchemaOutOfDate, match="is at revision 9999"):
        await Ledger.open(database_url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:s3cret@127.0.0.1:1/ledger",
        "postgresql+psycopg://me:s3cret@127.0.0.1:1/ledger?connect_timeout=1",
    ],
)
async def test_an_unreachable_database_is_named_without_its_password(url: str):
    async def count() -> None:
        with LedgerReader(url) as reader:
            reader.counts("visits")

    for work in (asyncio.to_thread(check_schema, url), asyncio.to_thread(upgrade, url), count(), Ledger.open(url)):
        with pytest.raises(LedgerUnavailable, match=r"127\.0\.0\.1:1/ledger cannot be reached") as error:
            await work
        assert "s3cret" not in "".join(traceback.format_exception(error.value))


@pytest.mark.parametrize(
    "url", ["mysql://me:s3cret@host/x", "sqlite:///s3cret", "not a url s3cret", "postgresql://:s3cret"]
)
def test_an_address_that_cannot_be_used_is_not_shown(url: str):
    with pytest.raises(LedgerError) as error:
        check_schema(url)
    assert "s3cret" not in str(error.value)


async def test_a_statement_that_is_refused_shows_no_values(ledger_url: str):
    query_table_away = create_engine(ledger_url, poolclass=NullPool)
    async with await Ledger.open(ledger_url) as ledger:
        with query_table_away.begin() as connection:
            connection.execute(text("DROP TABLE record"))
        for work in (ledger.claim(key("A1234BC")), ledger.record(key("A1234BC"))):
            with pytest.raises(LedgerError, match=r"UndefinedTable, SQLSTATE 42P01"):
                await work
    with (
        LedgerReader(ledger_url) as reader,
        pytest.raises(LedgerError, match=r"UndefinedTable, SQLSTATE 42P01") as error,
    ):
        reader.record(key("A1234BC"))
    assert "A1234BC" not in str(error.value)
