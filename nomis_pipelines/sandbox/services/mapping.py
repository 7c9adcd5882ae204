"""The mapping service: visits, adjustments and locations in pairs, and visit rooms (section 2 of their cards)."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter
from pydantic.alias_generators import to_camel

from nomis_pipelines.contracts.nomis_mapping_service import (
    NewAdjustmentMapping,
    NewAppointmentMapping,
    NewIncidentMapping,
    NewLocationMapping,
    NewVisitMapping,
)
from nomis_pipelines.sandbox.answers import (
    CREATED,
    NO_CONTENT,
    Answer,
    bad_request,
    classic_page,
    duplicate_mapping,
    json_answer,
    not_found,
)
from nomis_pipelines.sandbox.reading import Query, check_length, path_integer, read_body
from nomis_pipelines.sandbox.routing import Request, Router
from nomis_pipelines.sandbox.services import add_health
from nomis_pipelines.sandbox.stores.mappings import MappingTable, Pair, RoomMappings
from nomis_pipelines.sandbox.tokens import (
    APPOINTMENTS_2024_ROLES,
    INCIDENTS_2024_ROLES,
    LOCATIONS_2024_ROLES,
    MAPPING_ROLES,
    ROOM_ROLES,
    SENTENCING_2024_ROLES,
    VISITS_2024_ROLES,
)

Key = TypeVar("Key", bound=Hashable)
AdjustmentKey = tuple[str, int]

_VISIT = TypeAdapter(NewVisitMapping)
_ADJUSTMENT = TypeAdapter(NewAdjustmentMapping)
_LOCATION = TypeAdapter(NewLocationMapping)
_APPOINTMENT = TypeAdapter(NewAppointmentMapping)
_INCIDENT = TypeAdapter(NewIncidentMapping)


class NewRoomMapping(BaseModel):
    """What an operator's dashboard posts to map a room."""

    model_config = ConfigDict(alias_generator=to_camel)

    vsip_id: str
    nomis_room_description: str
    is_open: bool = False


_ROOM = TypeAdapter(NewRoomMapping)


@dataclass(frozen=True, kw_only=True)
class Kind(Generic[Key]):
    """How one kind of pair is spelt in paths and bodies."""

    table: MappingTable[Key]
    path: str
    find_path: str
    dps_path: str
    roles: frozenset[str]
    read: Callable[[Request], tuple[Key, str, str | None, str]]
    key_of: Callable[[tuple[str, ...]], Key]
    as_json: Callable[[Key, Pair], dict[str, Any]]


def build(
    visits: MappingTable[int],
    adjustments: MappingTable[AdjustmentKey],
    locations: MappingTable[int],
    rooms: RoomMappings,
) -> Router:
    """The routing table of the mapping service."""
    router = Router()
    add_health(router)
    _add_pairs(router, _visit_kind(visits))
    _add_pairs(router, _adjustment_kind(adjustments))
    _add_pairs(router, _location_kind(locations))
    _add_rooms(router, rooms)
    return router


def _visit_kind(table: MappingTable[int]) -> Kind[int]:
    def read(request: Request) -> tuple[int, str, str | None, str]:
        body = read_body(_VISIT, request)
        check_length("vsipId", body.vsip_id, 40)
        check_length("label", body.label, 20)
        return body.nomis_id, body.vsip_id, body.label, body.mapping_type

    def as_json(key: int, pair: Pair) -> dict[str, Any]:
        return {"nomisId": key, "vsipId": pair.dps_id, **_common(pair)}

    return Kind(
        table=table,
        path="/mapping/visits",
        find_path="/nomisId/{nomisId}",
        dps_path="/vsipId/{vsipId}",
        roles=MAPPING_ROLES | VISITS_2024_ROLES,
        read=read,
        key_of=lambda values: path_integer("nomisId", values[0]),
        as_json=as_json,
    )


def _adjustment_kind(table: MappingTable[AdjustmentKey]) -> Kind[AdjustmentKey]:
    def read(request: Request) -> tuple[AdjustmentKey, str, str | None, str]:
        body = read_body(_ADJUSTMENT, request)
        check_length("label", body.label, 20)
        key = (body.nomis_adjustment_category, body.nomis_adjustment_id)
        return key, body.adjustment_id, body.label, body.mapping_type

    def as_json(key: AdjustmentKey, pair: Pair) -> dict[str, Any]:
        return {
            "adjustmentId": pair.dps_id,
            "nomisAdjustmentId": key[1],
            "nomisAdjustmentCategory": key[0],
            **_common(pair),
        }

    return Kind(
        table=table,
        path="/mapping/sentencing/adjustments",
        find_path="/nomis-adjustment-category/{nomisAdjustmentCategory}/nomis-adjustment-id/{nomisAdjustmentId}",
        dps_path="/adjustment-id/{adjustmentId}",
        roles=MAPPING_ROLES | SENTENCING_2024_ROLES,
        read=read,
        key_of=lambda values: (values[0], path_integer("nomisAdjustmentId", values[1])),
        as_json=as_json,
    )


def _location_kind(table: MappingTable[int]) -> Kind[int]:
    def read(request: Request) -> tuple[int, str, str | None, str]:
        body = read_body(_LOCATION, request)
        check_length("label", body.label, 20)
        return body.nomis_location_id, body.dps_location_id, body.label, body.mapping_type

    def as_json(key: int, pair: Pair) -> dict[str, Any]:
        return {"dpsLocationId": pair.dps_id, "nomisLocationId": key, **_common(pair)}

    return Kind(
        table=table,
        path="/mapping/locations",
        find_path="/nomis/{nomisLocationId}",
        dps_path="/dps/{dpsLocationId}",
        roles=MAPPING_ROLES | LOCATIONS_2024_ROLES,
        read=read,
        key_of=lambda values: path_integer("nomisLocationId", values[0]),
        as_json=as_json,
    )


def add_incidents(router: Router, table: MappingTable[int]) -> None:
    """Serve the pairs of incidents (incidents card, section 2)."""

    def read(request: Request) -> tuple[int, str, str | None, str]:
        body = read_body(_INCIDENT, request)
        check_length("label", body.label, 20)
        return body.nomis_incident_id, body.dps_incident_id, body.label, body.mapping_type

    def as_json(key: int, pair: Pair) -> dict[str, Any]:
        return {"nomisIncidentId": key, "dpsIncidentId": pair.dps_id, **_common(pair)}

    kind = Kind(
        table=table,
        path="/mapping/incidents",
        find_path="/nomis-incident-id/{nomisIncidentId}",
        dps_path="/dps-incident-id/{dpsIncidentId}",
        roles=MAPPING_ROLES | INCIDENTS_2024_ROLES,
        read=read,
        key_of=lambda values: path_integer("nomisIncidentId", values[0]),
        as_json=as_json,
    )
    _add_pairs(router, kind)


def add_appointments(router: Router, table: MappingTable[int]) -> None:
    """Serve the pairs of appointments (appointments card, section 2)."""

    def read(request: Request) -> tuple[int, str, str | None, str]:
        body = read_body(_APPOINTMENT, request)
        check_length("label", body.label, 20)
        return body.nomis_event_id, str(body.appointment_instance_id), body.label, body.mapping_type

    def as_json(key: int, pair: Pair) -> dict[str, Any]:
        return {"appointmentInstanceId": int(pair.dps_id), "nomisEventId": key, **_common(pair)}

    kind = Kind(
        table=table,
        path="/mapping/appointments",
        find_path="/nomis-event-id/{eventId}",
        dps_path="/appointment-instance-id/{appointmentInstanceId}",
        roles=MAPPING_ROLES | APPOINTMENTS_2024_ROLES,
        read=read,
        key_of=lambda values: path_integer("eventId", values[0]),
        as_json=as_json,
    )
    _add_pairs(router, kind)


def _common(pair: Pair) -> dict[str, Any]:
    return {"label": pair.label, "mappingType": pair.mapping_type, "whenCreated": pair.when_created}


def _add_pairs(router: Router, kind: Kind[Key]) -> None:
    table, roles = kind.table, kind.roles

    def find(request: Request) -> Answer:
        key = kind.key_of(request.parameters)
        pair = table.get(key)
        return not_found(f"{table.name} mapping {key}") if pair is None else json_answer(kind.as_json(key, pair))

    def create(request: Request) -> Answer:
        key, dps_id, label, mapping_type = kind.read(request)
        known = table.add(key, dps_id, label, mapping_type)
        if known is None:
            return CREATED
        posted = kind.as_json(key, Pair(dps_id, label, mapping_type, ""))
        del posted["whenCreated"]
        return duplicate_mapping(kind.as_json(*known), posted)

    def by_label(request: Request) -> Answer:
        number, size = Query(request).page()
        pairs, total = table.page(request.parameters[0], number * size, size)
        content = [json_answer(kind.as_json(key, pair)).body for key, pair in pairs]
        return classic_page(content, total=total, number=number, size=size)

    def find_dps(request: Request) -> Answer:
        found = table.by_dps_id(request.parameters[0])
        if found is None:
            return not_found(f"{table.name} mapping {request.parameters[0]}")
        return json_answer(kind.as_json(*found))

    def latest(_request: Request) -> Answer:
        found = table.latest_migrated()
        return not_found("No migrated mapping found") if found is None else json_answer(kind.as_json(*found))

    router.add("GET", kind.path + kind.find_path, find, roles=roles)
    router.add("GET", kind.path + kind.dps_path, find_dps, roles=roles)
    router.add("GET", kind.path + "/migration-id/{migrationId}", by_label, roles=roles)
    router.add("GET", kind.path + "/migrated/latest", latest, roles=roles)
    router.add("POST", kind.path, create, roles=roles)
    _add_removals(router, kind)


def _add_removals(router: Router, kind: Kind[Key]) -> None:
    table, roles = kind.table, kind.roles

    def remove_dps(request: Request) -> Answer:
        table.remove_dps_id(request.parameters[0])
        return NO_CONTENT

    def remove_label(request: Request) -> Answer:
        table.remove_label(request.parameters[0])
        return NO_CONTENT

    def remove_all(request: Request) -> Answer:
        table.remove_all(only_migrated=Query(request).flag("onlyMigrated", False))
        return NO_CONTENT

    # an operator's session resets the tables; synchronisation deletes single pairs
    router.add("DELETE", kind.path + kind.dps_path, remove_dps, roles=roles)
    router.add("DELETE", kind.path + "/migration-id/{migrationId}", remove_label, roles=roles | ROOM_ROLES)
    router.add("DELETE", kind.path, remove_all, roles=roles | ROOM_ROLES)


def _add_rooms(router: Router, rooms: RoomMappings) -> None:
    operators = ROOM_ROLES | VISITS_2024_ROLES

    def as_json(prison: str, description: str, vsip: str, is_open: bool) -> dict[str, Any]:
        return {"vsipId": vsip, "nomisRoomDescription": description, "prisonId": prison, "isOpen": is_open}

    def find(request: Request) -> Answer:
        prison, description = request.parameters
        room = rooms.get(prison, description)
        if room is None:
            return not_found(f"prison id={prison}, nomis room id={description}")
        return json_answer(as_json(prison, description, *room))

    def of_prison(request: Request) -> Answer:
        prison = request.parameters[0]
        return json_answer([as_json(prison, *room) for room in rooms.of_prison(prison)])

    def create(request: Request) -> Answer:
        body = read_body(_ROOM, request)
        if rooms.add(request.parameters[0], body.nomis_room_description, body.vsip_id, is_open=body.is_open):
            return CREATED
        return bad_request("Visit room mapping for this prison and room already exists")

    def remove(request: Request) -> Answer:
        rooms.remove(*request.parameters)
        return NO_CONTENT

    path = "/prison/{prisonId}/room-mappings"
    find_path = "/prison/{prisonId}/room/nomis-room-id/{nomisRoomDescription}"
    router.add("GET", find_path, find, roles=MAPPING_ROLES | VISITS_2024_ROLES)
    router.add("GET", path, of_prison, roles=operators)
    router.add("POST", path, create, roles=operators)
    router.add("DELETE", path + "/nomis-room-id/{nomisRoomDescription}", remove, roles=operators)
