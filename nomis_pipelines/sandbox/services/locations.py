"""The locations service, as far as migration and synchronisation see it (locations card, section 4)."""

import re
from typing import TypeVar
from uuid import UUID

from pydantic import TypeAdapter
from pydantic_core import to_json

from nomis_pipelines.contracts.locations import Capacity, MigratedCapacity, MigrateLocation, UpsertLocation
from nomis_pipelines.sandbox.answers import NO_CONTENT, Answer, Refusal, error, json_answer, not_found
from nomis_pipelines.sandbox.reading import check_length, read_body
from nomis_pipelines.sandbox.routing import Request, Router
from nomis_pipelines.sandbox.services import add_health
from nomis_pipelines.sandbox.stores.dps_locations import DpsLocations
from nomis_pipelines.sandbox.tokens import MIGRATE_LOCATIONS_ROLES, SYNC_LOCATIONS_ROLES

PRISON = re.compile(r"[A-Z]{2}I|ZZGHI")
MOST_CAPACITY = 99

_MIGRATE = TypeAdapter(MigrateLocation)
_UPSERT = TypeAdapter(UpsertLocation)
Body = TypeVar("Body", MigrateLocation, UpsertLocation)


def build(locations: DpsLocations) -> Router:
    """The routing table of the locations service."""
    router = Router()
    add_health(router)

    def read(adapter: TypeAdapter[Body], request: Request) -> Body:
        body = read_body(adapter, request)
        _check(body.prison_id, body.local_name, body.comments, body.capacity)
        if body.parent_id is not None and not locations.exists(str(body.parent_id)):
            raise Refusal(not_found(f"There is no location found for ID = {body.parent_id}"))
        return body

    def migrate(request: Request) -> Answer:
        body = read(_MIGRATE, request)
        return _saved(locations.add(request.body, body.create_date), body, 201)

    def upsert(request: Request) -> Answer:
        body = read(_UPSERT, request)
        if body.id is None:
            return _saved(locations.add(request.body, body.create_date), body, 201)
        dps_id = str(body.id)
        code = locations.frozen(dps_id)
        if code is not None:
            return _frozen(dps_id, code)
        if not locations.update(dps_id, request.body):
            return not_found(f"There is no location found for ID = {dps_id}")
        return _saved(dps_id, body, 200)

    def delete(request: Request) -> Answer:
        dps_id = request.parameters[0]
        if locations.delete(dps_id):
            return NO_CONTENT
        return not_found(f"There is no location found for ID = {dps_id}")

    router.add("POST", "/migrate/location", migrate, roles=MIGRATE_LOCATIONS_ROLES)
    router.add("POST", "/sync/upsert", upsert, roles=SYNC_LOCATIONS_ROLES)
    router.add("DELETE", "/sync/delete/{dpsLocationId}", delete, roles=SYNC_LOCATIONS_ROLES)
    return router


def _check(prison: str, name: str | None, comments: str | None, capacity: Capacity | MigratedCapacity | None) -> None:
    if not PRISON.fullmatch(prison):
        raise Refusal(error(400, "Validation failure", f"prisonId: must match {PRISON.pattern}"))
    check_length("localName", name, 80)
    check_length("comments", comments, 255)
    if capacity is not None and max(capacity.max_capacity, capacity.working_capacity) > MOST_CAPACITY:
        raise Refusal(error(400, "Validation failure", f"capacity: must be less than or equal to {MOST_CAPACITY}"))


def _frozen(dps_id: str, code: int) -> Answer:
    why = {107: "is permanently deactivated", 120: "was converted to something other than a cell"}
    message = f"Location {dps_id} {why.get(code, 'cannot be updated')}"
    body = {
        "status": 409,
        "errorCode": code,
        "userMessage": message,
        "developerMessage": message,
        "moreInfo": None,
    }
    return Answer(409, to_json(body))


def _saved(dps_id: str | UUID, body: MigrateLocation | UpsertLocation, status: int) -> Answer:
    shown = {"id": dps_id, "prisonId": body.prison_id, "code": body.code, "locationType": body.location_type}
    return json_answer(shown | {"active": not body.is_deactivated, "key": f"{body.prison_id}-{body.code}"}, status)
