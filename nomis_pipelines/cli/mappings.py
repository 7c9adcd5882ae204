"""`nomis-pipelines mappings`: record what the mapping service refused earlier. DPS is not called."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from nomis_pipelines.cli.common import (
    JSON,
    OPTIONAL_DOMAIN,
    as_json_text,
    chosen,
    interrupted,
    on_platform,
    sentence_of,
    tally_row,
)

if TYPE_CHECKING:
    from nomis_pipelines.domains.declaration import Domain
    from nomis_pipelines.migration.tally import Tally
    from nomis_pipelines.platform import Platform


@click.group()
def mappings() -> None:
    """The pairs of NOMIS and DPS ids that the mapping service does not have yet."""


@mappings.command()
@OPTIONAL_DOMAIN
@JSON
def retry(domain: "Domain | None", *, as_json: bool) -> None:
    """Record the mappings of what is written to DPS and not mapped, of DOMAIN or of all domains.

    The job retry_mappings does the same every ten minutes.
    """
    tally, stopped = on_platform(lambda platform: retry_of(platform, chosen(domain)))
    counts = tally_row(tally)
    click.echo(as_json_text(counts) if as_json else sentence_of(counts))
    if stopped:
        interrupted()
    if tally.unmapped:
        raise click.ClickException(f"{tally.unmapped} mappings were refused again: see the log")


async def retry_of(platform: "Platform", domains: "Sequence[Domain]") -> "tuple[Tally, bool]":
    """Retry the mappings of some domains; the counts, and whether we were told to stop."""
    from nomis_pipelines.migration.engine import MigrationEngine
    from nomis_pipelines.migration.tally import Tally

    engine, total = MigrationEngine(platform), Tally()
    with engine.stop.on_signals():
        for each in domains:
            total += await engine.retry_mappings(each.migration)
    return total, engine.stop.requested
