"""One run of a migration, in plain async Python: read, transform, write and record page by page, then finish.

The order of events around a write is what keeps the ledger's promise (architecture, section 4): a permit of DPS's
concurrency limit is taken, the record is claimed in the ledger, DPS is called, the answer is committed, and only then
is the permit given back; so a crash can leave in doubt no more records than calls could be in flight.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from nomis_pipelines.http import (
    AuthError,
    CircuitOpen,
    Conflict,
    InvalidAnswer,
    OutcomeUnknown,
    ServiceError,
    Unavailable,
)
from nomis_pipelines.ledger import Claim, ClaimOutcome, LedgerUnavailable, State
from nomis_pipelines.migration.declaration import (
    AlreadyMapped,
    AwaitsParent,
    Ignored,
    Item,
    Migration,
    ParentNotMigrated,
    Rejected,
    Written,
    minutes_since,
)
from nomis_pipelines.migration.fates import AnyItem, Fates
from nomis_pipelines.migration.filters import filter_query
from nomis_pipelines.migration.ids import PageSpec
from nomis_pipelines.migration.partitions import Whole
from nomis_pipelines.migration.reasons import describe, reason_of
from nomis_pipelines.migration.tally import Outcome, Tally
from nomis_pipelines.migration.waiting import Wait, Waiting
from nomis_pipelines.migration.workers import StopRequest, for_each

if TYPE_CHECKING:
    from nomis_pipelines.ledger import Ledger

log = logging.getLogger(__name__)

STOPPERS = (CircuitOpen, AuthError, LedgerUnavailable)
"""Errors that say nothing about the record in hand: they end the run instead of marking the record."""

PROGRESS_SECONDS = 1.0
LISTING_PAUSE_SECONDS = 1.0


@dataclass(slots=True)
class Page:
    """The records of one page that are still on their way, and what became of the others."""

    spec: PageSpec
    items: list[AnyItem] = field(default_factory=list[AnyItem])
    tally: Tally = field(default_factory=Tally)


class MigrationRun:
    """One run. Its pages may be worked in any order, each by read, transform, write, record.

    `estimated` is NOMIS's count at the start; `concurrency` bounds the records in hand (the services' own limits bound
    the calls); `patience_seconds` is how long a page that cannot be listed is asked for again; `in_history` is false
    for the retry of some records, which leaves their migration's row as it is.
    """

    def __init__(
        self,
        migration: Migration[Any, Any, Any],
        *,
        ledger: "Ledger",
        filter: BaseModel,
        partition: str | None,
        estimated: int,
        page_size: int,
        concurrency: int,
        patience_seconds: float = 0.0,
        stop: StopRequest | None = None,
        in_history: bool = True,
    ) -> None:
        self.migration = migration
        self.ledger = ledger
        self.filter = filter
        if isinstance(migration.partitions, Whole):
            # also of a run with a free filter: it covers the whole
            partition = migration.partitions.KEY
        self.partition = partition
        self.estimated = estimated
        self.page_size = page_size
        self.concurrency = concurrency
        self.patience_seconds = patience_seconds
        self.in_history = in_history
        self.stop = stop or StopRequest()
        self.tally = Tally()
        self.waiting = Waiting()
        self._fates = Fates(migration, ledger, self.tally, partition)
        self.begun = time.monotonic()
        self.closed = False
        self.failed = False
        self._saved_at = 0.0
        self._saving: asyncio.Task[None] | None = None

    @property
    def migration_id(self) -> str:
        """The id of this run."""
        return self.migration.migration_id

    @property
    def seconds(self) -> float:
        """Time since the run was planned."""
        return time.monotonic() - self.begun

    def pages(self) -> list[PageSpec]:
        """The pages to be worked."""
        return self.migration.ids.plan(self.migration_id, self.estimated, self.page_size)

    async def read_page(self, spec: PageSpec) -> Page:
        """List a page's ids, leave out what is mapped, and read the rest from NOMIS."""
        page = Page(spec)
        if self.stop.requested:
            return page
        await self.read_ids(page, await self._list(spec))
        return page

    async def _list(self, spec: PageSpec) -> list[Any]:
        # one call that the whole run hangs on: an outage that the breaker would sit out must not end it here
        deadline = time.monotonic() + self.patience_seconds
        while True:
            try:
                return await self.migration.ids.read(self.migration.nomis, filter_query(self.filter), spec)
            except Unavailable as error:
                if self.stop.requested or time.monotonic() >= deadline:
                    raise
                log.warning("page %d of migration %s: %s; trying again", spec.number, self.migration_id, error)
                await asyncio.sleep(min(LISTING_PAUSE_SECONDS, self.patience_seconds))

    async def read_ids(self, page: Page, ids: list[Any]) -> None:
        """Fill a page with the records of `ids` that are not mapped yet.

        An id listed twice (a page shifts while NOMIS changes) is one record: side by side they would look like two.
        """
        keys = {self.migration.key(id): id for id in ids}
        items = [Item[Any, Any, Any](id=id, key=self.migration.record_key(key)) for key, id in keys.items()]
        page.tally.listed = len(items)
        self.tally.listed += len(items)
        await self._read_items(page, items)

    async def _read_items(self, page: Page, items: list[AnyItem]) -> None:
        earlier = await self.ledger.lookup(self.migration.name, [item.key.nomis_key for item in items])

        async def read(item: AnyItem) -> None:
            record = earlier.get(item.key.nomis_key)
            if record is not None and record.state == State.WRITTEN:
                item.resumed, item.dps_id, item.mapping = True, record.dps_id, record.mapping
                page.items.append(item)
                return
            dps_id = await self.migration.find_mapping(item.id)
            if dps_id is not None:
                if record is not None and record.state not in (State.MAPPED, State.DUPLICATE):
                    await self.ledger.settle(item.key, dps_id)
                self._fates.count(page.tally, Outcome.SKIPPED)
                self.migration.on_skipped(item)
                return
            item.looked_up = True
            try:
                item.record = await self.migration.read(item.id)
            except AwaitsParent as awaits:
                self.waiting.add(item.key.nomis_key, awaits.parent, awaits.message)
                return
            item.partition = self.partition or self.migration.partition_of(item.record)
            page.items.append(item)

        await self._each(page, items, read)

    async def transform_page(self, page: Page) -> Page:
        """Turn each record into its request; a rejected one is noted with its reason."""
        items, page.items = page.items, []

        async def transform(item: AnyItem) -> None:
            if not item.resumed:
                item.request = self.migration.transform(item.record, self.migration.context.today)
            page.items.append(item)

        await self._each(page, items, transform)
        return page

    async def write_page(self, page: Page) -> Page:
        """Claim each record, write it to DPS and commit the answer."""
        items, page.items = page.items, []

        async def write(item: AnyItem) -> None:
            if not item.resumed:
                async with self.migration.dps.reserved():
                    if not await self._write(page, item):
                        return
            page.items.append(item)

        await self._each(page, items, write)
        return page

    async def record_page(self, page: Page) -> Tally:
        """Record each pair in the mapping service; what it refuses is tried once more when the page is through."""
        refused: list[AnyItem] = []

        async def record(item: AnyItem) -> None:
            if not await self._record(page, item):
                refused.append(item)

        async def again(item: AnyItem) -> None:
            if not await self._record(page, item, again=True):
                self._fates.count(page.tally, Outcome.UNMAPPED, "mapping-refused")
                self.migration.on_mapping_failed(item)

        # What is written must be recorded even when the run has been asked to stop.
        await for_each(page.items, self._guarded(page, record), limit=self.concurrency, stop=StopRequest())
        await for_each(refused, self._guarded(page, again), limit=self.concurrency, stop=StopRequest())
        page.items = []
        await self._save_progress()
        return page.tally

    async def write_waiting(self) -> Tally:
        """Migrate what waited for its parent, generation by generation; then say of the rest why it cannot be written.

        Call it when all pages are through. Only keys have been kept, so each record is read once more here; after a
        stop the rest stays unwritten, like pages that were not begun.
        """
        total = Tally()
        while (ready := self.waiting.take_ready()) and not self.stop.requested:
            for start in range(0, len(ready), self.page_size):
                page = Page(PageSpec(self.migration_id, 0, self.page_size, last=False))
                keys = ready[start : start + self.page_size]
                await self._read_items(page, [self._item(key) for key in keys])
                await self._conclude(page, self.waiting.take_orphans(keys))
                total += await self.record_page(await self.write_page(await self.transform_page(page)))
        if not self.stop.requested:
            page = Page(PageSpec(self.migration_id, 0, self.page_size, last=False))
            await self._conclude(page, self.waiting.take_rest())
            total += await self.record_page(page)
        return total

    async def _conclude(self, page: Page, left: Mapping[str, Wait]) -> None:
        """End records that no parent will come for: one that NOMIS does not have, one in a circle, one not migrated."""

        async def conclude(item: AnyItem) -> None:
            wait = left[item.key.nomis_key]
            if wait.cycle:
                raise Rejected("parent-cycle", parent=wait.parent, cycle=", ".join(wait.cycle))
            if not await self.migration.exists(self.migration.parse_key(wait.parent)):
                raise Rejected("parent-missing", parent=wait.parent)
            raise ParentNotMigrated(wait.parent, wait.message)

        await self._each(page, [self._item(key) for key in left], conclude)

    def _item(self, nomis_key: str) -> AnyItem:
        return Item[Any, Any, Any](
            id=self.migration.parse_key(nomis_key),
            key=self.migration.record_key(nomis_key),
            partition=self.partition,
        )

    async def finish(self, now: datetime) -> str:
        """Close the history row with the counts and send the closing event. The answer is the row's new status."""
        status = "CANCELLED" if self.stop.requested else "COMPLETED"
        await self.close(status, now)
        return status

    async def close(self, status: str, now: datetime) -> None:
        """End the history row as `status`, with what is known by now (platform card, sections 2.6 and 2.7)."""
        if self.closed:
            return
        self.closed = True
        if self._saving is not None:
            await asyncio.wait([self._saving])
        await self._save_progress()
        counts = self.tally
        await self.ledger.end_migration(
            self.migration_id,
            status=status,
            migrated=counts.migrated,
            failed=counts.failed + counts.rejected + counts.in_doubt,
            now=now,
        )
        if status in ("COMPLETED", "CANCELLED"):
            properties: dict[str, object] = {
                "migrationId": self.migration_id,
                "estimatedCount": self.estimated,
                "durationMinutes": minutes_since(self.migration_id, now),
            }
            if status == "COMPLETED":
                properties["properties"] = self.migration.properties(self.filter)
            self.migration.telemetry.event(f"{self.migration.telemetry_name}-migration-{status.lower()}", properties)

    async def _write(self, page: Page, item: AnyItem) -> bool:
        claim = await self._claim(item)
        if claim.outcome is not ClaimOutcome.GRANTED:
            return await self._not_granted(page, item, claim)
        item.claimed = True
        try:
            written = await self.migration.write(item.request)
        except (Rejected, Ignored):
            raise
        except AlreadyMapped as already:
            await self._fates.already_mapped(page.tally, item, already.dps_id)
            return False
        except (CircuitOpen, AuthError):
            # The call never went out: the claim must not be taken for a write in flight.
            await self.ledger.failed(item.key, reason="not-sent", migration_id=self.migration_id)
            raise
        except Exception as error:
            if isinstance(error, ServiceError) and not isinstance(error, OutcomeUnknown | InvalidAnswer):
                raise  # DPS answered that it did not write
            await self.ledger.in_doubt(item.key, details=describe(error))
            self._fates.count(page.tally, Outcome.IN_DOUBT, reason_of(error))
            self.migration.on_failed(item, error)
            return False
        if isinstance(written, Written):
            item.dps_id, item.mapping = written.dps_id, written.mapping
        else:
            item.dps_id, item.mapping = written, self.migration.mapping(item.id, written)
        await self.ledger.written(item.key, dps_id=item.dps_id, mapping=dict(item.mapping))
        # here, not with the mapping: DPS has the record, and a later attempt that only maps it knows too little to tell
        self.migration.on_migrated(item)
        return True

    async def _claim(self, item: AnyItem) -> Claim:
        async def claim(settled_version: int | None = None) -> Claim:
            return await self.ledger.claim(
                item.key,
                migration_id=self.migration_id,
                partition=item.partition,
                idempotent=self.migration.idempotent_write,
                settled_version=settled_version,
            )

        first = await claim()
        if first.outcome is not ClaimOutcome.SETTLED or (
            not first.dps_id and self.migration.maps_nothing(item.request)
        ):
            return first
        if await self.migration.find_mapping(item.id) is None:
            # The mapping service is the truth: its table was reset, so the record migrates again.
            return await claim(first.version)
        return first

    async def _not_granted(self, page: Page, item: AnyItem, claim: Claim) -> bool:
        if claim.outcome is ClaimOutcome.WRITTEN:
            item.resumed, item.dps_id, item.mapping = True, claim.dps_id, claim.mapping
            return True
        outcome = {
            ClaimOutcome.SETTLED: Outcome.SKIPPED,
            ClaimOutcome.IN_DOUBT: Outcome.IN_DOUBT,
            ClaimOutcome.BUSY: Outcome.BUSY,
        }[claim.outcome]
        self._fates.count(page.tally, outcome, "in-doubt-from-earlier" if outcome is Outcome.IN_DOUBT else None)
        return False

    async def _record(self, page: Page, item: AnyItem, *, again: bool = False) -> bool:
        assert item.mapping is not None  # noqa: S101  # only written records get here
        try:
            await self.migration.post_mapping(item.mapping)
        except Conflict as conflict:
            if self.migration.second_conflict_is_done:
                return again and await self._mapped(page, item)
            if conflict.existing is None:
                return False
            if self.migration.is_own_pair(item.mapping, conflict.existing):
                # Our own pair under another label: called a duplicate, DPS's only record would be deleted as surplus.
                return await self._mapped(page, item)
            await self.ledger.duplicate(
                item.key,
                dps_id=str(item.dps_id),
                existing_dps_id=self.migration.existing_dps_id(item.mapping, conflict.existing),
                details={"existing": conflict.existing},
            )
            self._fates.count(page.tally, Outcome.DUPLICATE)
            self.migration.on_duplicate(item, conflict, minutes_since(self.migration_id, datetime.now(UTC)))
            return True
        except STOPPERS:
            raise
        except ServiceError as error:
            log.warning("mapping of %s %s: %s", item.key.entity, item.key.nomis_key, error)
            return False
        return await self._mapped(page, item)

    async def _mapped(self, page: Page, item: AnyItem) -> bool:
        await self.ledger.mapped(item.key)
        migrated = self.migration.is_migrated(item.mapping or {})
        self._fates.count(page.tally, Outcome.MIGRATED if migrated else Outcome.SKIPPED)
        return True

    async def _each(self, page: Page, items: list[AnyItem], work: Callable[[AnyItem], Awaitable[None]]) -> None:
        await for_each(items, self._guarded(page, work), limit=self.concurrency, stop=self.stop)

    def _guarded(self, page: Page, work: Callable[[AnyItem], Awaitable[None]]) -> Callable[[AnyItem], Awaitable[None]]:
        async def guarded(item: AnyItem) -> None:
            try:
                await work(item)
            except STOPPERS:
                raise
            except Rejected as rejection:
                await self._fates.rejected(page.tally, item, rejection)
            except Ignored as ignored:
                await self._fates.ignored(page.tally, item, ignored)
            except Exception as error:  # noqa: BLE001  # one bad record must not stop its neighbours: it is in the ledger
                await self._fates.failed(page.tally, item, error)
            self._progress()

        return guarded

    def _progress(self) -> None:
        now = time.monotonic()
        if now - self._saved_at < PROGRESS_SECONDS:
            return
        if self._saving is not None:
            if not self._saving.done():
                return
            self._saving.result()
        self._saved_at = now
        self._saving = asyncio.create_task(self._save_progress())

    async def _save_progress(self) -> None:
        if not self.in_history:
            return
        await self.ledger.save_progress(self.migration_id, {**self.tally.counts(), "processed": self.tally.processed})
        if await self.ledger.cancel_requested(self.migration_id):
            self.stop.request("cancelled by an operator")
