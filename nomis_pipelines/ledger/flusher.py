"""Group commit: callers queue operations and wait; one task makes whatever is queued durable, group after group.

While a group is on its way the next one gathers. An operation waits at most `commit_seconds` for company. The
operations of one record keep their order: a group takes the first, the next group the second.

When PostgreSQL goes away, the group in hand is applied again until `patience_seconds` have passed; then all who wait
get `LedgerUnavailable`. A claim that ends so, or whose caller was cancelled, may have been granted without anybody
knowing. Nothing was sent to DPS for it, so the next group releases it (`failed`, reason `claim-given-up`): it can be
claimed again.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Final

import psycopg

from nomis_pipelines.ledger import group
from nomis_pipelines.ledger.address import Address, is_away
from nomis_pipelines.ledger.errors import LedgerError, LedgerUnavailable
from nomis_pipelines.ledger.model import Claim, ClaimOutcome
from nomis_pipelines.ledger.operation import CLAIM, RELEASED, Answer, Operation
from nomis_pipelines.ledger.session import Session

CLAIM_GIVEN_UP: Final = "claim-given-up"
_MAX_GROUP: Final = 1000
_HEARTBEAT_SECONDS: Final = 5.0
_FIRST_PAUSE_SECONDS: Final = 0.05
_LONGEST_PAUSE_SECONDS: Final = 2.0

log = logging.getLogger(__name__)


class Flusher:
    """Owns the session and the task that commits. Belongs to one event loop."""

    def __init__(self, address: Address, session: Session, *, commit_seconds: float, patience_seconds: float) -> None:
        self._address = address
        self._session = session
        self._commit_seconds = commit_seconds
        self._patience_seconds = patience_seconds
        self._waiting: deque[Operation] = deque()
        self._releases: list[Operation] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self._next_token = 0
        self.groups = 0
        self.operations = 0

    async def start(self) -> None:
        """Connect, take the lock, begin committing. Raises `LedgerUnavailable`."""
        try:
            await self._session.connection()
        except psycopg.Error as error:
            raise (self._address.unavailable if is_away(error) else self._refused)(error) from None
        self._next_token = self._session.owner << 32
        self._task = asyncio.create_task(self._run(), name="ledger-commit")

    def token(self) -> int:
        """A number no other operation of any process has: our owner number and a count."""
        self._next_token += 1
        return self._next_token

    def put(self, operation: Operation) -> asyncio.Future[Answer]:
        """Queue an operation; its future is done once it is durable."""
        if self._closing or self._task is None or self._task.done():
            raise LedgerError(f"{operation.key}: the ledger is closed")
        self._waiting.append(operation)
        self._wake.set()
        return operation.future

    async def close(self) -> None:
        """Make what is queued durable, then give up the lock and the connection."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await self._task
        await self._session.close()

    async def _run(self) -> None:
        batch: list[Operation] = []
        try:
            while await self._gather():
                batch = self._take()
                if batch:
                    await self._commit(batch)
        finally:  # only a cancel or a fault of ours leaves anybody waiting: let none of them hang
            for operation in (*batch, *self._waiting):
                operation.fail(LedgerError(f"{operation.key}: the ledger was stopped before this was durable"))

    async def _gather(self) -> bool:
        """Wait until there is something to commit and it had its time to gather; False when all is done."""
        while not self._waiting:
            self._wake.clear()
            if self._closing:
                return bool(self._releases) and await self._session_works()
            try:
                async with asyncio.timeout(_HEARTBEAT_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                await self._session_works()
        pause = self._waiting[0].arrived + self._commit_seconds - monotonic()
        if pause > 0 and not self._closing:
            await asyncio.sleep(pause)
        return True

    async def _session_works(self) -> bool:
        """Notice a broken idle connection, and take the lock again before anybody asks whether we live."""
        try:
            await (await self._session.connection()).execute("SELECT 1")
        except (psycopg.Error, LedgerUnavailable) as error:
            log.warning("%s", self._address.unavailable(error))
            await self._session.drop()
            return False
        return True

    def _take(self) -> list[Operation]:
        """The next group: claims to release first, then what waits, at most one operation a record."""
        taken: dict[tuple[str, str], Operation] = {}
        later: list[Operation] = []
        self._waiting.extendleft(reversed(self._releases))
        self._releases.clear()
        while self._waiting and len(taken) < _MAX_GROUP:
            operation = self._waiting.popleft()
            if operation.kind == CLAIM and operation.future.cancelled():
                continue
            key = (operation.key.entity, operation.key.nomis_key)
            if key in taken:
                later.append(operation)
            else:
                taken[key] = operation
        self._waiting.extendleft(reversed(later))
        return list(taken.values())

    def _release(self, claim: Operation) -> None:
        release = Operation(RELEASED, claim.key, self.token(), reason=CLAIM_GIVEN_UP, claim_token=claim.token)
        self._releases.append(release)

    async def _commit(self, batch: list[Operation]) -> None:
        """Apply until it is durable, refused, or patience is over."""
        deadline = monotonic() + self._patience_seconds
        pauses = _pauses()
        while True:
            try:
                async with asyncio.timeout(max(1.0, deadline - monotonic())):
                    results = await group.apply(self._session, batch)
                break
            except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure):
                continue
            except (psycopg.Error, LedgerUnavailable, TimeoutError) as error:
                if isinstance(error, psycopg.Error) and not is_away(error):
                    await self._isolate(batch, error)
                    return
                await self._session.drop()
                if monotonic() >= deadline:
                    self._give_up(batch, error)
                    return
                log.warning("%s; trying again", self._address.unavailable(error))
                await asyncio.sleep(pauses())
        self.groups += 1
        self.operations += len(batch)
        for operation in batch:
            self._resolve(operation, results[operation.token])

    def _resolve(self, operation: Operation, result: Answer | LedgerError) -> None:
        if isinstance(result, LedgerError):
            operation.fail(result)
            return
        if operation.future.cancelled() and isinstance(result, Claim) and result.outcome is ClaimOutcome.GRANTED:
            self._release(operation)
        operation.answer(result)

    async def _isolate(self, batch: list[Operation], error: psycopg.Error) -> None:
        """A statement was refused: find the operation at fault, so that its neighbours do not suffer."""
        if len(batch) > 1:
            for operation in batch:
                await self._commit([operation])
        else:
            batch[0].fail(self._refused(error, str(batch[0].key)))

    def _give_up(self, batch: list[Operation], error: BaseException) -> None:
        """PostgreSQL has been away for too long: tell everybody who waits."""
        for operation in (*batch, *self._waiting):
            if operation.kind == RELEASED:
                self._releases.append(operation)
            else:
                operation.fail(self._address.unavailable(error))
        for operation in batch:
            if operation.kind == CLAIM:
                self._release(operation)
        self._waiting.clear()

    def _refused(self, error: BaseException, what: str = "its connection") -> LedgerError:
        return self._address.refused(error, what)


def _pauses() -> Callable[[], float]:
    longest = _FIRST_PAUSE_SECONDS

    def pause() -> float:
        nonlocal longest
        length = random.uniform(longest / 2, longest)  # noqa: S311 - spreading processes out, nothing secret
        longest = min(longest * 2, _LONGEST_PAUSE_SECONDS)
        return length

    return pause
