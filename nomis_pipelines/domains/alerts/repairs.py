"""What operators can ask for: a prisoner to be sent again (alerts card, section 8)."""

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from nomis_pipelines.domains.alerts.prisoners import PrisonerWork
from nomis_pipelines.synchronisation import SyncContext
from nomis_pipelines.synchronisation.repair import SYSCON_ROLE, UPDATE_ROLE, Repair

ROLE_2024 = "ROLE_MIGRATE_ALERTS"


class Prisoner(BaseModel):
    """The prisoner to repair. A number of another form is refused: of one that NOMIS does not know, all is removed."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    offender_no: str = Field(pattern=r"^[A-Z][0-9]{4}[A-Z]{2}$")


async def resynchronise(context: SyncContext, prisoner: Prisoner) -> None:
    """Replace what DPS and the mapping service have by what NOMIS has; of an unknown number that is nothing."""
    await PrisonerWork(context).resynchronise(prisoner.offender_no)
    properties = {"offenderNo": prisoner.offender_no}
    context.telemetry.event("from-nomis-synch-alerts-resynchronisation-repair", properties)


REPAIRS = (
    Repair(
        name="resynchronise",
        summary="Replace all alerts of a prisoner in DPS, and their mappings, by those of NOMIS",
        method="POST",
        path="/prisoners/{offenderNo}/alerts/resynchronise",
        parameters=Prisoner,
        work=resynchronise,
        roles=(UPDATE_ROLE, SYSCON_ROLE, ROLE_2024),
    ),
)
