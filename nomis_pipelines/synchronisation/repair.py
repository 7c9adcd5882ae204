"""Repairs: work that an operator asks for by hand, declared once for job and API endpoint (platform card, 3.7)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from nomis_pipelines.synchronisation.context import SyncContext


@dataclass(frozen=True, kw_only=True)
class Repair:
    """One repair of a domain.

    `name` makes the job `repair_<domain>_<name>`; `method` and `path` are its endpoint in the control API, whose path
    and query variables are the fields (by alias) of `parameters`; `status` is the endpoint's answer when it is done.
    `work` does it, to its end; safe to repeat.
    """

    name: str
    summary: str
    method: str
    path: str
    parameters: type[BaseModel]
    work: Callable[[SyncContext, Any], Awaitable[None]]
    status: int = 200
