"""`nomis-pipelines cancel`: ask a migration to stop, wherever it runs."""

import asyncio
from typing import TYPE_CHECKING

import click

from nomis_pipelines.cli.common import on_platform

if TYPE_CHECKING:
    from nomis_pipelines.domains.declaration import Domain
    from nomis_pipelines.ledger import MigrationRow
    from nomis_pipelines.platform import Platform


@click.command()
@click.argument("migration_id", metavar="MIGRATION_ID")
@click.option("--wait", is_flag=True, help="Wait until it has stopped.")
def cancel(migration_id: str, *, wait: bool) -> None:
    """Ask a migration to stop. What is in hand is finished and recorded; nothing new is begun.

    It stops within seconds, wherever it runs. Start it again at any time: what is mapped is skipped.
    """
    row = on_platform(lambda platform: _cancel(platform, migration_id, wait=wait))
    click.echo(f"migration {migration_id} is {row.status}")


async def _cancel(platform: "Platform", migration_id: str, *, wait: bool) -> "MigrationRow":
    from nomis_pipelines.ledger import MigrationStatus
    from nomis_pipelines.migration.cancelling import request_cancel

    row = await platform.ledger.migration(migration_id)
    if row is None:
        raise click.ClickException(f"migration {migration_id} is not in the history")
    if row.active and migration_id in await platform.ledger.close_abandoned(row.migration_type, platform.now()):
        raise click.ClickException(f"migration {migration_id} ran no more: its process has died; it is FAILED now")
    if not row.active:
        raise click.ClickException(f"migration {migration_id} has ended already: it is {row.status}")
    migration = _domain_of(row.migration_type).migration
    row = await request_cancel(platform, migration, migration_id, who=platform.settings.user) or row
    while wait and row.status is MigrationStatus.CANCELLED_REQUESTED:
        await asyncio.sleep(0.5)
        row = await platform.ledger.migration(migration_id) or row
    return row


def _domain_of(migration_type: str) -> "Domain":
    from nomis_pipelines.domains import DOMAINS

    for domain in DOMAINS:
        if domain.migration.migration_type == migration_type:
            return domain
    raise click.ClickException(f"no domain migrates {migration_type}: the service that did must cancel it")
