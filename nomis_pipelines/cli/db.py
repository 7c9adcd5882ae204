"""`nomis-pipelines db`: the ledger's schema."""

from collections.abc import Generator
from contextlib import contextmanager

import click


@click.group()
def db() -> None:
    """The ledger's database: bring its schema up to date, or look at it."""


@db.command()
def upgrade() -> None:
    """Bring the schema to the newest revision. Safe to repeat, keeps all data."""
    from nomis_pipelines.ledger import schema

    url = _url()
    with _errors():
        before = schema.current(url)
        schema.upgrade(url)
        after = schema.current(url)
    click.echo(f"schema is at {after}" + ("" if before == after else f" (was {before or 'empty'})"))


@db.command()
def current() -> None:
    """Show the revision of the database and the one this release needs."""
    from nomis_pipelines.ledger import schema

    url = _url()
    with _errors():
        click.echo(f"database: {schema.current(url) or 'no ledger schema'}\nrelease:  {schema.head()}")


@db.command()
def check() -> None:
    """Exit with 1 unless the database can be reached and has the schema of this release."""
    from nomis_pipelines.ledger import schema

    url = _url()
    with _errors():
        schema.check_schema(url)
    click.echo("schema is up to date")


@db.command()
@click.argument("revision")
@click.option("--yes", is_flag=True, help="Do not ask.")
def downgrade(revision: str, *, yes: bool) -> None:
    """Take the schema back to REVISION; "base" drops the ledger with everything in it."""
    from nomis_pipelines.ledger import schema

    url = _url()
    if not yes:
        click.confirm(f"Going back to {revision!r} destroys what the newer schema holds. Go on?", abort=True)
    with _errors():
        schema.downgrade(url, revision)
        click.echo(f"schema is at {schema.current(url) or 'base (no ledger)'}")


def _url() -> str:
    from nomis_pipelines.settings import SettingError, load_settings

    try:
        return load_settings().schema_database_url
    except SettingError as error:
        raise click.ClickException(str(error)) from None


@contextmanager
def _errors() -> Generator[None]:
    from nomis_pipelines.ledger.errors import LedgerError

    try:
        yield
    except LedgerError as error:
        raise click.ClickException(str(error)) from None
