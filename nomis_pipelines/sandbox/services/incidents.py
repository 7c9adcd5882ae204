"""Incidents in the sandbox: NOMIS's, and the service that takes them (incidents card, sections 3 and 4)."""

from pydantic import TypeAdapter

from nomis_pipelines.contracts.incidents import UpsertIncidentReport
from nomis_pipelines.sandbox.answers import NO_CONTENT, OK, Answer, classic_page, error, json_answer, not_found
from nomis_pipelines.sandbox.reading import Query, path_integer, read_body
from nomis_pipelines.sandbox.routing import Request, Router
from nomis_pipelines.sandbox.stores.dps_incidents import DpsIncidents
from nomis_pipelines.sandbox.stores.nomis_incidents import NomisIncidents
from nomis_pipelines.sandbox.tokens import (
    INCIDENTS_2024_ROLES,
    INCIDENTS_DELETE_ROLES,
    INCIDENTS_ROLES,
    INCIDENTS_VIEW_ROLES,
    NOMIS_ROLES,
)

_UPSERT = TypeAdapter(UpsertIncidentReport)


def add_to_nomis(router: Router, incidents: NomisIncidents) -> None:
    """Serve the incidents of NOMIS, and the agency switch."""

    def ids(request: Request) -> Answer:
        query = Query(request)
        number, size = query.page()
        found, total = incidents.page(query.day("fromDate"), query.day("toDate"), number * size, size)
        content = [b'{"incidentId":%d}' % incident_id for incident_id in found]
        return classic_page(content, total=total, number=number, size=size)

    def one(request: Request) -> Answer:
        incident_id = path_integer("incidentId", request.parameters[0])
        incident = incidents.get(incident_id)
        return not_found(f"Incident {incident_id}") if incident is None else json_answer(incident)

    def switch(request: Request) -> Answer:
        agency = request.parameters[0]
        return NO_CONTENT if incidents.is_switched_on(agency) else not_found(f"INCIDENTS is not on at {agency}")

    roles = NOMIS_ROLES | INCIDENTS_2024_ROLES
    router.add("GET", "/incidents/ids", ids, roles=roles)
    router.add("GET", "/incidents/{incidentId}", one, roles=roles)
    router.add("GET", "/agency-switches/INCIDENTS/agency/{agencyId}", switch, roles=roles)


def add_to_dps(router: Router, reports: DpsIncidents) -> None:
    """Serve the incident reporting service."""

    def upsert(request: Request) -> Answer:
        body = read_body(_UPSERT, request)
        incident_id = body.incident_report.incident_id
        if body.id is not None:
            dps_id = str(body.id)
            if not reports.update(dps_id, request.body):
                return not_found(f"There is no report found for ID = {dps_id}")
            return json_answer({"id": dps_id})
        if reports.by_reference(incident_id) is not None:
            return error(409, "Report already exists", f"reference {incident_id}")
        return json_answer({"id": reports.store(request.body, incident_id)}, 201)

    def by_reference(request: Request) -> Answer:
        dps_id = reports.by_reference(path_integer("reference", request.parameters[0]))
        if dps_id is None:
            return not_found(f"There is no report found with reference {request.parameters[0]}")
        return json_answer({"id": dps_id, "reportReference": request.parameters[0]})

    def delete(request: Request) -> Answer:
        dps_id = request.parameters[0]
        return OK if reports.delete(dps_id) else not_found(f"There is no report found for ID = {dps_id}")

    router.add("POST", "/sync/upsert", upsert, roles=INCIDENTS_ROLES)
    router.add("GET", "/incident-reports/reference/{reference}", by_reference, roles=INCIDENTS_VIEW_ROLES)
    router.add("DELETE", "/incident-reports/{id}", delete, roles=INCIDENTS_DELETE_ROLES)
