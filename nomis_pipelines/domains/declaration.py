"""What a domain is: a name and the parts it has. Everything else follows from its parts."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from nomis_pipelines.http import HttpClients
from nomis_pipelines.migration.declaration import DeclarationError, Migration
from nomis_pipelines.synchronisation import Synchronisation
from nomis_pipelines.synchronisation.repair import Repair


@dataclass(frozen=True, kw_only=True)
class Domain:
    """One kind of entity that moves from NOMIS to DPS.

    `title` is how people call it. `synchronisation` are the classes that handle its messages, the domain's own queue
    first. `delete_surplus` removes the surplus DPS record of a duplicate by its DPS id, where DPS has a way to; one
    that is gone already counts as removed.
    """

    name: str
    title: str
    migration: type[Migration[Any, Any, Any]]
    synchronisation: tuple[type[Synchronisation], ...] = ()
    repairs: tuple[Repair, ...] = ()
    delete_surplus: Callable[[HttpClients, str], Awaitable[None]] | None = None

    def __post_init__(self) -> None:
        if self.migration.name != self.name:
            raise DeclarationError(f"domain {self.name}: its migration calls itself {self.migration.name}")

    @property
    def queues(self) -> list[str]:
        """The queue ids that its classes serve, its own first."""
        return list(dict.fromkeys(declared.queue for declared in self.synchronisation))
