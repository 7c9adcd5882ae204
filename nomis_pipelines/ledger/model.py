"""The words of the ledger: keys, states, claims and rows as values."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """Where a record stands. Only `writing` can have a call to DPS in flight."""

    WRITING = "writing"
    WRITTEN = "written"
    MAPPED = "mapped"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    FAILED = "failed"
    IN_DOUBT = "in_doubt"


class MigrationStatus(StrEnum):
    """Status of a migration: the four of the platform card, section 2.9, and one of ours.

    `FAILED` closes a run that stopped early (a broken service, a crash). Without it such a row would stay `STARTED`
    for ever, and every later start of the type would be answered 409.
    """

    STARTED = "STARTED"
    COMPLETED = "COMPLETED"
    CANCELLED_REQUESTED = "CANCELLED_REQUESTED"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"


COUNTERS = (
    "listed",
    "migrated",
    "skipped",
    "rejected",
    "failed",
    "unmapped",
    "in_doubt",
    "duplicates",
    "busy",
    "processed",
)


@dataclass(frozen=True, slots=True)
class RecordKey:
    """Which record: `entity` equals `domain` for domains of one entity; `nomis_key` is the NOMIS id as text."""

    domain: str
    entity: str
    nomis_key: str

    def __str__(self) -> str:
        return f"{self.entity} {self.nomis_key}"


class ClaimOutcome(StrEnum):
    """What a claim is answered; see `nomis_pipelines.ledger.rules` for the whole table."""

    GRANTED = "granted"
    WRITTEN = "written"
    SETTLED = "settled"
    IN_DOUBT = "in_doubt"
    BUSY = "busy"


@dataclass(frozen=True, slots=True)
class Claim:
    """The answer to a claim. `state` is the record's state before it (None: unknown to the ledger until now).

    `dps_id` and `mapping` are set for WRITTEN; `dps_id` also for SETTLED, where it is what the ledger last knew.
    """

    outcome: ClaimOutcome
    dps_id: str | None = None
    mapping: dict[str, Any] | None = None
    state: str | None = None
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A row of table `record`."""

    domain: str
    entity: str
    nomis_key: str
    state: State
    dps_id: str | None
    existing_dps_id: str | None
    mapping: dict[str, Any] | None
    reason: str | None
    status: int | None
    details: dict[str, Any] | None
    migration_id: str | None
    partition: str | None
    version: int
    attempts: int
    dismissed: bool
    created_at: datetime
    updated_at: datetime

    @property
    def key(self) -> RecordKey:
        """The record's key, also the place to continue a listing `after`."""
        return RecordKey(self.domain, self.entity, self.nomis_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationRow:
    """A row of table `migration_history` (platform card, section 2.9). Times are aware; the filter is JSON text."""

    migration_id: str
    when_started: datetime
    when_ended: datetime | None
    estimated_record_count: int
    records_migrated: int
    records_failed: int
    migration_type: str
    status: MigrationStatus
    filter: str | None

    @property
    def active(self) -> bool:
        """Whether it still runs, as far as its row says."""
        return self.status in {MigrationStatus.STARTED, MigrationStatus.CANCELLED_REQUESTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a migration is; counts of records. `run_id` is Dagster's."""

    migration_id: str
    domain: str
    run_id: str | None
    partition: str | None
    estimated: int
    listed: int
    migrated: int
    skipped: int
    rejected: int
    failed: int
    unmapped: int
    in_doubt: int
    duplicates: int
    busy: int
    processed: int
    cancel_requested_at: datetime | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """How many records failed or were rejected for one reason, dismissed ones left out."""

    state: State
    reason: str
    status: int | None
    count: int
