"""Starting, watching, cancelling and refreshing migrations (platform card, sections 2.3 and 2.7)."""

import logging

from pydantic import BaseModel, ConfigDict, Field, RootModel

from nomis_pipelines.api.context import ApiContext
from nomis_pipelines.api.errors import ApiError
from nomis_pipelines.api.launcher import ENDED, WAITING, LaunchError
from nomis_pipelines.api.models import ActiveMigration, DeadLetter, DeadLetterList, local
from nomis_pipelines.domains.declaration import Domain
from nomis_pipelines.http import ServiceError
from nomis_pipelines.ledger import AlreadyRunning, MigrationRow, MigrationStatus, Progress, Record
from nomis_pipelines.migration.cancelling import request_cancel
from nomis_pipelines.migration.declaration import minutes_since
from nomis_pipelines.migration.start import MIGRATION_ID_TAG, WHO_TAG, AnyMigration, Opened, open_migration

MOST_DEAD_LETTERS = 100

log = logging.getLogger(__name__)


async def start(context: ApiContext, domain: Domain, filter: BaseModel, who: str) -> Opened:
    """Open a migration and launch the run that will work it. 409 while one of the type runs.

    The 2024 contract had no such guard; two at once were never wanted, so it holds for its paths too. When the launch
    fails the row is closed as FAILED; should the run have been queued all the same, it refuses to work a closed row.
    """
    migration, ledger = domain.migration, context.platform.ledger
    await settle(context, migration)
    running = await ledger.running(migration.migration_type)
    if running is not None:
        raise _in_progress(running)
    try:
        opened = await open_migration(
            context.platform, migration, filter=filter, partition=None, run_id=None, who=who, exclusive=True
        )
    except AlreadyRunning as other:
        raise _in_progress(other.row) from None
    values = filter.model_dump(mode="json", by_alias=True, exclude_none=True)
    try:
        run_id = await context.launcher.launch(
            f"migrate_{migration.name}_by_filter",
            {"ops": {"plan_pages": {"config": {"filter": values}}}},
            {MIGRATION_ID_TAG: opened.migration_id, WHO_TAG: who},
        )
    except Exception as error:
        await _end(context, migration, opened.migration_id, MigrationStatus.FAILED)
        if not isinstance(error, LaunchError):
            raise
        log.warning("migration %s was not launched: %s", opened.migration_id, error)
        raise ApiError(503, f"migration {opened.migration_id} was not launched: {error}") from None
    await ledger.hand_over(opened.migration_id, run_id)
    log.info("migration %s of %s is run %s, started by %s", opened.migration_id, migration.name, run_id, who)
    return opened


async def cancel(context: ApiContext, domain: Domain, migration_id: str, who: str) -> bool:
    """Ask a migration to stop; false for an unknown id. One whose run still waits is closed here, its run terminated.

    The state is not looked at: a migration that has ended becomes CANCELLED.
    """
    migration = domain.migration
    await settle(context, migration)
    row = await request_cancel(context.platform, migration, migration_id, who=who)
    if row is None:
        return False
    if row.status is MigrationStatus.CANCELLED_REQUESTED:
        waiting = await _waiting(context, migration, migration_id)
        if waiting is not None and waiting.run_id is not None:
            await _terminate_if_waiting(context, waiting.run_id)
            await settle(context, migration)
    return True


async def settle(context: ApiContext, migration: AnyMigration) -> None:
    """Close the rows of a type that say they run and do not: their process has died, or their run ended unbegun.

    Whether a run that has not begun will ever begin only Dagster knows; while it cannot be asked the row stays.
    """
    ledger = context.platform.ledger
    await ledger.close_abandoned(migration.migration_type, context.platform.now())
    for waiting in await ledger.waiting(migration.migration_type):
        try:
            status = await context.launcher.status(waiting.run_id) if waiting.run_id else None
        except LaunchError as error:
            log.warning("migration %s may wait in vain: %s", waiting.migration_id, error)
            continue
        if status is not None and status not in ENDED:
            continue
        # asked again: the run may have begun, worked and ended since we listed it
        still = await _waiting(context, migration, waiting.migration_id)
        if still is not None:
            cancelled = still.cancel_requested_at is not None
            await _end(
                context,
                migration,
                waiting.migration_id,
                MigrationStatus.CANCELLED if cancelled else MigrationStatus.FAILED,
                estimated=still.estimated,
            )


async def active(context: ApiContext, domain: Domain) -> ActiveMigration:
    """How far the newest migration of a type is."""
    migration, ledger = domain.migration, context.platform.ledger
    await settle(context, migration)
    row = await ledger.latest(migration.migration_type)
    if row is None:
        return ActiveMigration()
    progress = await ledger.progress(row.migration_id)
    migrated = await mapped_count(context, migration, row.migration_id)
    if migrated is None:
        migrated = progress.migrated if progress is not None else row.records_migrated
    waiting, working = _in_hand(row, progress)
    wrong = progress.failed + progress.rejected + progress.in_doubt if progress is not None else row.records_failed
    return ActiveMigration(
        records_migrated=migrated,
        to_be_processed_count=waiting,
        being_processed_count=working,
        records_failed=wrong,
        migration_id=row.migration_id,
        when_started=local(row.when_started),
        estimated_record_count=row.estimated_record_count,
        migration_type=row.migration_type,
        status=str(row.status),
    )


def _in_hand(row: MigrationRow, progress: Progress | None) -> tuple[int, int]:
    if not row.active:
        return 0, 0
    if progress is None:
        return row.estimated_record_count, 0
    return max(0, row.estimated_record_count - progress.listed), max(0, progress.listed - progress.processed)


async def refresh(context: ApiContext, domain: Domain, row: MigrationRow) -> None:
    """Count a completed migration anew, after what had failed was retried. 400 for one that is not completed."""
    if row.status is not MigrationStatus.COMPLETED:
        raise ApiError(400, f"Migration {row.migration_id} is not completed")
    ledger, name = context.platform.ledger, domain.name
    migrated = await mapped_count(context, domain.migration, row.migration_id)
    if migrated is None:
        migrated = (await ledger.counts(name, migration_id=row.migration_id)).get("mapped", 0)
    failed = await ledger.count_unsettled(name, migration_id=row.migration_id)
    await ledger.set_counts(row.migration_id, migrated=migrated, failed=failed, now=context.platform.now())


class _Page(BaseModel):
    total_elements: int | None = Field(None, alias="totalElements")


class _Count(_Page):
    """A page of mappings, of either shape (platform card, section 8), for its number of all."""

    model_config = ConfigDict(extra="ignore")

    page: _Page | None = None


class _Counted(RootModel[int | _Count]):
    """The answer to a count: a page of mappings, or the bare number."""


async def mapped_count(context: ApiContext, migration: AnyMigration, migration_id: str) -> int | None:
    """Mappings that bear a migration's label (platform card, section 2.8); None when the service cannot be asked."""
    mappings = context.platform.clients.client("mapping")
    try:
        found = await mappings.find(
            migration.migrated_path, _Counted, path={"migrationId": migration_id}, query=migration.migrated_query
        )
    except ServiceError as error:
        log.warning("mappings of migration %s are counted by the ledger: %s", migration_id, error)
        return None
    counted = found.root if found is not None else 0
    if isinstance(counted, int):
        return counted
    return counted.total_elements or (counted.page.total_elements if counted.page is not None else None) or 0


async def dead_letters(context: ApiContext, domain: Domain) -> DeadLetterList:
    """What went wrong in the migrations of a domain and was not dismissed, the first hundred."""
    ledger = context.platform.ledger
    records = await ledger.unsettled(domain.name, limit=MOST_DEAD_LETTERS)
    estimated: dict[str, int] = {}
    for migration_id in {record.migration_id for record in records if record.migration_id}:
        row = await ledger.migration(migration_id)
        estimated[migration_id] = row.estimated_record_count if row is not None else 0
    return DeadLetterList(
        messages_found_count=await ledger.count_unsettled(domain.name),
        messages_returned_count=len(records),
        messages=[_dead_letter(domain.migration, record, estimated) for record in records],
    )


async def dismiss(context: ApiContext, domain: Domain, who: str) -> None:
    """Accept what failed or was rejected as it is. Records in doubt stay: each needs a decision of its own."""
    dismissed = await context.platform.ledger.dismiss_unsettled(domain.name)
    log.info("%d failed or rejected records of %s were dismissed by %s", dismissed, domain.name, who)


def _dead_letter(migration: AnyMigration, record: Record, estimated: dict[str, int]) -> DeadLetter:
    migration_id = record.migration_id or ""
    return DeadLetter(
        message_id=f"{record.entity}:{record.nomis_key}",
        state=str(record.state),
        reason=record.reason,
        body={
            "type": "MIGRATE_ENTITY",
            "context": {
                "type": migration.migration_type,
                "migrationId": migration_id,
                "estimatedCount": estimated.get(migration_id, 0),
                "body": migration.message_id(record.nomis_key),
                "properties": {},
            },
        },
    )


async def _waiting(context: ApiContext, migration: AnyMigration, migration_id: str) -> Progress | None:
    waiting = await context.platform.ledger.waiting(migration.migration_type)
    return next((each for each in waiting if each.migration_id == migration_id), None)


async def _terminate_if_waiting(context: ApiContext, run_id: str) -> None:
    try:
        if await context.launcher.status(run_id) in WAITING:
            await context.launcher.terminate(run_id)
    except LaunchError as error:
        log.warning("run %s will stop when it begins: %s", run_id, error)


async def _end(
    context: ApiContext, migration: AnyMigration, migration_id: str, status: MigrationStatus, *, estimated: int = 0
) -> None:
    now = context.platform.now()
    ended = await context.platform.ledger.end_if_running(migration_id, status=status, migrated=0, failed=0, now=now)
    if ended and status is MigrationStatus.CANCELLED:
        context.platform.telemetry.event(
            f"{migration.telemetry_name}-migration-cancelled",
            {
                "migrationId": migration_id,
                "estimatedCount": estimated,
                "durationMinutes": minutes_since(migration_id, now),
            },
        )


def _in_progress(row: MigrationRow) -> ApiError:
    return ApiError(
        409, f"Migration already in progress for {row.filter or 'no filter'}", prefix="Migration already in progress"
    )
