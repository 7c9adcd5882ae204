"""Which rooms visits take place in, and which of them the visit scheduler knows (visits card, section 8)."""

import asyncio
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from nomis_pipelines.contracts.nomis_mapping_service import VisitRoomMapping
from nomis_pipelines.contracts.nomis_prisoner import VisitRoomUsage
from nomis_pipelines.domains.declaration import Report
from nomis_pipelines.domains.visits.migration import VisitsFilter
from nomis_pipelines.http import HttpClients
from nomis_pipelines.migration.filters import filter_query

ROOM_PATH = "/prison/{prisonId}/room/nomis-room-id/{nomisRoomDescription}"


class RoomsFilter(VisitsFilter):
    """As the migration's filter; without types it means all of them, not social visits only."""

    visit_types: list[Literal["SCON", "OFFI"]] = Field([])


class RoomUsage(BaseModel):
    """Visits in one room; `vsip_room` is what the visit scheduler calls it, absent when it is not mapped."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    agency_internal_location_description: str
    count: int
    vsip_room: str | None = None
    prison_id: str


async def rooms_usage(clients: HttpClients, filter: RoomsFilter) -> list[RoomUsage]:
    """The rooms of future visits with their mappings, by prison and description."""
    query = filter_query(filter)
    query.pop("ignoreMissingRoom")
    used = await clients.client("nomis").get("/visits/rooms/usage-count", list[VisitRoomUsage], query=query)
    mappings = clients.client("mapping")

    async def with_mapping(room: VisitRoomUsage) -> RoomUsage:
        path = {"prisonId": room.prison_id, "nomisRoomDescription": room.agency_internal_location_description}
        mapping = await mappings.find(ROOM_PATH, VisitRoomMapping, path=path)
        return RoomUsage(**room.model_dump(), vsip_room=mapping.vsip_id if mapping is not None else None)

    rooms = await asyncio.gather(*map(with_mapping, used))
    return sorted(rooms, key=lambda room: (room.prison_id, room.agency_internal_location_description))


ROOMS_USAGE = Report(
    summary="Rooms of future visits, how many visits each has, and what the visit scheduler calls it",
    path="/migrate/visits/rooms/usage",
    parameters=RoomsFilter,
    row=RoomUsage,
    work=rooms_usage,
)
