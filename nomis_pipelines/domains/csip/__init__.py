"""CSIP: challenge, support and intervention plans, a whole record for each report of NOMIS (CSIP card)."""

from datetime import datetime
from zoneinfo import ZoneInfo

from nomis_pipelines.domains.csip.clients import CsipCalls
from nomis_pipelines.domains.csip.migration import CsipMigration
from nomis_pipelines.domains.csip.synchronisation import CsipSynchronisation
from nomis_pipelines.domains.declaration import Domain, Endpoints
from nomis_pipelines.http import HttpClients
from nomis_pipelines.settings import LONDON


async def delete_surplus(clients: HttpClients, dps_id: str) -> None:
    """Delete the surplus record of a duplicate; one that is gone already is deleted all the same (section 9)."""
    now = datetime.now(ZoneInfo(LONDON)).replace(microsecond=0, tzinfo=None)
    await CsipCalls(clients).delete(dps_id, now, missing_ok=True)


CSIP = Domain(
    name="csip",
    title="CSIP",
    migration=CsipMigration,
    synchronisation=(CsipSynchronisation,),
    delete_surplus=delete_surplus,
    # a migration of 2024 and early 2025: today's contract has none (card, section 1; platform card, section 3.8)
    endpoints=Endpoints(in_2024="csip", role_2024="ROLE_MIGRATE_CSIP"),
)
