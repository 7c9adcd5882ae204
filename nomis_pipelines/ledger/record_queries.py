"""Statements on records outside the hot path, built once, run by `Ledger` (async) and `LedgerReader` (sync)."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Delete,
    Row,
    Select,
    Update,
    and_,
    delete,
    func,
    literal,
    select,
    tuple_,
    update,
)

from nomis_pipelines.ledger.model import (
    ReasonCount,
    Record,
    RecordKey,
    State,
)
from nomis_pipelines.ledger.tables import ledger_owner, record

REWRITE_REQUESTED: Final = "rewrite-requested"
_RECORD_COLUMNS = [record.c[name] for name in Record.__dataclass_fields__]


def records(
    domain: str,
    *,
    states: Collection[State | str],
    partition: str | None = None,
    migration_id: str | None = None,
    reason: str | None = None,
    include_dismissed: bool = True,
    after: RecordKey | None = None,
    limit: int = 1000,
) -> Select[Any]:
    """Records of a domain in the order of their keys, those behind `after` only."""
    statement = select(*_RECORD_COLUMNS).where(
        _chosen(domain, states, partition=partition, migration_id=migration_id, reason=reason)
    )
    if not include_dismissed:
        statement = statement.where(~record.c.dismissed)
    if after is not None:
        statement = statement.where(
            tuple_(record.c.entity, record.c.nomis_key) > tuple_(literal(after.entity), literal(after.nomis_key))
        )
    return statement.order_by(record.c.entity, record.c.nomis_key).limit(limit)


def one_record(key: RecordKey) -> Select[Any]:
    """The record of a key."""
    return select(*_RECORD_COLUMNS).where(_is(key))


def records_of(entity: str, nomis_keys: Sequence[str]) -> Select[Any]:
    """The records that there are among many keys."""
    return select(*_RECORD_COLUMNS).where(record.c.entity == entity, record.c.nomis_key == func.any(list(nomis_keys)))


def settle(key: RecordKey, dps_id: str) -> Update:
    """Unsettled, and not in anybody's hands -> `mapped`: the mapping service has it, whoever put it there."""
    states = (State.FAILED, State.REJECTED, State.IN_DOUBT)
    return _change(State.MAPPED, dps_id=dps_id, mapping=None, reason=None, status=None, details=None).where(
        _is(key), record.c.state.in_([str(state) for state in states])
    )


def counts(domain: str, *, migration_id: str | None = None, partition: str | None = None) -> Select[Any]:
    """(state, count) of a domain's records. In two halves, so that each has its index."""
    chosen = [
        condition
        for condition in (
            record.c.domain == domain,
            record.c.migration_id == migration_id if migration_id is not None else None,
            record.c.partition == partition if partition is not None else None,
        )
        if condition is not None
    ]
    unfinished = (
        select(record.c.state, func.count()).where(*chosen, record.c.state != "mapped").group_by(record.c.state)
    )
    mapped = select(literal("mapped"), func.count()).where(*chosen, record.c.state == "mapped")
    return select("*").select_from(unfinished.union_all(mapped).subquery())


def mapped_by_partition(domain: str) -> Select[Any]:
    """(partition, count) of a domain's mapped records, read from their index alone."""
    mapped = record.c.state == literal(str(State.MAPPED), literal_execute=True)
    return (
        select(record.c.partition, func.count()).where(record.c.domain == domain, mapped).group_by(record.c.partition)
    )


def counts_by_reason(
    domain: str,
    *,
    states: Collection[State | str] = (State.FAILED, State.REJECTED),
    migration_id: str | None = None,
    partition: str | None = None,
) -> Select[Any]:
    """(state, reason, status, count), most frequent first, dismissed records left out."""
    number = func.count()
    reason = func.coalesce(record.c.reason, "")
    return (
        select(record.c.state, reason, record.c.status, number)
        .where(_chosen(domain, states, migration_id=migration_id, partition=partition), ~record.c.dismissed)
        .group_by(record.c.state, reason, record.c.status)
        .order_by(number.desc(), record.c.state, reason)
    )


def adopt(key: RecordKey, dps_id: str, mapping: Mapping[str, Any]) -> Update:
    """`in_doubt` -> `written`: DPS does have it, as `dps_id`."""
    return _change(State.WRITTEN, dps_id=dps_id, mapping=mapping, existing_dps_id=None).where(
        _is(key), record.c.state == State.IN_DOUBT
    )


def rewrite(key: RecordKey, owner: int) -> Update:
    """`in_doubt` -> `failed`: DPS does not have it, write it again. Only while `owner`, seen dead, still owns it."""
    return _change(State.FAILED, reason=REWRITE_REQUESTED).where(
        _is(key), record.c.state == State.IN_DOUBT, record.c.owner == owner
    )


def owner_of(key: RecordKey) -> Select[Any]:
    """(state, owner) of a record."""
    return select(record.c.state, record.c.owner).where(_is(key))


def resolve_duplicate(key: RecordKey) -> Update:
    """`duplicate` -> `mapped`: the surplus DPS record has been dealt with; the mapped one is the record's.

    The surplus one's id is kept in the details.
    """
    return _change(
        State.MAPPED,
        dps_id=func.coalesce(record.c.existing_dps_id, record.c.dps_id),
        existing_dps_id=None,
        mapping=None,
        details=func.jsonb_build_object("surplusDpsId", record.c.dps_id),
    ).where(_is(key), record.c.state == State.DUPLICATE)


def dismiss_keys(keys: Sequence[RecordKey]) -> Update:
    """Mark failed and rejected records as seen and accepted."""
    places = [(key.entity, key.nomis_key) for key in keys]
    return _dismiss().where(tuple_(record.c.entity, record.c.nomis_key).in_(places))


def dismiss_chosen(
    domain: str, *, reason: str | None = None, partition: str | None = None, migration_id: str | None = None
) -> Update:
    """The same for all failed and rejected records that match."""
    states = (State.FAILED, State.REJECTED)
    return _dismiss().where(_chosen(domain, states, partition=partition, migration_id=migration_id, reason=reason))


def writing_owners(domain: str | None) -> Select[Any]:
    """The owners that have records in `writing`."""
    statement = select(record.c.owner).distinct().where(record.c.state == State.WRITING)
    return statement.where(record.c.domain == domain) if domain is not None else statement


def doubt_owners(owners: Collection[int], domain: str | None) -> Update:
    """`writing` -> `in_doubt` for the records of owners seen dead."""
    statement = _change(State.IN_DOUBT).where(record.c.state == State.WRITING, record.c.owner.in_(list(owners)))
    return statement.where(record.c.domain == domain) if domain is not None else statement


def all_owners() -> Select[Any]:
    """The owners that signed on and did not sign off."""
    return select(ledger_owner.c.owner)


def forget_owners(owners: Collection[int]) -> Delete:
    """Remove owners seen dead."""
    return delete(ledger_owner).where(ledger_owner.c.owner.in_(list(owners)))


def record_of(row: Row[Any]) -> Record:
    """A row of `records` or `one_record` as a value."""
    values: dict[str, Any] = dict(zip(Record.__dataclass_fields__, row, strict=True))
    values["state"] = State(values["state"])
    return Record(**values)


def reason_of(row: Row[Any]) -> ReasonCount:
    """A row of `counts_by_reason` as a value."""
    state, reason, status, number = row
    return ReasonCount(State(state), reason, status, number)


def _is(key: RecordKey) -> ColumnElement[bool]:
    return and_(record.c.entity == key.entity, record.c.nomis_key == key.nomis_key)


def _chosen(
    domain: str,
    states: Collection[State | str],
    *,
    partition: str | None = None,
    migration_id: str | None = None,
    reason: str | None = None,
) -> ColumnElement[bool]:
    names = [State(state) for state in states]
    parts = [record.c.domain == domain, record.c.state.in_([str(name) for name in names])]
    if State.MAPPED not in names:
        parts.append(
            record.c.state != literal(str(State.MAPPED), literal_execute=True)
        )  # the partial index's condition
    if partition is not None:
        parts.append(record.c.partition == partition)
    if migration_id is not None:
        parts.append(record.c.migration_id == migration_id)
    if reason is not None:
        parts.append(record.c.reason == reason)
    return and_(*parts)


def _change(state: State, **values: Any) -> Update:
    return update(record).values(state=str(state), version=record.c.version + 1, updated_at=func.now(), **values)


def _dismiss() -> Update:
    return (
        update(record)
        .values(dismissed=True, version=record.c.version + 1, updated_at=func.now())
        .where(record.c.state.in_(["failed", "rejected"]), ~record.c.dismissed)
    )
