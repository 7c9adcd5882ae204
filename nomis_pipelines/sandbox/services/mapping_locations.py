"""The mapping service's lookup of places: the DPS ids of NOMIS's, mapped from the beginning (activities card, 2)."""

import uuid
from collections.abc import Callable

from nomis_pipelines.sandbox.answers import Answer, json_answer, not_found
from nomis_pipelines.sandbox.reading import path_integer
from nomis_pipelines.sandbox.routing import Request, Router
from nomis_pipelines.sandbox.tokens import LOCATION_READ_ROLES, MAPPING_ROLES


def add_dps_locations(router: Router, *kinds: Callable[[int], bool]) -> None:
    """Serve `/api/locations/nomis`; `kinds` say of a NOMIS id whether it is a mapped place of theirs."""

    def location(request: Request) -> Answer:
        number = path_integer("nomisLocationId", request.parameters[0])
        if not any(is_mapped(number) for is_mapped in kinds):
            return not_found(f"Location with nomisLocationId={number} not found")
        return json_answer({"dpsLocationId": dps_location(number), "nomisLocationId": number})

    router.add("GET", "/api/locations/nomis/{nomisLocationId}", location, roles=MAPPING_ROLES | LOCATION_READ_ROLES)


def dps_location(number: int) -> str:
    """The UUID of a location in DPS."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"sandbox location {number}"))
