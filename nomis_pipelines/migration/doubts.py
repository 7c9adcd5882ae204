"""What an operator decides about a record in doubt: it is in DPS (adopt), or it is not (rewrite). Never guessed."""

from enum import StrEnum
from typing import Any

from nomis_pipelines.ledger import RecordKey, State
from nomis_pipelines.migration.declaration import Migration
from nomis_pipelines.migration.start import context_of
from nomis_pipelines.platform import Platform


class DoubtError(Exception):
    """The decision cannot stand. The message names the record, and what to do instead."""


class Adoption(StrEnum):
    """What became of an adoption."""

    TO_BE_MAPPED = "to be mapped"
    MAPPED_ALREADY = "mapped already"


async def adopt(
    platform: Platform, migration_class: type[Migration[Any, Any, Any]], key: RecordKey, dps_id: str
) -> Adoption:
    """Take `dps_id` for the DPS record of a record in doubt; its mapping is recorded by the next retry of mappings.

    The mapping carries the label of the migration that wrote the record, or none when an event did. Raises
    `DoubtError` when the mapping service knows another DPS record, `LedgerError` when the record is not in doubt.
    """
    record = await platform.ledger.record(key)
    if record is None or record.state is not State.IN_DOUBT:
        raise DoubtError(f"{key} is {record.state if record else 'not in the ledger'}, not {State.IN_DOUBT}")
    migration = migration_class(context_of(platform, record.migration_id or "", None))
    try:
        id = migration.parse_key(key.nomis_key)
    except ValueError:
        raise DoubtError(f"{key}: {key.nomis_key} is not an id of {migration_class.name}") from None
    mapped = await migration.find_mapping(id)
    if mapped == dps_id:
        await platform.ledger.settle(key, dps_id)
        return Adoption.MAPPED_ALREADY
    if mapped is not None:
        raise DoubtError(
            f"{key} is mapped to DPS record {mapped}: if {dps_id} is a second record of it, delete {dps_id} in DPS; "
            f"to accept the mapping, adopt {mapped}"
        )
    try:
        by_event = not record.migration_id
        mapping = (
            migration.mapping_of_created(id, dps_id) if by_event else await migration.mapping_of_adopted(id, dps_id)
        )
    except ValueError as error:
        raise DoubtError(f"{key} cannot be mapped to {dps_id}: {error}") from None
    await platform.ledger.adopt(key, dps_id=dps_id, mapping=mapping)
    return Adoption.TO_BE_MAPPED
