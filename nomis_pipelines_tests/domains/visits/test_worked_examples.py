"""Promise: worked examples A to C of the visits card, section 10, byte for byte at the HTTP edge."""

import json
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import httpx
import pytest
import respx

from nomis_pipelines.domains.visits.migration import VisitsMigration
from nomis_pipelines.migration.declaration import MigrationContext, Rejected
from nomis_pipelines_tests import world
from nomis_pipelines_tests.domains.visits import examples
from nomis_pipelines_tests.recording import RecordingTelemetry

TODAY = date(2026, 3, 10)
MIGRATION_ID = "2026-03-10T10:00:00"
ROOM_LOOKUP = f"{world.MAPPING}/prison/HEI/room/nomis-room-id/HEI-VISITS-HB7CLO"


@pytest.fixture
async def visits() -> AsyncIterator[VisitsMigration]:
    clients = world.clients()
    with respx.mock:
        respx.post(f"{world.AUTH}/oauth/token").respond(json={"access_token": "t", "expires_in": 600})
        yield VisitsMigration(
            MigrationContext(clients=clients, telemetry=RecordingTelemetry(), migration_id=MIGRATION_ID, today=TODAY)
        )
    await clients.aclose()


def given(visit: dict[str, Any]) -> None:
    respx.get(f"{world.NOMIS}/visits/{visit['visitId']}").respond(json=visit)


async def sent_for(visits: VisitsMigration, visit: dict[str, Any], reference: str = "ab-cd-ef-gh") -> tuple[str, str]:
    """The body that went to the visit scheduler, and the reference that was read from its answer."""
    given(visit)
    route = respx.post(f"{world.VISITS}/migrate-visits").respond(201, text=reference)
    request = visits.transform(await visits.read(visit["visitId"]), TODAY)
    answer = await visits.write(request)
    return route.calls.last.request.content.decode(), answer


async def test_a_past_cancelled_visit_goes_out_without_a_room_lookup(visits: VisitsMigration) -> None:
    body, reference = await sent_for(visits, examples.PAST_CANCELLED)
    assert body == examples.PAST_CANCELLED_REQUEST
    mapping = respx.post(f"{world.MAPPING}/mapping/visits").respond(201)
    await visits.post_mapping(visits.mapping(70101, reference))
    assert mapping.calls.last.request.content.decode() == (
        '{"nomisId":70101,"vsipId":"ab-cd-ef-gh","label":"2026-03-10T10:00:00","mappingType":"MIGRATED"}'
    )


async def test_a_future_visit_at_hewell_takes_the_mapped_room_and_the_fixed_session(visits: VisitsMigration) -> None:
    room = {
        "vsipId": "Visits Main Room",
        "isOpen": False,
        "prisonId": "HEI",
        "nomisRoomDescription": "HEI-VISITS-HB7CLO",
    }
    lookup = respx.get(ROOM_LOOKUP).respond(json=room)
    body, _ = await sent_for(visits, examples.FUTURE_HEWELL)
    assert body == examples.FUTURE_HEWELL_REQUEST
    assert lookup.call_count == 1


async def test_an_erroneous_future_visit_keeps_the_nomis_room_and_asks_for_none(visits: VisitsMigration) -> None:
    lookup = respx.get(ROOM_LOOKUP).respond(500)
    body, _ = await sent_for(visits, examples.ERRONEOUS_FUTURE)
    assert body == examples.ERRONEOUS_FUTURE_REQUEST
    assert not lookup.called


async def test_exactly_a_year_ahead_is_an_ordinary_future_visit(visits: VisitsMigration) -> None:
    respx.get(ROOM_LOOKUP).respond(json={"vsipId": "Visits Main Room", "isOpen": True})
    body, _ = await sent_for(visits, {**examples.ERRONEOUS_FUTURE, "startDateTime": "2027-03-10T10:30:00"})
    assert json.loads(body)["visitRoom"] == "Visits Main Room"
    assert json.loads(body)["visitRestriction"] == "OPEN"


async def test_a_room_that_is_not_mapped_is_asked_for_once_and_rejects_the_visit(visits: VisitsMigration) -> None:
    lookup = respx.get(ROOM_LOOKUP).respond(404)
    given(examples.FUTURE_HEWELL)
    for _ in range(2):
        record = await visits.read(70102)
        with pytest.raises(Rejected, match="no-room-mapping"):
            visits.transform(record, TODAY)
    assert lookup.call_count == 1


async def test_a_room_lookup_that_failed_is_asked_for_again(visits: VisitsMigration) -> None:
    lookup = respx.get(ROOM_LOOKUP)
    lookup.side_effect = [httpx.Response(500), httpx.Response(200, json={"vsipId": "Main", "isOpen": True})]
    given(examples.FUTURE_HEWELL)
    with pytest.raises(Exception, match="500"):
        await visits.read(70102)
    assert (await visits.read(70102)).room == "Main"


async def test_a_room_description_is_percent_encoded_whole(visits: VisitsMigration) -> None:
    lookup = respx.get(url__startswith=f"{world.MAPPING}/prison/").respond(404)
    given({**examples.FUTURE_HEWELL, "agencyInternalLocation": {"code": "X", "description": "HEI-A/B ROOM 1?"}})
    await visits.read(70102)
    assert lookup.calls.last.request.url.raw_path == b"/prison/HEI/room/nomis-room-id/HEI-A%2FB%20ROOM%201%3F"


@pytest.mark.parametrize("answer", [httpx.Response(422, json={"userMessage": "too far ahead"}), httpx.Response(201)])
async def test_a_422_or_an_empty_answer_is_a_refusal_not_a_failure(
    visits: VisitsMigration, answer: httpx.Response
) -> None:
    given(examples.PAST_CANCELLED)
    respx.post(f"{world.VISITS}/migrate-visits").mock(return_value=answer)
    request = visits.transform(await visits.read(70101), TODAY)
    with pytest.raises(Rejected, match="refused-by-visit-scheduler"):
        await visits.write(request)


async def test_a_mapping_is_found_or_there_is_none(visits: VisitsMigration) -> None:
    found = {"nomisId": 70101, "vsipId": "aa-11", "mappingType": "MIGRATED", "whenCreated": "2026-03-09T10:04:11"}
    respx.get(f"{world.MAPPING}/mapping/visits/nomisId/70101").respond(json=found)
    respx.get(f"{world.MAPPING}/mapping/visits/nomisId/70102").respond(404)
    assert await visits.find_mapping(70101) == "aa-11"
    assert await visits.find_mapping(70102) is None


async def test_the_ids_query_has_only_what_is_set_in_the_short_iso_form(visits: VisitsMigration) -> None:
    from nomis_pipelines.domains.visits.migration import VisitsFilter, visit_ids
    from nomis_pipelines.migration.filters import filter_query

    route = respx.get(f"{world.NOMIS}/visits/ids").respond(json={"content": [{"visitId": 5}], "totalElements": 26})
    filter = VisitsFilter.model_validate({"prisonIds": ["HEI", "BXI"], "fromDateTime": "2020-01-01T01:30:00"})
    page = await visit_ids(visits.nomis, filter_query(filter), 0, 1)
    assert (page.ids, page.total) == ([5], 26)
    assert str(route.calls.last.request.url.query, "ascii").replace("%3A", ":") == (
        "prisonIds=HEI&prisonIds=BXI&visitTypes=SCON&fromDateTime=2020-01-01T01:30&ignoreMissingRoom=false&page=0&size=1"
    )
