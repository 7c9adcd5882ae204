"""Promise: the repair inserts or updates one incident, past the agency switch if asked (incidents card, 8.1)."""

import pytest
from pydantic import ValidationError

from nomis_pipelines.domains.incidents.repairs import REPAIRS, RepairedIncident, repair_incident
from nomis_pipelines.http import Rejected
from nomis_pipelines.synchronisation import HandlerError
from nomis_pipelines_tests.domains.events import Consumer
from nomis_pipelines_tests.domains.incidents.examples import (
    BASE,
    REPORT,
    WITH_DPS,
    dps_answers,
    in_charge,
    in_nomis,
    mapped,
    pair_answers,
    sent,
)

P = "incidents-synchronisation"
REPAIRED = ("incidents-resynchronisation-repair", BASE)
OVERRIDDEN = (f"{P}-agency-overridden", BASE)
SKIPPED = (f"{P}-agency-skipped", {**BASE, "location": "DGI"})


def test_the_endpoint_is_that_of_the_card() -> None:
    (repair,) = REPAIRS
    assert (repair.method, repair.path, repair.status) == ("POST", "/incidents/{incidentId}/repair", 200)
    assert repair.roles == ("ROLE_PRISONER_FROM_NOMIS__UPDATE__RW",)
    assert repair.parameters.model_validate({"incidentId": "501"}) == RepairedIncident(
        incident_id=501, create_incident=False, override_agency_switch=False
    )
    with pytest.raises(ValidationError):
        repair.parameters.model_validate({"incidentId": "501", "createincident": "true"})


@pytest.mark.server
async def test_an_incident_is_updated(incidents: Consumer) -> None:
    in_nomis()
    in_charge()
    mapped()
    upsert = dps_answers(200)
    await repair_incident(incidents.context, RepairedIncident(incident_id=501))
    assert sent(upsert)["incidentReport"] == REPORT
    assert incidents.telemetry.events == [(f"{P}-updated-success", WITH_DPS), REPAIRED]


@pytest.mark.server
async def test_an_incident_is_made(incidents: Consumer) -> None:
    in_nomis()
    in_charge()
    mapped(found=False)
    dps_answers()
    pair_answers()
    await repair_incident(incidents.context, RepairedIncident(incident_id=501, create_incident=True))
    assert incidents.telemetry.events == [(f"{P}-created-success", WITH_DPS), REPAIRED]


@pytest.mark.server
async def test_making_what_is_mapped_is_ignored_and_a_repair_all_the_same(incidents: Consumer) -> None:
    in_nomis()
    in_charge()
    mapped()
    await repair_incident(incidents.context, RepairedIncident(incident_id=501, create_incident=True))
    assert incidents.telemetry.events == [(f"{P}-created-ignored", BASE), REPAIRED]


@pytest.mark.server
@pytest.mark.parametrize("create", [False, True])
async def test_where_dps_is_in_charge_it_stops_and_is_a_repair_all_the_same(incidents: Consumer, create: bool) -> None:
    in_nomis()
    in_charge(dps=True)
    await repair_incident(incidents.context, RepairedIncident(incident_id=501, create_incident=create))
    assert incidents.telemetry.events == [SKIPPED, REPAIRED]


@pytest.mark.server
@pytest.mark.parametrize("create", [False, True])
async def test_the_switch_is_not_asked_where_it_is_overridden(incidents: Consumer, create: bool) -> None:
    in_nomis()
    switch = in_charge(dps=True)
    mapped(found=not create)
    dps_answers()
    pair_answers()
    wanted = RepairedIncident(incident_id=501, create_incident=create, override_agency_switch=True)
    await repair_incident(incidents.context, wanted)
    assert not switch.called
    name = "created" if create else "updated"
    assert incidents.telemetry.events == [OVERRIDDEN, (f"{P}-{name}-success", WITH_DPS), REPAIRED]


@pytest.mark.server
async def test_an_incident_that_is_not_there_reaches_the_caller_as_an_error(incidents: Consumer) -> None:
    in_nomis(404)
    with pytest.raises(HandlerError, match="does not exist in Nomis"):
        await repair_incident(incidents.context, RepairedIncident(incident_id=501))
    assert incidents.telemetry.events == [(f"{P}-updated-failed", BASE)]


@pytest.mark.server
async def test_an_incident_without_a_mapping_reaches_the_caller_as_an_error(incidents: Consumer) -> None:
    in_nomis()
    in_charge()
    mapped(found=False)
    with pytest.raises(HandlerError, match="does not exist in mapping table"):
        await repair_incident(incidents.context, RepairedIncident(incident_id=501))
    assert incidents.telemetry.events == [(f"{P}-updated-failed", BASE)]


@pytest.mark.server
async def test_what_dps_refuses_reaches_the_caller_as_an_error(incidents: Consumer) -> None:
    in_nomis()
    in_charge()
    mapped()
    dps_answers(400)
    with pytest.raises(Rejected):
        await repair_incident(incidents.context, RepairedIncident(incident_id=501))
    assert incidents.telemetry.events == []
