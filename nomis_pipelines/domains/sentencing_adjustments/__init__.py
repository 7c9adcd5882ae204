"""Sentencing adjustments: days added to or taken off the time to serve, of two kinds (adjustments card)."""

from nomis_pipelines.domains.declaration import Domain, Endpoints
from nomis_pipelines.domains.sentencing_adjustments.clients import AdjustmentCalls
from nomis_pipelines.domains.sentencing_adjustments.migration import AdjustmentsMigration
from nomis_pipelines.domains.sentencing_adjustments.repairs import REPAIRS
from nomis_pipelines.domains.sentencing_adjustments.synchronisation import (
    AdjustmentsResynchronisation,
    AdjustmentsSynchronisation,
)
from nomis_pipelines.http import HttpClients


async def delete_surplus(clients: HttpClients, dps_id: str) -> None:
    """Delete the surplus adjustment of a duplicate: the runbook's manual DELETE (section 9)."""
    await AdjustmentCalls(clients).delete(dps_id)


SENTENCING_ADJUSTMENTS = Domain(
    name="sentencing_adjustments",
    title="Sentencing adjustments",
    migration=AdjustmentsMigration,
    synchronisation=(AdjustmentsSynchronisation, AdjustmentsResynchronisation),
    repairs=REPAIRS,
    delete_surplus=delete_surplus,
    # a migration of 2024 only: today's contract has none (platform card, sections 3.2 and 3.8)
    endpoints=Endpoints(in_2024="sentencing", role_2024="ROLE_MIGRATE_SENTENCING"),
)
