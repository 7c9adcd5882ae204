"""Promise: every row of the decision tables of section 7 of the locations card, with exact telemetry."""

import json
from typing import Any

import httpx
import pytest
import respx

from nomis_pipelines.domains.locations.synchronisation import LocationsSynchronisation
from nomis_pipelines.http import Conflict, InvalidAnswer, NotFound, Rejected, Unavailable
from nomis_pipelines.synchronisation import HandlerError, MalformedMessage
from nomis_pipelines_tests import world
from nomis_pipelines_tests.domains.events import Consumer
from nomis_pipelines_tests.domains.locations.examples import (
    BASE,
    CELL,
    CHANGED,
    EVENT,
    MAPPING_BODY,
    MAPPINGS,
    NEW,
    OLD,
    PARENT,
    PROFILE,
    UPSERT,
    USAGE,
    WING,
    body_of,
    dps_creates,
    dps_updates,
    in_nomis,
    lookup,
    mapped,
    mapping_answers,
    not_mapped,
    refused,
    retry_message,
)

pytestmark = pytest.mark.server

CELL_EVENT = {"internalLocationId": 70412, "description": "LEI-B-1-004", "prisonId": "LEI"}
CELL_BASE = {"nomisLocationId": "70412", "key": "LEI-B-1-004"}
VSIP = ["-VISITS-VSIP_CLO", "-VISITS-VSIP_SOC", "-VISIT-VSIP_CLO", "-VISIT-VSIP_SOC"]
NO_PARENT = "No mapping found for parent NOMIS location 70400 syncing NOMIS location 70412, LEI-B-1-004"


def test_the_handled_messages_are_those_of_the_card() -> None:
    declared = {(handler.kind, handler.type) for handler in LocationsSynchronisation.handlers}
    assert declared == {
        ("event", CHANGED),
        ("event", PROFILE),
        ("event", USAGE),
        ("internal", "RETRY_SYNCHRONISATION_MAPPING"),
    }
    assert (LocationsSynchronisation.queue, LocationsSynchronisation.switch_domain) == ("eventlocations", "locations")
    assert LocationsSynchronisation.redelivery_seconds == (1, 10, 60, 600)
    assert LocationsSynchronisation.unknown_internal == "drop"


def test_whatever_changes_one_location_has_one_key() -> None:
    event = {**EVENT, "internalLocationId": "70500"}
    bodies: dict[str, dict[str, Any]] = {CHANGED: event, PROFILE: event, USAGE: event}
    bodies["RETRY_SYNCHRONISATION_MAPPING"] = MAPPING_BODY
    keys = {
        str(handler.key(handler.body.validate_json(json.dumps(bodies[handler.type]))))
        for handler in LocationsSynchronisation.handlers
    }
    assert keys == {"70500"}


# 7.1 and 7.2, step 1


@pytest.mark.parametrize("event", [CHANGED, PROFILE, USAGE])
@pytest.mark.parametrize("module", ["DPS_SYNCHRONISATION", "DPS_SYNCHRONISATION_LOCATIONS"])
async def test_what_began_in_dps_is_skipped_without_a_call(locations: Consumer, event: str, module: str) -> None:
    await locations.event(event, **{**EVENT, "auditModuleName": module})
    assert locations.calls == []
    assert locations.telemetry.events == [("locations-synchronisation-skipped", BASE)]


@pytest.mark.parametrize("event", [CHANGED, PROFILE, USAGE])
@pytest.mark.parametrize("module", [None, "", "OIMILOCA", "XDPS_SYNCHRONISATION", "dps_synchronisation"])
async def test_what_began_elsewhere_is_not_skipped(locations: Consumer, event: str, module: str | None) -> None:
    in_nomis(WING)
    mapped(70500)
    dps_updates()
    await locations.event(event, **{**EVENT, "auditModuleName": module})
    assert locations.telemetry.names() == ["locations-updated-synchronisation-success"]


@pytest.mark.parametrize("ending", VSIP)
async def test_a_visits_room_for_dps_is_made_though_it_began_there(locations: Consumer, ending: str) -> None:
    in_nomis(WING)
    not_mapped(70500)
    dps_creates()
    mapping_answers(httpx.Response(201))
    event = {**EVENT, "description": f"BXI{ending}", "auditModuleName": "DPS_SYNCHRONISATION"}
    await locations.event(CHANGED, **event)
    assert locations.telemetry.names() == ["locations-created-synchronisation-success"]


@pytest.mark.parametrize(
    "changes",
    [
        {"description": "BXI-VISITS-VSIP_SOC", "oldDescription": "BXI-VISITS-VSIP_SOC"},
        {"description": "BXI-VISITS-VSIP_SOC", "oldDescription": ""},
        {"description": "BXI-VISITS-VSIP_SOC2"},
        {"description": "BXI-OTHER-VSIP_SOC"},
        {"description": None},
    ],
)
async def test_other_rooms_that_began_in_dps_are_skipped(locations: Consumer, changes: dict[str, Any]) -> None:
    event = {**EVENT, "auditModuleName": "DPS_SYNCHRONISATION", **changes}
    await locations.event(CHANGED, **event)
    told = {"nomisLocationId": "70500", "key": changes["description"] or ""}
    assert locations.telemetry.events == [("locations-synchronisation-skipped", told)]


@pytest.mark.parametrize("event", [PROFILE, USAGE])
async def test_the_exception_for_visits_rooms_is_not_for_profiles_and_usages(locations: Consumer, event: str) -> None:
    fields = {**EVENT, "description": "BXI-VISITS-VSIP_SOC", "auditModuleName": "DPS_SYNCHRONISATION"}
    await locations.event(event, **fields)
    assert locations.telemetry.names() == ["locations-synchronisation-skipped"]


# 7.1, steps 2 to 6


async def test_a_deletion_without_a_mapping_fails_without_telemetry(locations: Consumer) -> None:
    not_mapped(70500)
    with pytest.raises(HandlerError, match="Cannot find mapping for location 70500 to delete"):
        await locations.event(CHANGED, **EVENT, recordDeleted="true")
    assert len(locations.calls) == 1
    assert locations.telemetry.events == []


@pytest.mark.parametrize("event", [CHANGED, PROFILE, USAGE])
async def test_a_lookup_that_fails_fails_the_message_without_telemetry(locations: Consumer, event: str) -> None:
    respx.get(lookup(70500)).respond(500)
    with pytest.raises(Unavailable):
        await locations.event(event, **EVENT)
    assert locations.telemetry.events == []


@pytest.mark.parametrize("deleted", [None, False, "false"])
async def test_a_location_that_is_mapped_is_updated(locations: Consumer, deleted: object) -> None:
    in_nomis(WING)
    mapped(70500)
    updated = dps_updates()
    await locations.event(CHANGED, **EVENT, recordDeleted=deleted)
    assert locations.calls == [
        "GET mapping /mapping/locations/nomis/70500",
        "GET nomis /locations/70500",
        "POST locations /sync/upsert",
    ]
    assert body_of(updated) == {
        "id": OLD, "prisonId": "LEI", "code": "C", "locationType": "WING", "certifiedCell": True, "attributes": [],
        "usage": [], "internalMovementAllowed": True, "isDeactivated": False, "createDate": "2019-05-20T14:00:05",
        "lastUpdatedBy": "SYS_ADM",
    }  # fmt: skip
    assert locations.telemetry.events == [("locations-updated-synchronisation-success", {**BASE, "dpsLocationId": OLD})]


# the create flow


@pytest.mark.parametrize("prison", ["UNKNWN", "TRN", "LT3", "LT4"])
async def test_a_create_of_no_prison_is_skipped(locations: Consumer, prison: str) -> None:
    not_mapped(70500)
    await locations.event(CHANGED, **{**EVENT, "prisonId": prison})
    assert len(locations.calls) == 1
    assert locations.telemetry.events == [("locations-synchronisation-skipped-ignored-prison", BASE)]


@pytest.mark.parametrize("prison", ["ZZGHI", None, "LEI"])
async def test_the_prison_of_the_event_counts_and_null_is_none_of_them(locations: Consumer, prison: str | None) -> None:
    not_mapped(70500)
    in_nomis({**WING, "prisonId": "TRN"})
    dps_creates()
    mapping_answers(httpx.Response(201))
    await locations.event(CHANGED, **{**EVENT, "prisonId": prison})
    assert locations.telemetry.events == [("locations-created-synchronisation-success", {**BASE, "dpsLocationId": NEW})]


@pytest.mark.parametrize(
    ("status", "error"), [(404, NotFound), (400, Rejected), (500, Unavailable)], ids=["404", "400", "500"]
)
async def test_a_create_fails_when_nomis_does(locations: Consumer, status: int, error: type[Exception]) -> None:
    not_mapped(70500)
    respx.get(f"{world.NOMIS}/locations/70500").respond(status)
    with pytest.raises(error):
        await locations.event(CHANGED, **EVENT)
    failed = {**BASE, "exception": f"nomis GET /locations/{{locationId}} answered {status}"}
    assert locations.telemetry.events == [("locations-created-synchronisation-failed", failed)]


async def test_a_create_fails_on_a_value_outside_the_enumerations(locations: Consumer) -> None:
    not_mapped(70500)
    in_nomis({**WING, "unitType": "CELL"})
    with pytest.raises(InvalidAnswer):
        await locations.event(CHANGED, **EVENT)
    (failed,) = locations.telemetry.named("locations-created-synchronisation-failed")
    assert failed["exception"].endswith("answered 200: unitType: literal_error")


async def test_a_create_fails_for_want_of_its_parent_and_succeeds_when_the_parent_has_come(
    locations: Consumer,
) -> None:
    not_mapped(70412)
    in_nomis(CELL)
    respx.get(lookup(70400)).mock(
        side_effect=[
            httpx.Response(404),
            httpx.Response(
                200, json={"dpsLocationId": PARENT, "nomisLocationId": 70400, "mappingType": "NOMIS_CREATED"}
            ),
        ]
    )
    created = dps_creates()
    mapping_answers(httpx.Response(201))
    with pytest.raises(HandlerError, match=NO_PARENT):
        await locations.event(CHANGED, **CELL_EVENT)
    assert created.call_count == 0
    await locations.event(CHANGED, **CELL_EVENT)
    assert body_of(created)["parentId"] == PARENT
    assert locations.telemetry.events == [
        ("locations-created-synchronisation-failed", {**CELL_BASE, "exception": NO_PARENT}),
        ("locations-created-synchronisation-success", {**CELL_BASE, "dpsLocationId": NEW}),
    ]


async def test_a_create_fails_on_an_unknown_type_with_the_cards_words(locations: Consumer) -> None:
    not_mapped(70500)
    in_nomis({**WING, "locationType": "KIOSK"})
    with pytest.raises(HandlerError):
        await locations.event(CHANGED, **EVENT)
    failed = {**BASE, "exception": "Unknown location type KIOSK"}
    assert locations.telemetry.events == [("locations-created-synchronisation-failed", failed)]


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (httpx.Response(400), Rejected, "answered 400"),
        (httpx.Response(500), Unavailable, "answered 500"),
        (refused(107), Conflict, "answered 409"),
        (refused(120), Conflict, "answered 409"),
    ],
    ids=["400", "500", "107", "120"],
)
async def test_a_create_fails_on_any_error_of_dps_and_can_be_repeated(
    locations: Consumer, answer: httpx.Response, error: type[Exception], words: str
) -> None:
    not_mapped(70500)
    in_nomis(WING)
    respx.post(UPSERT).mock(side_effect=[answer, httpx.Response(201, json={"id": NEW})])
    mapping_answers(httpx.Response(201))
    with pytest.raises(error):
        await locations.event(CHANGED, **EVENT)
    failed = {**BASE, "exception": f"locations POST /sync/upsert {words}"}
    assert locations.telemetry.events == [("locations-created-synchronisation-failed", failed)]
    await locations.event(CHANGED, **EVENT)
    assert locations.telemetry.names()[1:] == ["locations-created-synchronisation-success"]


# 7.2


async def test_a_profile_of_a_location_without_mapping_fails_without_telemetry(locations: Consumer) -> None:
    not_mapped(70500)
    with pytest.raises(HandlerError, match="Cannot find mapping for location 70500 to update attribute"):
        await locations.event(PROFILE, **EVENT)
    assert len(locations.calls) == 1
    assert locations.telemetry.events == []


async def test_a_usage_of_a_location_without_mapping_is_skipped(locations: Consumer) -> None:
    not_mapped(70500)
    await locations.event(USAGE, **EVENT)
    assert len(locations.calls) == 1
    assert locations.telemetry.events == [("locations-synchronisation-skipped-usage", BASE)]


@pytest.mark.parametrize("event", [PROFILE, USAGE])
@pytest.mark.parametrize("deleted", [None, "true"])
async def test_a_profile_or_usage_sends_the_whole_location_also_when_it_was_deleted(
    locations: Consumer, event: str, deleted: str | None
) -> None:
    in_nomis({**WING, "profiles": [{"profileType": "HOU_UNIT_ATT", "profileCode": "SO"}]})
    mapped(70500)
    updated = dps_updates()
    await locations.event(event, **EVENT, recordDeleted=deleted)
    assert body_of(updated)["attributes"] == ["SINGLE_OCCUPANCY"]
    assert locations.telemetry.events == [("locations-updated-synchronisation-success", {**BASE, "dpsLocationId": OLD})]


# 7.3


@pytest.mark.parametrize("event", [CHANGED, PROFILE, USAGE])
@pytest.mark.parametrize("prison", ["UNKNWN", "TRN", "LT3", "LT4"])
async def test_an_update_of_no_prison_is_skipped(locations: Consumer, event: str, prison: str) -> None:
    mapped(70500)
    await locations.event(event, **{**EVENT, "prisonId": prison})
    assert len(locations.calls) == 1
    assert locations.telemetry.events == [("locations-synchronisation-skipped-ignored-prison", BASE)]


@pytest.mark.parametrize("status", [404, 500])
async def test_an_update_fails_when_nomis_does(locations: Consumer, status: int) -> None:
    mapped(70500)
    respx.get(f"{world.NOMIS}/locations/70500").respond(status)
    with pytest.raises((NotFound, Unavailable)):
        await locations.event(CHANGED, **EVENT)
    failed = {**BASE, "dpsLocationId": OLD, "exception": f"nomis GET /locations/{{locationId}} answered {status}"}
    assert locations.telemetry.events == [("locations-updated-synchronisation-failed", failed)]


async def test_an_update_fails_for_want_of_its_parent(locations: Consumer) -> None:
    mapped(70412)
    in_nomis(CELL)
    not_mapped(70400)
    with pytest.raises(HandlerError, match=NO_PARENT):
        await locations.event(CHANGED, **CELL_EVENT)
    failed = {**CELL_BASE, "dpsLocationId": OLD, "exception": NO_PARENT}
    assert locations.telemetry.events == [("locations-updated-synchronisation-failed", failed)]


@pytest.mark.parametrize("event", [CHANGED, PROFILE, USAGE])
@pytest.mark.parametrize("code", [107, 120])
async def test_an_update_of_what_is_frozen_in_dps_is_consumed(locations: Consumer, event: str, code: int) -> None:
    mapped(70500)
    in_nomis(WING)
    respx.post(UPSERT).mock(side_effect=[refused(code)])
    await locations.event(event, **EVENT)
    told = {**BASE, "dpsLocationId": OLD}
    assert locations.telemetry.events == [("locations-updated-synchronisation-skipped-deactivated", told)]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refused(108), Conflict),
        (refused(None), Conflict),
        (httpx.Response(409), Conflict),
        (httpx.Response(400, json={"status": 400, "errorCode": 107}), Rejected),
        (httpx.Response(404), NotFound),
        (httpx.Response(500), Unavailable),
    ],
    ids=["108", "no code", "no body", "400 with 107", "404", "500"],
)
async def test_an_update_fails_on_any_other_error_of_dps(
    locations: Consumer, answer: httpx.Response, error: type[Exception]
) -> None:
    mapped(70500)
    in_nomis(WING)
    respx.post(UPSERT).mock(side_effect=[answer])
    with pytest.raises(error):
        await locations.event(CHANGED, **EVENT)
    failed = {**BASE, "dpsLocationId": OLD, "exception": f"locations POST /sync/upsert answered {answer.status_code}"}
    assert locations.telemetry.events == [("locations-updated-synchronisation-failed", failed)]


# 7.4


async def test_a_location_is_deleted_with_its_mapping_whatever_its_prison(locations: Consumer) -> None:
    mapped(70500)
    respx.delete(f"{world.LOCATIONS}/sync/delete/{OLD}").respond(204)
    respx.delete(f"{MAPPINGS}/dps/{OLD}").respond(204)
    await locations.event(CHANGED, **{**EVENT, "prisonId": "TRN"}, recordDeleted=True)
    assert locations.calls == [
        "GET mapping /mapping/locations/nomis/70500",
        f"DELETE locations /sync/delete/{OLD}",
        f"DELETE mapping /mapping/locations/dps/{OLD}",
    ]
    assert locations.telemetry.events == [
        ("locations-deleted-synchronisation-success", {**BASE, "dpsLocationId": OLD}),
        ("locations-deleted-mapping-success", {"dpsLocationId": OLD}),
    ]


@pytest.mark.parametrize(("status", "error"), [(404, NotFound), (400, Rejected), (500, Unavailable)])
async def test_a_delete_that_dps_refuses_fails_and_leaves_the_mapping(
    locations: Consumer, status: int, error: type[Exception]
) -> None:
    mapped(70500)
    respx.delete(f"{world.LOCATIONS}/sync/delete/{OLD}").respond(status)
    with pytest.raises(error):
        await locations.event(CHANGED, **EVENT, recordDeleted="true")
    exception = f"locations DELETE /sync/delete/{{dpsLocationId}} answered {status}"
    assert locations.telemetry.events == [
        ("locations-deleted-synchronisation-failed", {**BASE, "dpsLocationId": OLD, "exception": exception})
    ]


@pytest.mark.parametrize("status", [400, 404, 500])
async def test_a_mapping_that_cannot_be_deleted_is_told_of_and_left(locations: Consumer, status: int) -> None:
    mapped(70500)
    respx.delete(f"{world.LOCATIONS}/sync/delete/{OLD}").respond(204)
    respx.delete(f"{MAPPINGS}/dps/{OLD}").respond(status)
    await locations.event(CHANGED, **EVENT, recordDeleted="true")
    exception = f"mapping DELETE /mapping/locations/dps/{{dpsLocationId}} answered {status}"
    assert locations.telemetry.events == [
        ("locations-deleted-synchronisation-success", {**BASE, "dpsLocationId": OLD}),
        ("locations-deleted-mapping-failed", {"dpsLocationId": OLD, "exception": exception}),
    ]


# 7.5 and the body


async def test_a_mapping_retry_posts_the_mapping_and_tells_what_it_was_given(locations: Consumer) -> None:
    posted = mapping_answers(httpx.Response(201))
    told = {**BASE, "dpsLocationId": NEW, "anything": "else"}
    await locations.receive(retry_message(MAPPING_BODY, told))
    assert body_of(posted) == MAPPING_BODY
    assert locations.telemetry.events == [("locations-mapping-created-synchronisation-success", told)]


async def test_another_failure_of_a_mapping_retry_is_redelivered(locations: Consumer) -> None:
    mapping_answers(httpx.Response(500))
    with pytest.raises(Unavailable):
        await locations.receive(retry_message(MAPPING_BODY, {}))
    assert locations.telemetry.events == []


async def test_a_body_without_a_description_has_an_empty_key(locations: Consumer) -> None:
    not_mapped(70500)
    await locations.event(USAGE, internalLocationId="70500")
    assert locations.telemetry.events == [
        ("locations-synchronisation-skipped-usage", {"nomisLocationId": "70500", "key": ""})
    ]


@pytest.mark.parametrize("body", [{}, {"internalLocationId": None}, {"internalLocationId": "x"}])
async def test_a_body_without_an_id_is_malformed(locations: Consumer, body: dict[str, object]) -> None:
    with pytest.raises(MalformedMessage):
        await locations.event(CHANGED, **body)
