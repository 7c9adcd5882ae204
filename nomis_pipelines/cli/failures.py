"""`nomis-pipelines failures`: records that failed or were rejected, by reason; retry or accept them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from nomis_pipelines.cli.common import (
    DOMAIN,
    JSON,
    ListingGroup,
    as_json_text,
    interrupted,
    ledger_reader,
    on_platform,
    sentence_of,
    show,
    tally_row,
)

if TYPE_CHECKING:
    from nomis_pipelines.domains.declaration import Domain
    from nomis_pipelines.migration.tally import Tally
    from nomis_pipelines.platform import Platform

COLUMNS = {"state": "state", "reason": "reason", "status": "HTTP", "count": "records", "examples": "examples"}


@click.group(cls=ListingGroup)
def failures() -> None:
    """Records that failed or were rejected. `failures DOMAIN` lists them by reason."""


@failures.command("list")
@DOMAIN
@click.option("--migration", "migration_id", metavar="ID", help="Only those of one migration.")
@click.option("--partition", metavar="KEY", help="Only those of one partition, such as 'HEI|2024-05'.")
@click.option("--examples", type=click.IntRange(0, 1000), default=3, show_default=True, help="NOMIS ids a reason.")
@JSON
def list_failures(
    domain: "Domain", migration_id: str | None, partition: str | None, *, examples: int, as_json: bool
) -> None:
    """Reasons, counts and examples of DOMAIN's failed and rejected records, dismissed ones left out."""
    with ledger_reader() as reader:
        rows: list[dict[str, Any]] = []
        for found in reader.counts_by_reason(domain.name, migration_id=migration_id, partition=partition):
            sample = reader.records(
                domain.name, states=[found.state], reason=found.reason or None, migration_id=migration_id,
                partition=partition, include_dismissed=False, limit=examples,
            ) if examples else []  # fmt: skip
            rows.append(
                {
                    "state": str(found.state),
                    "reason": found.reason,
                    "status": found.status,
                    "count": found.count,
                    "examples": [record.nomis_key for record in sample],
                }
            )
    show(rows, COLUMNS, as_json=as_json, empty=f"no failures of {domain.name}")
    if rows and not as_json:
        click.echo(f"Mend the cause, then: nomis-pipelines failures retry {domain.name} [--rejected]")


@failures.command()
@DOMAIN
@click.option("--rejected", is_flag=True, help="Rejected records too, for instance after a room was mapped.")
@JSON
def retry(domain: "Domain", *, rejected: bool, as_json: bool) -> None:
    """Migrate DOMAIN's failed records again, in this process, each under the migration it belongs to.

    The job retry_failed_DOMAIN does the same every ten minutes. What an event made is left out: its message comes back
    by itself, or lies in the dead-letter queue.
    """
    from nomis_pipelines.ledger import State

    states = [State.FAILED, State.REJECTED] if rejected else [State.FAILED]
    tally, stopped = on_platform(lambda platform: _retry(platform, domain, states))
    counts = tally_row(tally)
    click.echo(as_json_text(counts) if as_json else f"{domain.name}: {sentence_of(counts)}")
    if stopped:
        interrupted()


async def _retry(platform: "Platform", domain: "Domain", states: Sequence[Any]) -> "tuple[Tally, bool]":
    from nomis_pipelines.migration.engine import MigrationEngine

    engine = MigrationEngine(platform)
    with engine.stop.on_signals():
        tally = await engine.retry_failed(domain.migration, states=states)
    return tally, engine.stop.requested


@failures.command()
@DOMAIN
@click.argument("keys", metavar="[NOMIS_ID]…", nargs=-1)
@click.option("--reason", metavar="CODE", help="All that failed or were rejected for this reason.")
@click.option("--all", "everything", is_flag=True, help="All of them.")
@click.option("--entity", metavar="NAME", help="Of the NOMIS ids, when the domain has several; by default the domain.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def dismiss(
    domain: "Domain", keys: tuple[str, ...], reason: str | None, *, everything: bool, entity: str | None, yes: bool
) -> None:
    """Accept failed and rejected records of DOMAIN as they are: no check or list names them any more.

    Nothing is forgotten: the records stay in the ledger, and the next migration tries them like any other.
    """
    from nomis_pipelines.ledger import RecordKey

    if sum((bool(keys), reason is not None, everything)) != 1:
        raise click.UsageError("name NOMIS ids, or a --reason, or --all")
    if not keys and not yes:
        what = f"for reason {reason}" if reason is not None else "for any reason"
        click.confirm(f"Dismiss every failed and rejected record of {domain.name} {what}?", abort=True)
    records = [RecordKey(domain.name, entity or domain.name, key) for key in keys]

    async def work(platform: "Platform") -> int:
        if records:
            return await platform.ledger.dismiss(records)
        return await platform.ledger.dismiss_all(domain.name, reason=reason)

    dismissed = on_platform(work)
    click.echo(f"{dismissed} records dismissed")
    if dismissed < len(records):
        raise click.ClickException(f"{len(records) - dismissed} of the {len(records)} are not failed or rejected")
