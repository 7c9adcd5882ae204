"""Incidents: what happened in a prison, who was involved and what was reported of it (incidents card)."""

from nomis_pipelines.domains.declaration import Domain, Endpoints
from nomis_pipelines.domains.incidents.clients import IncidentCalls
from nomis_pipelines.domains.incidents.migration import IncidentsMigration
from nomis_pipelines.domains.incidents.repairs import REPAIRS
from nomis_pipelines.domains.incidents.synchronisation import IncidentsSynchronisation
from nomis_pipelines.http import HttpClients


async def delete_surplus(clients: HttpClients, dps_id: str) -> None:
    """Delete the stray report of a duplicate (section 9); one that is gone already is deleted all the same."""
    await IncidentCalls(clients).delete(dps_id)


INCIDENTS = Domain(
    name="incidents",
    title="Incidents",
    migration=IncidentsMigration,
    synchronisation=(IncidentsSynchronisation,),
    repairs=REPAIRS,
    delete_surplus=delete_surplus,
    # removed in May 2026: today's contract has no migration of incidents (platform card, sections 3.2 and 3.8)
    endpoints=Endpoints(in_2024="incidents", role_2024="ROLE_MIGRATE_INCIDENT_REPORTS"),
)
