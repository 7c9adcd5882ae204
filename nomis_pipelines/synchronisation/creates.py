"""Creates that are never made twice: the ledger's guard around a handler's write to DPS (architecture, section 4).

SQS delivers at least once, two events may announce one record at the same moment, and a process may die between DPS's
answer and the mapping. Whatever happens, the record is written once, or the ledger says that it is in doubt.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel
from pydantic_core import from_json, to_json

from nomis_pipelines.http import CircuitOpen, Conflict, InvalidAnswer, OutcomeUnknown, ServiceClient, ServiceError
from nomis_pipelines.ledger import Claim, ClaimOutcome, LedgerError, LedgerUnavailable, RecordKey, State
from nomis_pipelines.synchronisation.context import SyncContext
from nomis_pipelines.synchronisation.errors import HandlerError, InDoubt, Redeliver

if TYPE_CHECKING:
    from nomis_pipelines.ledger import Ledger

BUSY_SECONDS = 2
_UNSETTLED = frozenset({State.WRITING, State.WRITTEN, State.IN_DOUBT})
_NOT_IDENTITY = frozenset({"label", "mappingType", "whenCreated"})

M = TypeVar("M")
W = TypeVar("W")
Json = dict[str, Any]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """DPS has the record, as `dps_id`.

    `mapping_failed`: the mapping service has not got it; send the retry message, and `mapping` = `initial-failure`.
    `resumed`: an earlier attempt had made it, maybe with older content: bring it up to date before saying that it is.
    """

    dps_id: str
    mapping: Json
    mapping_failed: bool = False
    resumed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    """DPS has the record twice: `dps_id` is the surplus one just made; both mappings as the mapping service tells."""

    dps_id: str
    existing_dps_id: str
    duplicate: Json
    existing: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class AlreadyMapped(Generic[M]):
    """Somebody else made it since the handler looked; `mapping` as `find_mapping` gives it. Go on as for an update."""

    mapping: M


@dataclass(frozen=True, slots=True, kw_only=True)
class Create(Generic[M, W]):
    """One create, as a handler describes it.

    `find_mapping` looks in the mapping service; `write` makes the record in DPS and does nothing else (build the
    request before); `dps_id_of` and `mapping_of` read its answer; `post_mapping` records the mapping, given as JSON;
    `dps_field` is the name of the DPS id in it. `idempotent`: writing twice is harmless. `lookup` finds the record in
    DPS when it is in doubt; its None means that DPS certainly has not got it.
    """

    key: RecordKey
    client: ServiceClient
    find_mapping: Callable[[], Awaitable[M | None]]
    write: Callable[[], Awaitable[W]]
    dps_id_of: Callable[[W], str]
    mapping_of: Callable[[W], BaseModel | Json]
    post_mapping: Callable[[Json], Awaitable[object]]
    dps_field: str
    idempotent: bool = False
    lookup: Callable[[], Awaitable[W | None]] | None = None


async def create_once(context: SyncContext, create: Create[M, W]) -> Created | Duplicate | AlreadyMapped[M]:
    """Write the record to DPS unless that was done already, and record its mapping.

    Raises `InDoubt` when it may be in DPS; `Redeliver` while another process is at it; the `ServiceError` of `write`
    when DPS certainly has not got it; `LedgerUnavailable`.
    """
    ledger = context.ledger
    # claimed inside the reservation: only calls that may go out at once are ever in state `writing`
    async with create.client.reserved():
        claim = await _claim(ledger, create)
        if isinstance(claim, AlreadyMapped):
            return claim
        resumed = claim.outcome is ClaimOutcome.WRITTEN
        if resumed:
            dps_id, mapping = claim.dps_id or "", claim.mapping or {}
        else:
            dps_id, mapping = await _write(ledger, create)
    return await _map(ledger, create, dps_id, mapping, resumed=resumed)


async def complete_mapping(
    context: SyncContext,
    key: RecordKey,
    mapping: Json,
    *,
    post_mapping: Callable[[Json], Awaitable[object]],
    dps_field: str,
) -> Created | Duplicate:
    """Record a mapping that could not be recorded before: what a mapping retry message asks for.

    A record that the ledger does not know (written by another installation) is mapped all the same. Raises the
    `ServiceError` of `post_mapping`, also a `Conflict` that names no other pair.
    """
    dps_id = str(mapping.get(dps_field, ""))
    try:
        await post_mapping(mapping)
    except Conflict as conflict:
        if conflict.existing is None:
            raise
        return await _conflict(context.ledger, key, dps_id, mapping, conflict, dps_field)
    await _tell(context.ledger.mapped(key))
    return Created(dps_id=dps_id, mapping=mapping)


async def require_settled(context: SyncContext, key: RecordKey) -> None:
    """Call it where a missing mapping would mean that there is nothing to change in DPS.

    Raises `HandlerError` while DPS has the record, or may have it, and the mapping service has yet to learn of it: the
    change comes back until it can be made, or lies in the dead-letter queue until the doubt has been answered.
    """
    record = await context.ledger.record(key)
    if record is not None and record.state in _UNSETTLED:
        raise HandlerError(f"{key} is {record.state}: this change waits for its create to be settled")


async def _claim(ledger: "Ledger", create: Create[M, W]) -> Claim | AlreadyMapped[M]:
    """A claim that is GRANTED or WRITTEN, or the mapping that is there already."""
    claim = await ledger.claim(create.key, idempotent=create.idempotent)
    if claim.outcome is ClaimOutcome.SETTLED:
        mapping = await create.find_mapping()
        if mapping is not None:
            return AlreadyMapped(mapping=mapping)
        # the mapping service's table was reset, or the record was deleted and has come again
        claim = await ledger.claim(create.key, idempotent=create.idempotent, settled_version=claim.version)
    if claim.outcome is ClaimOutcome.IN_DOUBT and create.lookup is not None:
        claim = await _look_up(ledger, create, create.lookup)
    if claim.outcome is ClaimOutcome.IN_DOUBT:
        raise InDoubt(create.key)
    if claim.outcome in {ClaimOutcome.BUSY, ClaimOutcome.SETTLED}:
        # at least: a create that takes minutes must not use up the receives of what waits behind it
        reason = f"{create.key} is being written by another process"
        raise Redeliver(reason, seconds=BUSY_SECONDS, at_least=True)
    return claim


async def _look_up(ledger: "Ledger", create: Create[M, W], lookup: Callable[[], Awaitable[W | None]]) -> Claim:
    found = await lookup()
    # to be granted means here: this process alone answers the doubt
    claim = await ledger.claim(create.key, idempotent=True)
    if found is None or claim.outcome is not ClaimOutcome.GRANTED:
        return claim
    dps_id, mapping = create.dps_id_of(found), _json(create.mapping_of(found))
    await ledger.written(create.key, dps_id=dps_id, mapping=mapping)
    return Claim(ClaimOutcome.WRITTEN, dps_id, mapping)


async def _write(ledger: "Ledger", create: Create[M, W]) -> tuple[str, Json]:
    try:
        answer = await create.write()
    except (OutcomeUnknown, InvalidAnswer) as error:
        await ledger.in_doubt(create.key, details=_details(error))
        if create.idempotent:
            raise
        raise InDoubt(create.key) from error
    except ServiceError as error:
        reason = "circuit-open" if isinstance(error, CircuitOpen) else type(error).__name__
        await ledger.failed(create.key, reason=reason, status=error.status, details=_details(error))
        raise
    except BaseException as error:
        # cut off, or broken in a way nobody foresaw: the call may be out
        await asyncio.shield(ledger.in_doubt(create.key, details={"error": type(error).__name__}))
        raise
    dps_id, mapping = create.dps_id_of(answer), _json(create.mapping_of(answer))
    await ledger.written(create.key, dps_id=dps_id, mapping=mapping)
    return dps_id, mapping


async def _map(
    ledger: "Ledger", create: Create[M, W], dps_id: str, mapping: Json, *, resumed: bool
) -> Created | Duplicate:
    try:
        await create.post_mapping(mapping)
    except Conflict as conflict:
        if conflict.existing is None:
            # two inserts collided: nothing is known of another record, and ours is not mapped (both cards, section 2)
            return Created(dps_id=dps_id, mapping=mapping, mapping_failed=True, resumed=resumed)
        result = await _conflict(ledger, create.key, dps_id, mapping, conflict, create.dps_field)
        if isinstance(result, Created):
            return Created(dps_id=dps_id, mapping=mapping, resumed=resumed)
        return result
    except ServiceError:
        return Created(dps_id=dps_id, mapping=mapping, mapping_failed=True, resumed=resumed)
    await ledger.mapped(create.key)
    return Created(dps_id=dps_id, mapping=mapping, resumed=resumed)


async def _conflict(
    ledger: "Ledger", key: RecordKey, dps_id: str, mapping: Json, conflict: Conflict, dps_field: str
) -> Created | Duplicate:
    existing = conflict.existing or {}
    if _same(mapping, existing):
        # Our own mapping, recorded by an earlier post whose answer was lost. Called a duplicate, the only DPS record
        # would be deleted as surplus.
        await _tell(ledger.mapped(key))
        return Created(dps_id=dps_id, mapping=mapping)
    existing_dps_id = str(existing.get(dps_field, ""))
    duplicate = conflict.duplicate or mapping
    details = {"duplicate": duplicate, "existing": existing}
    await _tell(ledger.duplicate(key, dps_id=dps_id, existing_dps_id=existing_dps_id, details=details))
    return Duplicate(dps_id=dps_id, existing_dps_id=existing_dps_id, duplicate=duplicate, existing=existing)


def _same(mapping: Json, existing: Mapping[str, Any]) -> bool:
    return all(str(existing.get(k)) == str(v) for k, v in mapping.items() if k not in _NOT_IDENTITY)


async def _tell(change: Awaitable[None]) -> None:
    """A change of the ledger that may not fit what it knows: what the mapping service says counts."""
    try:
        await change
    except LedgerUnavailable:
        raise
    except LedgerError as error:
        log.info("the ledger was not changed: %s", error)


def _json(mapping: BaseModel | Json) -> Json:
    return from_json(to_json(mapping, by_alias=True, exclude_none=True))


def _details(error: ServiceError) -> Json:
    return {"call": f"{error.method} {error.template}", "error": type(error).__name__, "body": error.redacted_body}
