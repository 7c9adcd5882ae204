"""Recording pairs where the mapping service says 400, and not 409, to a pair that contradicts one of its own."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_json

from nomis_pipelines.http import Conflict, Rejected, ServiceClient


async def post_pair(
    mappings: ServiceClient,
    path: str,
    pair: Mapping[str, Any],
    find: Callable[[], Awaitable[BaseModel | None]],
) -> None:
    """Record a pair; `find` asks for the one that the service has of the same NOMIS id.

    Raises `Conflict`, of status 400 where that was the answer and the NOMIS id is in the table: the pair will never be
    taken, and the DPS record just made is surplus. Any other 400 stays what it is.
    """
    try:
        await mappings.post(path, pair, idempotent=True, keep_nulls=True)
    except Rejected as refusal:
        existing = await find() if refusal.status == 400 else None
        if existing is None:
            raise
        known = existing.model_dump(mode="json", by_alias=True, exclude_none=True)
        body = {"errorCode": 1409, "moreInfo": {"existing": known, "duplicate": dict(pair)}}
        raise Conflict(mappings.name, "POST", path, 400, body=to_json(body)) from refusal
