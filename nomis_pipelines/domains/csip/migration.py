"""The bulk migration of CSIP reports (CSIP card, section 5).

A mapping that could not be recorded is recorded later as a whole, unlike the card's retry message, which knows neither
the label nor the parts: so no report is left with parts that are not mapped.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from nomis_pipelines.contracts.csip import SyncCsip
from nomis_pipelines.contracts.nomis_prisoner import CsipIdPage, CsipReport
from nomis_pipelines.domains.csip.clients import MAPPINGS, CsipCalls, is_same_report
from nomis_pipelines.domains.csip.parts import (
    DOMAIN,
    DPS_ID_FIELD,
    MIGRATED,
    PARTS_ONLY,
    CsipId,
    PartsKey,
    duplicate_properties,
    pairs_of,
    parse_id,
)
from nomis_pipelines.domains.csip.transform import to_record
from nomis_pipelines.http import Conflict, ServiceClient
from nomis_pipelines.migration.declaration import Item, Migration, MigrationContext, Rejected, Written
from nomis_pipelines.migration.doubts import DoubtError
from nomis_pipelines.migration.filters import DateFilter
from nomis_pipelines.migration.ids import ByPageNumber, IdPage
from nomis_pipelines.migration.partitions import ByMonth

ACTIONED_BY = "SYS"
"""Who wrote all that is migrated, whatever NOMIS's audit says (section 11)."""

CsipItem = Item[CsipId, CsipReport, SyncCsip]


class CsipFilter(DateFilter):
    """Which reports: by the day they were made in NOMIS, both ends included."""


async def csip_ids(nomis: ServiceClient, query: Mapping[str, object], page: int, size: int) -> IdPage[int]:
    """One page of the ids of reports, lowest first."""
    answer = await nomis.get("/csip/ids", CsipIdPage, query={**query, "page": page, "size": size})
    return IdPage(ids=[row.csip_id for row in answer.content], total=answer.total_elements, size=answer.size)


class CsipMigration(Migration[CsipId, CsipReport, SyncCsip]):
    """CSIP reports with all their parts, into the CSIP service."""

    name = DOMAIN
    migration_type = "CSIP"
    telemetry_name = "csip"
    filter = CsipFilter
    ids = ByPageNumber(csip_ids)
    partitions = ByMonth("2010-01", "from_date", "to_date")
    services = ("nomis", "mapping", "csip")
    write_service = "csip"
    mapping_path = MAPPINGS
    dps_id_field = DPS_ID_FIELD

    def __init__(self, context: MigrationContext) -> None:
        super().__init__(context)
        self._calls = CsipCalls(context.clients)

    def key(self, id: CsipId) -> str:
        return str(id)

    def parse_key(self, nomis_key: str) -> CsipId:
        return parse_id(nomis_key)

    @classmethod
    def message_id(cls, nomis_key: str) -> dict[str, int]:
        id = parse_id(nomis_key)
        return {"csipId": id.report_id if isinstance(id, PartsKey) else id}

    async def find_mapping(self, id: CsipId) -> str | None:
        """Of added parts it is the pair of their report."""
        return await self._calls.find_mapping(id.report_id if isinstance(id, PartsKey) else id)

    async def read(self, id: CsipId) -> CsipReport:
        """Raises `Rejected` for added parts: the next event of their report sends them, and nothing else may."""
        if isinstance(id, PartsKey):
            raise Rejected("made-by-an-event", csipId=id.report_id)
        return await self._calls.read(id)

    def transform(self, record: CsipReport, today: date) -> SyncCsip:
        return to_record(record, (datetime.fromisoformat(self.migration_id), ACTIONED_BY))

    def partition_of(self, record: CsipReport) -> str:
        return f"{record.create_date_time:%Y-%m}"

    async def write(self, request: SyncCsip) -> Written:
        dps_id, made = await self._calls.create(request)
        mapping = pairs_of(request.legacy_id, dps_id, made, MIGRATED, label=self.migration_id)
        return Written(dps_id=dps_id, mapping=mapping)

    def mapping(self, id: CsipId, dps_id: str) -> dict[str, Any]:
        """Raises `DoubtError`: which part became which, only the answer that was lost could tell."""
        raise DoubtError(
            f"CSIP report {id} cannot be adopted by one id: its parts would stay unmapped, and the next event would "
            "make them again. Delete the record in DPS, then have it written again"
        )

    async def post_mapping(self, mapping: Mapping[str, Any]) -> None:
        if PARTS_ONLY in mapping:  # of parts, whose event could not record them
            await self._calls.post_parts(mapping)
        else:
            await self._calls.post_mapping(mapping)

    def is_own_pair(self, mapping: Mapping[str, Any], existing: Mapping[str, Any]) -> bool:
        """Only of whole reports: the 409 of added parts shows their report, whichever part it is about."""
        return PARTS_ONLY not in mapping and is_same_report(mapping, existing)

    def on_migrated(self, item: CsipItem) -> None:
        self.telemetry.event(
            "csip-migration-entity-migrated",
            {"nomisCSIPId": item.id, "dpsCSIPId": item.dps_id, "migrationId": self.migration_id},
        )

    def on_duplicate(self, item: CsipItem, conflict: Conflict, minutes: int) -> None:
        self.telemetry.event(
            "csip-nomis-migration-duplicate",
            {
                "migrationId": self.migration_id,
                **duplicate_properties(conflict.duplicate, conflict.existing),
                "durationMinutes": minutes,
            },
        )
