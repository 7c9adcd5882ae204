"""`nomis-pipelines in-doubt`: records that DPS may or may not have. An operator looks in DPS and decides."""

from typing import TYPE_CHECKING, Any

import click

from nomis_pipelines.cli.common import (
    DOMAIN,
    JSON,
    OPTIONAL_DOMAIN,
    ListingGroup,
    chosen,
    on_platform,
    sentence_of,
    show,
    tally_row,
)

if TYPE_CHECKING:
    from nomis_pipelines.domains.declaration import Domain
    from nomis_pipelines.ledger import Record
    from nomis_pipelines.platform import Platform

COLUMNS = {
    "domain": "domain",
    "nomis_id": "NOMIS id",
    "origin": "made by",
    "partition": "partition",
    "attempts": "attempts",
    "since": "since",
}
ENTITY = click.option("--entity", metavar="NAME", help="When the domain has several; by default the domain.")
BATCH = 1000


@click.group("in-doubt", cls=ListingGroup)
def in_doubt() -> None:
    """Records that DPS may or may not have: a call went out, and its answer never came."""


@in_doubt.command("list")
@OPTIONAL_DOMAIN
@JSON
def list_in_doubt(domain: "Domain | None", *, as_json: bool) -> None:
    """Records in doubt of DOMAIN, or of all domains. What a dead process left behind is counted in."""

    async def work(platform: "Platform") -> "list[Record]":
        return [record for each in chosen(domain) for record in await _in_doubt(platform, each.name)]

    rows = [_row(record) for record in on_platform(work)]
    show(rows, COLUMNS, as_json=as_json, empty="nothing is in doubt")
    if rows and not as_json:
        click.echo(
            "Look each up in DPS, then `nomis-pipelines in-doubt adopt DOMAIN NOMIS_ID DPS_ID` if it is there, "
            "or `nomis-pipelines in-doubt rewrite DOMAIN NOMIS_ID` if it is not."
        )


@in_doubt.command()
@DOMAIN
@click.argument("nomis_id", metavar="NOMIS_ID")
@click.argument("dps_id", metavar="DPS_ID")
@ENTITY
@click.option("--map", "map_now", is_flag=True, help="Record the mappings of the domain at once.")
def adopt(domain: "Domain", nomis_id: str, dps_id: str, *, entity: str | None, map_now: bool) -> None:
    """The record is in DPS, as DPS_ID: it will not be written again, only its mapping recorded."""
    from nomis_pipelines.cli.mappings import retry_of
    from nomis_pipelines.ledger import RecordKey
    from nomis_pipelines.migration.doubts import Adoption, adopt as adopt_record

    key = RecordKey(domain.name, entity or domain.name, nomis_id)

    async def work(platform: "Platform") -> tuple[Adoption, str]:
        adoption = await adopt_record(platform, domain.migration, key, dps_id)
        if adoption is Adoption.TO_BE_MAPPED and map_now:
            tally, _ = await retry_of(platform, [domain])
            return adoption, sentence_of(tally_row(tally))
        return adoption, ""

    adoption, mapped = on_platform(work)
    click.echo(f"{key} is DPS record {dps_id}, {adoption}")
    if mapped:
        click.echo(f"mappings: {mapped}")
    elif adoption is Adoption.TO_BE_MAPPED:
        click.echo(f"To record its mapping now: nomis-pipelines mappings retry {domain.name}")


@in_doubt.command()
@DOMAIN
@click.argument("nomis_ids", metavar="NOMIS_ID…", nargs=-1, required=True)
@ENTITY
@click.option("--yes", is_flag=True, help="Do not ask.")
def rewrite(domain: "Domain", nomis_ids: tuple[str, ...], *, entity: str | None, yes: bool) -> None:
    """The records are certainly not in DPS: the next attempt writes them."""
    from nomis_pipelines.ledger import RecordKey

    if not yes:
        click.confirm(f"Does DPS certainly not have {domain.name} {', '.join(nomis_ids)}?", abort=True)

    async def work(platform: "Platform") -> list[bool]:
        by_event: list[bool] = []
        for nomis_id in nomis_ids:
            key = RecordKey(domain.name, entity or domain.name, nomis_id)
            await platform.ledger.doubt_abandoned(domain.name)
            await platform.ledger.rewrite(key)
            record = await platform.ledger.record(key)
            by_event.append(record is not None and record.migration_id is None)
        return by_event

    by_event = on_platform(work)
    click.echo(f"{len(by_event)} will be written again")
    if not all(by_event):
        click.echo(f"To write them now: nomis-pipelines failures retry {domain.name}")
    if any(by_event):
        click.echo("What an event made is written when its message comes back: nomis-pipelines queues retry")


async def _in_doubt(platform: "Platform", domain: str) -> "list[Record]":
    from nomis_pipelines.ledger import State

    await platform.ledger.doubt_abandoned(domain)
    found: list[Record] = []
    while page := await platform.ledger.records(
        domain, states=[State.IN_DOUBT], after=found[-1].key if found else None, limit=BATCH
    ):
        found += page
    return found


def _row(record: "Record") -> dict[str, Any]:
    return {
        "domain": record.domain,
        "entity": record.entity,
        "nomis_id": record.nomis_key,
        "migration_id": record.migration_id,
        "origin": f"migration {record.migration_id}" if record.migration_id else "an event",
        "partition": record.partition,
        "attempts": record.attempts,
        "since": record.updated_at,
    }
