"""What operators do with records: look, adopt, write again, dismiss, resolve."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Update, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import BigInteger

from nomis_pipelines.ledger import record_queries as queries
from nomis_pipelines.ledger.errors import LedgerError
from nomis_pipelines.ledger.model import ReasonCount, Record, RecordKey, State
from nomis_pipelines.ledger.session import RESTART_GRACE_SECONDS, liveness_query
from nomis_pipelines.ledger.store import Store


class Records:
    """Listing, counting and the operators' decisions."""

    _store: Store
    _grace_seconds: float = RESTART_GRACE_SECONDS

    async def record(self, key: RecordKey) -> Record | None:
        """One record."""
        row = await self._store.row(queries.one_record(key))
        return queries.record_of(row) if row is not None else None

    async def lookup(self, entity: str, nomis_keys: Sequence[str]) -> dict[str, Record]:
        """What the ledger knows of many records of one entity, by NOMIS key; unknown ones are left out."""
        rows = await self._store.rows(queries.records_of(entity, nomis_keys)) if nomis_keys else []
        return {found.nomis_key: found for found in map(queries.record_of, rows)}

    async def settle(self, key: RecordKey, dps_id: str) -> None:
        """The mapping service turned out to have the record: whatever was wrong with it is past."""
        await self._store.change(queries.settle(key, dps_id), repeat=True)

    async def records(
        self,
        domain: str,
        *,
        states: Collection[State | str],
        partition: str | None = None,
        migration_id: str | None = None,
        reason: str | None = None,
        include_dismissed: bool = True,
        after: RecordKey | None = None,
        limit: int = 1000,
    ) -> list[Record]:
        """A page of records in the order of their keys; ask for the next with `after=page[-1].key`."""
        statement = queries.records(
            domain, states=states, partition=partition, migration_id=migration_id, reason=reason,
            include_dismissed=include_dismissed, after=after, limit=limit,
        )  # fmt: skip
        return [queries.record_of(row) for row in await self._store.rows(statement)]

    async def unmapped(self, domain: str, *, after: RecordKey | None = None, limit: int = 1000) -> list[Record]:
        """Records that DPS has and the mapping service does not know yet (state `written`)."""
        return await self.records(domain, states=[State.WRITTEN], after=after, limit=limit)

    async def counts(
        self, domain: str, *, migration_id: str | None = None, partition: str | None = None
    ) -> dict[str, int]:
        """Records by state; states without a record are left out."""
        rows = await self._store.rows(queries.counts(domain, migration_id=migration_id, partition=partition))
        return {state: number for state, number in rows if number}

    async def mapped_by_partition(self, domain: str) -> dict[str | None, int]:
        """Mapped records by the partition they were migrated in; None for those of no partition."""
        rows = await self._store.rows(queries.mapped_by_partition(domain))
        return {partition: number for partition, number in rows}  # noqa: C416  # dict() knows no rows

    async def counts_by_reason(
        self,
        domain: str,
        *,
        states: Collection[State | str] = (State.FAILED, State.REJECTED),
        migration_id: str | None = None,
        partition: str | None = None,
    ) -> list[ReasonCount]:
        """Why records failed or were rejected, most frequent first; dismissed ones do not count."""
        statement = queries.counts_by_reason(domain, states=states, migration_id=migration_id, partition=partition)
        return [queries.reason_of(row) for row in await self._store.rows(statement)]

    async def adopt(self, key: RecordKey, *, dps_id: str, mapping: Mapping[str, Any]) -> None:
        """A record in doubt was found in DPS: from now on it is `written` as `dps_id`, to be mapped as `mapping`."""
        await self._decide(key, State.IN_DOUBT, queries.adopt(key, dps_id, mapping))

    async def rewrite(self, key: RecordKey) -> None:
        """A record in doubt is not in DPS: it is `failed` (reason `rewrite-requested`), so that the next attempt
        writes it.

        Raises `LedgerError` while the process lives whose call raised the doubt: that call may still arrive.
        """
        row = await self._store.row(queries.owner_of(key))
        if row is not None and row.state == State.IN_DOUBT and row.owner in await self.alive([row.owner]):
            raise LedgerError(f"{key} cannot be written again yet: its owner {row.owner} is alive")
        await self._decide(key, State.IN_DOUBT, queries.rewrite(key, row.owner if row is not None else 0))

    async def resolve_duplicate(self, key: RecordKey) -> None:
        """The surplus DPS record of a duplicate has been removed: the record is `mapped`."""
        await self._decide(key, State.DUPLICATE, queries.resolve_duplicate(key))

    async def dismiss(self, keys: Sequence[RecordKey]) -> int:
        """Accept failed or rejected records as they are; how many. They are claimed like any other on the next
        attempt.
        """
        return await self._store.change(queries.dismiss_keys(keys), repeat=True) if keys else 0

    async def dismiss_all(
        self, domain: str, *, reason: str | None = None, partition: str | None = None, migration_id: str | None = None
    ) -> int:
        """Accept all failed and rejected records that match; how many."""
        statement = queries.dismiss_chosen(domain, reason=reason, partition=partition, migration_id=migration_id)
        return await self._store.change(statement, repeat=True)

    async def doubt_abandoned(self, domain: str | None = None) -> int:
        """Turn what dead processes left in `writing` into `in_doubt`, so that operators see it; how many.

        A claim does the same for its record; this is for records that nobody has come back to. Owners who died are
        forgotten.
        """
        writing = {row.owner for row in await self._store.rows(queries.writing_owners(domain))}
        known = {row.owner for row in await self._store.rows(queries.all_owners())}
        alive = await self.alive(writing | known)
        changed = 0
        if writing - alive:
            changed = await self._store.change(queries.doubt_owners(writing - alive, domain), repeat=True)
        if known - alive:
            await self._store.change(queries.forget_owners(known - alive), repeat=True)
        return changed

    async def alive(self, owners: Collection[int]) -> set[int]:
        """Those of the owners whose processes live."""
        statement = text(liveness_query(self._grace_seconds).replace("%s", ":owners")).bindparams(
            bindparam("owners", type_=ARRAY(BigInteger))
        )

        async def work(connection: AsyncConnection) -> set[int]:
            return {owner for owner, alive in await connection.execute(statement, {"owners": list(owners)}) if alive}

        return await self._store.transaction(work, repeat=True)

    async def _decide(self, key: RecordKey, state: State, statement: Update) -> None:
        if not await self._store.change(statement, repeat=False):
            found = await self.record(key)
            raise LedgerError(f"{key} is {found.state if found else 'not in the ledger'}, not {state}")
