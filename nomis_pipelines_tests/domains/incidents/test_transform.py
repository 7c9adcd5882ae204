"""Promise: an incident becomes the report of section 6 of the incidents card, value by value, in the order it came."""

import json
from typing import Any
from uuid import UUID

import pytest

from nomis_pipelines.contracts.nomis_prisoner import IncidentCase
from nomis_pipelines.domains.incidents.transform import to_report, to_upsert
from nomis_pipelines_tests.domains.incidents.examples import (
    ANSWER,
    DPS_ID,
    GREEN,
    HALL,
    INCIDENT,
    PARTY,
    QUESTION,
    REPORT,
    REQUIREMENT,
)

CHANGED = {"lastModifiedDateTime": "2025-06-05T10:00:00", "lastModifiedBy": "LHALL_GEN"}
STAFF_PARTY = {
    "staff": HALL, "sequence": 1000, "role": {"code": "AI", "description": "Actively Involved"}, "comment": "Saw it",
    "createDateTime": "2025-06-02T07:32:00", "createdBy": "KGREEN_GEN", **CHANGED,
}  # fmt: skip
EARLIER_ANSWER = {
    "questionResponseId": 8700, "responseSequence": 3, "answer": "No", "comment": "Unsure", "recordingStaff": HALL,
}  # fmt: skip
EARLIER = {
    "questionnaireId": 55, "type": "DAMAGE", "description": "Damage", "questions": [
        {"questionId": 2900, "sequence": 4, "question": "What was damaged?", "answers": [EARLIER_ANSWER]},
    ],
    "incidentChangeDateTime": "2025-06-02T09:00:00", "incidentChangeStaff": GREEN,
    "createDateTime": "2025-06-02T09:00:01", "createdBy": "KGREEN_GEN",
}  # fmt: skip


def report(**changes: Any) -> dict[str, Any]:
    """The report of an incident with changes, as it is sent: nulls are left out."""
    made = to_report(IncidentCase.model_validate({**INCIDENT, **changes}))
    return made.model_dump(mode="json", by_alias=True, exclude_none=True)


def test_the_worked_example_becomes_its_report() -> None:
    assert report() == REPORT


def test_what_may_be_missing_is_sent_when_it_is_there() -> None:
    more = {"followUpDate": "2025-07-01", **CHANGED}
    assert report(**more) == {**REPORT, **more}


@pytest.mark.parametrize("name", ["title", "description", "followUpDate", "lastModifiedDateTime", "lastModifiedBy"])
def test_what_may_be_null_is_left_out_when_it_is(name: str) -> None:
    assert name not in report(**{name: None})


@pytest.mark.parametrize("code", ["AWAN", "INAN", "INREQ", "INAME", "PIU", "IUP", "CLOSE", "DUP", "NEW_ONE"])
def test_a_status_goes_as_it_is(code: str) -> None:
    status = {"code": code, "description": "As NOMIS says", "standardUser": True, "enhancedUser": False}
    assert report(status=status)["status"] == {"code": code, "description": "As NOMIS says"}


def test_a_staff_party_keeps_its_sequence_and_loses_what_is_not_used() -> None:
    unused = {"createdByUsername": "X", "dateAddedToIncident": "2025-06-02", "comment": "not used"}
    given = {**STAFF_PARTY, "staff": {**HALL, **unused}}
    assert report(staffParties=[given])["staffParties"] == [STAFF_PARTY]


def test_staff_without_an_account_go_as_unknown() -> None:
    nobody = {**GREEN, "username": "unknown"}
    assert report(reportingStaff=nobody)["reportingStaff"] == nobody


def test_a_prisoner_may_be_there_twice_with_an_outcome_or_none() -> None:
    second = {**PARTY, "sequence": 2001, "outcome": {"code": "POR", "description": "Placed on Report"},
              "comment": "Again", **CHANGED}  # fmt: skip
    assert report(offenderParties=[PARTY, second])["offenderParties"] == [PARTY, second]
    assert "outcome" not in report(offenderParties=[{**PARTY, "outcome": None}])["offenderParties"][0]


def test_the_agency_of_a_requirement_becomes_its_prison() -> None:
    made = report(requirements=[{**REQUIREMENT, "agencyId": "LEI", **CHANGED}])["requirements"]
    assert made == [{**REQUIREMENT, "prisonId": "LEI", **CHANGED}]


def test_questions_and_answers_keep_numbers_and_order() -> None:
    answers = [
        {**ANSWER, "sequence": 9},
        {**ANSWER, "sequence": 2, "responseDate": "2025-06-01", "comment": "c", **CHANGED},
    ]
    last, first = {**QUESTION, "sequence": 7, "answers": answers}, {**QUESTION, "sequence": 3, "answers": []}
    assert report(questions=[last, first])["questions"] == [last, first]


def test_an_answer_may_be_empty() -> None:
    empty = {name: value for name, value in ANSWER.items() if name not in {"questionResponseId", "answer"}}
    asked = {**QUESTION, "answers": [{**empty, "questionResponseId": None, "answer": None, "responseDate": None}]}
    assert report(questions=[asked])["questions"][0]["answers"] == [empty]


def test_an_earlier_questionnaire_goes_without_the_dates_of_its_answers() -> None:
    answer = {**EARLIER_ANSWER, "responseDate": "2025-06-02"}
    given = {**EARLIER, "questions": [{**EARLIER["questions"][0], "answers": [answer]}]}
    assert report(history=[given])["history"] == [EARLIER]


def test_moments_always_have_seconds_and_never_a_zone() -> None:
    assert report(incidentDateTime="2025-06-01T22:10")["incidentDateTime"] == "2025-06-01T22:10:00"


def test_the_body_names_the_report_to_replace_and_who_writes() -> None:
    incident = IncidentCase.model_validate(INCIDENT)
    migrated, created, updated = to_upsert(incident, migration=True), to_upsert(incident), to_upsert(incident, DPS_ID)
    assert (migrated.id, migrated.initial_migration) == (None, True)
    assert (created.id, created.initial_migration) == (None, False)
    assert (updated.id, updated.initial_migration) == (UUID(DPS_ID), False)
    text = migrated.model_dump_json(by_alias=True, exclude_none=True)
    assert json.loads(text) == {"initialMigration": True, "incidentReport": REPORT}
