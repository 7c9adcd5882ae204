"""The admin port's view of court sentencing: what DPS holds, what is mapped, and changes to NOMIS's cases."""

from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter

from nomis_pipelines.sandbox.answers import NO_CONTENT, Answer, Refusal, bad_request, json_answer, not_found
from nomis_pipelines.sandbox.reading import page_of, path_integer, read_body
from nomis_pipelines.sandbox.routing import Request, Router
from nomis_pipelines.sandbox.stores import Stores


class NewCourtCase(BaseModel):
    """A court case to add to a booking in NOMIS: alike to another."""

    model_config = ConfigDict(extra="forbid")

    like: int


_LIKE = TypeAdapter(NewCourtCase)
_CASES: TypeAdapter[list[dict[str, Any]]] = TypeAdapter(list[dict[str, Any]])


def add_courts(router: Router, stores: Stores) -> None:
    """Serve `/court-sentencing`, `/mappings/court-sentencing`, its summaries, and `/nomis/court-cases`."""
    _add_dumps(router, stores)
    _add_changes(router, stores)


def _add_dumps(router: Router, stores: Stores) -> None:
    dps, table = stores.dps_courts, stores.court_mappings

    def nomis_key(kind: str, dps_id: str, told: list[int] | None) -> list[Any] | None:
        """What a body told, else what the id is mapped to: bodies of events do not tell."""
        if told is not None:
            return [kind, *told]
        mapped = table.pairs.by_dps_id(dps_id)
        return None if mapped is None else list(mapped[0])

    def dump(request: Request) -> Answer:
        rows = [
            {"id": dps_id, "prisoner": prisoner, "nomisKey": nomis_key(kind, dps_id, told)}
            for prisoner, kind, dps_id, told in dps.rows()
        ]
        return page_of(request, len(rows), rows.__getitem__)

    def mappings(request: Request) -> Answer:
        rows = [
            {"nomisKey": key, "prisoner": dps.owner(pair.dps_id) or "unknown", **pair._asdict()}
            for key, pair in table.pairs.items()
        ]
        return page_of(request, len(rows), rows.__getitem__)

    def summaries(request: Request) -> Answer:
        rows = [{"prisoner": row["offenderNo"], **row} for row in table.summaries()]
        return page_of(request, len(rows), rows.__getitem__)

    def duplicates(_request: Request) -> Answer:
        found: dict[tuple[Any, ...], list[str]] = {}
        for _, kind, dps_id, told in dps.rows():
            if told is not None:
                found.setdefault((kind, *told), []).append(dps_id)
        return json_answer([{"nomisKey": key, "ids": ids} for key, ids in found.items() if len(ids) > 1])

    def view(request: Request) -> Answer:
        def nomis_of(dps_id: str) -> list[int] | None:
            mapped = table.pairs.by_dps_id(dps_id)
            return None if mapped is None else list(mapped[0][1:])

        return json_answer(dps.view(request.parameters[0], nomis_of))

    router.add("GET", "/court-sentencing", dump)
    router.add("GET", "/court-sentencing/duplicates", duplicates)
    router.add("GET", "/court-sentencing/prisoners/{offenderNo}", view)
    router.add("GET", "/mappings/court-sentencing", mappings)
    router.add("GET", "/mappings/court-sentencing/summaries", summaries)


def _add_changes(router: Router, stores: Stores) -> None:
    nomis = stores.nomis_courts

    def booking_of(request: Request) -> int:
        booking_id = path_integer("bookingId", request.parameters[0])
        if nomis.of_booking(booking_id) is None:
            raise Refusal(not_found(f"booking {booking_id}"))
        return booking_id

    def read(request: Request) -> Answer:
        return json_answer(nomis.of_booking(booking_of(request)))

    def put(request: Request) -> Answer:
        nomis.put(booking_of(request), read_body(_CASES, request))
        return NO_CONTENT

    def add(request: Request) -> Answer:
        made = nomis.add_like(booking_of(request), read_body(_LIKE, request).like)
        if made is None:
            raise Refusal(bad_request("like: there is no such court case"))
        return json_answer(made, 201)

    def one(request: Request) -> Answer:
        found = nomis.case(path_integer("caseId", request.parameters[0]))
        return not_found(f"court case {request.parameters[0]}") if found is None else json_answer(found)

    router.add("GET", "/nomis/court-cases/{bookingId}", read)
    router.add("PUT", "/nomis/court-cases/{bookingId}", put)
    router.add("POST", "/nomis/court-cases/{bookingId}", add)
    router.add("GET", "/nomis/court-case/{caseId}", one)
