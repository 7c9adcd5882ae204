"""The admin port's view of appointments, adjudications and incidents: what DPS holds, and what is mapped."""

from collections.abc import Hashable
from typing import Any, TypeVar

from pydantic_core import from_json

from nomis_pipelines.sandbox.answers import Answer, json_answer, not_found
from nomis_pipelines.sandbox.reading import page_of
from nomis_pipelines.sandbox.routing import Request, Router
from nomis_pipelines.sandbox.stores import Stores
from nomis_pipelines.sandbox.stores.dps_records import DpsRecords
from nomis_pipelines.sandbox.stores.mappings import MappingTable

Key = TypeVar("Key", bound=Hashable)


def add_records(router: Router, stores: Stores) -> None:
    """Serve `/appointments`, `/adjudications` and `/incidents`, and their mappings."""
    _add(router, "appointments", stores.dps_appointments, stores.appointment_mappings)
    _add(router, "adjudications", stores.dps_adjudications, stores.adjudication_mappings.charges)
    _add(router, "incidents", stores.dps_incidents, stores.incident_mappings)
    _add_pairs(router, "hearings", stores.adjudication_mappings.hearings)
    _add_pairs(router, "punishments", stores.adjudication_mappings.punishments)


def _add(router: Router, name: str, records: DpsRecords[Key], mappings: MappingTable[Key]) -> None:
    def dump(request: Request) -> Answer:
        ids = records.ids()
        return page_of(request, len(ids), lambda place: {"id": ids[place], "nomisKey": records.origin(ids[place])})

    def duplicates(_request: Request) -> Answer:
        return json_answer([{"nomisKey": key, "ids": ids} for key, ids in records.duplicates()])

    def one(request: Request) -> Answer:
        dps_id = request.parameters[0]
        body = records.body(dps_id)
        if body is None:
            return not_found(f"{name} {dps_id}")
        return json_answer({"id": dps_id, "nomisKey": records.origin(dps_id), "body": from_json(body)})

    router.add("GET", f"/{name}", dump)
    router.add("GET", f"/{name}/duplicates", duplicates)
    router.add("GET", f"/{name}/{{id}}", one)
    _add_pairs(router, name, mappings)


def _add_pairs(router: Router, name: str, mappings: MappingTable[Any]) -> None:
    def dump(request: Request) -> Answer:
        rows = [{"nomisKey": key, **pair._asdict()} for key, pair in mappings.items()]
        return page_of(request, len(rows), rows.__getitem__)

    router.add("GET", f"/mappings/{name}", dump)
