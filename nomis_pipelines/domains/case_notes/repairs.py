"""What operators can ask for: a case note to be deleted (case notes card, section 8)."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from nomis_pipelines.domains.case_notes.clients import NOMIS_ID_FIELD
from nomis_pipelines.domains.case_notes.notes import CaseNoteWork
from nomis_pipelines.synchronisation import SyncContext
from nomis_pipelines.synchronisation.repair import UPDATE_ROLE, Repair

ROLE_UNTIL_2025 = "ROLE_NOMIS_CASENOTES"


class Note(BaseModel):
    """The NOMIS row whose note is to go, from DPS and with every other row of it."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    nomis_case_note_id: int


async def delete(context: SyncContext, note: Note) -> None:
    """Do what a delete in NOMIS would do, also for a row that is still there. Nothing is raised by what fails."""
    await CaseNoteWork(context).delete_by_hand(note.nomis_case_note_id)
    context.telemetry.event("casenotes-repair-deleted-success", {NOMIS_ID_FIELD: note.nomis_case_note_id})


REPAIRS = (
    Repair(
        name="delete",
        summary="Delete a case note in DPS, with all its mappings and every other NOMIS row of it (emergencies only)",
        method="DELETE",
        path="/casenotes/{nomisCaseNoteId}/repair",
        parameters=Note,
        work=delete,
        status=204,
        roles=(UPDATE_ROLE, ROLE_UNTIL_2025),
    ),
)
