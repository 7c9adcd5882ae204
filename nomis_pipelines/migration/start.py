"""Starting a migration: count, open its history row, tell telemetry and audit (platform card, section 2.3).

The process that starts one need not be the one that works it: the control API opens the row and launches a Dagster run,
which takes the row over (`MigrationEngine.take_over`).
"""

import json
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from nomis_pipelines.http import HttpClients, ServiceError
from nomis_pipelines.migration.declaration import Migration, MigrationContext
from nomis_pipelines.migration.filters import filter_json, filter_query
from nomis_pipelines.migration.reasons import fix_for
from nomis_pipelines.platform import Platform

AnyMigration = type[Migration[Any, Any, Any]]

WHO_TAG = "nomis_pipelines/who"
"""The run tag that says who started a migration."""
MIGRATION_ID_TAG = "nomis_pipelines/migration_id"
"""The run tag that names a migration opened by whoever launched the run."""


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A migration whose row is open: its id, and how many records NOMIS had."""

    migration_id: str
    estimated: int


async def open_migration(
    platform: Platform,
    migration_class: AnyMigration,
    *,
    filter: BaseModel,
    partition: str | None,
    run_id: str | None,
    who: str,
    exclusive: bool = False,
) -> Opened:
    """Count what NOMIS has, open the history row, announce the start.

    Raises what a call to a service raises, with a note that names the settings to check: a service that cannot be
    reached, or a count that fails, leaves no history row. With `exclusive`, raises `AlreadyRunning` when a migration
    of the type runs.
    """
    now, query = platform.now(), filter_query(filter)
    try:
        for service in migration_class.services:
            await platform.clients.client(service).ping()
        estimated = await migration_class.ids.count(platform.clients.client("nomis"), query)
    except ServiceError as error:
        if fix := fix_for(error):
            error.add_note(fix)
        raise
    await platform.ledger.close_abandoned(migration_class.migration_type, now)
    await platform.ledger.doubt_abandoned(migration_class.name)
    migration_id = await platform.ledger.start_migration(
        migration_type=migration_class.migration_type,
        domain=migration_class.name,
        filter_json=filter_json(filter),
        estimated=estimated,
        now=now,
        run_id=run_id,
        partition=partition,
        exclusive=exclusive,
    )
    platform.telemetry.event(
        f"{migration_class.telemetry_name}-migration-started",
        {"migrationId": migration_id, "estimatedCount": estimated, **query},
    )
    migration_class(context_of(platform, migration_id, filter)).on_started(estimated, filter)
    await platform.audit.migration_started(
        migration_type=migration_class.migration_type,
        migration_id=migration_id,
        filter=json.loads(filter_json(filter)),
        who=who,
    )
    return Opened(migration_id=migration_id, estimated=estimated)


async def cautions_of(migration_class: AnyMigration, clients: HttpClients, filter: BaseModel) -> list[str]:
    """What an operator should know before a run begins; that a service could not be asked is one of these things.

    Raises `FilterRefused`, as the start would.
    """
    try:
        return await migration_class.cautions(clients, filter)
    except ServiceError as error:
        needed = ", ".join(migration_class.depends_on)
        return [f"whether {needed} are migrated could not be found out: {error}"]


def context_of(platform: Platform, migration_id: str, filter: BaseModel | None) -> MigrationContext:
    """What a migration with this id and filter may use."""
    return MigrationContext(
        clients=platform.clients,
        telemetry=platform.telemetry,
        migration_id=migration_id,
        today=platform.today(),
        filter=filter,
        settings=platform.settings,
    )
