"""Starts migrations and takes up again what an earlier one left: failed records, and mappings not yet recorded."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from nomis_pipelines.ledger import LedgerUnavailable, MigrationStatus, Record, RecordKey, State
from nomis_pipelines.migration.declaration import Item, Migration
from nomis_pipelines.migration.ids import PageSpec
from nomis_pipelines.migration.run import MigrationRun, Page
from nomis_pipelines.migration.start import AnyMigration, context_of, open_migration
from nomis_pipelines.migration.tally import Tally
from nomis_pipelines.migration.workers import StopRequest
from nomis_pipelines.platform import Platform

log = logging.getLogger(__name__)

RETRY_BATCH = 1000


class MigrationEngine:
    """The migrations of one Dagster run: at most one is under way."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.stop = StopRequest()
        self._run: MigrationRun | None = None

    @property
    def current(self) -> MigrationRun:
        """The migration under way. Raises when none was started."""
        if self._run is None:
            raise RuntimeError("no migration has been started in this run")
        return self._run

    async def start(
        self, migration_class: AnyMigration, *, filter: BaseModel, partition: str | None, run_id: str | None, who: str
    ) -> MigrationRun:
        """Count what NOMIS has, open the history row, announce the start (platform card, section 2.3).

        Raises what a call to a service raises, with a note that names the settings to check: a service that cannot be
        reached, or a count that fails, leaves no history row.
        """
        opened = await open_migration(
            self.platform, migration_class, filter=filter, partition=partition, run_id=run_id, who=who
        )
        migration = migration_class(context_of(self.platform, opened.migration_id, filter))
        self._run = self._build(migration, filter=filter, partition=partition, estimated=opened.estimated)
        return self._run

    async def take_over(
        self, migration_class: AnyMigration, migration_id: str, *, filter: BaseModel, run_id: str
    ) -> MigrationRun | None:
        """Go on with a migration that another process opened for this run; None when it cannot be had.

        That is when it has ended meanwhile, or is in the hands of another living run. One that was asked to stop is
        taken over to be closed as CANCELLED.
        """
        row = await self.platform.ledger.take_over(migration_id, run_id)
        if row is None:
            return None
        migration = migration_class(context_of(self.platform, migration_id, filter))
        run = self._build(migration, filter=filter, partition=None, estimated=row.estimated_record_count)
        if row.status is MigrationStatus.CANCELLED_REQUESTED:
            run.stop.request("cancelled by an operator")
        self._run = run
        return run

    async def close_left_open(self) -> None:
        """Close the history row of a migration that ended before its finish.

        While the ledger is away that is left to the next start of the domain, so that the run's own error is the one
        that is shown.
        """
        if self._run is None or self._run.closed:
            return
        try:
            await self._run.close("FAILED" if self._run.failed else "CANCELLED", self.platform.now())
        except LedgerUnavailable as error:
            log.warning("migration %s stays open in the history for now: %s", self._run.migration_id, error)

    async def retry_failed(self, migration_class: AnyMigration, *, states: Sequence[State]) -> Tally:
        """Migrate again the records in `states` that nobody dismissed, each under the migration it belongs to.

        Those that an event made are left out: its message comes back by itself.
        """
        total = Tally()
        after: RecordKey | None = None
        while not self.stop.requested:
            records = await self.platform.ledger.records(
                migration_class.name, states=states, include_dismissed=False, after=after, limit=RETRY_BATCH
            )
            if not records:
                break
            after = records[-1].key
            for migration_id, group in _by_migration(records).items():
                if migration_id:
                    total += await self._retry(migration_class, migration_id, group)
        return total

    async def retry_mappings(self, migration_class: AnyMigration) -> Tally:
        """Record the mappings of what is written and not mapped; DPS is not called. A 409 is kept as a duplicate."""
        total = Tally()
        after: RecordKey | None = None
        while not self.stop.requested:
            records = await self.platform.ledger.records(
                migration_class.name, states=[State.WRITTEN], after=after, limit=RETRY_BATCH
            )
            if not records:
                break
            after = records[-1].key
            for migration_id, group in _by_migration(records).items():
                run = await self._retry_run(migration_class, migration_id)
                page = Page(_retry_spec(migration_id, len(group)))
                page.tally.listed = len(group)
                page.items = [
                    Item[Any, Any, Any](
                        id=run.migration.parse_key(record.nomis_key),
                        key=record.key,
                        resumed=True,
                        dps_id=record.dps_id,
                        mapping=record.mapping,
                    )
                    for record in group
                ]
                total += await run.record_page(page)
        return total

    async def _retry(self, migration_class: AnyMigration, migration_id: str, records: Sequence[Record]) -> Tally:
        run = await self._retry_run(migration_class, migration_id)
        page = Page(_retry_spec(migration_id, len(records)))
        await run.read_ids(page, [run.migration.parse_key(record.nomis_key) for record in records])
        partitions = {record.nomis_key: record.partition for record in records}
        for item in page.items:
            item.partition = partitions.get(item.key.nomis_key) or item.partition
        tally = await run.record_page(await run.write_page(await run.transform_page(page)))
        return tally + await run.write_waiting()

    async def _retry_run(self, migration_class: AnyMigration, migration_id: str) -> MigrationRun:
        row = await self.platform.ledger.migration(migration_id) if migration_id else None
        filter = migration_class.filter.model_validate_json(row.filter) if row is not None and row.filter else None
        migration = migration_class(context_of(self.platform, migration_id, filter))
        return self._build(
            migration,
            filter=filter or migration_class.filter.model_construct(),
            partition=None,
            estimated=0,
            stop=self.stop,
            in_history=False,
        )

    def _build(
        self,
        migration: Migration[Any, Any, Any],
        *,
        filter: BaseModel,
        partition: str | None,
        estimated: int,
        stop: StopRequest | None = None,
        in_history: bool = True,
    ) -> MigrationRun:
        settings = self.platform.settings
        concurrency = settings.http_max_concurrency
        return MigrationRun(
            migration,
            ledger=self.platform.ledger,
            filter=filter,
            partition=partition,
            estimated=estimated,
            page_size=settings.page_size_of(migration.name, migration.page_size),
            concurrency=min(concurrency, migration.most_at_once or concurrency),
            patience_seconds=settings.breaker_seconds,
            stop=stop,
            in_history=in_history,
        )


def _by_migration(records: Sequence[Record]) -> dict[str, list[Record]]:
    groups: defaultdict[str, list[Record]] = defaultdict(list)
    for record in records:
        groups[record.migration_id or ""].append(record)
    return groups


def _retry_spec(migration_id: str, size: int) -> PageSpec:
    return PageSpec(migration_id, 0, size, last=False)
