"""The admin port's view of incidents: changes to NOMIS's, and the agency switch."""

from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter

from nomis_pipelines.sandbox.answers import NO_CONTENT, Answer, Refusal, bad_request, json_answer, not_found
from nomis_pipelines.sandbox.reading import path_integer, read_body
from nomis_pipelines.sandbox.routing import Request, Router
from nomis_pipelines.sandbox.stores.nomis_incidents import NomisIncidents


class NewIncident(BaseModel):
    """An incident to add to NOMIS: alike to another, but for some fields."""

    model_config = ConfigDict(extra="forbid")

    like: int
    fields: dict[str, Any] = {}


class AgencySwitch(BaseModel):
    """Whether DPS is in charge."""

    model_config = ConfigDict(extra="forbid")

    on: bool


_NEW = TypeAdapter(NewIncident)
_SWITCH = TypeAdapter(AgencySwitch)
_FIELDS: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


def add_incidents(router: Router, nomis: NomisIncidents) -> None:
    """Serve `/nomis/incidents` and `/nomis/incidents-switch/{agencyId}`."""

    def existing(request: Request) -> int:
        number = path_integer("incidentId", request.parameters[0])
        if nomis.get(number) is None:
            raise Refusal(not_found(f"incident {number}"))
        return number

    def add(request: Request) -> Answer:
        new = read_body(_NEW, request)
        incident = nomis.add(new.like, new.fields)
        if incident is None:
            raise Refusal(bad_request(f"like: there is no incident {new.like}"))
        return json_answer(incident, 201)

    def change(request: Request) -> Answer:
        return json_answer(nomis.change(existing(request), read_body(_FIELDS, request)))

    def remove(request: Request) -> Answer:
        nomis.remove(existing(request))
        return NO_CONTENT

    def switch(request: Request) -> Answer:
        nomis.switch(request.parameters[0], on=read_body(_SWITCH, request).on)
        return NO_CONTENT

    router.add("POST", "/nomis/incidents", add)
    router.add("GET", "/nomis/incidents/{incidentId}", lambda request: json_answer(nomis.get(existing(request))))
    router.add("PUT", "/nomis/incidents/{incidentId}", change)
    router.add("DELETE", "/nomis/incidents/{incidentId}", remove)
    router.add("PUT", "/nomis/incidents-switch/{agencyId}", switch)
