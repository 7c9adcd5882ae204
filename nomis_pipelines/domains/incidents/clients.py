"""The calls of incidents: NOMIS, mapping service, incident reporting service (incidents card, sections 2 to 4)."""

from collections.abc import Mapping
from typing import Any

from nomis_pipelines.contracts.incidents import SavedIncidentReport, UpsertIncidentReport
from nomis_pipelines.contracts.nomis_mapping_service import IncidentMapping
from nomis_pipelines.contracts.nomis_prisoner import IncidentCase
from nomis_pipelines.http import HttpClients, ServiceError
from nomis_pipelines.ledger import RecordKey

DOMAIN = "incidents"
MAPPINGS = "/mapping/incidents"
DPS_ID_FIELD = "dpsIncidentId"
SWITCH = "INCIDENTS"
"""The code of the agency switch (section 3)."""
BY_REFERENCE = "/incident-reports/reference/{reference}"


def ledger_key(incident_id: int) -> RecordKey:
    """The key of an incident in the ledger, the same for migration and synchronisation."""
    return RecordKey(domain=DOMAIN, entity=DOMAIN, nomis_key=str(incident_id))


def duplicate_told(duplicate: Mapping[str, Any] | None, existing: Mapping[str, Any] | None) -> dict[str, object]:
    """What duplicate events tell of either pair: `DPS` is in capitals here (sections 5.3 and 7.1)."""
    there, refused = existing or {}, duplicate or {}
    return {
        "existingNomisIncidentId": there.get("nomisIncidentId"),
        "duplicateNomisIncidentId": refused.get("nomisIncidentId"),
        "existingDPSIncidentId": there.get(DPS_ID_FIELD),
        "duplicateDPSIncidentId": refused.get(DPS_ID_FIELD),
    }


def is_of_lookup(error: Exception) -> bool:
    """Whether it is the look-up of a report that failed: nothing is told of that (sections 5.1 and 7.1, step C)."""
    return isinstance(error, ServiceError) and error.template == BY_REFERENCE


class IncidentCalls:
    """Every call, on the clients of one run or consumer."""

    def __init__(self, clients: HttpClients) -> None:
        self.nomis = clients.client("nomis")
        self.mappings = clients.client("mapping")
        self.dps = clients.client("incidents")

    async def read(self, incident_id: int) -> IncidentCase:
        """The incident in NOMIS. Raises `NotFound`."""
        return await self.nomis.get("/incidents/{incidentId}", IncidentCase, path={"incidentId": incident_id})

    async def is_dps_in_charge(self, agency_id: str) -> bool:
        """Whether DPS, and not NOMIS, is in charge of incidents at an agency."""
        path = {"serviceCode": SWITCH, "agencyId": agency_id}
        return await self.nomis.find("/agency-switches/{serviceCode}/agency/{agencyId}", str, path=path) is not None

    async def find_mapping(self, incident_id: int) -> IncidentMapping | None:
        """The mapping of an incident, if there is one."""
        return await self.mappings.find(
            f"{MAPPINGS}/nomis-incident-id/{{nomisIncidentId}}", IncidentMapping, path={"nomisIncidentId": incident_id}
        )

    async def post_mapping(self, mapping: Mapping[str, Any]) -> None:
        """Record a pair. Raises `Conflict`."""
        await self.mappings.post(MAPPINGS, dict(mapping), idempotent=True)

    async def delete_mapping(self, dps_id: str) -> None:
        """Delete the pair of a DPS id; one that is gone already is deleted all the same."""
        await self.mappings.delete(f"{MAPPINGS}/dps-incident-id/{{dpsIncidentId}}", path={"dpsIncidentId": dps_id})

    async def upsert(self, body: UpsertIncidentReport) -> str:
        """Replace the report that the body's `id` names, or make one; its id. Raises `Conflict` where there is one.

        Sent twice it leaves one report: DPS refuses to make a second one for an incident, and says so with a 409.
        """
        return str((await self.dps.post("/sync/upsert", body, SavedIncidentReport, idempotent=True)).id)

    async def find_report(self, incident_id: int) -> str:
        """The id of the report that DPS has for an incident. Raises `NotFound`."""
        return str((await self.dps.get(BY_REFERENCE, SavedIncidentReport, path={"reference": incident_id})).id)

    async def delete(self, dps_id: str) -> None:
        """Delete a report in DPS; one that is gone already is deleted all the same."""
        await self.dps.delete("/incident-reports/{id}", path={"id": dps_id}, missing_ok=True)
