"""Promise: every rule and table of the adjudications card, section 6."""

import json
from datetime import date
from typing import Any

import pytest

from nomis_pipelines.domains.adjudications.punishments import PUNISHMENT_TYPES, days_of, punishment_type
from nomis_pipelines.domains.adjudications.transform import moment, transform
from nomis_pipelines.http.encode import json_bytes
from nomis_pipelines.migration.declaration import Rejected
from nomis_pipelines_tests.domains.adjudications.examples import ADA, HEARING, NUMBER, RESULT, SENT, Json, charge

TODAY = date(2024, 1, 9)
AWARD = ("hearings", 0, "hearingResults", 0, "resultAwards", 1)


def sent(*path: str | int, to: Any = None) -> Json:
    """What is sent for the example with another value at one place."""
    return json.loads(json_bytes(transform(charge(*path, to=to), TODAY), keep_nulls=True))


def test_worked_example_10_1_as_a_whole() -> None:
    assert sent() == SENT


def test_all_lists_are_sent_when_there_is_nothing() -> None:
    empty = charge()
    empty.hearings, empty.investigations, empty.incident.repairs = [], [], []
    empty.incident.staff_witnesses, empty.incident.prisoner_victims = [], []
    empty.charge.evidence = empty.charge.report_detail = None
    body = json.loads(json_bytes(transform(empty, TODAY), keep_nulls=True))
    lists = ("witnesses", "damages", "evidence", "punishments", "hearings", "disIssued")
    assert [body[name] for name in lists] == [[]] * 6


@pytest.mark.parametrize(
    ("at", "text"),
    [
        ("09:10", "2023-05-01T09:10:00"),
        ("09:10:05", "2023-05-01T09:10:05"),
        ("09:10:05.25", "2023-05-01T09:10:05.250000"),
        ("09:10:05.000", "2023-05-01T09:10:05"),
        ("00:00", "2023-05-01T00:00:00"),
    ],
)
def test_times_have_seconds_always_and_fractions_only_if_not_zero(at: str, text: str) -> None:
    assert moment(date(2023, 5, 1), at) == text


def test_a_statement_is_passed_on_whole_and_is_empty_when_there_is_none() -> None:
    text = "long " * 2000
    assert sent("incident", "details", to=text)["statement"] == text
    assert sent("incident", "details", to=None)["statement"] == ""


def test_who_is_out_has_no_current_prison() -> None:
    assert sent("currentPrison", to=None)["prisoner"]["currentAgencyId"] is None


PEOPLE = [
    ("staffWitnesses", "STAFF"), ("prisonerWitnesses", "OTHER_PERSON"), ("staffVictims", "VICTIM"),
    ("prisonerVictims", "VICTIM"), ("otherPrisonersInvolved", "PRISONER"), ("reportingOfficers", "OTHER_PERSON"),
    ("otherStaffInvolved", "OTHER_PERSON"),
]  # fmt: skip


def person(name: str, **fields: Any) -> Json:
    """Somebody in one of the lists."""
    common = {"firstName": "A", "lastName": name, "createdByUsername": "X_GEN", "dateAddedToIncident": "2023-05-02"}
    return {"offenderNo": "A1111AA", "username": "U", "staffId": 1, **common, **fields}


def test_witnesses_come_list_by_list() -> None:
    incident = charge().incident
    for name, _ in PEOPLE:
        incident = type(incident).model_validate({**incident.model_dump(by_alias=True), name: [person(name)]})
    whole = charge()
    whole.incident = incident
    found = [(each.last_name, each.witness_type) for each in transform(whole, TODAY).witnesses]
    assert found == PEOPLE


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"firstName": None}, {"firstName": ""}),
        ({"comment": "Saw it"}, {"comment": "Saw it"}),
    ],
)
def test_a_prisoner_may_have_no_first_name(fields: Json, shown: Json) -> None:
    found = sent("incident", "otherPrisonersInvolved", to=[person("X", **fields)])["witnesses"][-1]
    assert shown.items() <= found.items()


def test_staff_without_a_date_were_added_today() -> None:
    officer = person("X", dateAddedToIncident=None)
    assert sent("incident", "reportingOfficers", to=[officer])["witnesses"][-1]["dateAdded"] == "2024-01-09"


@pytest.mark.parametrize(
    ("code", "damage"),
    [("ELEC", "ELECTRICAL_REPAIR"), ("PLUM", "PLUMBING_REPAIR"), ("DECO", "REDECORATION"),
     ("FABR", "FURNITURE_OR_FABRIC_REPAIR"), ("CLEA", "CLEANING"), ("LOCK", "LOCK_REPAIR")],
)  # fmt: skip
def test_every_kind_of_repair_has_its_damage(code: str, damage: str) -> None:
    repair = {"type": {"code": code, "description": "x"}, "createdByUsername": "KLAW_GEN"}
    assert sent("incident", "repairs", to=[repair])["damages"] == [
        {"damageType": damage, "details": None, "createdBy": "KLAW_GEN", "repairCost": None}
    ]


@pytest.mark.parametrize(
    ("code", "evidence"),
    [("PHOTO", "PHOTO"), ("EVI_BAG", "BAGGED_AND_TAGGED"),
     *((code, "OTHER") for code in ("BEHAV", "WITNESS", "VICTIM", "WEAP", "DRUGTEST", "OTHER", "NEW"))],
)  # fmt: skip
def test_every_kind_of_evidence_has_its_code(code: str, evidence: str) -> None:
    path = ("investigations", 0, "evidence", 0, "type", "code")
    assert sent(*path, to=code)["evidence"][0]["evidenceCode"] == evidence


@pytest.mark.parametrize(
    ("said", "detail", "details"),
    [
        ("Mat", "Cut", "Mat - Cut"), ("Mat", None, "Mat"), (None, "Cut", "Cut"), ("", "Cut", "Cut"),
        (" ", "Cut", "  - Cut"), (None, None, None), ("", "", None),
    ],
)  # fmt: skip
def test_what_the_charge_says_is_one_more_piece_of_evidence(
    said: str | None, detail: str | None, details: str | None
) -> None:
    one = charge("charge", "evidence", to=said)
    one.charge.report_detail = detail
    last = transform(one, TODAY).evidence[1:]
    assert [each.details for each in last] == ([] if details is None else [details])


@pytest.mark.parametrize(
    ("code", "kind"),
    [*((code, code) for code in ("GOV", "GOV_ADULT", "GOV_YOI", "INAD_ADULT", "INAD_YOI")), ("OTHER", "GOV"),
     (None, "GOV")],
)  # fmt: skip
def test_a_hearing_of_another_type_or_none_is_the_governors(code: str | None, kind: str) -> None:
    value = {"code": code, "description": "x"} if code else None
    assert sent("hearings", 0, "type", to=value)["hearings"][0]["oicHearingType"] == kind


def test_the_first_result_is_the_hearings_and_the_awards_of_all_are_punishments() -> None:
    second = {**RESULT, "findingType": {"code": "D", "description": "x"}, "resultAwards": [{**ADA, "sequence": 9}]}
    body = sent("hearings", 0, "hearingResults", to=[RESULT, second])
    assert body["hearings"][0]["hearingResult"]["finding"] == "PROVED"
    assert [each["sanctionSeq"] for each in body["punishments"]] == [7, 8, 9]
    assert sent("hearings", 0, "hearingResults", to=[])["hearings"][0]["hearingResult"] is None


def test_an_adjudicator_may_be_unknown_and_a_representative_known() -> None:
    assert sent("hearings", 0, "hearingStaff", to=None)["hearings"][0]["adjudicator"] is None
    assert sent("hearings", 0, "representativeText", to="Ms Law")["hearings"][0]["representative"] == "Ms Law"


def test_every_notice_of_every_hearing_is_told() -> None:
    notices = [{**HEARING["notifications"][0], "deliveryTime": at} for at in ("09:00", "10:00")]
    body = sent("hearings", to=[{**HEARING, "notifications": notices}, HEARING])
    issued = [each["dateTimeOfIssue"] for each in body["disIssued"]]
    assert issued == ["2023-05-09T09:00:00", "2023-05-09T10:00:00", "2023-05-09T14:30:00"]


@pytest.mark.parametrize(
    ("days", "months", "effective", "result"),
    [
        (None, None, "2020-01-01", None), (1, None, "2020-01-01", 1), (None, 1, "2020-01-01", 31),
        (None, 1, "2020-02-01", 29), (None, 1, "2021-02-01", 28), (10, 1, "2020-02-01", 39),
        (None, 6, "2020-01-01", 182), (None, 24, "2020-01-01", 731), (None, 24, "2021-01-01", 730),
        (None, 1, "2023-01-31", 28), (None, 11, "2023-01-31", 334), (0, 0, "2023-01-31", 0),
    ],
)  # fmt: skip
def test_months_are_calendar_days_from_the_effective_date(
    days: int | None, months: int | None, effective: str, result: int | None
) -> None:
    award = {**ADA, "sanctionDays": days, "sanctionMonths": months, "effectiveDate": effective}
    found = charge(*AWARD, to=award).hearings[0].hearing_results[0].result_awards[1]
    assert days_of(found) == result
    assert sent(*AWARD, to=award)["punishments"][1]["days"] == result


def test_an_award_left_by_a_merge_is_made_by_who_made_its_result() -> None:
    assert sent(*AWARD, "createdByUsername", to="SYS")["punishments"][1]["createdBy"] == "GOV1_GEN"
    assert sent(*AWARD, "createdByUsername", to="SYSTEM")["punishments"][1]["createdBy"] == "SYSTEM"


def test_a_date_time_of_nomis_is_passed_on_as_text() -> None:
    text = "2023-05-10T10:32:00.123456789"
    assert sent(*AWARD, "createdDateTime", to=text)["punishments"][1]["createdDateTime"] == text


@pytest.mark.parametrize(
    ("path", "value", "reason", "details"),
    [
        (("incident", "staffWitnesses", 0, "createdByUsername"), None, "no-creator-of-witness",
         {"witnessType": "STAFF"}),
        (("incident", "repairs", 0, "type", "code"), "GLAS", "unknown-repair-type", {"code": "GLAS"}),
        (("hearings", 0, "hearingDate"), None, "no-hearing-date-time", {"hearingId": 3001}),
        (("hearings", 0, "hearingTime"), None, "no-hearing-date-time", {"hearingId": 3001}),
        (("hearings", 0, "internalLocation"), None, "no-hearing-location", {"hearingId": 3001}),
        (("hearings", 0, "hearingResults", 0, "pleaFindingType"), None, "no-plea", {"hearingId": 3001}),
        (("hearings", 0, "hearingResults", 0, "findingType"), None, "no-finding", {"hearingId": 3001}),
        ((*AWARD, "sanctionType"), None, "no-sanction-type", {"sanctionSequence": 8}),
        ((*AWARD, "sanctionStatus"), None, "no-sanction-status", {"sanctionSequence": 8}),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_met_rejects_the_charge(
    path: tuple[str | int, ...], value: Any, reason: str, details: Json
) -> None:
    with pytest.raises(Rejected) as caught:
        transform(charge(*path, to=value), TODAY)
    assert (caught.value.reason, caught.value.details) == (reason, {"adjudicationNumber": NUMBER, **details})


@pytest.mark.parametrize(
    ("sanction", "status", "compensation", "kind"),
    [
        ("ADA", "PROSPECTIVE", None, "PROSPECTIVE_DAYS"), ("ADA", "SUSP_PROSP", None, "PROSPECTIVE_DAYS"),
        ("ADA", "IMMEDIATE", None, "ADDITIONAL_DAYS"), ("PADA", "IMMEDIATE", None, "PROSPECTIVE_DAYS"),
        ("EXTRA_WORK", "IMMEDIATE", None, "EXCLUSION_WORK"), ("EXTW", "IMMEDIATE", None, "EXTRA_WORK"),
        ("CAUTION", "IMMEDIATE", None, "CAUTION"), ("CC", "IMMEDIATE", None, "CONFINEMENT"),
        ("REMACT", "IMMEDIATE", None, "REMOVAL_ACTIVITY"), ("REMWIN", "IMMEDIATE", None, "REMOVAL_WING"),
        ("STOP_PCT", "IMMEDIATE", None, "EARNINGS"), ("OTHER", "IMMEDIATE", 12.5, "DAMAGES_OWED"),
        ("OTHER", "IMMEDIATE", 0.0, "DAMAGES_OWED"), ("OTHER", "IMMEDIATE", None, "PRIVILEGE"),
        ("FORFEIT", "PROSPECTIVE", None, "PRIVILEGE"), ("NEW", "IMMEDIATE", 3.0, "PRIVILEGE"),
    ],
)  # fmt: skip
def test_every_sanction_has_its_type_in_dps(sanction: str, status: str, compensation: float | None, kind: str) -> None:
    assert punishment_type(sanction, status, compensation) == kind
    assert kind in PUNISHMENT_TYPES
