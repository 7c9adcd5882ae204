"""Runs the statements of `queries` asynchronously: transactions, patience while PostgreSQL is away, errors of ours."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import Any, Final, TypeVar

from sqlalchemy import Delete, Insert, Row, Select, Update
from sqlalchemy.exc import DBAPIError, TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from nomis_pipelines.ledger.address import Address, is_away

_T = TypeVar("_T")
_LONGEST_PAUSE_SECONDS: Final = 2.0

log = logging.getLogger(__name__)


class Store:
    """A small pool of connections for everything that is not the hot path."""

    def __init__(self, address: Address, *, patience_seconds: float) -> None:
        self._address = address
        self._patience_seconds = patience_seconds
        self._engine = create_async_engine(address.url, **address.engine_options())

    async def rows(self, statement: Select[Any]) -> Sequence[Row[Any]]:
        """All rows of a query; asked again while PostgreSQL is away."""

        async def work(connection: AsyncConnection) -> Sequence[Row[Any]]:
            return (await connection.execute(statement)).all()

        return await self.transaction(work, repeat=True)

    async def row(self, statement: Select[Any]) -> Row[Any] | None:
        """The first row of a query, if there is one."""
        return next(iter(await self.rows(statement)), None)

    async def change(self, *statements: Update | Delete | Insert, repeat: bool) -> int:
        """Run changes in one transaction; how many rows the last of them changed.

        `repeat` says that doing it twice is harmless, so that it may be tried again when PostgreSQL was lost.
        """

        async def work(connection: AsyncConnection) -> int:
            changed = 0
            for statement in statements:
                changed = (await connection.execute(statement)).rowcount
            return changed

        return await self.transaction(work, repeat=repeat)

    async def transaction(self, work: Callable[[AsyncConnection], Awaitable[_T]], *, repeat: bool) -> _T:
        """Do `work` in a transaction. Raises `LedgerUnavailable`, or `LedgerError` when a statement is refused."""
        deadline = monotonic() + self._patience_seconds
        pause = 0.05
        while True:
            try:
                async with self._engine.begin() as connection:
                    return await work(connection)
            except (DBAPIError, PoolTimeout) as error:
                if isinstance(error, DBAPIError) and not is_away(error):
                    raise self._address.refused(error, "a statement") from None
                if not repeat or monotonic() >= deadline:
                    raise self._address.unavailable(error) from None
                log.warning("%s; trying again", self._address.unavailable(error))
            await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - spreading processes out, nothing secret
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    async def check(self, look: Callable[[AsyncConnection], Awaitable[None]]) -> None:
        """Do `look` at once, without patience: what is wrong when a ledger is opened should be told, not waited for."""
        try:
            async with self._engine.connect() as connection:
                await look(connection)
        except DBAPIError as error:
            refused = self._address.refused(error, "a look at its schema")
            raise (self._address.unavailable(error) if is_away(error) else refused) from None

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()
