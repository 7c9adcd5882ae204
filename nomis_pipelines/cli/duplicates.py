"""`nomis-pipelines duplicates`: surplus DPS records, left by a 409 of the mapping service: list them, delete them."""

from typing import TYPE_CHECKING, Any

import click

from nomis_pipelines.cli.common import (
    DOMAIN,
    JSON,
    OPTIONAL_DOMAIN,
    ListingGroup,
    chosen,
    ledger_reader,
    on_platform,
    show,
)

if TYPE_CHECKING:
    from nomis_pipelines.domains.declaration import Domain
    from nomis_pipelines.ledger import Record
    from nomis_pipelines.platform import Platform

COLUMNS = {
    "domain": "domain",
    "nomis_id": "NOMIS id",
    "surplus": "surplus DPS id",
    "kept": "kept DPS id",
    "migration_id": "migration",
}
RESOLVED_COLUMNS = {
    "domain": "domain",
    "NOMIS id": "NOMIS id",
    "surplus": "surplus DPS id",
    "kept": "kept DPS id",
    "action": "action",
}
BATCH = 1000


@click.group(cls=ListingGroup)
def duplicates() -> None:
    """NOMIS records that have a second, surplus DPS record beside the one that is mapped."""


@duplicates.command("list")
@OPTIONAL_DOMAIN
@JSON
def list_duplicates(domain: "Domain | None", *, as_json: bool) -> None:
    """Duplicates of DOMAIN, or of all domains: which DPS record is surplus, which is kept."""
    from nomis_pipelines.ledger import State

    found: list[Record] = []
    with ledger_reader() as reader:
        for each in chosen(domain):
            after = None
            while page := reader.records(each.name, states=[State.DUPLICATE], after=after, limit=BATCH):
                found += page
                after = page[-1].key
    rows: list[dict[str, Any]] = [
        {
            "domain": record.domain,
            "entity": record.entity,
            "nomis_id": record.nomis_key,
            "surplus": record.dps_id,
            "kept": record.existing_dps_id,
            "migration_id": record.migration_id,
        }
        for record in found
    ]
    show(rows, COLUMNS, as_json=as_json, empty="no duplicates")
    if rows and not as_json:
        click.echo("To see what would be done: nomis-pipelines duplicates resolve [DOMAIN]")


@duplicates.command()
@OPTIONAL_DOMAIN
@click.option("--yes", is_flag=True, help="Delete. Without it only what would be deleted is said.")
@JSON
def resolve(domain: "Domain | None", *, yes: bool, as_json: bool) -> None:
    """Delete the surplus DPS records of DOMAIN, or of all domains, where DPS has a way to.

    Before each deletion the mapping service is asked once more: a record that it maps is never deleted. The exit
    status is 1 when one was left that should have been deleted.
    """
    from nomis_pipelines.migration.duplicates import resolve_duplicates

    async def work(platform: "Platform") -> list[dict[str, str]]:
        rows: list[dict[str, str]] = []
        for each in chosen(domain):
            done = await resolve_duplicates(each.migration, each.delete_surplus, platform, dry_run=not yes)
            rows += [{"domain": each.name, **resolution.as_row()} for resolution in done]
        return rows

    rows = on_platform(work)
    show(rows, RESOLVED_COLUMNS, as_json=as_json, empty="no duplicates")
    if not as_json and not yes and any(row["action"] == "would be deleted" for row in rows):
        click.echo("Nothing was deleted. To delete: the same command with --yes")
    if not as_json and any(row["action"].startswith("by hand") for row in rows):
        click.echo("Once it is deleted in DPS by hand: nomis-pipelines duplicates deleted DOMAIN NOMIS_ID")
    left = sum(row["action"] not in ("deleted", "would be deleted") for row in rows)
    if yes and left:
        raise click.ClickException(f"{left} of {len(rows)} duplicates are left")


@duplicates.command()
@DOMAIN
@click.argument("nomis_ids", metavar="NOMIS_ID…", nargs=-1, required=True)
@click.option("--entity", metavar="NAME", help="When the domain has several; by default the domain.")
def deleted(domain: "Domain", nomis_ids: tuple[str, ...], entity: str | None) -> None:
    """The surplus DPS records of these have been deleted in DPS by hand: no list or check names them any more.

    Refused where the mapping service does not map the NOMIS record to the DPS record that was to be kept.
    """
    from nomis_pipelines.ledger import RecordKey
    from nomis_pipelines.migration.duplicates import deleted_by_hand

    async def work(platform: "Platform") -> None:
        for nomis_id in nomis_ids:
            key = RecordKey(domain.name, entity or domain.name, nomis_id)
            record = await deleted_by_hand(domain.migration, platform, key)
            click.echo(f"{key}: {record.dps_id} is gone, {record.existing_dps_id} kept")

    on_platform(work)
