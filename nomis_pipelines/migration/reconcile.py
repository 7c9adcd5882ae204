"""Reconciliation: the ids NOMIS has, against the pairs the mapping service has, against what the ledger believes.

What it costs: one call to the mapping service for each record, and next to nothing else. NOMIS is listed month by month
without a prison (200 counts, not the 24,000 of every prison and month); the prison of a record is the one the ledger
noted when it was migrated. Only ids the ledger never met are looked for prison by prison, within their month, likely
prisons first, until all are placed. Memory holds the ids of two months.

Nothing is changed anywhere, and no record is read but those that the ledger has and NOMIS lists no more.
"""

import logging
import time
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nomis_pipelines.http import NotFound, ServiceError
from nomis_pipelines.ledger import Record, RecordKey, State
from nomis_pipelines.migration.declaration import Migration
from nomis_pipelines.migration.filters import filter_query
from nomis_pipelines.migration.partitions import (
    MONTH,
    PRISON_CODE,
    ByPrison,
    PartitionError,
    PrisonByMonth,
    Whole,
    has_prisons,
)
from nomis_pipelines.migration.reconciliation import (
    EARLIER,
    LATER,
    NO_PRISON,
    PASSING,
    UNKNOWN_PRISON,
    Cell,
    Example,
    Reconciliation,
    Scope,
    Standing,
    standing_of,
)
from nomis_pipelines.migration.run import STOPPERS
from nomis_pipelines.migration.start import context_of
from nomis_pipelines.migration.workers import StopRequest, for_each
from nomis_pipelines.platform import Platform

log = logging.getLogger(__name__)

MOST_EXAMPLES = 1000
"""Ids kept of each standing; the counts are exact."""
MOST_LOOKED_AT_AGAIN = 5000
"""More than so many are no records that were just being made."""
BATCH = 1000


@dataclass(frozen=True, kw_only=True)
class _Finding:
    """One record as it was found, to be placed in a cell and perhaps looked at again."""

    key: RecordKey
    id: Any
    standing: Standing
    prison: str | None
    ledger_dps_id: str = ""
    mapped_dps_id: str = ""


class Reconciler:
    """One reconciliation of one domain. `prisons` are all there are, for placing records that the ledger never met."""

    def __init__(
        self,
        platform: Platform,
        migration_class: type[Migration[Any, Any, Any]],
        *,
        prisons: Sequence[str] = (),
        stop: StopRequest | None = None,
    ) -> None:
        self.platform = platform
        self.stop = stop or StopRequest()
        self._prisons = prisons
        self._partitions = migration_class.partitions
        self._by_prison = has_prisons(self._partitions)
        self._migration = migration_class(context_of(platform, "", None))
        self._page_size = platform.settings.page_size_of(migration_class.name, migration_class.page_size)
        self._concurrency = platform.settings.http_max_concurrency
        self._suspects: list[tuple[Cell, _Finding]] = []
        self._kept: Counter[Standing] = Counter()
        self._believed: dict[str, dict[str, int]] = {}

    async def run(self, scope: Scope, *, on_window: Callable[[str, int], None] | None = None) -> Reconciliation:
        """Reconcile, window by window; `on_window` is told each window and how many records it held.

        Raises `PartitionError` for a scope that the domain cannot be asked for, and what a service that is down raises.
        """
        windows = self._windows(scope)
        months = list(dict.fromkeys(month for _, month in windows))
        begun = time.monotonic()
        result = Reconciliation(domain=self._migration.name, scope=scope, months=months)
        self._believed = await self._mapped_in_ledger()
        before: dict[str | None, frozenset[str]] = {}
        for prison, month in windows:
            if self.stop.requested:
                result.complete = False
                break
            seen = await self._window(result, prison, month, before.get(prison, frozenset()))
            before[prison] = seen
            if on_window is not None:
                on_window(f"{prison}|{month}" if prison else month, len(seen))
        await self._look_again(result)
        result.seconds = time.monotonic() - begun
        return result

    def _windows(self, scope: Scope) -> list[tuple[str | None, str]]:
        if scope.prisons and not self._by_prison:
            raise PartitionError(f"{self._migration.name} cannot be reconciled by prison: its partitions know none")
        for code in scope.prisons:
            if not PRISON_CODE.fullmatch(code):
                raise PartitionError(f"{code!r} is not a prison code")
        for month in filter(None, (scope.from_month, scope.to_month)):
            if not MONTH.fullmatch(month):
                raise PartitionError(f"{month!r} is not a month, such as 2024-05")
        if isinstance(self._partitions, Whole):
            if scope.from_month or scope.to_month:
                raise PartitionError(f"{self._migration.name} cannot be reconciled by month: its one partition is all")
            return [(None, self._partitions.KEY)]
        if isinstance(self._partitions, ByPrison):
            if scope.from_month or scope.to_month:
                raise PartitionError(f"{self._migration.name} cannot be reconciled by month, only by prison")
            return [(prison, ByPrison.WINDOW) for prison in scope.prisons or self._prisons]
        months = [
            month
            for month in self._partitions.months(self.platform.today())
            if (scope.from_month or "") <= month <= (scope.to_month or month)
        ]
        if scope.from_month is None and scope.to_month is None:
            later = [LATER] if isinstance(self._partitions, PrisonByMonth) and self._partitions.months_ahead else []
            months = [EARLIER, *months, *later]
        if not months:
            raise PartitionError(f"there is no month from {scope.from_month} to {scope.to_month}")
        return [(prison, month) for prison in (scope.prisons or (None,)) for month in months]

    async def _mapped_in_ledger(self) -> dict[str, dict[str, int]]:
        """Month -> partition -> records that the ledger believes mapped."""
        by_month: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for partition, count in (await self.platform.ledger.mapped_by_partition(self._migration.name)).items():
            if partition is not None:
                window = ByPrison.WINDOW if isinstance(self._partitions, ByPrison) else partition.rpartition("|")[2]
                by_month[window][partition] = count
        return by_month

    async def _window(
        self, result: Reconciliation, prison: str | None, month: str, before: frozenset[str]
    ) -> frozenset[str]:
        """Reconcile one window. The answer is its keys; those in `before` lie on the seam and are counted there."""
        seen: set[str] = set()
        hits: Counter[str] = Counter()
        unplaced: list[_Finding] = []
        async for ids in self._pages([prison] if prison else [], month):
            fresh = {key: id for key, id in ids.items() if key not in seen}
            seen |= fresh.keys()
            ledger = await self.platform.ledger.lookup(self._migration.name, list(fresh))
            hits.update(r.partition for r in ledger.values() if r.partition and r.state is State.MAPPED)
            for finding in await self._findings({k: i for k, i in fresh.items() if k not in before}, ledger, prison):
                if finding.prison is None:
                    unplaced.append(finding)
                else:
                    self._put(result, (finding.prison, month), finding)
        await self._place(result, month, unplaced)
        if not self.stop.requested:
            await self._look_for_surplus(result, prison, month, seen, hits)
        return frozenset(seen)

    def _values(self, prisons: Sequence[str], month: str) -> dict[str, Any]:
        if isinstance(self._partitions, Whole):
            return self._partitions.filter_values(month)
        if isinstance(self._partitions, ByPrison):
            return self._partitions.filter_values(prisons[0])
        if isinstance(self._partitions, PrisonByMonth):
            if self._partitions.needs_prison and not prisons:
                prisons = self._prisons
            if month == LATER:
                return self._partitions.later_values(self.platform.today(), prisons)
        if month == EARLIER:
            return self._partitions.earlier_values(prisons)
        return self._partitions.month_values(month, prisons)

    async def _pages(self, prisons: Sequence[str], month: str) -> AsyncGenerator[dict[str, Any]]:
        query = filter_query(self._migration.filter.model_validate(self._values(prisons, month)))
        ids = self._migration.ids
        count = await ids.count(self._migration.nomis, query)
        for spec in ids.plan("", count, self._page_size):
            if self.stop.requested:
                return
            yield {self._migration.key(id): id for id in await ids.read(self._migration.nomis, query, spec)}

    async def _findings(
        self, ids: Mapping[str, Any], ledger: Mapping[str, Record], prison: str | None
    ) -> list[_Finding]:
        found: list[_Finding] = []

        async def look(key: str) -> None:
            found.append(await self._look(key, ids[key], ledger.get(key), prison))

        await for_each(ids, look, limit=self._concurrency, stop=self.stop)
        return found

    async def _look(self, key: str, id: Any, record: Record | None, prison: str | None) -> _Finding:
        mapped: str | None = None
        try:
            mapped = await self._migration.find_mapping(id)
            standing = standing_of(record, mapped)
        except STOPPERS:
            raise
        except ServiceError as error:
            log.warning("the mapping of %s %s cannot be asked for: %s", self._migration.name, key, error)
            standing = Standing.NOT_ASKED
        return _Finding(
            key=self._migration.record_key(key),
            id=id,
            standing=standing,
            prison=prison or self._prison_of(record),
            ledger_dps_id=(record.dps_id or "") if record is not None else "",
            mapped_dps_id=mapped or "",
        )

    def _prison_of(self, record: Record | None) -> str | None:
        if not self._by_prison:
            return NO_PRISON
        if record is None or record.partition is None:
            return None
        try:
            return self._partitions.prison_of(record.partition)
        except PartitionError:
            return None

    def _put(self, result: Reconciliation, cell: Cell, finding: _Finding) -> None:
        standing = finding.standing
        result.cells[cell][standing] += 1
        if standing in PASSING and len(self._suspects) <= MOST_LOOKED_AT_AGAIN:
            self._suspects.append((cell, finding))
        elif standing is not Standing.MAPPED:
            self._keep(result, cell, finding)

    def _keep(self, result: Reconciliation, cell: Cell, finding: _Finding) -> None:
        self._kept[finding.standing] += 1
        if self._kept[finding.standing] <= MOST_EXAMPLES:
            example = Example(
                nomis_id=finding.key.nomis_key, standing=finding.standing, cell=cell,
                ledger_dps_id=finding.ledger_dps_id, mapped_dps_id=finding.mapped_dps_id,
            )  # fmt: skip
            result.examples.append(example)

    async def _place(self, result: Reconciliation, month: str, findings: Iterable[_Finding]) -> None:
        """Put records whose prison the ledger does not know where NOMIS lists them."""
        waiting = {finding.key.nomis_key: finding for finding in findings}
        likely = {prison for prison, at in result.cells if at == month and prison != UNKNOWN_PRISON}
        for prison in sorted(self._prisons, key=lambda code: code not in likely):
            if not waiting or self.stop.requested:
                break
            async for ids in self._pages([prison], month):
                for key in waiting.keys() & ids.keys():
                    self._put(result, (prison, month), waiting.pop(key))
        for finding in waiting.values():
            self._put(result, (UNKNOWN_PRISON, month), finding)

    async def _look_for_surplus(
        self, result: Reconciliation, prison: str | None, month: str, seen: set[str], hits: Mapping[str, int]
    ) -> None:
        """Records that the ledger believes mapped and NOMIS did not list: surplus if mapped, and gone from NOMIS."""
        for partition, count in self._believed.get(month, {}).items():
            where = self._partitions.prison_of(partition) or NO_PRISON
            if count <= hits.get(partition, 0) or prison not in (None, where):
                continue
            cell = (where, month)
            after: RecordKey | None = None
            while records := await self.platform.ledger.records(
                self._migration.name, states=[State.MAPPED], partition=partition, after=after, limit=BATCH
            ):
                after = records[-1].key
                unlisted = [record for record in records if record.nomis_key not in seen]

                async def look(record: Record, cell: Cell = cell) -> None:
                    if finding := await self._surplus(record):
                        self._put(result, cell, finding)

                await for_each(unlisted, look, limit=self._concurrency, stop=self.stop)

    async def _surplus(self, record: Record) -> _Finding | None:
        id = self._migration.parse_key(record.nomis_key)
        mapped: str | None = None
        try:
            mapped = await self._migration.find_mapping(id)
            if mapped is None:
                return None  # deleted on both sides, as it should be
            await self._migration.read(id)
        except NotFound:
            return _Finding(
                key=record.key, id=id, standing=Standing.SURPLUS, prison=None,
                ledger_dps_id=record.dps_id or "", mapped_dps_id=mapped or "",
            )  # fmt: skip
        except STOPPERS:
            raise
        except ServiceError as error:
            log.warning("%s cannot be looked up: %s", record.key, error)
        return None  # NOMIS has it, though its filter leaves it out: another type of visit, say

    async def _look_again(self, result: Reconciliation) -> None:
        """Ask once more about what may have been made while we looked; what stays as it was is an example."""
        suspects, self._suspects = self._suspects, []
        ledger: dict[str, Record] = {}
        again = len(suspects) <= MOST_LOOKED_AT_AGAIN and not self.stop.requested
        if again:
            for start in range(0, len(suspects), BATCH):
                keys = [finding.key.nomis_key for _, finding in suspects[start : start + BATCH]]
                ledger |= await self.platform.ledger.lookup(self._migration.name, keys)

        async def look(pair: tuple[Cell, _Finding]) -> None:
            cell, finding = pair
            if again:
                key = finding.key.nomis_key
                result.cells[cell][finding.standing] -= 1
                finding = await self._look(key, finding.id, ledger.get(key), finding.prison)
                result.cells[cell][finding.standing] += 1
            if finding.standing is not Standing.MAPPED:
                self._keep(result, cell, finding)

        await for_each(suspects, look, limit=self._concurrency, stop=StopRequest())
        result.examples.sort(key=lambda example: (example.standing, example.cell, example.nomis_id))
