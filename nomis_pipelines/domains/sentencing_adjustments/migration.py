"""The bulk migration of adjustments (adjustments card, section 5.1)."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator, model_validator
from pydantic.alias_generators import to_camel

from nomis_pipelines.contracts.adjustments import LegacyAdjustment
from nomis_pipelines.contracts.nomis_prisoner import AdjustmentIdPage
from nomis_pipelines.domains.sentencing_adjustments.clients import (
    DOMAIN,
    DPS_ID_FIELD,
    MAPPINGS,
    AdjustmentCalls,
    AdjustmentKey,
)
from nomis_pipelines.domains.sentencing_adjustments.transform import Adjustment, transform
from nomis_pipelines.http import Conflict, ServiceClient
from nomis_pipelines.migration.declaration import Item, Migration, MigrationContext
from nomis_pipelines.migration.ids import ByPageNumber, IdPage
from nomis_pipelines.migration.partitions import ByMonth

PLAIN_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
AdjustmentItem = Item[AdjustmentKey, Adjustment, LegacyAdjustment]


class AdjustmentsFilter(BaseModel):
    """Which adjustments: by the day they were made in NOMIS, both ends included."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")

    from_date: date | None = None
    to_date: date | None = None

    @field_validator("from_date", "to_date", mode="before")
    @classmethod
    def _plain_date(cls, value: object) -> object:
        # pydantic would take a moment in any zone, or a number of seconds, for the day it falls on in UTC
        if isinstance(value, int | float) or (isinstance(value, str) and not PLAIN_DATE.fullmatch(value)):
            raise ValueError("a date is a year, a month and a day, such as 2024-05-01")
        return value

    @model_validator(mode="after")
    def _in_order(self) -> "AdjustmentsFilter":
        if self.from_date and self.to_date and self.from_date > self.to_date:
            raise ValueError("fromDate is after toDate")
        return self


async def adjustment_ids(
    nomis: ServiceClient, query: Mapping[str, object], page: int, size: int
) -> IdPage[AdjustmentKey]:
    """One page of adjustment ids of both kinds, oldest first; hidden ones are not listed."""
    answer = await nomis.get("/adjustments/ids", AdjustmentIdPage, query={**query, "page": page, "size": size})
    ids = [AdjustmentKey(row.adjustment_category, row.adjustment_id) for row in answer.content]
    return IdPage(ids=ids, total=answer.total_elements, size=answer.size)


class AdjustmentsMigration(Migration[AdjustmentKey, Adjustment, LegacyAdjustment]):
    """Sentence and key-date adjustments, into the adjustments service."""

    name = DOMAIN
    migration_type = "SENTENCING_ADJUSTMENTS"
    telemetry_name = "sentencing-adjustments"
    filter = AdjustmentsFilter
    ids = ByPageNumber(adjustment_ids)
    partitions = ByMonth("2010-01", "from_date", "to_date")
    services = ("nomis", "mapping", "sentencing")
    write_service = "sentencing"
    mapping_path = MAPPINGS
    dps_id_field = DPS_ID_FIELD

    def __init__(self, context: MigrationContext) -> None:
        super().__init__(context)
        self._calls = AdjustmentCalls(context.clients)

    def key(self, id: AdjustmentKey) -> str:
        return str(id)

    def parse_key(self, nomis_key: str) -> AdjustmentKey:
        return AdjustmentKey.parse(nomis_key)

    @classmethod
    def message_id(cls, nomis_key: str) -> dict[str, Any]:
        key = AdjustmentKey.parse(nomis_key)
        return {"adjustmentId": key.id, "adjustmentCategory": key.category}

    async def find_mapping(self, id: AdjustmentKey) -> str | None:
        mapping = await self._calls.find_mapping(id)
        return mapping.adjustment_id if mapping is not None else None

    async def read(self, id: AdjustmentKey) -> Adjustment:
        return await self._calls.read(id)

    def transform(self, record: Adjustment, today: date) -> LegacyAdjustment:
        return transform(record)

    async def write(self, request: LegacyAdjustment) -> str:
        return await self._calls.create(request, migration=True)

    def mapping(self, id: AdjustmentKey, dps_id: str) -> dict[str, Any]:
        return {
            "nomisAdjustmentId": id.id,
            "nomisAdjustmentCategory": id.category,
            "adjustmentId": dps_id,
            "label": self.migration_id,
            "mappingType": "MIGRATED",
        }

    async def post_mapping(self, mapping: Mapping[str, Any]) -> None:
        await self._calls.post_mapping(mapping)

    def on_migrated(self, item: AdjustmentItem) -> None:
        self.telemetry.event(
            "sentencing-adjustments-migration-entity-migrated",
            {
                "nomisAdjustmentId": item.id.id,
                "nomisAdjustmentCategory": item.id.category,
                "adjustmentId": item.dps_id,
                "migrationId": self.migration_id,
            },
        )

    def on_duplicate(self, item: AdjustmentItem, conflict: Conflict, minutes: int) -> None:
        self.telemetry.event(
            "nomis-migration-adjustment-duplicate",
            {
                "migrationId": self.migration_id,
                **duplicate_properties(conflict.duplicate or {}, conflict.existing or {}),
                "durationMinutes": minutes,
            },
        )


def duplicate_properties(duplicate: Mapping[str, Any], existing: Mapping[str, Any]) -> dict[str, object]:
    """What a duplicate event says of the surplus pair and of the other (adjustments card, sections 5.1 and 9)."""
    names = ("adjustmentId", "nomisAdjustmentId", "nomisAdjustmentCategory")
    return {
        f"{prefix}{name[0].upper()}{name[1:]}": pair.get(name)
        for prefix, pair in (("duplicate", duplicate), ("existing", existing))
        for name in names
    }
