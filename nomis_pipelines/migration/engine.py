"""Starts migrations and takes up again what an earlier one left: failed records, and mappings not yet recorded."""

import json
import logging
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from nomis_pipelines.http import ServiceError
from nomis_pipelines.ledger import LedgerUnavailable, Record, RecordKey, State
from nomis_pipelines.migration.declaration import Item, Migration, MigrationContext
from nomis_pipelines.migration.filters import filter_json, filter_query
from nomis_pipelines.migration.ids import PageSpec
from nomis_pipelines.migration.reasons import fix_for
from nomis_pipelines.migration.run import MigrationRun, Page
from nomis_pipelines.migration.tally import Tally
from nomis_pipelines.migration.workers import StopRequest
from nomis_pipelines.platform import Platform

log = logging.getLogger(__name__)

AnyMigration = type[Migration[Any, Any, Any]]
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
        platform, now = self.platform, self.platform.now()
        query = filter_query(filter)
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
        )
        migration = migration_class(self._context(migration_id))
        platform.telemetry.event(
            f"{migration.telemetry_name}-migration-started",
            {"migrationId": migration_id, "estimatedCount": estimated, **query},
        )
        migration.on_started(estimated, filter)
        await platform.audit.migration_started(
            migration_type=migration.migration_type,
            migration_id=migration_id,
            filter=json.loads(filter_json(filter)),
            who=who,
        )
        self._run = self._build(migration, filter=filter, partition=partition, estimated=estimated)
        return self._run

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
                run = self._retry_run(migration_class, migration_id)
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
        run = self._retry_run(migration_class, migration_id)
        page = Page(_retry_spec(migration_id, len(records)))
        await run.read_ids(page, [run.migration.parse_key(record.nomis_key) for record in records])
        partitions = {record.nomis_key: record.partition for record in records}
        for item in page.items:
            item.partition = partitions.get(item.key.nomis_key) or item.partition
        return await run.record_page(await run.write_page(await run.transform_page(page)))

    def _retry_run(self, migration_class: AnyMigration, migration_id: str) -> MigrationRun:
        migration = migration_class(self._context(migration_id))
        return self._build(
            migration, filter=migration_class.filter(), partition=None, estimated=0, stop=self.stop, in_history=False
        )

    def _context(self, migration_id: str) -> MigrationContext:
        return MigrationContext(
            clients=self.platform.clients,
            telemetry=self.platform.telemetry,
            migration_id=migration_id,
            today=self.platform.today(),
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
        return MigrationRun(
            migration,
            ledger=self.platform.ledger,
            filter=filter,
            partition=partition,
            estimated=estimated,
            page_size=settings.page_size_of(migration.name),
            concurrency=settings.http_max_concurrency,
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
