"""Promise: every row of the tables of section 7 of the CSIP card: calls in order, bodies, telemetry to the letter."""

from typing import Any

import httpx
import pytest

from nomis_pipelines.http import NotFound, Rejected, ServiceError, Unavailable
from nomis_pipelines.synchronisation import HandlerError, MalformedMessage
from nomis_pipelines_tests.domains.csip.conftest import Csip
from nomis_pipelines_tests.domains.csip.examples import (
    ATTENDEE,
    AUDIT,
    FACTOR,
    INTERVIEW,
    NEW_FACTOR,
    PLAN,
    PRISONER,
    RECORD,
    REPORT,
    REVIEW,
    WHOLE,
    another,
    conflict,
    full_mapping,
    made,
    uuid,
)

pytestmark = pytest.mark.server

EVENT = {
    "csipReportId": str(REPORT), "offenderIdDisplay": PRISONER, "auditModuleName": "OIDCSIPC", "bookingId": 771,
    "eventDatetime": "2025-05-06T12:00:00", "rootOffenderId": 5,
}  # fmt: skip
FROM_DPS = {**EVENT, "auditModuleName": "DPS_SYNCHRONISATION"}
BASE = {"nomisCSIPId": str(REPORT), "offenderNo": PRISONER}
DPS = {"dpsCSIPId": RECORD}
FAILURE = {"mapping": "initial-failure"}
D1, D2, D3 = (
    "PUT csip /sync/csip-records",
    f"DELETE csip /sync/csip-records/{RECORD}",
    "PUT csip /sync/csip-records/move",
)
M1, M3 = f"GET mapping /nomis-csip-id/{REPORT}", f"GET mapping /dps-csip-id/{RECORD}/all"
M4, M5, M6 = "POST mapping /all", "POST mapping /children/all", f"DELETE mapping /dps-csip-id/{RECORD}/all"
M7 = f"GET mapping /factors/nomis-csip-factor-id/{FACTOR}"
READ = f"GET nomis /csip/{REPORT}"
RETRY, RETRY_PARTS = "RETRY_SYNCHRONISATION_MAPPING", "RETRY_SYNCHRONISATION_CHILD_MAPPING"
PART_EVENTS = [
    ("CSIP_FACTORS", "csipFactorId", "nomisCSIPFactorId", FACTOR),
    ("CSIP_INTVW", "csipInterviewId", "nomisCSIPInterviewId", INTERVIEW),
    ("CSIP_PLANS", "csipPlanId", "nomisCSIPPlanId", PLAN),
    ("CSIP_REVIEWS", "csipReviewId", "nomisCSIPReviewId", REVIEW),
    ("CSIP_ATTENDEES", "csipAttendeeId", "nomisCSIPAttendeeId", ATTENDEE),
]
every_part = pytest.mark.parametrize(
    ("stem", "field", "told", "number"), PART_EVENTS, ids=[each[0] for each in PART_EVENTS]
)
whatever_happened = pytest.mark.parametrize("what", ["INSERTED", "UPDATED"])


def called(csip: Csip) -> list[str]:
    return [call.replace("/mapping/csip", "") for call in csip.consumer.calls]


def told(csip: Csip) -> list[tuple[str, dict[str, str]]]:
    return csip.consumer.telemetry.events


def not_mapped(csip: Csip) -> None:
    csip.services.mapped = {}


def interviewed(csip: Csip) -> None:
    """There is an interview, mapped like the rest."""
    csip.services.reports[REPORT]["investigation"]["interviews"] = [
        {"id": INTERVIEW, "interviewee": "J", "date": "2024-11-06", "role": {"code": "W", "description": "W"}, **AUDIT}
    ]
    csip.services.mapped = {REPORT: full_mapping("MIGRATED", **WHOLE, interviewMappings=[INTERVIEW])}


# 7.2, a report inserted


async def test_an_insert_that_began_in_dps_makes_no_call(csip: Csip) -> None:
    await csip.consumer.event("CSIP_REPORTS-INSERTED", **FROM_DPS)
    assert (told(csip), called(csip)) == ([("csip-synchronisation-created-skipped", BASE)], [])


@pytest.mark.parametrize("module", ["DPS_SYNCHRONISATION_2", "dps_synchronisation", "", None])
async def test_only_the_very_name_of_the_module_says_that_it_began_in_dps(csip: Csip, module: str | None) -> None:
    not_mapped(csip)
    await csip.consumer.event("CSIP_REPORTS-INSERTED", **{**EVENT, "auditModuleName": module})
    assert told(csip) == [("csip-synchronisation-created-success", {**BASE, **DPS})]


@pytest.mark.parametrize(("status", "error"), [(404, NotFound), (500, Unavailable)])
async def test_an_insert_that_cannot_be_read_is_an_error_before_anything_is_looked_up(
    csip: Csip, status: int, error: type[ServiceError]
) -> None:
    csip.services.answer(READ, httpx.Response(status))
    with pytest.raises(error):
        await csip.consumer.event("CSIP_REPORTS-INSERTED", **EVENT)
    assert (told(csip), called(csip)) == ([], [READ])


async def test_an_insert_of_a_mapped_report_is_ignored(csip: Csip) -> None:
    await csip.consumer.event("CSIP_REPORTS-INSERTED", **EVENT)
    assert told(csip) == [("csip-synchronisation-created-ignored", {**BASE, **DPS})]
    assert called(csip) == [READ, M1]


async def test_an_insert_makes_the_record_and_maps_it_with_its_parts(csip: Csip) -> None:
    not_mapped(csip)
    await csip.consumer.event("CSIP_REPORTS-INSERTED", **EVENT)
    assert called(csip) == [READ, M1, D1, M4]
    (body,) = csip.services.written(D1)
    assert (body["actionedAt"], body["actionedBy"]) == ("2024-11-03T09:58:00", "PHART")
    assert "id" not in body
    assert csip.services.written(M4) == [full_mapping("NOMIS_CREATED", **WHOLE)]
    assert told(csip) == [("csip-synchronisation-created-success", {**BASE, **DPS})]


@pytest.mark.parametrize(("status", "error"), [(400, Rejected), (404, NotFound), (500, Unavailable)])
async def test_an_insert_that_dps_refuses_is_an_error_without_telemetry(
    csip: Csip, status: int, error: type[ServiceError]
) -> None:
    not_mapped(csip)
    csip.services.answer(D1, httpx.Response(status, json={"userMessage": "too long"}))
    with pytest.raises(error):
        await csip.consumer.event("CSIP_REPORTS-INSERTED", **EVENT)
    assert (told(csip), csip.services.written(M4)) == ([], [])


async def test_what_a_400_says_is_logged_without_its_values(csip: Csip, caplog: pytest.LogCaptureFixture) -> None:
    not_mapped(csip)
    csip.services.answer(D1, httpx.Response(400, json={"status": 400, "userMessage": "JO KAY is too long"}))
    with pytest.raises(Rejected):
        await csip.consumer.event("CSIP_REPORTS-INSERTED", **EVENT)
    assert any("userMessage" in line for line in caplog.messages)
    assert not any("JO KAY" in line for line in caplog.messages)


@pytest.mark.parametrize("status", [400, 404, 500])
async def test_the_mapping_of_an_insert_that_fails_is_left_to_a_retry(csip: Csip, status: int) -> None:
    not_mapped(csip)
    csip.services.answer(M4, httpx.Response(status))
    await csip.consumer.event("CSIP_REPORTS-INSERTED", **EVENT)
    whole = full_mapping("NOMIS_CREATED", **WHOLE)
    assert csip.consumer.queues.sent == [("eventcsip", RETRY, whole, {**BASE, **DPS})]
    assert told(csip) == [("csip-synchronisation-created-success", {**BASE, **DPS, **FAILURE})]


async def test_an_insert_that_was_a_duplicate_is_told_and_has_succeeded(csip: Csip) -> None:
    not_mapped(csip)
    csip.services.answer(M4, conflict(another(), full_mapping("NOMIS_CREATED", **WHOLE)))
    await csip.consumer.event("CSIP_REPORTS-INSERTED", **EVENT)
    duplicate = {
        "existingNomisCSIPId": str(REPORT), "duplicateNomisCSIPId": str(REPORT), "existingDPSCSIPId": uuid(9),
        "duplicateDPSCSIPId": RECORD,
    }  # fmt: skip
    assert told(csip) == [
        ("csip-synchronisation-from-nomis-duplicate", duplicate),
        ("csip-synchronisation-created-success", {**BASE, **DPS}),
    ]
    assert csip.consumer.queues.sent == []


# 7.3, a report updated, parts inserted and updated


async def test_an_update_that_began_in_dps_makes_no_call(csip: Csip) -> None:
    await csip.consumer.event("CSIP_REPORTS-UPDATED", **FROM_DPS)
    assert (told(csip), called(csip)) == ([("csip-synchronisation-updated-skipped", BASE)], [])


@every_part
@whatever_happened
async def test_a_part_that_dps_changed_makes_no_call(
    csip: Csip, stem: str, field: str, told: str, number: int, what: str
) -> None:
    await csip.consumer.event(f"{stem}-{what}", **FROM_DPS, **{field: str(number)})
    skipped = ("csip-synchronisation-updated-skipped", {**BASE, told: str(number)})
    assert (csip.consumer.telemetry.events, called(csip)) == ([skipped], [])


@pytest.mark.parametrize("module", [None, ""])
@whatever_happened
async def test_a_factor_without_a_module_that_dps_made_is_skipped(csip: Csip, module: str | None, what: str) -> None:
    csip.services.factors[FACTOR] = {
        "nomisId": FACTOR, "dpsId": uuid(FACTOR), "dpsCSIPReportId": RECORD, "mappingType": "DPS_CREATED",
    }  # fmt: skip
    event = {**EVENT, "auditModuleName": module, "csipFactorId": FACTOR}
    await csip.consumer.event(f"CSIP_FACTORS-{what}", **event)
    properties = {
        **BASE, "nomisCSIPFactorId": str(FACTOR), "dpsCSIPFactorId": uuid(FACTOR), "dpsCSIPReportId": RECORD,
    }  # fmt: skip
    assert told(csip) == [("csip-synchronisation-factor-upserted-skipped-null", properties)]
    assert called(csip) == [M7]


@pytest.mark.parametrize("mapping_type", ["MIGRATED", "NOMIS_CREATED", None])
async def test_a_factor_without_a_module_that_dps_did_not_make_is_sent(csip: Csip, mapping_type: str | None) -> None:
    if mapping_type is not None:
        csip.services.factors[FACTOR] = {
            "nomisId": FACTOR, "dpsId": uuid(FACTOR), "dpsCSIPReportId": RECORD, "mappingType": mapping_type,
        }  # fmt: skip
    event = {name: value for name, value in EVENT.items() if name != "auditModuleName"}
    await csip.consumer.event("CSIP_FACTORS-UPDATED", **event, csipFactorId=FACTOR)
    assert called(csip) == [M7, READ, M1, M3, D1]


async def test_only_factors_are_asked_for_when_the_module_is_missing(csip: Csip) -> None:
    await csip.consumer.event("CSIP_PLANS-UPDATED", **{**EVENT, "auditModuleName": ""}, csipPlanId=PLAN)
    assert called(csip) == [READ, M1, M3, D1]


@pytest.mark.parametrize(("status", "error"), [(404, NotFound), (500, Unavailable)])
async def test_an_update_that_cannot_be_read_is_an_error_before_anything_is_looked_up(
    csip: Csip, status: int, error: type[ServiceError]
) -> None:
    csip.services.answer(READ, httpx.Response(status))
    with pytest.raises(error):
        await csip.consumer.event("CSIP_REPORTS-UPDATED", **EVENT)
    assert (told(csip), called(csip)) == ([], [READ])


@every_part
async def test_a_part_that_nomis_has_not_got_is_told_and_an_error(
    csip: Csip, stem: str, field: str, told: str, number: int
) -> None:
    with pytest.raises(HandlerError, match=f"{REPORT} has no .* {number + 900} in NOMIS"):
        await csip.consumer.event(f"{stem}-INSERTED", **EVENT, **{field: number + 900})
    failed = ("csip-synchronisation-updated-failed", {**BASE, told: str(number + 900)})
    assert csip.consumer.telemetry.events == [failed]
    assert called(csip) == [READ]


async def test_an_update_of_a_report_that_is_not_mapped_is_told_and_an_error(csip: Csip) -> None:
    not_mapped(csip)
    with pytest.raises(HandlerError, match=f"{REPORT} has no mapping"):
        await csip.consumer.event("CSIP_REPORTS-UPDATED", **EVENT)
    assert told(csip) == [("csip-synchronisation-updated-failed", BASE)]
    assert called(csip) == [READ, M1]


@every_part
@whatever_happened
async def test_a_part_sends_the_whole_record_with_its_own_audit(
    csip: Csip, stem: str, field: str, told: str, number: int, what: str
) -> None:
    interviewed(csip)
    report = csip.services.reports[REPORT]
    row = {
        FACTOR: report["reportDetails"]["factors"][0],
        INTERVIEW: report["investigation"]["interviews"][0],
        PLAN: report["plans"][0],
        REVIEW: report["reviews"][0],
        ATTENDEE: report["reviews"][0]["attendees"][0],
    }[number]
    row |= {"lastModifiedDateTime": "2025-01-09T08:07:06", "lastModifiedBy": "LSIM"}
    await csip.consumer.event(f"{stem}-{what}", **EVENT, **{field: str(number)})
    (body,) = csip.services.written(D1)
    assert (body["id"], body["actionedAt"], body["actionedBy"]) == (RECORD, "2025-01-09T08:07:06", "LSIM")
    assert body["referral"]["investigation"]["interviews"][0]["id"] == uuid(INTERVIEW)
    success = ("csip-synchronisation-updated-success", {**BASE, told: str(number), **DPS})
    assert csip.consumer.telemetry.events == [success]
    assert called(csip) == [READ, M1, M3, D1]


async def test_an_update_that_makes_nothing_maps_nothing_and_says_nothing_of_a_mapping(csip: Csip) -> None:
    await csip.consumer.event("CSIP_REPORTS-UPDATED", **EVENT)
    assert told(csip) == [("csip-synchronisation-updated-success", {**BASE, **DPS})]
    assert called(csip) == [READ, M1, M3, D1]


async def test_without_a_full_mapping_parts_are_sent_as_new(csip: Csip) -> None:
    csip.services.answer(M3, httpx.Response(404))
    await csip.consumer.event("CSIP_REPORTS-UPDATED", **EVENT)
    (body,) = csip.services.written(D1)
    assert body["id"] == RECORD
    assert "id" not in body["referral"]["contributoryFactors"][0]
    assert csip.services.written(M5) == [full_mapping("NOMIS_CREATED", **WHOLE)]


async def test_parts_that_dps_made_are_mapped_and_the_update_says_initial_failure_all_the_same(csip: Csip) -> None:
    csip.services.add_factor()
    await csip.consumer.event("CSIP_FACTORS-INSERTED", **EVENT, csipFactorId=NEW_FACTOR)
    assert called(csip) == [READ, M1, M3, D1, M5]
    assert csip.services.written(M5) == [full_mapping("NOMIS_CREATED", factorMappings=[NEW_FACTOR])]
    properties = {**BASE, "nomisCSIPFactorId": str(NEW_FACTOR), **DPS, **FAILURE}
    assert told(csip) == [("csip-synchronisation-updated-success", properties)]
    assert csip.consumer.queues.sent == []


async def test_the_record_alone_is_mapped_with_empty_lists(csip: Csip) -> None:
    csip.services.answer(D1, made(record=True))
    await csip.consumer.event("CSIP_REPORTS-UPDATED", **EVENT)
    assert csip.services.written(M5) == [full_mapping("NOMIS_CREATED")]
    assert told(csip) == [("csip-synchronisation-updated-success", {**BASE, **DPS, **FAILURE})]


@pytest.mark.parametrize("component", ["REFERRAL", "SAFER_CUSTODY_SCREENING_OUTCOME", "INVESTIGATION",
                                       "DECISION_AND_ACTIONS", "PLAN"])  # fmt: skip
async def test_components_of_no_table_are_passed_over(csip: Csip, component: str) -> None:
    csip.services.answer(D1, made((component, REPORT), ("INTERVIEW", INTERVIEW)))
    await csip.consumer.event("CSIP_REPORTS-UPDATED", **EVENT)
    assert csip.services.written(M5) == [full_mapping("NOMIS_CREATED", interviewMappings=[INTERVIEW])]


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("status", [400, 404, 500])
async def test_the_mappings_of_parts_that_fail_are_left_to_a_retry(csip: Csip, status: int, new: bool) -> None:
    if new:
        csip.services.add_factor()
    csip.services.answer(D1, made(("CONTRIBUTORY_FACTOR", NEW_FACTOR)))
    csip.services.answer(M5, httpx.Response(status))
    await csip.consumer.event("CSIP_REPORTS-UPDATED", **EVENT)
    parts = full_mapping("NOMIS_CREATED", factorMappings=[NEW_FACTOR])
    assert csip.consumer.queues.sent == [("eventcsip", RETRY_PARTS, parts, {**BASE, **DPS})]
    assert told(csip) == [("csip-synchronisation-updated-success", {**BASE, **DPS, **FAILURE})]


@pytest.mark.parametrize("new", [True, False])
async def test_parts_that_were_duplicates_are_told_and_the_update_has_succeeded(csip: Csip, new: bool) -> None:
    parts = full_mapping("NOMIS_CREATED", factorMappings=[NEW_FACTOR])
    if new:
        csip.services.add_factor()
    csip.services.answer(D1, made(("CONTRIBUTORY_FACTOR", NEW_FACTOR)))
    csip.services.answer(M5, conflict(full_mapping("MIGRATED"), parts))
    await csip.consumer.event("CSIP_REPORTS-UPDATED", **EVENT)
    duplicate = {
        "existingNomisCSIPId": str(REPORT), "duplicateNomisCSIPId": str(REPORT), "existingDPSCSIPId": RECORD,
        "duplicateDPSCSIPId": RECORD,
    }  # fmt: skip
    assert told(csip) == [
        ("csip-synchronisation-from-nomis-duplicate", duplicate),
        ("csip-synchronisation-updated-success", {**BASE, **DPS, **FAILURE}),
    ]
    assert csip.consumer.queues.sent == []


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize(("status", "error"), [(400, Rejected), (404, NotFound), (500, Unavailable)])
async def test_an_update_that_dps_refuses_is_an_error_without_telemetry(
    csip: Csip, status: int, error: type[ServiceError], new: bool
) -> None:
    if new:
        csip.services.add_factor()
    csip.services.answer(D1, httpx.Response(status))
    with pytest.raises(error):
        await csip.consumer.event("CSIP_REPORTS-UPDATED", **EVENT)
    assert (told(csip), csip.services.written(M5)) == ([], [])


@pytest.mark.parametrize("event_type", ["CSIP_REPORTS-INSERTED", "CSIP_REPORTS-UPDATED"])
async def test_what_dps_cannot_do_without_is_an_error_that_names_it(csip: Csip, event_type: str) -> None:
    csip.services.reports[REPORT]["plans"][0]["referredBy"] = None
    if event_type.endswith("INSERTED"):
        not_mapped(csip)
    with pytest.raises(HandlerError, match=f"{REPORT}: missing-value, plans.referredBy of row {PLAN}"):
        await csip.consumer.event(event_type, **EVENT)
    assert (told(csip), csip.services.writes) == ([], [])


# 7.1, bodies


@pytest.mark.parametrize("number", [REPORT, str(REPORT)])
async def test_numbers_may_come_as_text(csip: Csip, number: int | str) -> None:
    await csip.consumer.event("CSIP_REPORTS-UPDATED", **{**EVENT, "csipReportId": number})
    assert told(csip) == [("csip-synchronisation-updated-success", {**BASE, **DPS})]


@pytest.mark.parametrize("missing", ["csipReportId", "offenderIdDisplay", "csipPlanId"])
async def test_a_body_without_what_it_must_have_is_malformed(csip: Csip, missing: str) -> None:
    body: dict[str, Any] = {**EVENT, "csipPlanId": PLAN}
    del body[missing]
    with pytest.raises(MalformedMessage, match=missing):
        await csip.consumer.event("CSIP_PLANS-UPDATED", **body)


def test_deletes_of_parts_are_not_handled(csip: Csip) -> None:
    handled = {handler.type for declared in csip.consumer.classes for handler in declared.handlers}
    assert not {f"{stem}-DELETED" for stem, *_ in PART_EVENTS} & handled
    assert len([each for each in handled if each.startswith("CSIP_")]) == 13
