"""The admin port's view of adjustments: what DPS holds, and changes to NOMIS's data."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter
from pydantic_core import from_json

from nomis_pipelines.sandbox.answers import NO_CONTENT, Answer, Refusal, bad_request, json_answer, not_found
from nomis_pipelines.sandbox.data.adjustments import Key
from nomis_pipelines.sandbox.reading import page_of, path_integer, read_body
from nomis_pipelines.sandbox.routing import Request, Router
from nomis_pipelines.sandbox.stores import Stores


class NewAdjustment(BaseModel):
    """An adjustment to add to a booking in NOMIS."""

    model_config = ConfigDict(extra="forbid")

    category: Literal["SENTENCE", "KEY-DATE"]
    booking_id: int
    fields: dict[str, Any] = {}


_NEW = TypeAdapter(NewAdjustment)
_FIELDS: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


def add_adjustments(router: Router, stores: Stores) -> None:
    """Serve `/adjustments` and `/nomis/adjustments`."""
    _add_dumps(router, stores)
    nomis = stores.nomis_adjustments

    def existing(request: Request) -> Key:
        key = (request.parameters[0], path_integer("id", request.parameters[1]))
        if nomis.get(key) is None:
            raise Refusal(not_found(f"adjustment {key}"))
        return key

    def add(request: Request) -> Answer:
        new = read_body(_NEW, request)
        key = nomis.add(new.category, new.booking_id, new.fields)
        if key is None:
            raise Refusal(bad_request("booking_id: unknown, or it holds eight adjustments already"))
        return json_answer(nomis.get(key), 201)

    def change(request: Request) -> Answer:
        return json_answer(nomis.change(existing(request), read_body(_FIELDS, request)))

    def remove(request: Request) -> Answer:
        nomis.remove(existing(request))
        return NO_CONTENT

    router.add("POST", "/nomis/adjustments", add)
    router.add("PUT", "/nomis/adjustments/{category}/{id}", change)
    router.add("DELETE", "/nomis/adjustments/{category}/{id}", remove)


def _add_dumps(router: Router, stores: Stores) -> None:
    dps = stores.dps_adjustments

    def dump(request: Request) -> Answer:
        ids = dps.ids()
        return page_of(request, len(ids), lambda place: {"id": ids[place], "nomisKey": dps.origin(ids[place])})

    def duplicates(_request: Request) -> Answer:
        return json_answer([{"nomisKey": key, "ids": ids} for key, ids in dps.duplicates()])

    def one(request: Request) -> Answer:
        dps_id = request.parameters[0]
        body = dps.body(dps_id)
        if body is None:
            return not_found(f"adjustment {dps_id}")
        return json_answer({"id": dps_id, "nomisKey": dps.origin(dps_id), "body": from_json(body)})

    router.add("GET", "/adjustments", dump)
    router.add("GET", "/adjustments/duplicates", duplicates)
    router.add("GET", "/adjustments/{id}", one)
