"""Promise: a report becomes the record that section 6 of the CSIP card says, field by field."""

import copy
from datetime import datetime
from typing import Any

import pytest

from nomis_pipelines.contracts.csip import SyncCsip
from nomis_pipelines.contracts.nomis_mapping_service import CsipFullMapping
from nomis_pipelines.contracts.nomis_prisoner import CsipReport
from nomis_pipelines.domains.csip.parts import PARTS, KnownParts
from nomis_pipelines.domains.csip.transform import MISSING, actioned_by, to_record
from nomis_pipelines.migration.declaration import Rejected
from nomis_pipelines_tests.domains.csip.examples import (
    ATTENDEE,
    AUDIT,
    BODY,
    CSIP_REPORT,
    FACTOR,
    INTERVIEW,
    MAPPED,
    PLAN,
    RECORD,
    REVIEW,
    Json,
    uuid,
)

ACTIONED = (datetime(2025, 2, 1, 9, 30), "SYS")  # local, as all of NOMIS's times are
INTERVIEWED: Json = {
    "id": INTERVIEW, "interviewee": "J Doe", "date": "2024-11-06", "role": {"code": "WITNESS", "description": "W"},
    "comments": "Saw it", **AUDIT,
}  # fmt: skip


def report(*path: str, **fields: Any) -> CsipReport:
    """The report of the examples with other fields in one of its objects."""
    changed = copy.deepcopy(CSIP_REPORT)
    place: Any = changed
    for name in path:
        place = place[int(name) if name.isdigit() else name]
    place.update(fields)
    return CsipReport.model_validate(changed)


def sent(record: SyncCsip) -> Json:
    return record.model_dump(mode="json", by_alias=True, exclude_none=True)


def test_the_worked_example_is_sent_to_the_letter() -> None:
    record = to_record(report(), ACTIONED)
    assert sent(record) == BODY
    assert record.referral.investigation is None


def test_every_field_of_root_and_referral_comes_from_the_one_the_card_names() -> None:
    changed = report(
        "reportDetails",
        involvement={"code": "PER", "description": "P"}, knownReasons="Known", otherInformation="Other",
        saferCustodyTeamInformed=False, referralComplete=True, referralCompletedBy="LSIM",
        referralCompletedByDisplayName="L Sim", referralCompletedDate="2024-11-07",
    )  # fmt: skip
    changed.pro_active_referral, changed.staff_assaulted, changed.staff_assaulted_name = True, True, "B Guard"
    referral = sent(to_record(changed, ACTIONED))["referral"]
    assert referral | {
        "isProactiveReferral": True, "isStaffAssaulted": True, "assaultedStaffName": "B Guard",
        "incidentInvolvementCode": "PER", "knownReasons": "Known", "otherInformation": "Other",
        "isSaferCustodyTeamInformed": "NO", "isReferralComplete": True, "completedDate": "2024-11-07",
        "completedBy": "LSIM", "completedByDisplayName": "L Sim",
    } == referral  # fmt: skip


def test_the_display_name_of_who_completed_a_referral_is_not_made_up() -> None:
    changed = report("reportDetails", referralCompletedBy="LSIM")
    assert "completedByDisplayName" not in sent(to_record(changed, ACTIONED))["referral"]


def test_what_is_null_in_nomis_is_left_out() -> None:
    changed = report(originalAgencyId=None, logNumber=None, incidentTime=None)
    record = sent(to_record(changed, ACTIONED))
    assert not {"logCode", "prisonCodeWhenRecorded", "activeCaseloadId"} & record.keys()
    assert "incidentTime" not in record["referral"]


def test_a_screening_without_an_outcome_is_not_sent() -> None:
    changed = report("saferCustodyScreening", outcome=None)
    assert to_record(changed, ACTIONED).referral.safer_custody_screening_outcome is None


def test_who_recorded_a_screening_or_a_review_is_named_as_nomis_does_where_it_does() -> None:
    screened = sent(to_record(report("saferCustodyScreening", recordedByDisplayName="L Sim"), ACTIONED))
    assert screened["referral"]["saferCustodyScreeningOutcome"]["recordedByDisplayName"] == "L Sim"
    reviewed = sent(to_record(report("reviews", "0", recordedByDisplayName="L Sim"), ACTIONED))
    assert reviewed["plan"]["reviews"][0]["recordedByDisplayName"] == "L Sim"


@pytest.mark.parametrize(
    ("path", "field", "where"),
    [
        (("saferCustodyScreening",), "recordedDate", "saferCustodyScreening.recordedDate"),
        (("saferCustodyScreening",), "recordedBy", "saferCustodyScreening.recordedBy"),
        (("plans", "0"), "referredBy", "plans.referredBy"),
    ],
)
def test_what_dps_cannot_do_without_fails_the_report(path: tuple[str, ...], field: str, where: str) -> None:
    with pytest.raises(Rejected) as caught:
        to_record(report(*path, **{field: None}), ACTIONED)
    assert caught.value.reason == MISSING
    assert caught.value.details["field"] == where


@pytest.mark.parametrize(
    ("nomis", "dps"),
    [
        ("staffInvolved", "staffInvolved"),
        ("evidenceSecured", "evidenceSecured"),
        ("reasonOccurred", "occurrenceReason"),
        ("usualBehaviour", "personsUsualBehaviour"),
        ("trigger", "personsTrigger"),
        ("protectiveFactors", "protectiveFactors"),
    ],
)
@pytest.mark.parametrize("text", ["Something", ""])
@pytest.mark.parametrize("interviews", [[], None])
def test_any_text_makes_an_investigation_an_empty_one_too(nomis: str, dps: str, text: str, interviews: Any) -> None:
    changed = report("investigation", interviews=interviews, **{nomis: text})
    assert sent(to_record(changed, ACTIONED))["referral"]["investigation"] == {dps: text, "interviews": []}


def test_an_interview_alone_makes_an_investigation() -> None:
    referral = sent(to_record(report("investigation", interviews=[INTERVIEWED]), ACTIONED))["referral"]
    assert referral["investigation"] == {
        "interviews": [
            {
                "legacyId": INTERVIEW, "interviewee": "J Doe", "interviewDate": "2024-11-06",
                "intervieweeRoleCode": "WITNESS", "interviewText": "Saw it",
            }
        ]
    }  # fmt: skip


@pytest.mark.parametrize("interviews", [[], None])
def test_neither_texts_nor_interviews_make_no_investigation(interviews: Any) -> None:
    assert to_record(report("investigation", interviews=interviews), ACTIONED).referral.investigation is None


NO_ACTIONS = dict.fromkeys(CSIP_REPORT["decision"]["actions"], False)


@pytest.mark.parametrize(
    ("nomis", "value", "dps", "told"),
    [
        ("decisionOutcome", {"code": "CUR", "description": "C"}, "outcomeTypeCode", "CUR"),
        ("conclusion", "", "conclusion", ""),
        ("signedOffRole", {"code": "CUSTMAN", "description": "C"}, "signedOffByRoleCode", "CUSTMAN"),
        ("recordedBy", "LSIM", "recordedBy", "LSIM"),
        ("recordedByDisplayName", "L Sim", "recordedByDisplayName", "L Sim"),
        ("recordedDate", "2024-11-09", "date", "2024-11-09"),
        ("nextSteps", "Talk", "nextSteps", "Talk"),
        ("otherDetails", "None", "actionOther", "None"),
    ],
)
def test_any_value_makes_a_decision_and_none_is_made_up(nomis: str, value: Any, dps: str, told: str) -> None:
    changed = report("decision", actions=NO_ACTIONS, **{nomis: value})
    assert sent(to_record(changed, ACTIONED))["referral"]["decisionAndActions"] == {dps: told, "actions": []}


def test_neither_values_nor_actions_make_no_decision() -> None:
    assert to_record(report("decision", actions=NO_ACTIONS), ACTIONED).referral.decision_and_actions is None


def test_actions_of_a_decision_come_in_the_order_of_the_card() -> None:
    changed = report("decision", actions=dict.fromkeys(NO_ACTIONS, True))
    assert sent(to_record(changed, ACTIONED))["referral"]["decisionAndActions"]["actions"] == [
        "OPEN_CSIP_ALERT", "NON_ASSOCIATIONS_UPDATED", "OBSERVATION_BOOK", "UNIT_OR_CELL_MOVE", "CSRA_OR_RSRA_REVIEW",
        "SERVICE_REFERRAL", "SIM_REFERRAL",
    ]  # fmt: skip


@pytest.mark.parametrize("flag", list(NO_ACTIONS))
def test_one_action_makes_a_decision(flag: str) -> None:
    changed = report("decision", actions={**NO_ACTIONS, flag: True})
    assert len(sent(to_record(changed, ACTIONED))["referral"]["decisionAndActions"]["actions"]) == 1


def test_actions_of_a_review_come_in_the_order_of_the_card() -> None:
    flags = ("peopleInformed", "csipUpdated", "remainOnCSIP", "caseNote", "closeCSIP")
    changed = report("reviews", "0", **dict.fromkeys(flags, True))
    assert sent(to_record(changed, ACTIONED))["plan"]["reviews"][0]["actions"] == [
        "RESPONSIBLE_PEOPLE_INFORMED", "CSIP_UPDATED", "REMAIN_ON_CSIP", "CASE_NOTE", "CLOSE_CSIP",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("nomis", "value", "dps"),
    [
        ("caseManager", "", "caseManager"),
        ("planReason", "Debt", "reasonForPlan"),
        ("firstCaseReviewDate", "2024-12-01", "firstCaseReviewDate"),
    ],
)
def test_any_text_makes_a_plan(nomis: str, value: str, dps: str) -> None:
    changed = report(plans=[], reviews=[], **{nomis: value})
    assert sent(to_record(changed, ACTIONED))["plan"] == {dps: value, "identifiedNeeds": [], "reviews": []}


@pytest.mark.parametrize("left", ["plans", "reviews"])
def test_a_need_or_a_review_alone_makes_a_plan(left: str) -> None:
    other = {"plans": "reviews", "reviews": "plans"}[left]
    assert to_record(report(**{other: []}), ACTIONED).plan is not None


def test_nothing_planned_makes_no_plan() -> None:
    assert to_record(report(plans=[], reviews=[]), ACTIONED).plan is None


def test_what_may_be_missing_of_needs_reviews_and_attendees_is_passed_on() -> None:
    changed = report("plans", "0", progression="Well", closedDate="2024-12-24")
    review = changed.reviews[0]
    review.summary, review.next_review_date, review.close_date = "Good", review.recorded_date, review.recorded_date
    review.attendees[0].contribution = "Spoke"
    plan = sent(to_record(changed, ACTIONED))["plan"]
    assert (
        plan["identifiedNeeds"][0] | {"progression": "Well", "closedDate": "2024-12-24"} == plan["identifiedNeeds"][0]
    )
    shown = {"summary": "Good", "nextReviewDate": "2024-11-20", "csipClosedDate": "2024-11-20"}
    assert plan["reviews"][0] | shown == plan["reviews"][0]
    assert plan["reviews"][0]["attendees"][0]["contribution"] == "Spoke"


def test_parts_that_are_mapped_are_sent_with_their_ids() -> None:
    known = KnownParts(CsipFullMapping.model_validate(MAPPED))
    record = sent(to_record(report("investigation", interviews=[INTERVIEWED]), ACTIONED, RECORD, known))
    assert record["id"] == RECORD
    assert record["referral"]["contributoryFactors"][0]["id"] == uuid(FACTOR)
    assert record["plan"]["identifiedNeeds"][0]["id"] == uuid(PLAN)
    review = record["plan"]["reviews"][0]
    assert (review["id"], review["attendees"][0]["id"]) == (uuid(REVIEW), uuid(ATTENDEE))
    # the one that is not: DPS makes it
    assert "id" not in record["referral"]["investigation"]["interviews"][0]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.component)
def test_a_report_is_covered_when_each_of_its_parts_is_mapped(part: Any) -> None:
    whole = report("investigation", interviews=[INTERVIEWED])
    mapping = {**MAPPED, "interviewMappings": [{**MAPPED["planMappings"][0], "nomisId": INTERVIEW}]}
    assert KnownParts(CsipFullMapping.model_validate(mapping)).cover(whole)
    assert not KnownParts(CsipFullMapping.model_validate({**mapping, part.field: []})).cover(whole)
    assert not KnownParts().cover(whole)


@pytest.mark.parametrize(
    ("modified", "expected"),
    [
        ({}, ("2024-11-03T09:58:00", "PHART")),
        ({"lastModifiedDateTime": "2024-12-01T08:00:00"}, ("2024-12-01T08:00:00", "PHART")),
        ({"lastModifiedBy": "LSIM"}, ("2024-11-03T09:58:00", "LSIM")),
        ({"lastModifiedDateTime": "2024-12-01T08:00:00", "lastModifiedBy": "LSIM"}, ("2024-12-01T08:00:00", "LSIM")),
    ],
)
def test_when_and_by_whom_are_decided_each_by_itself(modified: Json, expected: tuple[str, str]) -> None:
    when, who = actioned_by(report(**modified))
    assert (when.isoformat(), who) == expected
