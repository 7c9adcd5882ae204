"""Alerts: warning flags on prisoners, those of the latest booking, in the alerts service (alerts card)."""

from nomis_pipelines.domains.alerts.clients import AlertCalls
from nomis_pipelines.domains.alerts.migration import AlertsMigration
from nomis_pipelines.domains.alerts.repairs import REPAIRS, ROLE_2024
from nomis_pipelines.domains.alerts.synchronisation import AlertsSynchronisation
from nomis_pipelines.domains.declaration import Domain, Endpoints
from nomis_pipelines.http import HttpClients


async def delete_surplus(clients: HttpClients, dps_id: str) -> None:
    """Delete the surplus alert of a duplicate that an event made; one that is gone already is deleted (section 9)."""
    await AlertCalls(clients).delete(dps_id, missing_ok=True)


ALERTS = Domain(
    name="alerts",
    title="Alerts",
    migration=AlertsMigration,
    synchronisation=(AlertsSynchronisation,),
    repairs=REPAIRS,
    delete_surplus=delete_surplus,
    # a migration of 2024 only: today's contract has none (platform card, sections 3.2 and 3.8)
    endpoints=Endpoints(in_2024="alerts", role_2024=ROLE_2024),
)
