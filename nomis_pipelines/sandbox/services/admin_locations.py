"""The admin port's view of locations: what DPS holds and refuses, and changes to NOMIS's data."""

from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter
from pydantic_core import from_json

from nomis_pipelines.sandbox.answers import NO_CONTENT, Answer, Refusal, bad_request, json_answer, not_found
from nomis_pipelines.sandbox.reading import page_of, path_integer, read_body
from nomis_pipelines.sandbox.routing import Request, Router
from nomis_pipelines.sandbox.stores import Stores


class NewLocation(BaseModel):
    """A location to add to NOMIS: alike to another, but for some fields."""

    model_config = ConfigDict(extra="forbid")

    like: int
    fields: dict[str, Any] = {}


class Frozen(BaseModel):
    """The code with which DPS refuses upserts of a location; null for none."""

    model_config = ConfigDict(extra="forbid")

    error_code: int | None


_NEW = TypeAdapter(NewLocation)
_FROZEN = TypeAdapter(Frozen)
_FIELDS: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


def add_locations(router: Router, stores: Stores) -> None:
    """Serve `/locations` and `/nomis/locations`."""
    _add_dumps(router, stores)
    nomis = stores.nomis_locations

    def existing(request: Request) -> int:
        number = path_integer("locationId", request.parameters[0])
        if nomis.get(number) is None:
            raise Refusal(not_found(f"location {number}"))
        return number

    def add(request: Request) -> Answer:
        new = read_body(_NEW, request)
        location = nomis.add(new.like, new.fields)
        if location is None:
            raise Refusal(bad_request(f"like: there is no location {new.like}"))
        return json_answer(location, 201)

    def change(request: Request) -> Answer:
        return json_answer(nomis.change(existing(request), read_body(_FIELDS, request)))

    def remove(request: Request) -> Answer:
        nomis.remove(existing(request))
        return NO_CONTENT

    router.add("POST", "/nomis/locations", add)
    router.add("GET", "/nomis/locations/{locationId}", lambda request: json_answer(nomis.get(existing(request))))
    router.add("PUT", "/nomis/locations/{locationId}", change)
    router.add("DELETE", "/nomis/locations/{locationId}", remove)


def _add_dumps(router: Router, stores: Stores) -> None:
    dps = stores.dps_locations

    def row(dps_id: str, body: bytes) -> dict[str, Any]:
        return {"id": dps_id, "nomisId": dps.origin(dps_id), "parentId": from_json(body).get("parentId")}

    def existing(request: Request) -> tuple[str, bytes]:
        dps_id = request.parameters[0]
        body = dps.body(dps_id)
        if body is None:
            raise Refusal(not_found(f"location {dps_id}"))
        return dps_id, body

    def dump(request: Request) -> Answer:
        ids = dps.ids()
        return page_of(request, len(ids), lambda place: row(ids[place], dps.body(ids[place]) or b"{}"))

    def duplicates(_request: Request) -> Answer:
        return json_answer([{"nomisId": key, "ids": ids} for key, ids in dps.duplicates()])

    def one(request: Request) -> Answer:
        dps_id, body = existing(request)
        return json_answer(row(dps_id, body) | {"body": from_json(body)})

    def freeze(request: Request) -> Answer:
        dps_id, _ = existing(request)
        dps.freeze(dps_id, read_body(_FROZEN, request).error_code)
        return NO_CONTENT

    router.add("GET", "/locations", dump)
    router.add("GET", "/locations/duplicates", duplicates)
    router.add("GET", "/locations/{id}", one)
    router.add("PUT", "/locations/{id}/frozen", freeze)
