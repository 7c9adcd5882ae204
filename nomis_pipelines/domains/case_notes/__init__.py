"""Case notes: dated entries about prisoners, many rows of NOMIS to one note of DPS (case notes card)."""

from nomis_pipelines.domains.case_notes.clients import CaseNoteCalls
from nomis_pipelines.domains.case_notes.migration import CaseNotesMigration
from nomis_pipelines.domains.case_notes.repairs import REPAIRS
from nomis_pipelines.domains.case_notes.synchronisation import CaseNotesSynchronisation
from nomis_pipelines.domains.declaration import Domain, Endpoints
from nomis_pipelines.http import HttpClients


async def delete_surplus(clients: HttpClients, dps_id: str) -> None:
    """Delete the surplus note of a duplicate that an event made; one that is gone already is deleted (section 9)."""
    await CaseNoteCalls(clients).delete(dps_id)


CASE_NOTES = Domain(
    name="case_notes",
    title="Case notes",
    migration=CaseNotesMigration,
    synchronisation=(CaseNotesSynchronisation,),
    repairs=REPAIRS,
    delete_surplus=delete_surplus,
    # a migration of July 2024 to March 2025 only: today's contract has none (section 1)
    endpoints=Endpoints(in_2024="casenotes", role_2024="ROLE_MIGRATE_CASENOTES"),
)
