"""The admin port's view of CSIP: what DPS holds, what is mapped, and changes to NOMIS's reports."""

from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter

from nomis_pipelines.sandbox.answers import NO_CONTENT, Answer, Refusal, bad_request, json_answer, not_found
from nomis_pipelines.sandbox.reading import page_of, path_integer, read_body
from nomis_pipelines.sandbox.routing import Request, Router
from nomis_pipelines.sandbox.stores import Stores

_COMPONENTS = {
    "attendeeMappings": "ATTENDEE", "factorMappings": "CONTRIBUTORY_FACTOR", "interviewMappings": "INTERVIEW",
    "planMappings": "IDENTIFIED_NEED", "reviewMappings": "REVIEW",
}  # fmt: skip


class NewReport(BaseModel):
    """A report to add to NOMIS: alike to another, on a booking."""

    model_config = ConfigDict(extra="forbid")

    like: int
    booking_id: int


_NEW = TypeAdapter(NewReport)
_FIELDS: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


def add_csip(router: Router, stores: Stores) -> None:
    """Serve `/csip`, `/mappings/csip` and `/nomis/csip`."""
    _add_dumps(router, stores)
    _add_changes(router, stores)


def _add_dumps(router: Router, stores: Stores) -> None:
    dps, table = stores.dps_csip, stores.csip_mappings

    def dump(request: Request) -> Answer:
        rows = [
            {"id": dps_id, "report": str(report_id), "nomisKey": [component, nomis_id]}
            for report_id, component, nomis_id, dps_id in dps.rows()
        ]
        return page_of(request, len(rows), rows.__getitem__)

    def mappings(request: Request) -> Answer:
        rows = [
            {
                "dps_id": pair["dpsId"],
                "report": str(report_id),
                "nomisKey": [_COMPONENTS.get(name, name), nomis_id],
                "label": pair.get("label"),
                "mapping_type": pair["mappingType"],
            }
            for report_id, name, nomis_id, pair in table.rows()
        ]
        return page_of(request, len(rows), rows.__getitem__)

    def duplicates(_request: Request) -> Answer:
        found: dict[tuple[str, int], list[str]] = {}
        for _, component, nomis_id, dps_id in dps.rows():
            found.setdefault((component, nomis_id), []).append(dps_id)
        return json_answer([{"nomisKey": key, "ids": ids} for key, ids in found.items() if len(ids) > 1])

    def one(request: Request) -> Answer:
        found = dps.record(request.parameters[0])
        return not_found(f"CSIP record {request.parameters[0]}") if found is None else json_answer(found)

    router.add("GET", "/csip", dump)
    router.add("GET", "/csip/duplicates", duplicates)
    router.add("GET", "/csip/{id}", one)
    router.add("GET", "/mappings/csip", mappings)


def _add_changes(router: Router, stores: Stores) -> None:
    nomis = stores.nomis_csip

    def existing(request: Request) -> int:
        number = path_integer("csipId", request.parameters[0])
        if nomis.get(number) is None:
            raise Refusal(not_found(f"CSIP report {number}"))
        return number

    def add(request: Request) -> Answer:
        new = read_body(_NEW, request)
        made = nomis.add_like(new.booking_id, new.like)
        if made is None:
            raise Refusal(bad_request("like, booking_id: there is no such report or booking"))
        return json_answer(made, 201)

    def change(request: Request) -> Answer:
        return json_answer(nomis.change(existing(request), read_body(_FIELDS, request)))

    def remove(request: Request) -> Answer:
        nomis.remove(existing(request))
        return NO_CONTENT

    router.add("POST", "/nomis/csip", add)
    router.add("GET", "/nomis/csip/{csipId}", lambda request: json_answer(nomis.get(existing(request))))
    router.add("PUT", "/nomis/csip/{csipId}", change)
    router.add("DELETE", "/nomis/csip/{csipId}", remove)
