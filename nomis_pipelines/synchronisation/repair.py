"""Repairs: work that an operator asks for by hand, declared once for job and API endpoint (platform card, 3.7)."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from nomis_pipelines.platform import Platform
from nomis_pipelines.synchronisation.context import SyncContext
from nomis_pipelines.synchronisation.sender import QueueSender
from nomis_pipelines.synchronisation.sqs import Sqs

UPDATE_ROLE = "ROLE_PRISONER_FROM_NOMIS__UPDATE__RW"
"""Who may ask for repairs (platform card, section 3.1)."""
SYSCON_ROLE = "ROLE_MIGRATE_NOMIS_SYSCON"
"""Accepted from October 2024 beside the roles of single domains."""


class RepairError(ValueError):
    """The parameters of a repair do not fit. The message names the repair and each parameter at fault."""


@dataclass(frozen=True, kw_only=True)
class Repair:
    """One repair of a domain.

    `name` makes the job `repair_<domain>_<name>`; `method` and `path` are its endpoint in the control API, whose path
    and query variables are the fields (by alias) of `parameters`; `status` is the endpoint's answer when it is done
    and `roles` are those of which a caller must have one. `work` does it, to its end; safe to repeat.
    """

    name: str
    summary: str
    method: str
    path: str
    parameters: type[BaseModel]
    work: Callable[[SyncContext, Any], Awaitable[None]]
    status: int = 200
    roles: tuple[str, ...] = (UPDATE_ROLE,)


async def run_repair(repair: Repair, platform: Platform, values: Mapping[str, Any]) -> None:
    """Do a repair with its parameters by name, to its end. Raises `RepairError` when they do not fit."""
    try:
        parameters = repair.parameters.model_validate(dict(values))
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False, include_context=False)
        wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in problems)
        raise RepairError(f"repair {repair.name}: {wrong}") from None
    async with Sqs.open(platform.settings) as sqs:
        context = SyncContext(
            clients=platform.clients,
            ledger=platform.ledger,
            telemetry=platform.telemetry,
            queues=QueueSender(sqs, platform.settings, platform.telemetry),
            settings=platform.settings,
        )
        await repair.work(context, parameters)
