"""Statements on history and progress, built once, run by `Ledger` (async) and `LedgerReader` (sync)."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import (
    Delete,
    Insert,
    Row,
    Select,
    Update,
    case,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from nomis_pipelines.ledger.errors import LedgerError
from nomis_pipelines.ledger.model import (
    COUNTERS,
    MigrationRow,
    MigrationStatus,
    Progress,
)
from nomis_pipelines.ledger.tables import migration_history, migration_progress

_LONDON: Final = ZoneInfo("Europe/London")
_HISTORY_COLUMNS = [migration_history.c[name] for name in MigrationRow.__dataclass_fields__]
_PROGRESS_COLUMNS = [migration_progress.c[name] for name in Progress.__dataclass_fields__]
_ACTIVE = (MigrationStatus.STARTED, MigrationStatus.CANCELLED_REQUESTED)
_START_LOCK: Final = 0x4E4F5354  # not the ledger owners' class of locks


def migration_id_at(moment: datetime, offset: int = 0) -> str:
    """The id of a migration started at `moment`: London's wall clock to the second (platform card, section 2.3)."""
    if moment.tzinfo is None:
        raise LedgerError("the start of a migration must be an aware date-time")
    local = moment.astimezone(_LONDON).replace(tzinfo=None, microsecond=0) + timedelta(seconds=offset)
    return local.isoformat()


def insert_history(
    migration_id: str, *, migration_type: str, filter_json: str | None, estimated: int, now: datetime
) -> Insert:
    """Open a row, unless the id is taken; gives back the id when it was free."""
    return (
        upsert(migration_history)
        .values(
            migration_id=migration_id, when_started=now, estimated_record_count=estimated,
            migration_type=migration_type, status=str(MigrationStatus.STARTED), filter=filter_json,
        )
        .on_conflict_do_nothing()
        .returning(migration_history.c.migration_id)
    )  # fmt: skip


def insert_progress(
    migration_id: str, *, domain: str, run_id: str | None, partition: str | None, estimated: int, owner: int
) -> Insert:
    """Open the progress row of a migration; `owner` is the process that runs it."""
    return insert(migration_progress).values(
        migration_id=migration_id, domain=domain, run_id=run_id, partition=partition, estimated=estimated, owner=owner
    )


def active_owners(migration_type: str) -> Select[Any]:
    """(migration_id, owner, migrated, failed) of the rows of a type that say they run.

    Rows of the service that went before us have no progress, so no owner and no counts. Left out are those that wait
    for their run: they have no owner yet, see `Migrations.hand_over`.
    """
    column = migration_progress.c
    failed = func.coalesce(column.failed + column.rejected + column.in_doubt, 0)
    migrated = func.coalesce(column.migrated, 0)
    waits = column.owner.is_(None) & column.migration_id.is_not(None)
    return (
        select(migration_history.c.migration_id, column.owner, migrated.label("migrated"), failed.label("failed"))
        .outerjoin(migration_progress, migration_history.c.migration_id == column.migration_id)
        .where(
            migration_history.c.migration_type == migration_type,
            migration_history.c.status.in_([str(status) for status in _ACTIVE]),
            ~waits,
        )
    )


def lock_starts(migration_type: str) -> Select[Any]:
    """Let one start of a type at a time look and open its row, to the end of the transaction."""
    return select(func.pg_advisory_xact_lock(_START_LOCK, func.hashtext(migration_type)))


def running(migration_type: str) -> Select[Any]:
    """The rows of a type that say they run, newest first."""
    return history(migration_types=[migration_type]).where(
        migration_history.c.status.in_([str(status) for status in _ACTIVE])
    )


def hand_over(migration_id: str, *, run_id: str, owner: int) -> Update:
    """Give a row up to the run that will take it over, unless that has happened already."""
    return (
        update(migration_progress)
        .values(run_id=run_id, owner=None, updated_at=func.now())
        .where(migration_progress.c.migration_id == migration_id, migration_progress.c.owner == owner)
    )


def holder(migration_id: str) -> Select[Any]:
    """(owner, run_id) of a migration."""
    return select(migration_progress.c.owner, migration_progress.c.run_id).where(
        migration_progress.c.migration_id == migration_id
    )


def running_row(migration_id: str) -> Select[Any]:
    """The row of an id if it says it runs, held until the end of the transaction."""
    return (
        migration(migration_id)
        .where(migration_history.c.status.in_([str(status) for status in _ACTIVE]))
        .with_for_update()
    )


def take_over(migration_id: str, *, run_id: str, owner: int, held_by: int | None) -> Update:
    """Become the owner of a migration that `held_by` owned when we looked."""
    return (
        update(migration_progress)
        .values(run_id=run_id, owner=owner, updated_at=func.now())
        .where(
            migration_progress.c.migration_id == migration_id, migration_progress.c.owner.is_not_distinct_from(held_by)
        )
    )


def latest_progress(domain: str, *, partition: str | None = None, run_id: str | None = None) -> Select[Any]:
    """The newest progress of a domain, of one partition or one run where given."""
    statement = select(*_PROGRESS_COLUMNS).where(migration_progress.c.domain == domain)
    if partition is not None:
        statement = statement.where(migration_progress.c.partition == partition)
    if run_id is not None:
        statement = statement.where(migration_progress.c.run_id == run_id)
    return statement.order_by(migration_progress.c.migration_id.desc()).limit(1)


def save_progress(migration_id: str, progress: Mapping[str, int]) -> Update:
    """Store counters. Raises `LedgerError` for one that does not exist."""
    unknown = set(progress) - {"estimated", *COUNTERS}
    if unknown:
        raise LedgerError(f"migration {migration_id}: no such counter: {', '.join(sorted(unknown))}")
    return (
        update(migration_progress)
        .values(**progress, updated_at=func.now())
        .where(migration_progress.c.migration_id == migration_id)
    )


def end_if_running(migration_id: str, *, status: MigrationStatus, migrated: int, failed: int, now: datetime) -> Update:
    """Close a row if it still says it runs."""
    return end_migration(migration_id, status=status, migrated=migrated, failed=failed, now=now).where(
        migration_history.c.status.in_([str(status) for status in _ACTIVE])
    )


def end_migration(migration_id: str, *, status: MigrationStatus, migrated: int, failed: int, now: datetime) -> Update:
    """Close a row, or save it anew (refresh)."""
    return (
        update(migration_history)
        .values(status=str(status), records_migrated=migrated, records_failed=failed, when_ended=now)
        .where(migration_history.c.migration_id == migration_id)
    )


def request_cancel(migration_id: str, now: datetime) -> Update:
    """A running migration becomes CANCELLED_REQUESTED; one that has ended is CANCELLED at once, see
    `History.request_cancel`.
    """
    running = migration_history.c.status.in_([str(status) for status in _ACTIVE])
    return (
        update(migration_history)
        .values(
            status=case(
                (running, literal(str(MigrationStatus.CANCELLED_REQUESTED))), else_=str(MigrationStatus.CANCELLED)
            ),
            when_ended=case((running, migration_history.c.when_ended), else_=now),
        )
        .where(migration_history.c.migration_id == migration_id)
        .returning(*_HISTORY_COLUMNS)
    )


def note_cancel_request(migration_id: str, now: datetime) -> Update:
    """Remember when the cancel was first asked for."""
    return (
        update(migration_progress)
        .values(cancel_requested_at=func.coalesce(migration_progress.c.cancel_requested_at, now))
        .where(migration_progress.c.migration_id == migration_id)
    )


def history(
    *,
    migration_types: Sequence[str] = (),
    from_: datetime | None = None,
    to: datetime | None = None,
    only_failures: bool = False,
    prison_id: str | None = None,
    filter_contains: str | None = None,
) -> Select[Any]:
    """Rows, newest first (platform card, sections 3.4 and 3.8); `from_` and `to` are inclusive, on the start."""
    statement = select(*_HISTORY_COLUMNS)
    column = migration_history.c
    if migration_types:
        statement = statement.where(column.migration_type.in_(list(migration_types)))
    if from_ is not None:
        statement = statement.where(column.when_started >= from_)
    if to is not None:
        statement = statement.where(column.when_started <= to)
    if only_failures:
        statement = statement.where(column.records_failed > 0)
    if prison_id is not None:
        statement = statement.where(column.filter.contains(f'"prisonIds":["{prison_id}"]', autoescape=True))
    if filter_contains is not None:
        statement = statement.where(column.filter.contains(filter_contains, autoescape=True))
    return statement.order_by(column.when_started.desc(), column.migration_id.desc())


def latest(migration_type: str) -> Select[Any]:
    """The newest row of a type."""
    return history(migration_types=[migration_type]).limit(1)


def migration(migration_id: str) -> Select[Any]:
    """The row of an id."""
    return select(*_HISTORY_COLUMNS).where(migration_history.c.migration_id == migration_id)


def waiting(migration_type: str) -> Select[Any]:
    """Progress of the rows of a type that wait for their run to begin."""
    return active(migration_type).where(migration_progress.c.owner.is_(None))


def active(migration_type: str | None = None) -> Select[Any]:
    """Rows that say they run, with their progress: (progress columns). For closing those whose run has died."""
    statement = (
        select(*_PROGRESS_COLUMNS)
        .join(migration_history, migration_history.c.migration_id == migration_progress.c.migration_id)
        .where(migration_history.c.status.in_([str(status) for status in _ACTIVE]))
        .order_by(migration_progress.c.migration_id)
    )
    return statement.where(migration_history.c.migration_type == migration_type) if migration_type else statement


def progress(migration_id: str) -> Select[Any]:
    """The progress of an id."""
    return select(*_PROGRESS_COLUMNS).where(migration_progress.c.migration_id == migration_id)


def set_filter(migration_id: str, filter_json: str) -> Update:
    """Rewrite the stored filter (platform card, section 2.9: activities)."""
    return update(migration_history).values(filter=filter_json).where(migration_history.c.migration_id == migration_id)


def delete_history(migration_types: Sequence[str] = (), *, ended_only: bool = False) -> Delete:
    """Remove rows with their progress, all of them or those of some types; `ended_only` spares those that run."""
    statement = delete(migration_history)
    if ended_only:
        statement = statement.where(migration_history.c.status.not_in([str(status) for status in _ACTIVE]))
    return (
        statement.where(migration_history.c.migration_type.in_(list(migration_types))) if migration_types else statement
    )


def migration_of(row: Row[Any]) -> MigrationRow:
    """A row of `history` as a value."""
    values: dict[str, Any] = dict(zip(MigrationRow.__dataclass_fields__, row, strict=True))
    values["status"] = MigrationStatus(values["status"])
    for name in ("records_migrated", "records_failed"):
        values[name] = values[name] or 0
    return MigrationRow(**values)


def progress_of(row: Row[Any]) -> Progress:
    """A row of `progress` as a value."""
    return Progress(**dict(zip(Progress.__dataclass_fields__, row, strict=True)))
