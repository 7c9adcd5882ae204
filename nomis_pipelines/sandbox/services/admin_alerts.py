"""The admin port's view of alerts: what DPS holds, and changes to NOMIS's prisoners and their alerts."""

from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter

from nomis_pipelines.sandbox.answers import NO_CONTENT, Answer, Refusal, bad_request, json_answer, not_found
from nomis_pipelines.sandbox.data.alerts import AlertKey
from nomis_pipelines.sandbox.reading import Query, page_of, path_integer, read_body
from nomis_pipelines.sandbox.routing import Request, Router
from nomis_pipelines.sandbox.stores import Stores


class Merge(BaseModel):
    """One number that goes into another."""

    model_config = ConfigDict(extra="forbid")

    removed: str


class Move(BaseModel):
    """Whom a booking goes to."""

    model_config = ConfigDict(extra="forbid")

    target: str


_FIELDS: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])
_MERGE = TypeAdapter(Merge)
_MOVE = TypeAdapter(Move)


def add_alerts(router: Router, stores: Stores) -> None:
    """Serve `/alerts`, `/mappings/alerts`, `/nomis/prisoners`, `/nomis/alerts` and `/nomis/bookings`."""
    _add_dumps(router, stores)
    _add_changes(router, stores)
    _add_prisoners(router, stores)


def _add_dumps(router: Router, stores: Stores) -> None:
    dps, table = stores.dps_alerts, stores.alert_mappings

    def row(dps_id: str) -> dict[str, Any]:
        kept = dps.get(dps_id)
        return {"id": dps_id} if kept is None else {"id": dps_id, "prisoner": kept.prisoner, "nomisKey": kept.origin}

    def dump(request: Request) -> Answer:
        prisoner = next(iter(Query(request).texts("prisoner")), None)
        ids = dps.ids() if prisoner is None else dps.of_prisoner(prisoner)
        return page_of(request, len(ids), lambda place: row(ids[place]))

    def one(request: Request) -> Answer:
        dps_id = request.parameters[0]
        body = dps.body(dps_id)
        return not_found(f"alert {dps_id}") if body is None else json_answer(row(dps_id) | {"body": body})

    def mappings(request: Request) -> Answer:
        rows = [{"nomisKey": key, **pair._asdict()} for key, pair in table.items()]
        return page_of(request, len(rows), rows.__getitem__)

    def duplicates(_request: Request) -> Answer:
        return json_answer([{"nomisKey": key, "ids": ids} for key, ids in dps.duplicates()])

    router.add("GET", "/alerts", dump)
    router.add("GET", "/alerts/duplicates", duplicates)
    router.add("GET", "/alerts/{id}", one)
    router.add("GET", "/mappings/alerts", mappings)


def _add_changes(router: Router, stores: Stores) -> None:
    nomis = stores.nomis_alerts

    def key_of(request: Request) -> AlertKey:
        key = (path_integer("bookingId", request.parameters[0]), path_integer("sequence", request.parameters[1]))
        if nomis.get(key) is None:
            raise Refusal(not_found(f"alert {key}"))
        return key

    def add(request: Request) -> Answer:
        added = nomis.add(request.parameters[0], read_body(_FIELDS, request))
        if added is None:
            raise Refusal(bad_request("offenderNo: unknown, or never booked"))
        return json_answer(added, 201)

    def change(request: Request) -> Answer:
        return json_answer(nomis.change(key_of(request), read_body(_FIELDS, request)))

    def remove(request: Request) -> Answer:
        nomis.remove(key_of(request))
        return NO_CONTENT

    router.add("POST", "/nomis/prisoners/{offenderNo}/alerts", add)
    router.add("PUT", "/nomis/alerts/{bookingId}/{sequence}", change)
    router.add("DELETE", "/nomis/alerts/{bookingId}/{sequence}", remove)


def _add_prisoners(router: Router, stores: Stores) -> None:
    nomis = stores.nomis_alerts

    def one(request: Request) -> Answer:
        found = nomis.prisoner(request.parameters[0])
        if found is None:
            return not_found(f"prisoner {request.parameters[0]}")
        return json_answer(found | {"bookings": nomis.bookings(request.parameters[0])})

    def admit(request: Request) -> Answer:
        alerts = nomis.admit(request.parameters[0])
        if alerts is None:
            raise Refusal(bad_request("offenderNo: unknown"))
        return json_answer(alerts, 201)

    def merge(request: Request) -> Answer:
        retained, removed = request.parameters[0], read_body(_MERGE, request).removed
        bookings = [nomis.bookings(number) for number in (retained, removed)]
        booking_id = nomis.merge(retained, removed)
        if booking_id is None:
            raise Refusal(bad_request("both numbers must be of prisoners with bookings, and not the same"))
        stores.nomis_courts.merge(retained, *bookings)
        # the case notes service hears of a merge by itself (case notes card, section 11)
        stores.dps_case_notes.move(stores.dps_case_notes.of_prisoner(removed), retained)
        return json_answer({"bookingId": booking_id})

    def move(request: Request) -> Answer:
        booking_id = path_integer("bookingId", request.parameters[0])
        source = nomis.move(booking_id, read_body(_MOVE, request).target)
        if source is None:
            raise Refusal(bad_request("booking and target must be known, and the target another prisoner"))
        return json_answer({"source": source})

    def booking(request: Request) -> Answer:
        owner = nomis.owner(path_integer("bookingId", request.parameters[0]))
        return not_found(f"booking {request.parameters[0]}") if owner is None else json_answer({"offenderNo": owner})

    def release(request: Request) -> Answer:
        if nomis.prisoner(request.parameters[0]) is None:
            raise Refusal(not_found(f"prisoner {request.parameters[0]}"))
        nomis.release(request.parameters[0], in_prison=False)
        return NO_CONTENT

    router.add("GET", "/nomis/prisoners/{offenderNo}", one)
    router.add("POST", "/nomis/prisoners/{offenderNo}/admit", admit)
    router.add("POST", "/nomis/prisoners/{offenderNo}/release", release)
    router.add("POST", "/nomis/prisoners/{offenderNo}/merge", merge)
    router.add("GET", "/nomis/bookings/{bookingId}", booking)
    router.add("POST", "/nomis/bookings/{bookingId}/move", move)
