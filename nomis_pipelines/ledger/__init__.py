"""Our own database: what was written to DPS, what was mapped, which migrations ran. PostgreSQL only.

The promise: no record is written to DPS twice without somebody having decided so, and none is lost between DPS's answer
and the mapping service, whatever dies in between. `rules` holds the table of what is allowed when; `session` how a dead
process is told from a living one; `group` and `flusher` why this costs microseconds a record. Callers put ids, codes
and reasons in here, never personal data.

What needs the database drivers is imported when it is first used: definitions load without them, a second sooner.
"""

import importlib
from typing import TYPE_CHECKING, Any

from nomis_pipelines.ledger.errors import AlreadyRunning, LedgerError, LedgerUnavailable, SchemaOutOfDate
from nomis_pipelines.ledger.model import (
    Claim,
    ClaimOutcome,
    MigrationRow,
    MigrationStatus,
    Progress,
    ReasonCount,
    Record,
    RecordKey,
    State,
)

if TYPE_CHECKING:
    from nomis_pipelines.ledger.ledger import Ledger
    from nomis_pipelines.ledger.reader import LedgerReader
    from nomis_pipelines.ledger.schema import check_schema

__all__ = [
    "AlreadyRunning",
    "Claim",
    "ClaimOutcome",
    "Ledger",
    "LedgerError",
    "LedgerReader",
    "LedgerUnavailable",
    "MigrationRow",
    "MigrationStatus",
    "Progress",
    "ReasonCount",
    "Record",
    "RecordKey",
    "SchemaOutOfDate",
    "State",
    "check_schema",
]

_LATE = {"Ledger": "ledger", "LedgerReader": "reader", "check_schema": "schema"}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LATE[name]}"), name)
