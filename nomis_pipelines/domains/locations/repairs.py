"""What operators can ask for: one location brought in line with NOMIS (locations card, section 8)."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from nomis_pipelines.domains.locations.synchronisation import LocationEvent, LocationWork
from nomis_pipelines.synchronisation import SyncContext
from nomis_pipelines.synchronisation.repair import UPDATE_ROLE, Repair


class RepairedLocation(BaseModel):
    """The location to repair, and whether NOMIS has deleted it."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    internal_location_id: int
    record_deleted: bool = False


async def repair_location(context: SyncContext, location: RepairedLocation) -> None:
    """Create, update or delete it as its mapping says, whoever changed it and whatever its prison is."""
    event = LocationEvent(internal_location_id=location.internal_location_id, record_deleted=location.record_deleted)
    await LocationWork(context).change(event)
    context.telemetry.event(
        "locations-repair",
        {"nomisLocationId": location.internal_location_id, "recordDeleted": location.record_deleted},
    )


REPAIRS = (
    Repair(
        name="location",
        summary="Create, update or delete a location in DPS, as NOMIS and its mapping say",
        method="POST",
        path="/locations/id/{internalLocationId}/repair",
        parameters=RepairedLocation,
        work=repair_location,
        roles=(UPDATE_ROLE, "ROLE_NOMIS_LOCATIONS"),
    ),
)
