"""The calls of locations: NOMIS, mapping service, locations service (locations card, sections 2 to 4)."""

from collections.abc import Mapping
from typing import Any

from nomis_pipelines.contracts.locations import MigrateLocation, SavedLocation, UpsertLocation
from nomis_pipelines.contracts.nomis_mapping_service import LocationMapping
from nomis_pipelines.contracts.nomis_prisoner import Location
from nomis_pipelines.http import HttpClients
from nomis_pipelines.ledger import RecordKey

DOMAIN = "locations"
MAPPINGS = "/mapping/locations"
DPS_ID_FIELD = "dpsLocationId"
DUPLICATE_FIELDS = (DPS_ID_FIELD, "nomisLocationId")
"""What duplicate events tell of either pair (section 9)."""


def ledger_key(location_id: int) -> RecordKey:
    """The key of a location in the ledger, the same for migration and synchronisation."""
    return RecordKey(domain=DOMAIN, entity=DOMAIN, nomis_key=str(location_id))


class LocationCalls:
    """Every call, on the clients of one run or consumer."""

    def __init__(self, clients: HttpClients) -> None:
        self.nomis = clients.client("nomis")
        self.mappings = clients.client("mapping")
        self.dps = clients.client("locations")

    async def read(self, location_id: int) -> Location:
        """The location in NOMIS. Raises `NotFound`, and `InvalidAnswer` for a value that section 3 does not list."""
        return await self.nomis.get("/locations/{locationId}", Location, path={"locationId": location_id})

    async def find_mapping(self, location_id: int) -> LocationMapping | None:
        """The mapping of a location, if there is one."""
        return await self.mappings.find(
            f"{MAPPINGS}/nomis/{{nomisLocationId}}", LocationMapping, path={"nomisLocationId": location_id}
        )

    async def post_mapping(self, mapping: Mapping[str, Any]) -> None:
        """Record a pair. Raises `Conflict`."""
        await self.mappings.post(MAPPINGS, dict(mapping), idempotent=True)

    async def delete_mapping(self, dps_id: str) -> None:
        """Delete the pair of a DPS id."""
        await self.mappings.delete(f"{MAPPINGS}/dps/{{dpsLocationId}}", path={"dpsLocationId": dps_id})

    async def migrate(self, body: MigrateLocation) -> str:
        """Make a location with its history in DPS; its id."""
        return str((await self.dps.post("/migrate/location", body, SavedLocation)).id)

    async def create(self, body: UpsertLocation) -> str:
        """Make a location in DPS of a body without `id`; its id."""
        return str((await self.dps.post("/sync/upsert", body, SavedLocation)).id)

    async def update(self, body: UpsertLocation) -> None:
        """Bring the location that the body's `id` names up to date. Raises `Conflict` where DPS does not let it."""
        await self.dps.post("/sync/upsert", body, idempotent=True)

    async def delete(self, dps_id: str, *, missing_ok: bool = False) -> None:
        """Delete a location in DPS. Raises `NotFound` unless `missing_ok`."""
        await self.dps.delete("/sync/delete/{dpsLocationId}", path={"dpsLocationId": dps_id}, missing_ok=missing_ok)
