"""Visits: one booked meeting of a prisoner with visitors; migrated into the visit scheduler (visits card)."""

from nomis_pipelines.domains.declaration import Domain, Endpoints
from nomis_pipelines.domains.visits.migration import VisitsMigration
from nomis_pipelines.domains.visits.rooms import ROOMS_USAGE
from nomis_pipelines.domains.visits.synchronisation import VisitsSynchronisation

VISITS = Domain(
    name="visits",
    title="Visits",
    migration=VisitsMigration,
    synchronisation=(VisitsSynchronisation,),
    reports=(ROOMS_USAGE,),
    endpoints=Endpoints(today="visits", in_2024="visits", role_2024="ROLE_MIGRATE_VISITS"),
)
