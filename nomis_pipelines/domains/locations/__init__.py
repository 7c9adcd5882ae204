"""Locations inside prisons: wings, landings, cells, workshops, in trees (locations card)."""

from nomis_pipelines.domains.declaration import Domain, Endpoints
from nomis_pipelines.domains.locations.clients import LocationCalls
from nomis_pipelines.domains.locations.migration import LocationsMigration
from nomis_pipelines.domains.locations.repairs import REPAIRS
from nomis_pipelines.domains.locations.synchronisation import LocationsSynchronisation
from nomis_pipelines.http import HttpClients


async def delete_surplus(clients: HttpClients, dps_id: str) -> None:
    """Delete the surplus location of a duplicate (section 9); one that is gone already is deleted all the same."""
    await LocationCalls(clients).delete(dps_id, missing_ok=True)


LOCATIONS = Domain(
    name="locations",
    title="Locations",
    migration=LocationsMigration,
    synchronisation=(LocationsSynchronisation,),
    repairs=REPAIRS,
    delete_surplus=delete_surplus,
    # removed in February 2025: today's contract has no migration of locations (platform card, sections 3.2 and 3.8)
    endpoints=Endpoints(in_2024="locations", role_2024="ROLE_MIGRATE_LOCATIONS"),
)
