"""One operation on one record, ready to be sent, with the future on which its caller waits."""

import asyncio
import json
from collections.abc import Mapping
from time import monotonic
from typing import Any

from nomis_pipelines.ledger.errors import LedgerError
from nomis_pipelines.ledger.model import Claim, RecordKey

CLAIM = "claim"
RELEASED = "released"
Answer = Claim | bool | None

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


class Operation:
    """`kind` is `claim`, the state the record is to have afterwards, or `released` (undo the claim of token
    `claim_token`).

    The columns travel as JSON text, made here: what cannot be stored is refused to its own caller, at once, and never
    spoils the group that it would have joined.
    """

    __slots__ = (
        "arrived",
        "claim_token",
        "dps_id",
        "encoded",
        "existing_dps_id",
        "future",
        "idempotent",
        "key",
        "kind",
        "settled_version",
        "token",
    )

    def __init__(
        self,
        kind: str,
        key: RecordKey,
        token: int,
        *,
        dps_id: str | None = None,
        existing_dps_id: str | None = None,
        mapping: Mapping[str, Any] | None = None,
        reason: str | None = None,
        status: int | None = None,
        details: Mapping[str, Any] | None = None,
        migration_id: str | None = None,
        partition: str | None = None,
        idempotent: bool = False,
        settled_version: int | None = None,
        claim_token: int | None = None,
    ) -> None:
        self.kind = kind
        self.key = key
        self.token = token
        self.dps_id = dps_id
        self.existing_dps_id = existing_dps_id
        self.idempotent = idempotent
        self.claim_token = claim_token
        self.settled_version = settled_version
        fields: dict[str, Any] = {"k": kind, "d": key.domain, "e": key.entity, "n": key.nomis_key, "t": token}
        if dps_id is not None:
            fields["i"] = dps_id
        if existing_dps_id is not None:
            fields["x"] = existing_dps_id
        if mapping is not None:
            fields["j"] = mapping
        if reason is not None:
            fields["r"] = reason
        if status is not None:
            fields["s"] = status
        if details is not None:
            fields["v"] = details
        if migration_id is not None:
            fields["m"] = migration_id
        if partition is not None:
            fields["p"] = partition
        if claim_token is not None:
            fields["c"] = claim_token
        self.encoded = _encoded(key, fields)
        self.arrived = monotonic()
        self.future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def answer(self, value: Answer) -> None:
        """Let the caller go on, unless it has gone already."""
        if not self.future.done():
            self.future.set_result(value)

    def fail(self, error: Exception) -> None:
        """Raise `error` in the caller, unless it has gone already."""
        if not self.future.done():
            self.future.set_exception(error)


def _encoded(key: RecordKey, fields: dict[str, Any]) -> str:
    try:
        text = _encode(fields)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise LedgerError(f"{key}: mapping and details must be plain JSON ({type(error).__name__})") from None
    if "\\u0000" in text:
        raise LedgerError(f"{key}: PostgreSQL cannot store the character NUL")
    return text
