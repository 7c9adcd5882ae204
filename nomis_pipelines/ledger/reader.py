"""`LedgerReader`: the same questions, asked synchronously: for the CLI and whoever else has no event loop."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Self

from sqlalchemy import Row, Select, create_engine
from sqlalchemy.exc import DBAPIError, TimeoutError as PoolTimeout

from nomis_pipelines.ledger import migration_queries, record_queries
from nomis_pipelines.ledger.address import Address, is_away
from nomis_pipelines.ledger.model import MigrationRow, MigrationStatus, Progress, ReasonCount, Record, RecordKey, State


class LedgerReader:
    """Reads the ledger, changes nothing. A context manager; connections are made when needed.

    Everything raises `LedgerUnavailable` when the database is away, without waiting for it.
    """

    def __init__(self, database_url: str) -> None:
        self._address = Address.parse(database_url)
        self._engine = create_engine(self._address.url, **self._address.engine_options())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def record(self, key: RecordKey) -> Record | None:
        """One record."""
        return next((record_queries.record_of(row) for row in self._rows(record_queries.one_record(key))), None)

    def records(
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
        statement = record_queries.records(
            domain, states=states, partition=partition, migration_id=migration_id, reason=reason,
            include_dismissed=include_dismissed, after=after, limit=limit,
        )  # fmt: skip
        return [record_queries.record_of(row) for row in self._rows(statement)]

    def unmapped(self, domain: str, *, after: RecordKey | None = None, limit: int = 1000) -> list[Record]:
        """Records that DPS has and the mapping service does not know yet (state `written`)."""
        return self.records(domain, states=[State.WRITTEN], after=after, limit=limit)

    def counts(self, domain: str, *, migration_id: str | None = None, partition: str | None = None) -> dict[str, int]:
        """Records by state; states without a record are left out."""
        rows = self._rows(record_queries.counts(domain, migration_id=migration_id, partition=partition))
        return {state: number for state, number in rows if number}

    def counts_by_reason(
        self,
        domain: str,
        *,
        states: Collection[State | str] = (State.FAILED, State.REJECTED),
        migration_id: str | None = None,
        partition: str | None = None,
    ) -> list[ReasonCount]:
        """Why records failed or were rejected, most frequent first; dismissed ones do not count."""
        statement = record_queries.counts_by_reason(
            domain, states=states, migration_id=migration_id, partition=partition
        )
        return [record_queries.reason_of(row) for row in self._rows(statement)]

    def migration(self, migration_id: str) -> MigrationRow | None:
        """The history row of an id."""
        return next(
            (migration_queries.migration_of(row) for row in self._rows(migration_queries.migration(migration_id))), None
        )

    def latest(self, migration_type: str) -> MigrationRow | None:
        """The newest history row of a type."""
        return next(
            (migration_queries.migration_of(row) for row in self._rows(migration_queries.latest(migration_type))), None
        )

    def history(
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
        statement = migration_queries.history(
            migration_types=[migration_type] if isinstance(migration_type, str) else migration_type,
            from_=from_, to=to, only_failures=only_failures, prison_id=prison_id, filter_contains=filter_contains,
        )  # fmt: skip
        return [migration_queries.migration_of(row) for row in self._rows(statement)]

    def progress(self, migration_id: str) -> Progress | None:
        """How far a migration is."""
        return next(
            (migration_queries.progress_of(row) for row in self._rows(migration_queries.progress(migration_id))), None
        )

    def latest_progress(
        self, domain: str, *, partition: str | None = None, run_id: str | None = None
    ) -> Progress | None:
        """The newest migration of a domain, of one partition or one run where given: how far it is."""
        statement = migration_queries.latest_progress(domain, partition=partition, run_id=run_id)
        return next((migration_queries.progress_of(row) for row in self._rows(statement)), None)

    def active(self, migration_type: str | None = None) -> list[Progress]:
        """Migrations whose rows say they run, with their run ids."""
        return [migration_queries.progress_of(row) for row in self._rows(migration_queries.active(migration_type))]

    def cancel_requested(self, migration_id: str) -> bool:
        """Whether the migration was asked to stop (or has stopped for that reason)."""
        row = self.migration(migration_id)
        return row is not None and row.status in {MigrationStatus.CANCELLED_REQUESTED, MigrationStatus.CANCELLED}

    def _rows(self, statement: Select[Any]) -> Sequence[Row[Any]]:
        try:
            with self._engine.connect() as connection:
                return connection.execute(statement).all()
        except PoolTimeout as error:
            raise self._address.unavailable(error) from None
        except DBAPIError as error:
            failure = self._address.unavailable(error) if is_away(error) else self._address.refused(error, "a query")
            raise failure from None
