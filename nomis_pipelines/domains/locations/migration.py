"""The bulk migration of locations, parents before their children (locations card, section 5)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from nomis_pipelines.contracts.locations import MigrateLocation
from nomis_pipelines.contracts.nomis_prisoner import Location, LocationIdPage
from nomis_pipelines.domains.duplicates import duplicate_properties
from nomis_pipelines.domains.locations.clients import (
    DOMAIN,
    DPS_ID_FIELD,
    DUPLICATE_FIELDS,
    MAPPINGS,
    LocationCalls,
)
from nomis_pipelines.domains.locations.transform import to_migrate
from nomis_pipelines.http import Conflict, NotFound, ServiceClient
from nomis_pipelines.migration.declaration import AwaitsParent, Ignored, Item, Migration, MigrationContext
from nomis_pipelines.migration.filters import DateFilter
from nomis_pipelines.migration.ids import ByPageNumber, IdPage
from nomis_pipelines.migration.partitions import Whole

IGNORED_PRISONS = frozenset({"ZZGHI", "UNKNWN", "TRN", "LT3", "LT4"})
"""Prisons that are none (section 5.1)."""


@dataclass(frozen=True, slots=True)
class PlacedLocation:
    """A location with the DPS id of its parent; None at the top of a prison."""

    location: Location
    parent_dps_id: str | None


LocationItem = Item[int, PlacedLocation, MigrateLocation]


class LocationsFilter(DateFilter):
    """Two days that go into history, telemetry and audit, and restrict nothing: NOMIS always lists every location."""


async def location_ids(nomis: ServiceClient, query: Mapping[str, object], page: int, size: int) -> IdPage[int]:
    """One page of location ids, lowest first. What the filter says is not passed on (section 5)."""
    answer = await nomis.get("/locations/ids", LocationIdPage, query={"page": page, "size": size})
    return IdPage(ids=[row.location_id for row in answer.content], total=answer.total_elements, size=answer.size)


class LocationsMigration(Migration[int, PlacedLocation, MigrateLocation]):
    """Every location of every prison, active or not, into the locations service.

    Unlike the service that went before us, the mapping is asked for before NOMIS, which spares a call for what is done;
    and a mapping that is recorded later keeps its label, since the ledger holds it whole (section 5.3).
    """

    name = DOMAIN
    migration_type = "LOCATIONS"
    telemetry_name = "locations"
    filter = LocationsFilter
    ids = ByPageNumber(location_ids)
    partitions = Whole()
    orders_by_parent = True
    services = ("nomis", "mapping", "locations")
    write_service = "locations"
    mapping_path = MAPPINGS
    dps_id_field = DPS_ID_FIELD

    def __init__(self, context: MigrationContext) -> None:
        super().__init__(context)
        self._calls = LocationCalls(context.clients)

    def key(self, id: int) -> str:
        return str(id)

    def parse_key(self, nomis_key: str) -> int:
        return int(nomis_key)

    @classmethod
    def message_id(cls, nomis_key: str) -> dict[str, Any]:
        return {"locationId": int(nomis_key)}

    async def find_mapping(self, id: int) -> str | None:
        mapping = await self._calls.find_mapping(id)
        return mapping.dps_location_id if mapping is not None else None

    async def exists(self, id: int) -> bool:
        try:
            await self._calls.read(id)
        except NotFound:
            return False
        return True

    async def read(self, id: int) -> PlacedLocation:
        """Raises `Ignored` for a prison that is none, `AwaitsParent` while the parent has no mapping (section 5.1)."""
        location = await self._calls.read(id)
        if location.prison_id in IGNORED_PRISONS:
            raise Ignored("ignored-prison", locationId=id, prisonId=location.prison_id)
        parent = location.parent_location_id
        if parent is None:
            return PlacedLocation(location, None)
        mapping = await self._calls.find_mapping(parent)
        if mapping is None:
            raise AwaitsParent(
                self.key(parent),
                f"Parent NOMIS location {parent} not yet migrated for NOMIS location {id}, {location.description}",
            )
        return PlacedLocation(location, mapping.dps_location_id)

    def transform(self, record: PlacedLocation, today: date) -> MigrateLocation:
        return to_migrate(record.location, record.parent_dps_id)

    async def write(self, request: MigrateLocation) -> str:
        return await self._calls.migrate(request)

    def mapping(self, id: int, dps_id: str) -> dict[str, Any]:
        return {
            "dpsLocationId": dps_id,
            "nomisLocationId": id,
            "mappingType": "MIGRATED",
            "label": self.migration_id,
        }

    async def post_mapping(self, mapping: Mapping[str, Any]) -> None:
        await self._calls.post_mapping(mapping)

    def on_migrated(self, item: LocationItem) -> None:
        assert item.record is not None  # noqa: S101  # written, so it has been read
        self.telemetry.event(
            "locations-migration-entity-migrated",
            {
                "dpsLocationId": item.dps_id,
                "nomisLocationId": item.id,
                "key": item.record.location.description,
                "migrationId": self.migration_id,
            },
        )

    def on_duplicate(self, item: LocationItem, conflict: Conflict, minutes: int) -> None:
        self.telemetry.event(
            "nomis-migration-location-duplicate",
            {
                "migrationId": self.migration_id,
                **duplicate_properties(conflict.duplicate, conflict.existing, *DUPLICATE_FIELDS),
                "durationMinutes": minutes,
            },
        )
