"""What the endpoints share: the platform, the way to Dagster, the domains, and who the caller is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request

from nomis_pipelines.api.auth import Principal, Tokens
from nomis_pipelines.api.errors import Forbidden, invalid_argument
from nomis_pipelines.api.launcher import Launcher
from nomis_pipelines.api.roles import domain_roles
from nomis_pipelines.domains.declaration import Domain
from nomis_pipelines.observability.health import Health
from nomis_pipelines.platform import Platform
from nomis_pipelines.synchronisation import DeadLetters


@dataclass(frozen=True, kw_only=True)
class ApiContext:
    """Everything an endpoint may use. Made when the server starts, closed when it stops."""

    platform: Platform
    launcher: Launcher
    domains: Sequence[Domain]
    letters: DeadLetters
    tokens: Tokens
    health: Health

    def domain_of_type(self, migration_type: str) -> Domain:
        """The domain whose migrations have this type (platform card, section 2.2). 400 for an unknown one."""
        for domain in self.domains:
            if domain.migration.migration_type == migration_type:
                return domain
        known = ", ".join(domain.migration.migration_type for domain in self.domains)
        raise invalid_argument(f"{migration_type[:40]!r} is not a migration type; there are {known}")


def context_of(request: Request) -> ApiContext:
    """The context of the running server."""
    return request.app.state.context


Context = Annotated[ApiContext, Depends(context_of)]


def require(roles: frozenset[str]) -> Any:
    """A dependency: the caller, who has one of these roles; else 403."""

    def check(request: Request) -> Principal:
        return principal_with(request, roles)

    return Depends(check)


def principal_with(request: Request, roles: frozenset[str]) -> Principal:
    """The caller of a request. 403 without one of the roles."""
    principal: Principal | None = getattr(request.state, "principal", None)
    if principal is None or not principal.roles & roles:
        raise Forbidden
    return principal


def may_operate(principal: Principal, domain: Domain) -> None:
    """403 unless the caller may operate the migrations of this domain."""
    if not principal.roles & domain_roles(domain):
        raise Forbidden
