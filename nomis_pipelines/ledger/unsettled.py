"""Records of migrations that went wrong and that nobody has accepted: what the control API shows as dead letters."""

from typing import Any, Final

from sqlalchemy import ColumnElement, Select, Update, and_, func, literal, select, update

from nomis_pipelines.ledger.model import Record, State
from nomis_pipelines.ledger.record_queries import record_of
from nomis_pipelines.ledger.store import Store
from nomis_pipelines.ledger.tables import record

_ACCEPTABLE: Final = (State.FAILED, State.REJECTED)
_WRONG: Final = (*_ACCEPTABLE, State.IN_DOUBT)


class Unsettled:
    """Failed, rejected and in-doubt records of migrations. Those of events are left out: their messages come back."""

    _store: Store

    async def unsettled(self, domain: str, *, limit: int = 100) -> list[Record]:
        """The first of them in the order of their keys."""
        return [record_of(row) for row in await self._store.rows(_listing(domain, limit))]

    async def count_unsettled(self, domain: str, *, migration_id: str | None = None) -> int:
        """How many there are, of one migration where given."""
        row = await self._store.row(select(func.count()).where(_wrong(domain, migration_id)))
        return int(row[0]) if row is not None else 0

    async def dismiss_unsettled(self, domain: str) -> int:
        """Accept the failed and rejected ones; how many. Those in doubt stay: they need a decision each."""
        return await self._store.change(_dismissal(domain), repeat=True)


def _listing(domain: str, limit: int) -> Select[Any]:
    columns = [record.c[name] for name in Record.__dataclass_fields__]
    return select(*columns).where(_wrong(domain)).order_by(record.c.entity, record.c.nomis_key).limit(limit)


def _dismissal(domain: str) -> Update:
    return (
        update(record)
        .values(dismissed=True, version=record.c.version + 1, updated_at=func.now())
        .where(_wrong(domain), record.c.state.in_([str(state) for state in _ACCEPTABLE]))
    )


def _wrong(domain: str, migration_id: str | None = None) -> ColumnElement[bool]:
    return and_(
        record.c.domain == domain,
        record.c.state != literal(str(State.MAPPED), literal_execute=True),  # the partial index's condition
        record.c.state.in_([str(state) for state in _WRONG]),
        ~record.c.dismissed,
        record.c.migration_id.is_not(None) if migration_id is None else record.c.migration_id == migration_id,
    )
