"""Actions: what an operator has done with a migration that has ended, declared once for job, endpoint and command."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ValidationError

from nomis_pipelines.migration.filters import filter_json
from nomis_pipelines.platform import Platform


class ActionError(Exception):
    """An action that was refused (404, 400) or failed (500). The message says why, with ids and dates only.

    `shown_status` is the status that the answer's body shows, where it is another.
    """

    def __init__(self, status: int, message: str, *, shown_status: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.shown_status = shown_status


class NoParameters(BaseModel):
    """The parameters of an action that has none."""


@dataclass(frozen=True, kw_only=True)
class Action:
    """One action of a domain on one of its migrations.

    `name` (with hyphens) makes the job `<domain>_<name>` and the command `nomis-pipelines act <domain> <name>`; PUT
    `path`, which holds `{migrationId}`, is its endpoint in the control API with `parameters` as its body, if they have
    any. `work` does it and gives back lines for people to read, which are the endpoint's answer when `answers` says so.
    It raises `ActionError`, and what a call to a service raises.
    """

    name: str
    summary: str
    path: str
    work: Callable[[Platform, str, Any], Awaitable[list[str]]]
    parameters: type[BaseModel] = NoParameters
    answers: bool = False


async def run_action(
    action: Action, platform: Platform, migration_id: str, values: Mapping[str, Any] = MappingProxyType({})
) -> list[str]:
    """Do an action with its parameters by name. Raises `ActionError`, also for parameters that do not fit."""
    try:
        parameters = action.parameters.model_validate(dict(values))
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False, include_context=False)
        wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in problems)
        raise ActionError(400, f"{action.name}: {wrong}") from None
    return await action.work(platform, migration_id, parameters)


async def save_filter(platform: Platform, migration_id: str, filter: BaseModel) -> None:
    """Keep a changed filter in the history row of a migration."""
    await platform.ledger.set_filter(migration_id, filter_json(filter))
