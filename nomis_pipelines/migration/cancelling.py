"""Asking a migration to stop, the same for all who ask (platform card, section 2.7)."""

from typing import Any

from nomis_pipelines.ledger import MigrationRow
from nomis_pipelines.migration.declaration import Migration
from nomis_pipelines.platform import Platform


async def request_cancel(
    platform: Platform, migration_class: type[Migration[Any, Any, Any]], migration_id: str, *, who: str
) -> MigrationRow | None:
    """Telemetry, history row, audit, in that order; the row afterwards. None, and nothing told, for an unknown id.

    The run looks at its row every second, finishes what is in hand and ends as CANCELLED. The state is not looked at: a
    migration that has ended becomes CANCELLED at once.
    """
    if await platform.ledger.migration(migration_id) is None:
        return None
    platform.telemetry.event(
        f"{migration_class.telemetry_name}-migration-cancel-requested", {"migrationId": migration_id}
    )
    row = await platform.ledger.request_cancel(migration_id, platform.now())
    await platform.audit.migration_cancel_requested(
        migration_type=migration_class.migration_type, migration_id=migration_id, who=who
    )
    return row
