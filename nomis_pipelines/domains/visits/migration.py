"""The migration of visits, step by step as the visits card, section 5 has it."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel

from nomis_pipelines.contracts.nomis_mapping_service import VisitMapping, VisitRoomMapping
from nomis_pipelines.contracts.nomis_prisoner import Visit, VisitIdPage
from nomis_pipelines.contracts.visit_scheduler import MigrateVisitRequest
from nomis_pipelines.domains.duplicates import duplicate_properties
from nomis_pipelines.domains.visits.transform import VisitRecord, needs_room, transform
from nomis_pipelines.http import Conflict, InvalidAnswer, Rejected as RefusedByService, ServiceClient
from nomis_pipelines.migration.declaration import Item, Migration, MigrationContext, Rejected
from nomis_pipelines.migration.ids import ByPageNumber, IdPage
from nomis_pipelines.migration.once import Once
from nomis_pipelines.migration.partitions import PRISON_CODE, PrisonByMonth

GRID = PrisonByMonth("2010-01", "prison_ids", "from_date_time", "to_date_time")
VisitItem = Item[int, VisitRecord, MigrateVisitRequest]
REFERENCE = re.compile(r"[\w.:-]{1,40}", re.ASCII)
"""A visit reference, as far as the mapping service takes it (visits card, section 2)."""


class VisitsFilter(BaseModel):
    """Which visits: no prison named means all, an explicit `[]` of types all; creation time, inclusive at both ends."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")

    prison_ids: list[str] = []
    visit_types: list[Literal["SCON", "OFFI"]] = ["SCON"]
    from_date_time: datetime | None = Field(None)
    to_date_time: datetime | None = Field(None)
    ignore_missing_room: bool = False

    @field_validator("prison_ids")
    @classmethod
    def _prison_codes(cls, codes: list[str]) -> list[str]:
        for code in codes:
            if not PRISON_CODE.fullmatch(code):
                raise ValueError("a prison code is three to six capitals or digits, such as HEI")
        return codes

    @field_validator("from_date_time", "to_date_time")
    @classmethod
    def _local(cls, moment: datetime | None) -> datetime | None:
        if moment is not None and moment.tzinfo is not None:
            raise ValueError("a date-time is local and has no zone, such as 2024-05-01T00:00:00")
        return moment

    @model_validator(mode="after")
    def _in_order(self) -> "VisitsFilter":
        if self.from_date_time and self.to_date_time and self.from_date_time > self.to_date_time:
            raise ValueError("fromDateTime is after toDateTime")
        return self


async def visit_ids(nomis: ServiceClient, query: Mapping[str, object], page: int, size: int) -> IdPage[int]:
    """One page of visit ids, oldest first (visits card, section 3)."""
    answer = await nomis.get("/visits/ids", VisitIdPage, query={**query, "page": page, "size": size})
    return IdPage(ids=[row.visit_id for row in answer.content], total=answer.total_elements, size=answer.size)


class VisitsMigration(Migration[int, VisitRecord, MigrateVisitRequest]):
    """Past and future visits, into the visit scheduler."""

    name = "visits"
    migration_type = "VISITS"
    telemetry_name = "visits"
    filter = VisitsFilter
    ids = ByPageNumber(visit_ids)
    partitions = GRID
    services = ("nomis", "mapping", "visits")
    write_service = "visits"
    mapping_path = "/mapping/visits"
    dps_id_field = "vsipId"
    rejected_by_dps: ClassVar[str] = "refused-by-visit-scheduler"

    def __init__(self, context: MigrationContext) -> None:
        super().__init__(context)
        self._rooms = Once(self._find_room)

    def key(self, id: int) -> str:
        return str(id)

    def parse_key(self, nomis_key: str) -> int:
        return int(nomis_key)

    @classmethod
    def message_id(cls, nomis_key: str) -> dict[str, int]:
        return {"visitId": int(nomis_key)}

    async def find_mapping(self, id: int) -> str | None:
        mapping = await self.mappings.find("/mapping/visits/nomisId/{nomisId}", VisitMapping, path={"nomisId": id})
        return mapping.vsip_id if mapping is not None else None

    async def read(self, id: int) -> VisitRecord:
        visit = await self.nomis.get("/visits/{visitId}", Visit, path={"visitId": id})
        location = visit.agency_internal_location
        if location is None or not needs_room(visit, self.context.today):
            return VisitRecord(visit)
        room = await self._rooms(visit.prison_id, location.description)
        return VisitRecord(visit) if room is None else VisitRecord(visit, room.vsip_id, room.is_open)

    def transform(self, record: VisitRecord, today: date) -> MigrateVisitRequest:
        return transform(record, today)

    async def write(self, request: MigrateVisitRequest) -> str:
        """The reference is the bare text of the answer; a 422 or an empty answer is a refusal, not a failure."""
        try:
            reference = (await self.dps.post("/migrate-visits", request, str)).strip()
        except RefusedByService as refusal:
            if refusal.status == 422:
                raise Rejected(self.rejected_by_dps, status=422) from refusal
            raise
        if not reference:
            raise Rejected(self.rejected_by_dps, status=None)
        if not REFERENCE.fullmatch(reference):
            # a web page, say: taken for a reference, it would be mapped and the visit's own never be known
            raise InvalidAnswer("visits", "POST", "/migrate-visits", reason="body: not a visit reference")
        return reference

    def mapping(self, id: int, dps_id: str) -> dict[str, Any]:
        return {"nomisId": id, "vsipId": dps_id, "label": self.migration_id, "mappingType": "MIGRATED"}

    async def post_mapping(self, mapping: Mapping[str, Any]) -> None:
        await self.mappings.post("/mapping/visits", mapping, idempotent=True)

    def partition_of(self, record: VisitRecord) -> str | None:
        return GRID.key(record.visit.prison_id, record.visit.when_created)

    def on_started(self, estimated: int, filter: BaseModel) -> None:
        """The 2024 README's name, which wrote a blank where a date was not set."""
        values = filter.model_dump(by_alias=True)
        blanks = {name: "" if value is None else value for name, value in values.items()}
        self.telemetry.event(
            "nomis-migration-visits-started",
            {"migrationId": self.migration_id, "estimatedCount": estimated, **blanks},
        )

    def on_rejected(self, item: VisitItem, rejection: Rejected) -> None:
        if item.record is None:
            return
        visit = item.record.visit
        common = {
            "migrationId": self.migration_id,
            "prisonId": visit.prison_id,
            "offenderNo": visit.offender_no,
            "startDateTime": iso_seconds(visit.start_date_time),
        }
        if rejection.reason == "no-room-mapping":
            location = visit.agency_internal_location
            self.telemetry.event(
                "nomis-migration-visit-no-room-mapping",
                {
                    **common,
                    "visitId": visit.visit_id,
                    "agencyInternalLocation": location.description if location is not None else "",
                },
            )
        elif rejection.reason == self.rejected_by_dps and item.request is not None:
            self.telemetry.event(
                "nomis-migration-visit-rejected",
                {**common, "nomisId": visit.visit_id, "room": item.request.visit_room},
            )

    def on_migrated(self, item: VisitItem) -> None:
        if item.record is None or item.request is None:
            return
        visit = item.record.visit
        properties: dict[str, object] = {
            "migrationId": self.migration_id,
            "prisonId": visit.prison_id,
            "offenderNo": visit.offender_no,
            "visitId": visit.visit_id,
            "vsipVisitId": item.dps_id,
            "startDateTime": iso_seconds(visit.start_date_time),
            "room": item.request.visit_room,
        }
        self.telemetry.event("visits-migration-entity-migrated", properties)
        self.telemetry.event("nomis-migration-visit-migrated", properties)

    def on_duplicate(self, item: VisitItem, conflict: Conflict, minutes: int) -> None:
        self.telemetry.event(
            "nomis-migration-visit-duplicate",
            {
                "migrationId": self.migration_id,
                **duplicate_properties(conflict.duplicate, conflict.existing, "vsipId", "nomisId"),
                "durationMinutes": minutes,
            },
        )

    def on_mapping_failed(self, item: VisitItem) -> None:
        """The 2024 README's name, which operators still look for."""
        self.telemetry.event(
            "nomis-migration-visit-mapping-failed",
            {"migrationId": self.migration_id, "nomisVisitId": item.id, "vsipVisitId": item.dps_id},
        )

    async def _find_room(self, prison: str, description: str) -> VisitRoomMapping | None:
        return await self.mappings.find(
            "/prison/{prisonId}/room/nomis-room-id/{nomisRoomDescription}",
            VisitRoomMapping,
            path={"prisonId": prison, "nomisRoomDescription": description},
        )


def iso_seconds(moment: datetime) -> str:
    """ISO with seconds always written (visits card, section 5, telemetry)."""
    return moment.isoformat(timespec="seconds")
