"""Adjudications: disciplinary charges; migrated into the adjudications service, one record a charge (their card)."""

from nomis_pipelines.domains.adjudications.migration import AdjudicationsMigration
from nomis_pipelines.domains.adjudications.mock import MOCK
from nomis_pipelines.domains.declaration import Domain, Endpoints

ADJUDICATIONS = Domain(
    name="adjudications",
    title="Adjudications",
    migration=AdjudicationsMigration,
    # a migration of 2024 only: today's contract has none (platform card, sections 3.2 and 3.8)
    mocks=(MOCK,),
    endpoints=Endpoints(in_2024="adjudications", role_2024="ROLE_MIGRATE_ADJUDICATIONS"),
)
