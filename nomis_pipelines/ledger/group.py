"""One group of operations, made durable in one statement; what that leaves over, in one more transaction.

A group holds at most one operation a record. The statement takes all of them as one JSON document and commits by
itself: a group costs one round trip and one write to disk, and psycopg's overhead is paid once for all.
"""

from collections.abc import Collection, Sequence
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from nomis_pipelines.ledger.errors import LedgerError
from nomis_pipelines.ledger.model import Claim, ClaimOutcome, State
from nomis_pipelines.ledger.operation import CLAIM, RELEASED, Answer, Operation
from nomis_pipelines.ledger.rules import ClaimRequest, LockedRow, Verdict, already_so, decide_claim
from nomis_pipelines.ledger.session import Session

_KEPT = frozenset({State.FAILED, State.REJECTED})

# Operations of one record never meet in a group, so the parts of this statement touch different rows and all may look
# at the same snapshot. %(owner)s is ours. `state || ''` keeps the partial index of unfinished records out of the plan:
# on a young table the planner takes it for cheaper than the primary key, and every record then searches all in flight.
_APPLY = """
WITH op AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%(ops)s::json) AS
        op(k text, d text, e text, n text, t bigint, c bigint, i text, x text, j jsonb, r text, s integer, v jsonb,
           m text, p text)
), claimed AS (
    INSERT INTO record (domain, entity, nomis_key, state, migration_id, partition, owner, token)
    SELECT d, e, n, 'writing', m, p, %(owner)s, t FROM op WHERE k = 'claim'
    ON CONFLICT (entity, nomis_key) DO NOTHING
    RETURNING token, version
), written AS (
    UPDATE record SET state = 'written', dps_id = op.i, mapping = op.j, existing_dps_id = NULL, token = op.t,
        version = version + 1, updated_at = now()
    FROM op WHERE op.k = 'written' AND entity = op.e AND nomis_key = op.n
        AND state || '' IN ('writing', 'in_doubt') AND token = op.c
    RETURNING token, version
), mapped AS (
    UPDATE record SET state = 'mapped', mapping = NULL, token = op.t, version = version + 1, updated_at = now(),
        details = CASE WHEN details ? 'previousDpsId' THEN details END
    FROM op WHERE op.k = 'mapped' AND entity = op.e AND nomis_key = op.n AND state || '' = 'written'
    RETURNING token, version
), duplicate AS (
    UPDATE record SET state = 'duplicate', dps_id = op.i, existing_dps_id = op.x, details = op.v, token = op.t,
        version = version + 1, updated_at = now()
    FROM op WHERE op.k = 'duplicate' AND entity = op.e AND nomis_key = op.n AND state || '' = 'written'
    RETURNING token, version
), doubted AS (
    UPDATE record SET state = 'in_doubt', details = op.v, token = op.t, version = version + 1, updated_at = now()
    FROM op WHERE op.k = 'in_doubt' AND entity = op.e AND nomis_key = op.n
        AND state || '' = 'writing' AND token = op.c
    RETURNING token, version
), ended AS (
    UPDATE record SET state = op.k, reason = op.r, status = op.s, details = op.v, token = op.t,
        migration_id = coalesce(op.m, migration_id), partition = coalesce(op.p, partition),
        version = version + 1, updated_at = now()
    FROM op WHERE op.k IN ('failed', 'rejected') AND op.c IS NOT NULL AND entity = op.e AND nomis_key = op.n
        AND state || '' IN ('writing', 'in_doubt') AND token = op.c
    RETURNING token, version
), unclaimed AS (
    INSERT INTO record AS r
        (domain, entity, nomis_key, state, reason, status, details, migration_id, partition, owner, token)
    SELECT d, e, n, k, r, s, v, m, p, %(owner)s, t FROM op WHERE k IN ('failed', 'rejected') AND c IS NULL
    ON CONFLICT (entity, nomis_key) DO UPDATE SET state = excluded.state, reason = excluded.reason,
        status = excluded.status, details = excluded.details, owner = excluded.owner, token = excluded.token,
        migration_id = coalesce(excluded.migration_id, r.migration_id),
        partition = coalesce(excluded.partition, r.partition), dismissed = false, version = r.version + 1,
        attempts = r.attempts + 1, updated_at = now()
    WHERE r.state IN ('failed', 'rejected')
    RETURNING token, version
), released AS (
    UPDATE record SET state = 'failed', reason = op.r, version = version + 1, updated_at = now()
    FROM op WHERE op.k = 'released' AND entity = op.e AND nomis_key = op.n
        AND state || '' IN ('writing', 'in_doubt') AND token = op.c
    RETURNING op.t, version
)
SELECT token, version FROM claimed UNION ALL SELECT token, version FROM written
UNION ALL SELECT token, version FROM mapped UNION ALL SELECT token, version FROM duplicate
UNION ALL SELECT token, version FROM doubted UNION ALL SELECT token, version FROM ended
UNION ALL SELECT token, version FROM unclaimed UNION ALL SELECT t, version FROM released
"""

_LOCK = """
SELECT entity, nomis_key, state, owner, token, version, dps_id, existing_dps_id, mapping FROM record
WHERE (entity, nomis_key) IN (SELECT * FROM unnest(%s::text[], %s::text[]))
ORDER BY entity, nomis_key FOR UPDATE
"""

_GRANT = """
UPDATE record SET state = 'writing', owner = %(owner)s, token = op.t, domain = op.d, migration_id = op.m,
    partition = op.p, dps_id = NULL, existing_dps_id = NULL, mapping = NULL, reason = NULL, status = NULL,
    details = CASE WHEN dps_id IS NOT NULL THEN jsonb_build_object('previousDpsId', dps_id) END,
    dismissed = false, version = version + 1, attempts = attempts + 1, updated_at = now()
FROM json_to_recordset(%(ops)s::json) AS op(d text, e text, n text, t bigint, m text, p text)
WHERE entity = op.e AND nomis_key = op.n
"""

_DOUBT = """
UPDATE record SET state = 'in_doubt', version = version + 1, updated_at = now()
WHERE (entity, nomis_key) IN (SELECT * FROM unnest(%s::text[], %s::text[]))
"""

Results = dict[int, Answer | LedgerError]
Connection = psycopg.AsyncConnection[TupleRow]


async def apply(session: Session, operations: Sequence[Operation]) -> Results:
    """Make the operations durable; the answer (or the error) of each by its token.

    Raises psycopg's errors; then nothing, or part, or all of the group may be durable, and applying it again is safe.
    """
    connection = await session.connection()
    # always in the same order, so that two processes wait for each other's rows instead of deadlocking
    ordered = sorted(operations, key=lambda o: (o.key.entity, o.key.nomis_key))
    cursor = await connection.execute(
        _APPLY, {"ops": _document(ordered), "owner": session.owner}, prepare=True, binary=True
    )
    done: dict[int, int] = dict(await cursor.fetchall())
    results: Results = {}
    left: list[Operation] = []
    for operation in ordered:
        version = done.get(operation.token)
        if version is None:
            left.append(operation)
        elif operation.kind == CLAIM:
            results[operation.token] = Claim(ClaimOutcome.GRANTED, version=version)
        else:
            results[operation.token] = True
    while left:
        async with connection.transaction():
            settled = await _settle(session, connection, left)
        results.update(settled)
        if not settled:  # rows that were there have gone again: only a deletion by hand can do that
            results.update(await apply(session, left))
        left = [operation for operation in left if operation.token not in results]
    return results


async def _settle(session: Session, connection: Connection, operations: Sequence[Operation]) -> Results:
    """Decide by the rules, on locked rows, what the statement did not do."""
    rows = await _locked(connection, operations)
    writers = {r.owner for r in rows.values() if r.state is State.WRITING and r.owner != session.owner}
    alive = await session.alive(writers)
    results: Results = {}
    granted: list[Operation] = []
    doubted: list[Operation] = []
    for operation in operations:
        row = rows.get((operation.key.entity, operation.key.nomis_key))
        if operation.kind != CLAIM:
            results[operation.token] = _answer(operation, row)
        elif row is not None:
            verdict = _claim(session, operation, row, alive)
            results[operation.token] = verdict.claim
            if verdict.becomes is State.WRITING:
                granted.append(operation)
            elif verdict.becomes is State.IN_DOUBT:
                doubted.append(operation)
    if granted:
        await connection.execute(_GRANT, {"ops": _document(granted), "owner": session.owner})
    if doubted:
        await connection.execute(_DOUBT, _keys(doubted))
    return results


def _claim(session: Session, operation: Operation, row: LockedRow, alive: Collection[int]) -> Verdict:
    request = ClaimRequest(session.owner, operation.token, operation.idempotent, operation.settled_version)
    return decide_claim(row, request, owner_alive=row.owner in alive)


def _answer(operation: Operation, row: LockedRow | None) -> Answer | LedgerError:
    if row is not None and row.token == operation.token:
        return True
    if operation.kind == RELEASED:  # the claim never became durable, or has been settled otherwise: nothing to undo
        return True
    if operation.kind in _KEPT:
        return False
    if row is None:
        return LedgerError(f"{operation.key} cannot become {operation.kind}: nobody claimed it")
    if already_so(row, operation.kind, operation.dps_id, operation.existing_dps_id):
        return True
    return LedgerError(
        f"{operation.key} cannot become {operation.kind}: it is {row.state}, owner {row.owner}, not held by this claim"
    )


async def _locked(connection: Connection, operations: Sequence[Operation]) -> dict[tuple[str, str], LockedRow]:
    cursor = await connection.execute(_LOCK, _keys(operations))
    return {(entity, key): LockedRow(State(state), *rest) for entity, key, state, *rest in await cursor.fetchall()}


def _keys(operations: Sequence[Operation]) -> tuple[list[Any], list[Any]]:
    return [o.key.entity for o in operations], [o.key.nomis_key for o in operations]


def _document(operations: Sequence[Operation]) -> str:
    return "[" + ",".join([o.encoded for o in operations]) + "]"
