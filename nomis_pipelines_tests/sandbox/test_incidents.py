"""Promise: the sandbox's incidents are listed, read, switched, written and mapped as their card says."""

from datetime import date
from typing import Any

from nomis_pipelines.contracts.nomis_prisoner import IncidentCase
from nomis_pipelines.sandbox.data.incidents import FIRST_INCIDENT, PRISONER_ROLES, STATUSES, IncidentData
from nomis_pipelines.sandbox.stores import Stores
from nomis_pipelines_tests.domains.incidents.examples import REPORT
from nomis_pipelines_tests.sandbox.conftest import WORLD, Running

DATA = IncidentData(WORLD)
IDS = range(FIRST_INCIDENT, FIRST_INCIDENT + DATA.count)


def body(incident_id: int = 501, **more: Any) -> dict[str, Any]:
    """A request that the service takes."""
    return {"initialMigration": False, "incidentReport": {**REPORT, "incidentId": incident_id}, **more}


async def upsert(running: Running, sent: dict[str, Any]) -> Any:
    return await running.call("incidents", "POST", "/sync/upsert", json=sent)


def test_every_incident_is_one_of_the_contract_and_the_world_holds_all_kinds() -> None:
    found = [IncidentCase.model_validate(DATA.incident(incident_id)) for incident_id in IDS]
    assert {incident.status.code for incident in found} == set(STATUSES)
    assert {party.role.code for incident in found for party in incident.offender_parties} == set(PRISONER_ROLES)
    assert {bool(incident.history) for incident in found} == {True, False}
    assert {len(incident.requirements) for incident in found} == {0, 1, 2}
    twice = [[party.offender.offender_no for party in incident.offender_parties] for incident in found]
    assert any(len(set(numbers)) < len(numbers) for numbers in twice), "the same prisoner twice"
    assert any(incident.reporting_staff.username == "unknown" for incident in found)
    answers = [answer for incident in found for question in incident.questions for answer in question.answers]
    assert {answer.answer is None for answer in answers} == {True, False}
    assert {answer.response_date is None for answer in answers} == {True, False}
    assert DATA.incident(FIRST_INCIDENT - 1) is DATA.incident(IDS[-1] + 1) is None


async def test_nomis_lists_incidents_by_their_day_of_creation_lowest_first(running: Running) -> None:
    everything = (await running.call("nomis", "GET", "/incidents/ids?size=1000")).json()
    assert [row["incidentId"] for row in everything["content"]] == list(IDS)
    page = (await running.call("nomis", "GET", "/incidents/ids?page=2&size=10")).json()
    assert [row["incidentId"] for row in page["content"]] == list(IDS)[20:30]
    window = (
        await running.call("nomis", "GET", "/incidents/ids?fromDate=2024-02-01&toDate=2024-02-29&size=900")
    ).json()
    created = [date.fromisoformat(DATA.incident(i)["createDateTime"][:10]) for i in IDS]
    assert window["totalElements"] == sum(date(2024, 2, 1) <= day <= date(2024, 2, 29) for day in created) > 0


async def test_incidents_come_change_and_go(running: Running) -> None:
    made = (await running.call("admin", "POST", "/nomis/incidents", json={"like": IDS[0]})).json()
    assert made["incidentId"] == IDS[-1] + 1
    path = f"/nomis/incidents/{IDS[1]}"
    assert (await running.call("admin", "PUT", path, json={"title": "New"})).json()["title"] == "New"
    assert (await running.call("nomis", "GET", f"/incidents/{IDS[1]}")).json()["title"] == "New"
    assert (await running.call("admin", "DELETE", path)).status_code == 204
    assert (await running.call("nomis", "GET", f"/incidents/{IDS[1]}")).status_code == 404
    listed = (await running.call("nomis", "GET", "/incidents/ids?size=1000")).json()
    wanted = [IDS[0], *list(IDS)[2:], made["incidentId"]]
    assert [row["incidentId"] for row in listed["content"]] == wanted
    assert (await running.call("admin", "POST", "/nomis/incidents", json={"like": 1})).status_code == 400
    assert (await running.call("admin", "GET", "/nomis/incidents/1")).status_code == 404


async def test_an_agency_is_switched_on_and_off(running: Running) -> None:
    path, switch = "/agency-switches/INCIDENTS/agency/MDI", "/nomis/incidents-switch/MDI"
    assert (await running.call("nomis", "GET", path)).status_code == 404
    assert (await running.call("admin", "PUT", switch, json={"on": True})).status_code == 204
    assert (await running.call("nomis", "GET", path)).status_code == 204
    await running.call("admin", "PUT", switch, json={"on": False})
    assert (await running.call("nomis", "GET", path)).status_code == 404


async def test_an_incident_has_one_report_found_by_its_reference(running: Running) -> None:
    made = await upsert(running, body())
    dps_id = made.json()["id"]
    assert made.status_code == 201
    assert (await upsert(running, body())).status_code == 409
    assert (await running.call("incidents", "GET", "/incident-reports/reference/501")).json()["id"] == dps_id
    assert (await running.call("incidents", "GET", "/incident-reports/reference/502")).status_code == 404
    changed = await upsert(running, body(id=dps_id))
    assert (changed.status_code, changed.json()) == (200, {"id": dps_id})
    assert (await upsert(running, body(id="77b1c6d2-0f5e-4f0e-9a51-2b1f4a5c6d7e"))).status_code == 404
    assert (await upsert(running, {"initialMigration": False})).status_code == 400
    stored = (await running.call("admin", "GET", f"/incidents/{dps_id}")).json()
    assert (stored["nomisKey"], stored["body"]["id"]) == (501, dps_id)


async def test_a_report_that_was_deleted_can_be_made_again(running: Running) -> None:
    dps_id = (await upsert(running, body())).json()["id"]
    path = f"/incident-reports/{dps_id}"
    assert (await running.call("incidents", "DELETE", path)).status_code == 200
    assert (await running.call("incidents", "DELETE", path)).status_code == 404
    again = await upsert(running, body())
    assert (again.status_code, again.json()["id"] != dps_id) == (201, True)


async def test_pairs_are_unique_on_both_sides(running: Running) -> None:
    pair = {"nomisIncidentId": 501, "dpsIncidentId": "a", "mappingType": "MIGRATED", "label": "2026-04-01T09:00:00"}

    async def post(**changes: Any) -> Any:
        return await running.call("mapping", "POST", "/mapping/incidents", json={**pair, **changes})

    assert (await post()).status_code == (await post()).status_code == 201
    for changes in ({"dpsIncidentId": "b"}, {"nomisIncidentId": 502}):
        refused = await post(**changes)
        assert refused.status_code == 409
        assert refused.json()["errorCode"] == 1409
        assert refused.json()["moreInfo"]["existing"]["dpsIncidentId"] == "a"
        assert refused.json()["moreInfo"]["duplicate"] == {**pair, **changes}
    found = await running.call("mapping", "GET", "/mapping/incidents/nomis-incident-id/501")
    assert found.json()["dpsIncidentId"] == "a"
    counted = await running.call("mapping", "GET", "/mapping/incidents/migration-id/2026-04-01T09:00:00?size=1")
    assert counted.json()["totalElements"] == 1
    for _ in range(2):
        gone = await running.call("mapping", "DELETE", "/mapping/incidents/dps-incident-id/a")
        assert gone.status_code == 204
    assert (await running.call("mapping", "GET", "/mapping/incidents/nomis-incident-id/501")).status_code == 404


async def test_a_token_without_the_role_is_refused(running: Running) -> None:
    for service, path in (("nomis", "/incidents/ids"), ("incidents", "/incident-reports/reference/501")):
        assert (await running.call(service, "GET", path, client="nobody")).status_code == 403


async def test_what_is_stored_outlives_the_process(running: Running, state: Any) -> None:
    dps_id = (await upsert(running, body())).json()["id"]
    other = (await upsert(running, body(502))).json()["id"]
    await running.call("incidents", "DELETE", f"/incident-reports/{other}")
    await running.call("admin", "PUT", f"/nomis/incidents/{IDS[0]}", json={"title": "New"})
    await running.call("admin", "PUT", "/nomis/incidents-switch/MDI", json={"on": True})
    running.server.stores.journal.flush()
    again = Stores(WORLD, state / "journal")
    try:
        assert again.dps_incidents.ids() == [dps_id]
        assert (again.dps_incidents.by_reference(501), again.dps_incidents.by_reference(502)) == (dps_id, None)
        incident = again.nomis_incidents.get(IDS[0])
        assert incident is not None
        assert incident["title"] == "New"
        assert again.nomis_incidents.is_switched_on("MDI")
    finally:
        again.journal.close()
