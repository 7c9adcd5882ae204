"""What a domain is: a name and the parts it has. Everything else follows from its parts."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from pydantic import BaseModel

from nomis_pipelines.http import HttpClients
from nomis_pipelines.migration.actions import Action
from nomis_pipelines.migration.declaration import DeclarationError, Migration
from nomis_pipelines.synchronisation import Synchronisation
from nomis_pipelines.synchronisation.repair import Repair


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """Where the control API offers a domain's migration: the segment of the path after `/migrate/`.

    `today` is the one of the present contract (platform card, section 3.2), `in_2024` that of the older one with
    `role_2024`, its own role (section 3.8); None where a contract has no such migration.
    """

    today: str | None = None
    in_2024: str | None = None
    role_2024: str | None = None

    def __post_init__(self) -> None:
        if not (self.today or self.in_2024):
            raise DeclarationError("endpoints without a path in either contract")
        if bool(self.in_2024) != bool(self.role_2024):
            raise DeclarationError("endpoints of 2024 need both their path and their role")


@dataclass(frozen=True, kw_only=True)
class Report:
    """Something a domain can tell without changing anything: GET `path` in the control API.

    The query variables are the fields (by alias) of `parameters`; `work` gives rows of the model `row`.
    """

    summary: str
    path: str
    parameters: type[BaseModel]
    row: type[BaseModel]
    work: Callable[[HttpClients, Any], Awaitable[Sequence[BaseModel]]]


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a migration would send for one record, without sending it: GET `path` in the control API.

    The path variables are the fields (by alias) of `parameters`; `work` gives the `body`, with the day to take for
    today. What NOMIS refuses is not translated: the endpoint fails.
    """

    summary: str
    path: str
    parameters: type[BaseModel]
    body: type[BaseModel]
    work: Callable[[HttpClients, Any, date], Awaitable[BaseModel]]


@dataclass(frozen=True, kw_only=True)
class Mock:
    """An endpoint of a DPS service, played by the control API, for rehearsals while that service is not connected.

    `answer` gives the body for what was sent; nothing is stored. Only `role` may call it, and the published document
    of the control API does not show it. To rehearse, the service's base URL is set to the control API's.
    """

    path: str
    role: str
    body: type[BaseModel]
    answer: Callable[[Any], BaseModel]
    method: str = "POST"
    status: int = 200


@dataclass(frozen=True, kw_only=True)
class Domain:
    """One kind of entity that moves from NOMIS to DPS.

    `title` is how people call it. `synchronisation` are the classes that handle its messages, the domain's own queue
    first. `delete_surplus` removes the surplus DPS record of a duplicate by its DPS id, where DPS has a way to; one
    that is gone already counts as removed. `endpoints` is for domains that the older contracts know: without it the
    control API offers the migration under the domain's name.
    """

    name: str
    title: str
    migration: type[Migration[Any, Any, Any]]
    synchronisation: tuple[type[Synchronisation], ...] = ()
    repairs: tuple[Repair, ...] = ()
    reports: tuple[Report, ...] = ()
    actions: tuple[Action, ...] = ()
    previews: tuple[Preview, ...] = ()
    mocks: tuple[Mock, ...] = ()
    delete_surplus: Callable[[HttpClients, str], Awaitable[None]] | None = None
    endpoints: Endpoints | None = None

    def __post_init__(self) -> None:
        if self.migration.name != self.name:
            raise DeclarationError(f"domain {self.name}: its migration calls itself {self.migration.name}")

    @property
    def paths(self) -> Endpoints:
        """Where the control API offers its migration."""
        return self.endpoints or Endpoints(today=self.name.replace("_", "-"))

    @property
    def queues(self) -> list[str]:
        """The queue ids that its classes serve, its own first."""
        return list(dict.fromkeys(declared.queue for declared in self.synchronisation))
