"""History and progress of migrations: the part of `Ledger` that other people see as the list of migrations."""

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from nomis_pipelines.ledger import migration_queries as queries
from nomis_pipelines.ledger.errors import AlreadyRunning, LedgerError
from nomis_pipelines.ledger.model import MigrationRow, MigrationStatus, Progress
from nomis_pipelines.ledger.store import Store

_MOST_STARTS_AHEAD: Final = 3600  # seconds
_ENDS: Final = frozenset({MigrationStatus.COMPLETED, MigrationStatus.CANCELLED, MigrationStatus.FAILED})


class Migrations:
    """Operations on `migration_history` and `migration_progress`. Unknown ids raise `LedgerError` unless said
    otherwise.
    """

    _store: Store

    @property
    @abstractmethod
    def owner(self) -> int:
        """Our owner number."""

    @abstractmethod
    async def alive(self, owners: Collection[int]) -> set[int]:
        """Those of the owners whose processes live."""

    async def close_abandoned(self, migration_type: str, now: datetime) -> list[str]:
        """End as FAILED the migrations of a type whose process has died without ending them; their ids.

        One that waits for its run to begin has no process yet and is left alone: whether its run will ever begin only
        Dagster knows (`waiting`, `end_if_running`).
        """
        rows = await self._store.rows(queries.active_owners(migration_type))
        alive = await self.alive({row.owner for row in rows if row.owner is not None})
        dead = [row for row in rows if row.owner not in alive]
        closed: list[str] = []
        for row in dead:
            statement = queries.end_if_running(
                row.migration_id, status=MigrationStatus.FAILED, migrated=row.migrated, failed=row.failed, now=now
            )
            if await self._store.change(statement, repeat=True):
                closed.append(row.migration_id)
        return closed

    async def latest_progress(
        self, domain: str, *, partition: str | None = None, run_id: str | None = None
    ) -> Progress | None:
        """The newest migration of a domain, of one partition or one run where given: how far it is."""
        row = await self._store.row(queries.latest_progress(domain, partition=partition, run_id=run_id))
        return queries.progress_of(row) if row is not None else None

    async def start_migration(
        self,
        *,
        migration_type: str,
        domain: str,
        filter_json: str | None,
        estimated: int,
        now: datetime,
        run_id: str | None = None,
        partition: str | None = None,
        exclusive: bool = False,
    ) -> str:
        """Open a migration as STARTED and give back its id: London's wall clock at `now` (aware), to the second,
        `YYYY-MM-DDTHH:MM:SS`; the next free second when it is taken (platform card, section 2.3).

        The filter is stored as given; the history search by prison needs it without blanks (`{"prisonIds":["MDI"]}`).
        With `exclusive`, raises `AlreadyRunning` when the type has a row that says it runs; of two such starts at the
        same moment one is refused.
        """

        async def work(connection: AsyncConnection) -> str:
            if exclusive:
                await connection.execute(queries.lock_starts(migration_type))
                if (row := (await connection.execute(queries.running(migration_type))).first()) is not None:
                    raise AlreadyRunning(queries.migration_of(row))
            for offset in range(_MOST_STARTS_AHEAD):
                migration_id = queries.migration_id_at(now, offset)
                opened = await connection.execute(
                    queries.insert_history(
                        migration_id,
                        migration_type=migration_type,
                        filter_json=filter_json,
                        estimated=estimated,
                        now=now,
                    )
                )
                if opened.first() is not None:
                    await connection.execute(
                        queries.insert_progress(
                            migration_id,
                            domain=domain,
                            run_id=run_id,
                            partition=partition,
                            estimated=estimated,
                            owner=self.owner,
                        )
                    )
                    return migration_id
            raise LedgerError(
                f"{migration_type}: no free migration id within an hour of {queries.migration_id_at(now)}"
            )

        # not repeated: a start whose commit was lost on the way might have happened, and would stay STARTED
        return await self._store.transaction(work, repeat=False)

    async def hand_over(self, migration_id: str, run_id: str) -> bool:
        """Give up a migration of ours to the run that will take it over; false when it has done so already.

        From then on the row has no owner: whether it is alive is for Dagster to say, until the run begins.
        """
        statement = queries.hand_over(migration_id, run_id=run_id, owner=self.owner)
        return bool(await self._store.change(statement, repeat=True))

    async def take_over(self, migration_id: str, run_id: str) -> MigrationRow | None:
        """Become the owner of a migration that another process opened for this run; its row.

        None when it has ended (or is unknown), or when another living run has it.
        """
        held = await self._store.row(queries.holder(migration_id))
        if held is None:
            return None
        owner: int | None = held.owner
        if owner is not None and held.run_id not in (None, run_id) and owner in await self.alive([owner]):
            return None

        async def work(connection: AsyncConnection) -> MigrationRow | None:
            row = (await connection.execute(queries.running_row(migration_id))).first()
            if row is None:
                return None
            for held_by in (owner, None):  # it may have been handed over since we looked
                statement = queries.take_over(migration_id, run_id=run_id, owner=self.owner, held_by=held_by)
                if (await connection.execute(statement)).rowcount:
                    return queries.migration_of(row)
            return None

        return await self._store.transaction(work, repeat=True)

    async def waiting(self, migration_type: str) -> list[Progress]:
        """Migrations of a type that were handed over to a run which has not begun yet."""
        return [queries.progress_of(row) for row in await self._store.rows(queries.waiting(migration_type))]

    async def end_if_running(
        self, migration_id: str, *, status: MigrationStatus, migrated: int, failed: int, now: datetime
    ) -> bool:
        """Close a migration that still says it runs; whether it did."""
        statement = queries.end_if_running(migration_id, status=status, migrated=migrated, failed=failed, now=now)
        return bool(await self._store.change(statement, repeat=True))

    async def save_progress(self, migration_id: str, progress: Mapping[str, int]) -> None:
        """Store how far a running migration is; `progress` holds any of the counters of `Progress`."""
        self._known(migration_id, await self._store.change(queries.save_progress(migration_id, progress), repeat=True))

    async def end_migration(
        self, migration_id: str, *, status: MigrationStatus | str, migrated: int, failed: int, now: datetime
    ) -> None:
        """Close a migration as COMPLETED, CANCELLED or FAILED. Closing it again overwrites."""
        if status not in _ENDS:
            raise LedgerError(f"migration {migration_id} cannot end as {status}")
        statement = queries.end_migration(
            migration_id, status=MigrationStatus(status), migrated=migrated, failed=failed, now=now
        )
        self._known(migration_id, await self._store.change(statement, repeat=True))

    async def set_counts(self, migration_id: str, *, migrated: int, failed: int, now: datetime) -> None:
        """Refresh a completed migration: both counts anew, its end moved to `now` (platform card, section 2.7)."""
        row = await self.migration(migration_id)
        if row is None or row.status is not MigrationStatus.COMPLETED:
            raise LedgerError(f"migration {migration_id} is {'not completed' if row else 'not in the history'}")
        await self.end_migration(
            migration_id, status=MigrationStatus.COMPLETED, migrated=migrated, failed=failed, now=now
        )

    async def request_cancel(self, migration_id: str, now: datetime) -> MigrationRow | None:
        """Ask a migration to stop; its row afterwards, None for an unknown id.

        As ever, the state is not looked at (platform card, section 2.7), so a finished migration's row changes too. It
        becomes CANCELLED at once: nobody is left who would turn CANCELLED_REQUESTED into it, and starts would be
        refused for ever.
        """

        async def work(connection: AsyncConnection) -> MigrationRow | None:
            row = (await connection.execute(queries.request_cancel(migration_id, now))).first()
            await connection.execute(queries.note_cancel_request(migration_id, now))
            return queries.migration_of(row) if row is not None else None

        return await self._store.transaction(work, repeat=True)

    async def cancel_requested(self, migration_id: str) -> bool:
        """Whether the migration was asked to stop (or has stopped for that reason)."""
        row = await self.migration(migration_id)
        return row is not None and row.status in {MigrationStatus.CANCELLED_REQUESTED, MigrationStatus.CANCELLED}

    async def set_filter(self, migration_id: str, filter_json: str) -> None:
        """Rewrite the stored filter (activities do, platform card, section 2.9)."""
        self._known(migration_id, await self._store.change(queries.set_filter(migration_id, filter_json), repeat=True))

    async def delete_history(self, migration_types: Sequence[str] = (), *, ended_only: bool = False) -> int:
        """Delete history and progress, of some types or altogether; how many rows. Records stay.

        With `ended_only` the rows of running migrations stay: a run whose row is gone fails.
        """
        return await self._store.change(queries.delete_history(migration_types, ended_only=ended_only), repeat=True)

    async def migration(self, migration_id: str) -> MigrationRow | None:
        """The history row of an id."""
        row = await self._store.row(queries.migration(migration_id))
        return queries.migration_of(row) if row is not None else None

    async def latest(self, migration_type: str) -> MigrationRow | None:
        """The newest history row of a type."""
        row = await self._store.row(queries.latest(migration_type))
        return queries.migration_of(row) if row is not None else None

    async def history(
        self,
        migration_type: str | Sequence[str] = (),
        *,
        from_: datetime | None = None,
        to: datetime | None = None,
        only_failures: bool = False,
        prison_id: str | None = None,
        filter_contains: str | None = None,
    ) -> list[MigrationRow]:
        """History rows, newest first. `from_` and `to` (aware) are inclusive; `prison_id` finds runs of exactly that
        prison.
        """
        statement = queries.history(
            migration_types=[migration_type] if isinstance(migration_type, str) else migration_type,
            from_=from_, to=to, only_failures=only_failures, prison_id=prison_id, filter_contains=filter_contains,
        )  # fmt: skip
        return [queries.migration_of(row) for row in await self._store.rows(statement)]

    async def progress(self, migration_id: str) -> Progress | None:
        """How far a migration is."""
        row = await self._store.row(queries.progress(migration_id))
        return queries.progress_of(row) if row is not None else None

    async def running(self, migration_type: str) -> MigrationRow | None:
        """The newest row of a type that says it runs."""
        row = await self._store.row(queries.running(migration_type))
        return queries.migration_of(row) if row is not None else None

    async def active(self, migration_type: str | None = None) -> list[Progress]:
        """Migrations whose rows say they run, with their run ids: what to close when a run has died."""
        return [queries.progress_of(row) for row in await self._store.rows(queries.active(migration_type))]

    def _known(self, migration_id: str, changed: int) -> None:
        if not changed:
            raise LedgerError(f"migration {migration_id} is not in the history")
