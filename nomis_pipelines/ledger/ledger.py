"""`Ledger`: what the engines hold in their hands. One a process or run, on one event loop.

The hot path (claim, and what follows a claim) goes through the group commit of `flusher`; everything else through a
small pool.
"""

from collections.abc import Mapping
from typing import Any, Self, cast

from sqlalchemy.ext.asyncio import AsyncConnection

from nomis_pipelines.ledger import schema
from nomis_pipelines.ledger.address import Address
from nomis_pipelines.ledger.flusher import Flusher
from nomis_pipelines.ledger.migrations import Migrations
from nomis_pipelines.ledger.model import Claim, ClaimOutcome, RecordKey, State
from nomis_pipelines.ledger.operation import CLAIM, Operation
from nomis_pipelines.ledger.records import Records
from nomis_pipelines.ledger.session import RESTART_GRACE_SECONDS, Session
from nomis_pipelines.ledger.store import Store
from nomis_pipelines.ledger.unsettled import Unsettled

PATIENCE_SECONDS = 60.0


class Ledger(Records, Migrations, Unsettled):
    """The record of what was written to DPS and mapped. Make it with `open`, or use it as a context manager.

    `claim`, `written`, `mapped`, … return once their change is committed. They may be awaited together
    (`asyncio.gather`): changes of one record are made in the order of the calls. The rules of each are tabled in
    `nomis_pipelines.ledger.rules`. All raise `LedgerUnavailable` when PostgreSQL stays away for `patience_seconds`.
    """

    def __init__(self, store: Store, flusher: Flusher, session: Session, *, grace_seconds: float) -> None:
        self._store = store
        self._flusher = flusher
        self._session = session
        self._grace_seconds = grace_seconds
        self._held: dict[RecordKey, int] = {}  # the tokens of my claims that have not been concluded

    @classmethod
    async def open(
        cls,
        database_url: str,
        *,
        commit_milliseconds: float = 2.0,
        patience_seconds: float = PATIENCE_SECONDS,
        grace_seconds: float = RESTART_GRACE_SECONDS,
    ) -> Self:
        """Connect, check the schema, take an owner number.

        `commit_milliseconds` is how long an operation may wait for others to share its commit; `patience_seconds` how
        long PostgreSQL may be away before waiters are told; `grace_seconds` how long after a restart of PostgreSQL
        other owners are believed to be on their way back. Raises `LedgerUnavailable` or `SchemaOutOfDate`.
        """
        address = Address.parse(database_url)
        store = Store(address, patience_seconds=patience_seconds)
        session = Session(address, grace_seconds=grace_seconds)
        flusher = Flusher(
            address, session, commit_seconds=commit_milliseconds / 1000, patience_seconds=patience_seconds
        )

        async def look(connection: AsyncConnection) -> None:
            schema.require_current(await connection.run_sync(schema.current_of), address)

        try:
            await store.check(look)
            await flusher.start()
        except BaseException:
            await session.drop()
            await store.close()
            raise
        return cls(store, flusher, session, grace_seconds=grace_seconds)

    async def aclose(self) -> None:
        """Make durable what is queued, give up the owner's lock, close all connections."""
        try:
            await self._flusher.close()
        finally:
            await self._store.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    @property
    def owner(self) -> int:
        """Our owner number: unique among all processes there ever were."""
        return self._session.owner

    @property
    def operations(self) -> int:
        """Operations on records made durable so far."""
        return self._flusher.operations

    @property
    def commits(self) -> int:
        """Commits that this took."""
        return self._flusher.groups

    async def claim(
        self,
        key: RecordKey,
        *,
        migration_id: str | None = None,
        partition: str | None = None,
        idempotent: bool = False,
        settled_version: int | None = None,
    ) -> Claim:
        """Ask to write a record to DPS. Only GRANTED allows the call; it is committed before this returns.

        `idempotent` declares that writing twice is harmless: a record in doubt is granted. `settled_version` is the
        version of a SETTLED answer whose mapping turned out to be gone from the mapping service: granted if the record
        is still the same.
        """
        operation = Operation(
            CLAIM, key, self._flusher.token(), migration_id=migration_id, partition=partition,
            idempotent=idempotent, settled_version=settled_version,
        )  # fmt: skip
        claim = cast("Claim", await self._flusher.put(operation))
        if claim.outcome is ClaimOutcome.GRANTED:
            self._held[key] = operation.token
        return claim

    async def written(self, key: RecordKey, *, dps_id: str, mapping: Mapping[str, Any]) -> None:
        """DPS answered: its id, and the mapping to record (plain JSON, ids only). Raises `LedgerError` without a
        claim.
        """
        await self._conclude(
            Operation(
                State.WRITTEN, key, self._flusher.token(),
                dps_id=dps_id, mapping=mapping, claim_token=self._held.get(key),
            )
        )  # fmt: skip

    async def mapped(self, key: RecordKey) -> None:
        """The mapping service has it. Raises `LedgerError` unless the record is `written` (or `mapped`)."""
        await self._flusher.put(Operation(State.MAPPED, key, self._flusher.token()))

    async def duplicate(
        self, key: RecordKey, *, dps_id: str, existing_dps_id: str, details: Mapping[str, Any] | None = None
    ) -> None:
        """The mapping service knows another DPS record, `existing_dps_id`; `dps_id` is the surplus one just made."""
        operation = Operation(
            State.DUPLICATE, key, self._flusher.token(),
            dps_id=dps_id, existing_dps_id=existing_dps_id, details=details,
        )  # fmt: skip
        await self._flusher.put(operation)

    async def rejected(
        self,
        key: RecordKey,
        *,
        reason: str,
        details: Mapping[str, Any] | None = None,
        migration_id: str | None = None,
        partition: str | None = None,
        claimed: bool = True,
    ) -> bool:
        """The transform refused it, with or without a claim. False when the ledger knows better and leaves the record.

        Pass `claimed=False` when this attempt has made no claim yet: then a record that another coroutine of this
        process happens to be writing is left alone.
        """
        operation = Operation(
            State.REJECTED, key, self._flusher.token(), reason=reason, details=details,
            migration_id=migration_id, partition=partition, claim_token=self._held.get(key) if claimed else None,
        )  # fmt: skip
        return await self._conclude(operation)

    async def failed(
        self,
        key: RecordKey,
        *,
        reason: str,
        status: int | None = None,
        details: Mapping[str, Any] | None = None,
        migration_id: str | None = None,
        partition: str | None = None,
        claimed: bool = True,
    ) -> bool:
        """It could not be done; DPS certainly has nothing of it. `claimed` and the answer are as for `rejected`."""
        operation = Operation(
            State.FAILED, key, self._flusher.token(), reason=reason, status=status, details=details,
            migration_id=migration_id, partition=partition, claim_token=self._held.get(key) if claimed else None,
        )  # fmt: skip
        return await self._conclude(operation)

    async def in_doubt(self, key: RecordKey, *, details: Mapping[str, Any] | None = None) -> None:
        """The call went out and its outcome is unknown. Raises `LedgerError` unless we hold the record in `writing`."""
        await self._conclude(
            Operation(State.IN_DOUBT, key, self._flusher.token(), details=details, claim_token=self._held.get(key))
        )

    async def _conclude(self, operation: Operation) -> bool:
        done = bool(await self._flusher.put(operation))
        if operation.claim_token is not None and self._held.get(operation.key) == operation.claim_token:
            del self._held[operation.key]
        return done
