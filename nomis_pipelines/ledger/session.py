"""The one connection through which records change. It also holds the lock that says "this owner is alive".

Both on one connection, on purpose: a session that can commit a claim is by construction a session that holds the lock,
so no claim of ours can ever be committed while others may think us dead. The lock is PostgreSQL's session-level
advisory lock (class `LOCK_CLASS`, owner number folded to 31 bits); it is gone the moment our process is. A connection
pooler in transaction mode would break it: connect to PostgreSQL itself.

Whether another owner is alive is read from `pg_locks`. One exception: when PostgreSQL was restarted after that owner
took its lock, the owner may be on its way back; for `RESTART_GRACE_SECONDS` after the restart it counts as alive.
"""

import asyncio
import logging
from collections.abc import Iterable
from typing import Any, Final, LiteralString, cast

import psycopg
from psycopg.rows import TupleRow

from nomis_pipelines.ledger.address import Address
from nomis_pipelines.ledger.errors import LedgerUnavailable

LOCK_CLASS: Final = 0x4E4F4D49
RESTART_GRACE_SECONDS: Final = 30.0
_MAX_LOCK = 0x7FFFFFFF

# The plan must not depend on what the planner thinks of a table that was empty a second ago: always by the key.
_SESSION_SETTINGS = """
    SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_bitmapscan = off;
    SET plan_cache_mode = force_generic_plan; SET jit = off; SET default_transaction_isolation = 'read committed';
    SET idle_in_transaction_session_timeout = '60s'; SET application_name = 'nomis-pipelines ledger'
"""

_LIVENESS = """
    SELECT asked.owner,
           EXISTS (SELECT FROM pg_locks l
                   WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
                     AND l.classid = {lock_class}::bigint::oid AND l.objid = (asked.owner & {max_lock})::oid
                     AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))
           OR EXISTS (SELECT FROM ledger_owner o
                      WHERE o.owner = asked.owner AND o.locked_at < pg_postmaster_start_time()
                        AND clock_timestamp() < pg_postmaster_start_time() + make_interval(secs => {grace}))
    FROM unnest(CAST(%s AS bigint[])) AS asked(owner)
"""

log = logging.getLogger(__name__)


def lock_number(owner: int) -> int:
    """The second key of an owner's advisory lock."""
    return owner & _MAX_LOCK


def liveness_query(grace_seconds: float) -> LiteralString:
    """The statement that says of each asked owner number whether it is alive."""
    text = _LIVENESS.format(lock_class=LOCK_CLASS, max_lock=_MAX_LOCK, grace=float(grace_seconds))
    return cast("LiteralString", text)  # numbers only


class Session:
    """Connects, takes an owner number and its lock, and does so again after a break, keeping the number."""

    def __init__(self, address: Address, *, grace_seconds: float = RESTART_GRACE_SECONDS) -> None:
        self._address = address
        self._liveness: LiteralString = liveness_query(grace_seconds)
        self._connection: psycopg.AsyncConnection[TupleRow] | None = None
        self.owner = 0

    async def connection(self) -> psycopg.AsyncConnection[TupleRow]:
        """The live connection with our lock held; connects if need be. Raises psycopg's errors."""
        if self._connection is None or self._connection.closed or self._connection.broken:
            await self.drop()
            self._connection = await self._connect()
        return self._connection

    async def drop(self) -> None:
        """Close the connection without ceremony; the next use connects again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def close(self) -> None:
        """Give the lock back and close."""
        connection = self._connection
        if connection is not None and not connection.closed:
            try:
                await connection.execute("DELETE FROM ledger_owner WHERE owner = %s", (self.owner,))
            except psycopg.Error:
                log.debug("owner %s could not be signed off; its lock goes with the connection", self.owner)
        await self.drop()

    async def alive(self, owners: Iterable[int]) -> set[int]:
        """Those of the owner numbers that belong to living processes."""
        asked = list(owners)
        if not asked:
            return set()
        cursor = await (await self.connection()).execute(self._liveness, (asked,))
        return {owner for owner, alive in await cursor.fetchall() if alive}

    async def _connect(self) -> psycopg.AsyncConnection[TupleRow]:
        options: dict[str, Any] = self._address.connect_options()
        connection = await psycopg.AsyncConnection.connect(autocommit=True, **options)
        try:
            await connection.execute(_SESSION_SETTINGS)
            if not self.owner:
                cursor = await connection.execute("SELECT nextval('ledger_owner_number')")
                row = await cursor.fetchone()
                self.owner = int(row[0]) if row else 0
            await self._take_lock(connection)
        except BaseException:
            await connection.close()
            raise
        return connection

    async def _take_lock(self, connection: psycopg.AsyncConnection[TupleRow]) -> None:
        for attempt in range(20):
            cursor = await connection.execute(
                "SELECT pg_try_advisory_lock(%s, %s)", (LOCK_CLASS, lock_number(self.owner))
            )
            row = await cursor.fetchone()
            if row and row[0]:
                await connection.execute(
                    "INSERT INTO ledger_owner (owner, locked_at) VALUES (%s, clock_timestamp())"
                    " ON CONFLICT (owner) DO UPDATE SET locked_at = clock_timestamp()",
                    (self.owner,),
                )
                return
            # Our own former session, cut off by the network, whose end PostgreSQL has not noticed. What it may still be
            # doing must be over before we repeat it.
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
                " AND objsubid = 2 AND classid = %s::bigint::oid AND objid = %s::bigint::oid"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
                (LOCK_CLASS, lock_number(self.owner)),
            )
            await asyncio.sleep(0.05 * (attempt + 1))
        raise LedgerUnavailable(f"owner {self.owner} cannot take its lock in {self._address}: an old session holds it")
