"""What operators can ask for: one incident brought in line with NOMIS (incidents card, section 8.1)."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from nomis_pipelines.domains.incidents.synchronisation import IncidentWork
from nomis_pipelines.synchronisation import SyncContext
from nomis_pipelines.synchronisation.repair import UPDATE_ROLE, Repair


class RepairedIncident(BaseModel):
    """The incident to repair; whether to make it in DPS; whether to do so where DPS is in charge."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    incident_id: int
    create_incident: bool = False
    override_agency_switch: bool = False


async def repair_incident(context: SyncContext, incident: RepairedIncident) -> None:
    """Insert or update it as an event would. What stops the work without an error is a repair all the same."""
    work = IncidentWork(context, override_agency=incident.override_agency_switch)
    if incident.create_incident:
        await work.insert(incident.incident_id)
    else:
        await work.update(incident.incident_id)
    context.telemetry.event("incidents-resynchronisation-repair", {"nomisIncidentId": incident.incident_id})


REPAIRS = (
    Repair(
        name="incident",
        summary="Create or update an incident report in DPS, as NOMIS has it now",
        method="POST",
        path="/incidents/{incidentId}/repair",
        parameters=RepairedIncident,
        work=repair_incident,
        roles=(UPDATE_ROLE,),
    ),
)
