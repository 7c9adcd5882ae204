"""What the operators' commands share: the DOMAIN argument, `--json`, tables, errors in one line, an open platform."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from zoneinfo import ZoneInfo

import click
from click.shell_completion import CompletionItem

from nomis_pipelines.settings import LONDON

if TYPE_CHECKING:
    from rich.console import Console

    from nomis_pipelines.domains.declaration import Domain
    from nomis_pipelines.ledger import LedgerReader
    from nomis_pipelines.migration.tally import Tally
    from nomis_pipelines.platform import Platform

T = TypeVar("T")
WIDE = 240
JSON = click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")


class DomainName(click.ParamType):  # pyright: ignore[reportMissingTypeArgument]  # generic in the newest click only
    """The name of a domain; the command gets the `Domain`. Shells complete it."""

    name = "domain"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> "Domain":
        """The domain of that name, hyphens and underscores alike."""
        from nomis_pipelines.domains import UnknownDomain, domain

        if not isinstance(value, str):
            return value
        try:
            return domain(value)
        except UnknownDomain as error:
            self.fail(str(error), param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The domains that begin with what was typed."""
        from nomis_pipelines.domains import DOMAINS

        return [CompletionItem(each.name, help=each.title) for each in DOMAINS if each.name.startswith(incomplete)]


DOMAIN = click.argument("domain", metavar="DOMAIN", type=DomainName())
OPTIONAL_DOMAIN = click.argument("domain", metavar="[DOMAIN]", type=DomainName(), required=False)


class ListingGroup(click.Group):
    """A group that lists when no subcommand is named: `failures visits` is `failures list visits`."""

    listing = "list"

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The named subcommand, else the listing with everything as its arguments."""
        return super().resolve_command(ctx, args if args[0] in self.commands else [self.listing, *args])


def chosen(domain: "Domain | None") -> "Sequence[Domain]":
    """The domain that was named, else all there are."""
    from nomis_pipelines.domains import DOMAINS

    return DOMAINS if domain is None else (domain,)


@contextmanager
def our_errors() -> Generator[None]:
    """Errors of ledger, services and queues as one line and exit status 1."""
    from nomis_pipelines.http import ServiceError
    from nomis_pipelines.ledger import LedgerError
    from nomis_pipelines.migration.doubts import DoubtError
    from nomis_pipelines.migration.duplicates import DuplicateError
    from nomis_pipelines.synchronisation import QueueError

    try:
        yield
    except (DoubtError, DuplicateError, LedgerError, QueueError, ServiceError) as error:
        raise click.ClickException("; ".join([str(error), *getattr(error, "__notes__", [])])) from None


@contextmanager
def ledger_reader() -> Generator["LedgerReader"]:
    """A reader of the ledger whose schema is known to be right."""
    from nomis_pipelines.ledger import LedgerReader, check_schema
    from nomis_pipelines.settings import load_settings

    url = load_settings().database_url
    with our_errors():
        check_schema(url)
        with LedgerReader(url) as reader:
            yield reader


def on_platform(work: "Callable[[Platform], Awaitable[T]]") -> T:
    """Do `work` with everything connected, logging to standard error."""
    from nomis_pipelines.observability import configure_logging
    from nomis_pipelines.platform import Platform
    from nomis_pipelines.settings import load_settings

    settings = load_settings()
    configure_logging(settings)

    async def call() -> T:
        async with Platform.open(settings) as platform:
            return await work(platform)

    with our_errors():
        return asyncio.run(call())


def show(
    rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], *, as_json: bool, empty: str, title: str = ""
) -> None:
    """Rows as JSON with all they hold, or as a table of `columns` (key to heading); `empty` is said of no rows."""
    if as_json:
        click.echo(as_json_text(list(rows)))
        return
    if not rows:
        click.echo(empty)
        return
    from rich.table import Table

    table = Table(title=title or None, title_justify="left")
    for key, heading in columns.items():
        numeric = all(isinstance(row.get(key), int | float | None) for row in rows)
        # folded, not cut off: half an id is no id
        table.add_column(heading, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row.get(key)) for key in columns))
    plain_console().print(table)


def plain_console() -> "Console":
    """Standard output; wide where there is no terminal, so that a pipe gets whole lines. Brackets are just brackets."""
    from rich.console import Console

    return Console(markup=False, highlight=False, emoji=False, width=None if sys.stdout.isatty() else WIDE)


def as_json_text(value: object) -> str:
    """JSON; date-times are written in ISO, with their zone."""
    return json.dumps(value, default=_plain, ensure_ascii=False)


def tally_row(tally: "Tally") -> dict[str, Any]:
    """What became of some records: the counts that are not zero, and the reasons."""
    row: dict[str, Any] = {name: count for name, count in tally.counts().items() if count}
    return {**row, "reasons": dict(tally.reasons)} if tally.reasons else row


def sentence_of(counts: Mapping[str, Any]) -> str:
    """`3 listed, 2 migrated, 1 failed (Unavailable 1)`; `nothing to do` for no counts."""
    words = [f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if name != "reasons"]
    reasons = ", ".join(f"{reason} {count}" for reason, count in counts.get("reasons", {}).items())
    return (", ".join(words) or "nothing to do") + (f" ({reasons})" if reasons else "")


def interrupted() -> NoReturn:
    """End as a command that was told to stop ends."""
    raise click.Abort


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case datetime():
            return f"{value.astimezone(ZoneInfo(LONDON)):%Y-%m-%d %H:%M:%S}"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.1f}"
        case list() | tuple():
            return ", ".join(map(str, value))
        case _:
            return str(value)
