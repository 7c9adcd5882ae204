"""Promise: the sandbox's appointments are listed, read, written and mapped as their card says."""

from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from nomis_pipelines.sandbox.data.appointments import (
    FIRST_EVENT,
    ROOMS_A_PRISON,
    AppointmentData,
    AppointmentFilter,
    is_mapped_room,
    room_id,
)
from nomis_pipelines.sandbox.data.prisons import PRISONS
from nomis_pipelines.sandbox.services.mapping_locations import dps_location
from nomis_pipelines_tests.sandbox.conftest import WORLD, Running

DATA = AppointmentData(WORLD)
EVENTS = range(FIRST_EVENT, FIRST_EVENT + DATA.count)
ALL = frozenset(PRISONS)


def body(**changes: Any) -> dict[str, Any]:
    """A request that the service takes."""
    return {
        "prisonCode": "LNI", "prisonerNumber": "A4321BC", "bookingId": 1, "categoryCode": "MEOP",
        "dpsLocationId": "0d9f2c51-8a1e-4f57-9c0b-2a6f1f4e7d33", "startDate": "2026-10-07", "startTime": "14:05",
        "endTime": None, "comment": None, "isCancelled": False, "created": "2026-09-12T16:20:31", "createdBy": "QWE",
        "updated": None, "updatedBy": None, **changes,
    }  # fmt: skip


def test_days_and_prisons_part_the_appointments_without_a_rest() -> None:
    months = [date(2024 + number // 12, number % 12 + 1, 1) for number in range(60)]
    parts: list[int] = []
    for first, following in pairwise(months):
        last = following - timedelta(days=1)
        for prison in PRISONS:
            wanted = AppointmentFilter(prisons=frozenset({prison}), first=first, last=last)
            parts += DATA.select(wanted)
    assert sorted(parts) == list(EVENTS) == list(DATA.select(AppointmentFilter(prisons=ALL)))


def test_an_appointment_lies_where_it_is_listed_and_a_copy_is_traced_back_to_it() -> None:
    wanted = AppointmentFilter(prisons=frozenset({"MDI"}), first=date(2024, 5, 1), last=date(2024, 5, 31))
    events = DATA.select(wanted)
    assert events
    for event in events:
        found = DATA.appointment(event)
        assert found is not None
        assert (found["prisonId"], found["startDateTime"][:7]) == ("MDI", "2024-05")
        created = datetime.fromisoformat(found["createdDate"]).replace(microsecond=0)
        assert DATA.find(found["offenderNo"], created) == event


def test_the_world_holds_every_kind_of_appointment() -> None:
    found = [appointment for event in EVENTS if (appointment := DATA.appointment(event))]
    assert {row["status"] for row in found} == {"SCH", "CANC", "COMP", "EXP"}
    for name in ("internalLocation", "endDateTime", "comment", "modifiedDate"):
        assert {name in row for row in found} == {True, False}, name
    assert any("." in row["createdDate"] for row in found)
    rooms = [room_id(prison, which) for prison in PRISONS for which in range(ROOMS_A_PRISON)]
    assert {is_mapped_room(room) for room in rooms} == {True, False}
    assert not is_mapped_room(1)


async def test_nomis_wants_a_prison_and_lists_by_the_day_of_the_appointment(running: Running) -> None:
    refused = await running.call("nomis", "GET", "/appointments/ids?fromDate=2024-05-01")
    assert refused.status_code == 400
    query = "prisonIds=MDI&prisonIds=HEI&fromDate=2024-05-01&toDate=2024-05-31&page=1&size=5"
    page = (await running.call("nomis", "GET", f"/appointments/ids?{query}")).json()
    wanted = AppointmentFilter(prisons=frozenset({"MDI", "HEI"}), first=date(2024, 5, 1), last=date(2024, 5, 31))
    assert [row["eventId"] for row in page["content"]] == list(DATA.select(wanted)[5:10])
    assert page["totalElements"] == len(DATA.select(wanted))
    one = await running.call("nomis", "GET", f"/appointments/{FIRST_EVENT}")
    assert one.json()["eventId"] == FIRST_EVENT
    assert (await running.call("nomis", "GET", "/appointments/1")).status_code == 404


async def test_an_appointment_is_made_or_dropped(running: Running) -> None:
    path = "/migrate-appointment"
    first = await running.call("activities", "POST", path, json=body())
    second = await running.call("activities", "POST", path, json=body())
    assert (first.status_code, second.json()["id"] - first.json()["id"]) == (201, 1)
    dropped = await running.call("activities", "POST", path, json=body(isCancelled=True))
    assert (dropped.status_code, dropped.content) == (201, b"")
    kept = await running.call("activities", "POST", path, json=body(isCancelled=True, comment="Moved"))
    assert kept.json()["id"]
    assert running.server.agreement()["appointments"]["dps_dropped"] == 1


@pytest.mark.parametrize("change", [{"prisonCode": None}, {"createdBy": "x" * 101}, {"startDate": "today"}, {"new": 1}])
async def test_a_wrong_appointment_is_400(running: Running, change: dict[str, Any]) -> None:
    answer = await running.call("activities", "POST", "/migrate-appointment", json=body(**change))
    assert answer.status_code == 400


async def test_rooms_and_appointments_are_mapped(running: Running) -> None:
    room = room_id("HEI", 0)
    found = (await running.call("mapping", "GET", f"/api/locations/nomis/{room}")).json()
    assert found == {"dpsLocationId": dps_location(room), "nomisLocationId": room}
    assert (await running.call("mapping", "GET", "/api/locations/nomis/5")).status_code == 404
    pair = {"appointmentInstanceId": 10, "nomisEventId": 1, "mappingType": "MIGRATED", "label": "2026-09-30T07:45:02"}
    path = "/mapping/appointments"
    assert (await running.call("mapping", "POST", path, json=pair)).status_code == 201
    assert (await running.call("mapping", "POST", path, json=pair)).status_code == 201
    clash = await running.call("mapping", "POST", path, json={**pair, "appointmentInstanceId": 11})
    assert (clash.status_code, clash.json()["moreInfo"]["existing"]["appointmentInstanceId"]) == (409, 10)
    counted = await running.call("mapping", "GET", f"{path}/migration-id/2026-09-30T07%3A45%3A02?size=1")
    assert counted.json()["totalElements"] == 1
