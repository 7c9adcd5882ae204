"""Allocations: which prisoner is on which activity, migrated after the activities (allocations card)."""

from nomis_pipelines.domains.allocations.migration import AllocationsMigration
from nomis_pipelines.domains.declaration import Domain, Endpoints

ALLOCATIONS = Domain(
    name="allocations",
    title="Allocations",
    migration=AllocationsMigration,
    endpoints=Endpoints(today="allocations", in_2024="allocations", role_2024="ROLE_MIGRATE_ACTIVITIES"),
)
