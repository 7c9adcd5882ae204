"""What a domain is: a name and the parts it has. Everything else follows from its parts."""

from dataclasses import dataclass
from typing import Any

from nomis_pipelines.migration.declaration import DeclarationError, Migration


@dataclass(frozen=True, kw_only=True)
class Domain:
    """One kind of entity that moves from NOMIS to DPS. `title` is how people call it."""

    name: str
    title: str
    migration: type[Migration[Any, Any, Any]]

    def __post_init__(self) -> None:
        if self.migration.name != self.name:
            raise DeclarationError(f"domain {self.name}: its migration calls itself {self.migration.name}")
