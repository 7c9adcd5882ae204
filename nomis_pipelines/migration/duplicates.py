"""Removing surplus DPS records: what a 409 on a mapping leaves behind (adjustments card, section 9)."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from nomis_pipelines.http import HttpClients, ServiceError
from nomis_pipelines.ledger import Record, RecordKey, State
from nomis_pipelines.migration.declaration import Migration
from nomis_pipelines.migration.start import context_of
from nomis_pipelines.platform import Platform

log = logging.getLogger(__name__)

BATCH = 500

DeleteSurplus = Callable[[HttpClients, str], Awaitable[None]]


class DuplicateError(Exception):
    """What an operator says of a duplicate cannot be right. The message names the record and what is known of it."""


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """What was done, or would be done, about one duplicate."""

    key: RecordKey
    surplus: str
    kept: str
    action: str

    def as_row(self) -> dict[str, str]:
        """For a table."""
        return {"NOMIS id": self.key.nomis_key, "surplus": self.surplus, "kept": self.kept, "action": self.action}


async def resolve_duplicates(
    migration_class: type[Migration[Any, Any, Any]],
    delete_surplus: DeleteSurplus | None,
    platform: Platform,
    *,
    dry_run: bool = True,
) -> list[Resolution]:
    """Delete the surplus DPS record of each duplicate of a domain and mark it resolved; with `dry_run` only say so.

    Before each deletion the mapping service is asked once more: a record that it maps is never deleted.
    """
    migration = migration_class(context_of(platform, "", None))
    resolutions: list[Resolution] = []
    after: RecordKey | None = None
    while records := await platform.ledger.records(
        migration_class.name, states=[State.DUPLICATE], after=after, limit=BATCH
    ):
        after = records[-1].key
        for record in records:
            action = await _resolve(migration, delete_surplus, platform, record, dry_run=dry_run)
            resolutions.append(
                Resolution(key=record.key, surplus=str(record.dps_id), kept=str(record.existing_dps_id), action=action)
            )
    return resolutions


async def deleted_by_hand(
    migration_class: type[Migration[Any, Any, Any]], platform: Platform, key: RecordKey
) -> Record:
    """The surplus DPS record of a duplicate has been deleted in DPS by somebody: mark it resolved. The duplicate.

    Raises `DuplicateError` when the record is no duplicate, or when the mapping service does not map it to the DPS
    record that was to be kept.
    """
    record = await platform.ledger.record(key)
    if record is None or record.state is not State.DUPLICATE:
        raise DuplicateError(f"{key} is {record.state if record else 'not in the ledger'}, not {State.DUPLICATE}")
    migration = migration_class(context_of(platform, "", None))
    mapped = await migration.find_mapping(migration.parse_key(key.nomis_key))
    if mapped != record.existing_dps_id:
        raise DuplicateError(
            f"{key}: the mapping service maps it to {mapped}, not to {record.existing_dps_id}, which was to be kept"
        )
    await platform.ledger.resolve_duplicate(key)
    return record


async def _resolve(
    migration: Migration[Any, Any, Any],
    delete_surplus: DeleteSurplus | None,
    platform: Platform,
    record: Record,
    *,
    dry_run: bool,
) -> str:
    if delete_surplus is None:
        return "by hand: DPS has no way to delete such a record"
    if record.dps_id is None or record.dps_id == record.existing_dps_id:
        return "left: the ledger does not know two different DPS records"
    try:
        mapped = await migration.find_mapping(migration.parse_key(record.nomis_key))
        if mapped != record.existing_dps_id:
            return f"left: the mapping service maps it to {mapped}, not to the record that was to be kept"
        if dry_run:
            return "would be deleted"
        await delete_surplus(platform.clients, record.dps_id)
    except ServiceError as error:
        return f"left: {error}"
    await platform.ledger.resolve_duplicate(record.key)
    log.info("%s: surplus DPS record %s deleted, %s kept", record.key, record.dps_id, record.existing_dps_id)
    return "deleted"
