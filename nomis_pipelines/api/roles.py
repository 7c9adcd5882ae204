"""Who may do what: an endpoint takes the role of every contract that had it (platform card, section 3.1)."""

from collections.abc import Iterable

from nomis_pipelines.domains.declaration import Domain
from nomis_pipelines.settings import Settings
from nomis_pipelines.synchronisation.repair import SYSCON_ROLE

MIGRATION_ROLE = "ROLE_PRISONER_FROM_NOMIS__MIGRATION__RW"
HISTORY_ROLE = "ROLE_MIGRATION_ADMIN"
QUEUE_ROLES = frozenset({"ROLE_SYSCON__QUEUE_ADMIN", "ROLE_QUEUE_ADMIN"})

ANY_DOMAIN_ROLES = frozenset({MIGRATION_ROLE, SYSCON_ROLE})
"""These operate the migrations of every domain."""


def domain_roles(domain: Domain) -> frozenset[str]:
    """The roles that operate the migrations of a domain."""
    own = domain.paths.role_2024
    return ANY_DOMAIN_ROLES | ({own} if own else set())


def migration_roles(domains: Iterable[Domain]) -> frozenset[str]:
    """The roles that operate the migrations of at least one domain."""
    return ANY_DOMAIN_ROLES.union(*(domain_roles(domain) for domain in domains))


def queue_roles(settings: Settings) -> frozenset[str]:
    """The roles that administer queues: the published ones, or the one that `QUEUE_ADMIN_ROLE` sets in their place."""
    role = settings.queue_admin_role
    if not role:
        return QUEUE_ROLES
    return frozenset({role if role.startswith("ROLE_") else f"ROLE_{role}"})
