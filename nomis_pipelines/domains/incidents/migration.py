"""The bulk migration of incidents (incidents card, section 5)."""

import logging
from collections.abc import Mapping
from datetime import date
from typing import Any

from nomis_pipelines.contracts.incidents import UpsertIncidentReport
from nomis_pipelines.contracts.nomis_prisoner import IncidentCase, IncidentIdPage
from nomis_pipelines.domains.incidents.clients import (
    DOMAIN,
    DPS_ID_FIELD,
    MAPPINGS,
    IncidentCalls,
    duplicate_told,
    is_of_lookup,
)
from nomis_pipelines.domains.incidents.transform import to_upsert
from nomis_pipelines.http import Conflict, ServiceClient
from nomis_pipelines.migration.declaration import Item, Migration, MigrationContext
from nomis_pipelines.migration.filters import DateFilter
from nomis_pipelines.migration.ids import ByPageNumber, IdPage
from nomis_pipelines.migration.partitions import ByMonth
from nomis_pipelines.migration.reasons import words_of

GRID = ByMonth("2010-01", "from_date", "to_date")

log = logging.getLogger(__name__)

IncidentItem = Item[int, IncidentCase, UpsertIncidentReport]


class IncidentsFilter(DateFilter):
    """Which incidents: by the day they were made in NOMIS, both ends included."""


async def incident_ids(nomis: ServiceClient, query: Mapping[str, object], page: int, size: int) -> IdPage[int]:
    """One page of incident ids, lowest first."""
    answer = await nomis.get("/incidents/ids", IncidentIdPage, query={**query, "page": page, "size": size})
    return IdPage(ids=[row.incident_id for row in answer.content], total=answer.total_elements, size=answer.size)


class IncidentsMigration(Migration[int, IncidentCase, UpsertIncidentReport]):
    """Incidents with all that belongs to them, into the incident reporting service.

    Unlike the service that went before us, a mapping that is recorded later keeps its label (section 5.2): the ledger
    holds it whole, so the record counts as one of its migration.
    """

    name = DOMAIN
    migration_type = "INCIDENTS"
    telemetry_name = "incidents"
    filter = IncidentsFilter
    ids = ByPageNumber(incident_ids)
    partitions = GRID
    services = ("nomis", "mapping", "incidents")
    write_service = "incidents"
    mapping_path = MAPPINGS
    dps_id_field = DPS_ID_FIELD
    most_at_once = 8
    # DPS makes no second report of an incident: it answers 409, and the one that is there is looked up (section 9)
    idempotent_write = True

    def __init__(self, context: MigrationContext) -> None:
        super().__init__(context)
        self._calls = IncidentCalls(context.clients)

    def key(self, id: int) -> str:
        return str(id)

    def parse_key(self, nomis_key: str) -> int:
        return int(nomis_key)

    @classmethod
    def message_id(cls, nomis_key: str) -> dict[str, Any]:
        return {"incidentId": int(nomis_key)}

    async def find_mapping(self, id: int) -> str | None:
        mapping = await self._calls.find_mapping(id)
        return mapping.dps_incident_id if mapping is not None else None

    async def read(self, id: int) -> IncidentCase:
        return await self._calls.read(id)

    def transform(self, record: IncidentCase, today: date) -> UpsertIncidentReport:
        return to_upsert(record, migration=True)

    async def write(self, request: UpsertIncidentReport) -> str:
        """Make the report, or find the one that an earlier call made whose answer we never saw (step C)."""
        try:
            return await self._calls.upsert(request)
        except Conflict as conflict:
            self._tell_error("conflict", request.incident_report.incident_id, conflict)
        return await self._calls.find_report(request.incident_report.incident_id)

    def mapping(self, id: int, dps_id: str) -> dict[str, Any]:
        return {
            "nomisIncidentId": id,
            "dpsIncidentId": dps_id,
            "mappingType": "MIGRATED",
            "label": self.migration_id,
        }

    async def post_mapping(self, mapping: Mapping[str, Any]) -> None:
        await self._calls.post_mapping(mapping)

    def partition_of(self, record: IncidentCase) -> str | None:
        return GRID.key(record.create_date_time)

    def on_skipped(self, item: IncidentItem) -> None:
        """No event, but the line that operators' screens count (platform card, section 3.11)."""
        log.info("Will not migrate the incident since it is migrated already, NOMIS incident id is %s", item.id)

    def on_migrated(self, item: IncidentItem) -> None:
        self.telemetry.event(
            "incidents-migration-entity-migrated",
            {"nomisIncidentId": item.id, "dpsIncidentId": item.dps_id, "migrationId": self.migration_id},
        )

    def on_failed(self, item: IncidentItem, error: Exception) -> None:
        if not is_of_lookup(error):
            self._tell_error("failed", item.id, error)

    def on_duplicate(self, item: IncidentItem, conflict: Conflict, minutes: int) -> None:
        self.telemetry.event(
            "incidents-migration-nomis-duplicate",
            {
                "migrationId": self.migration_id,
                **duplicate_told(conflict.duplicate, conflict.existing),
                "durationMinutes": minutes,
            },
        )

    def _tell_error(self, what: str, incident_id: int, error: Exception) -> None:
        self.telemetry.event(
            f"incidents-migration-entity-migration-{what}",
            {"nomisIncidentId": incident_id, "reason": words_of(error), "migrationId": self.migration_id},
        )
