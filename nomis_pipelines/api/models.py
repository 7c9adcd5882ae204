"""The bodies that the control API answers with (platform card, sections 3.3 to 3.6)."""

from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, WithJsonSchema
from pydantic.alias_generators import to_camel

from nomis_pipelines.ledger import MigrationRow
from nomis_pipelines.settings import LONDON

LocalTime = Annotated[datetime, WithJsonSchema({"type": "string", "example": "2024-05-01T10:13:56.878627"})]
"""Date and time without a zone, which is not what JSON schema calls a date-time."""


class Body(BaseModel):
    """Fields are named in camel case."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Started(Body):
    """A migration that was started. `properties` is missing in answers of the 2024 contract."""

    type: str
    migration_id: str
    estimated_count: int
    body: Any
    properties: dict[str, Any] = {}


class HistoryRow(Body):
    """One migration of the history; times are London's, `filter` is JSON text."""

    migration_id: str
    when_started: LocalTime
    when_ended: LocalTime | None
    estimated_record_count: int
    filter: str | None
    records_migrated: int
    records_failed: int
    migration_type: str
    status: str
    id: str
    is_new: bool = False

    @classmethod
    def of(cls, row: MigrationRow) -> "HistoryRow":
        """From the ledger's row."""
        return cls(
            migration_id=row.migration_id,
            when_started=local(row.when_started),
            when_ended=local(row.when_ended) if row.when_ended is not None else None,
            estimated_record_count=row.estimated_record_count,
            filter=row.filter,
            records_migrated=row.records_migrated,
            records_failed=row.records_failed,
            migration_type=row.migration_type,
            status=str(row.status),
            id=row.migration_id,
        )


class ActiveMigration(Body):
    """The newest migration of a type, whether it runs or has ended; null where there never was one."""

    records_migrated: int | None = None
    to_be_processed_count: int = 0
    being_processed_count: int = 0
    records_failed: int = 0
    migration_id: str | None = None
    when_started: LocalTime | None = None
    estimated_record_count: int | None = None
    migration_type: str | None = None
    status: str | None = None


class DeadLetter(Body):
    """A record that failed, was rejected or is in doubt, as the message that migrated it would have looked."""

    message_id: str
    body: Any
    state: str | None = None
    reason: str | None = None


class DeadLetterList(Body):
    """The first of the dead letters, and how many there are."""

    messages_found_count: int
    messages_returned_count: int
    messages: list[DeadLetter]


class MessagesFound(Body):
    """How many messages were moved or deleted."""

    messages_found_count: int


def local(moment: datetime) -> datetime:
    """London's wall clock at a moment, without a zone, as answers have it."""
    return moment.astimezone(ZoneInfo(LONDON)).replace(tzinfo=None)
