"""What becomes of records that are not migrated: each is noted in the ledger, counted once, and told of."""

import logging
from typing import TYPE_CHECKING, Any

from nomis_pipelines.http import ServiceError
from nomis_pipelines.ledger import State
from nomis_pipelines.migration.declaration import Ignored, Item, Migration, Rejected
from nomis_pipelines.migration.reasons import describe, reason_of
from nomis_pipelines.migration.tally import Outcome, Tally

if TYPE_CHECKING:
    from nomis_pipelines.ledger import Ledger

log = logging.getLogger(__name__)

AnyItem = Item[Any, Any, Any]


class Fates:
    """The ends of one run's records, counted in the run's tally and in that of their page."""

    def __init__(
        self, migration: Migration[Any, Any, Any], ledger: "Ledger", tally: Tally, partition: str | None
    ) -> None:
        self._migration = migration
        self._ledger = ledger
        self._tally = tally
        self._partition = partition

    def count(self, page: Tally, outcome: Outcome, reason: str | None = None) -> None:
        """Count one record."""
        page.add(outcome, reason)
        self._tally.add(outcome, reason)

    async def rejected(self, page: Tally, item: AnyItem, rejection: Rejected) -> None:
        """It shall not be migrated as it is."""
        stored = await self._ledger.rejected(
            item.key,
            reason=rejection.reason,
            details=rejection.details,
            migration_id=self._migration.migration_id,
            partition=item.partition or self._partition,
            claimed=item.claimed,
        )
        await self._count_end(page, item, Outcome.REJECTED, rejection.reason, stored=stored)
        self._migration.on_rejected(item, rejection)

    async def ignored(self, page: Tally, item: AnyItem, ignored: Ignored) -> None:
        """Done, with nothing to show for it: kept as rejected and dismissed, which explains it to a reconciliation."""
        stored = await self._ledger.rejected(
            item.key,
            reason=ignored.reason,
            details=ignored.details,
            migration_id=self._migration.migration_id,
            partition=item.partition or self._partition,
            claimed=item.claimed,
        )
        if stored:
            await self._ledger.dismiss([item.key])
        await self._count_end(page, item, Outcome.SKIPPED, None, stored=stored)
        self._migration.on_ignored(item, ignored)

    async def already_mapped(self, page: Tally, item: AnyItem, dps_id: str) -> None:
        """Done by another attempt."""
        mapping = self._migration.mapping(item.id, dps_id)
        await self._ledger.written(item.key, dps_id=dps_id, mapping=mapping)
        await self._ledger.mapped(item.key)
        self.count(page, Outcome.SKIPPED)
        self._migration.on_already_mapped(item)

    async def failed(self, page: Tally, item: AnyItem, error: Exception) -> None:
        """It could not be done this time."""
        reason = reason_of(error)
        stored = await self._ledger.failed(
            item.key,
            reason=reason,
            status=error.status if isinstance(error, ServiceError) else None,
            details=describe(error),
            migration_id=self._migration.migration_id,
            partition=item.partition or self._partition,
            claimed=item.claimed,
        )
        await self._count_end(page, item, Outcome.FAILED, reason, stored=stored)
        if item.looked_up:
            self._migration.on_failed(item, error)
        log.warning("%s %s failed: %s", item.key.entity, item.key.nomis_key, reason)

    async def _count_end(
        self, page: Tally, item: AnyItem, outcome: Outcome, reason: str | None, *, stored: bool
    ) -> None:
        """Count a record that ends here; one whose ledger state was worth more, and stayed, counts as what it is."""
        if stored:
            self.count(page, outcome, reason)
            return
        record = await self._ledger.record(item.key)
        in_doubt = record is not None and record.state is State.IN_DOUBT
        self.count(page, Outcome.IN_DOUBT if in_doubt else Outcome.BUSY, reason)
