"""Promise: section 6 of the court sentencing card: every rule from NOMIS's cases to DPS's, whole and alone."""

from datetime import date, datetime, time
from typing import Any

import pytest
from pydantic import TypeAdapter

from nomis_pipelines.contracts.nomis_prisoner import CourtCase, CourtEvent, CourtEventCharge, Sentence, SentenceTerm
from nomis_pipelines.domains.court_sentencing.transform import (
    appearance_body,
    case_body,
    charge_body,
    charge_update,
    performed_by,
    references,
    sentence_body,
    shortest,
    term_body,
    whole_case,
)
from nomis_pipelines.http import InvalidAnswer
from nomis_pipelines_tests.domains.court_sentencing.examples import (
    BOOKING,
    CASE,
    CHARGE,
    COURT_CASE,
    FIRST_EVENT,
    LAST,
    LAST_EVENT,
    NOMIS_SENTENCE,
    OFFENDER_CHARGE,
    ON_FIRST,
    ON_LAST,
    SENTENCE,
    SENTENCE_TERM,
)

TODAY = date(2025, 3, 14)
Json = dict[str, Any]


def sent(body: Any) -> Json:
    return body.model_dump(mode="json", by_alias=True, exclude_none=True)


def case(**fields: Any) -> CourtCase:
    return TypeAdapter(CourtCase).validate_python({**COURT_CASE, **fields}, strict=False)


def event(**fields: Any) -> CourtEvent:
    return TypeAdapter(CourtEvent).validate_python({**FIRST_EVENT, **fields}, strict=False)


def sentence(**fields: Any) -> Sentence:
    return TypeAdapter(Sentence).validate_python({**NOMIS_SENTENCE, **fields}, strict=False)


def whole_sentences(*sentences: Json, on_last: Json = LAST_EVENT) -> list[Json]:
    """What hangs on the charges of the last appearance, then on those of the first."""
    whole = sent(whole_case(case(sentences=list(sentences), courtEvents=[FIRST_EVENT, on_last]), TODAY))
    first, last = whole["appearances"]
    return [charge.get("sentence", {}) for charge in (*last["charges"], *first["charges"])]


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (time(10, 0), "10:00"),
        (time(10, 30, 15), "10:30:15"),
        (time(10, 0, 0, 500_000), "10:00:00.500"),
        (time(10, 0, 0, 123_456), "10:00:00.123456"),
        (datetime(2024, 3, 5, 12, 0), "2024-03-05T12:00"),
        (datetime(2025, 3, 13, 16, 20, 5, 123_400), "2025-03-13T16:20:05.123400"),
    ],
)
def test_times_are_told_in_their_shortest_form(moment: datetime | time, text: str) -> None:
    assert shortest(moment) == text


@pytest.mark.parametrize(
    ("fields", "merged"),
    [
        ({}, None),
        ({"sourceCombinedCaseIds": [1]}, False),
        ({"combinedCaseId": 2}, True),
        ({"combinedCaseId": 2, "sourceCombinedCaseIds": [1]}, True),
    ],
)
def test_a_case_is_merged_when_it_was_combined_into_another_and_not_when_others_were_into_it(
    fields: Json, merged: bool | None
) -> None:
    assert sent(whole_case(case(**fields), TODAY)).get("merged") is merged


@pytest.mark.parametrize(("code", "active"), [("A", True), ("I", False), ("CLOSED", False)])
def test_only_a_is_active(code: str, active: bool) -> None:
    status = {"code": code, "description": "x"}
    assert sent(whole_case(case(caseStatus=status), TODAY))["active"] is active
    assert sent(case_body(case(caseStatus=status)))["active"] is active
    assert sent(sentence_body(sentence(status=code), LAST, [], None))["active"] is active


def test_all_references_are_sent_but_a_refresh_sends_those_of_one_type() -> None:
    shown = [each.offender_case_reference for each in references(case())]
    assert shown == ["LS24/118", "T2024/9"]
    assert [each.offender_case_reference for each in references(case(), "CASE/INFO#")] == ["LS24/118"]


def test_who_changed_it_last_did_it_else_who_made_it() -> None:
    assert performed_by(case()) == "CLERK1"
    assert performed_by(case(modifiedByUsername="CLERK2")) == "CLERK2"


def test_an_appearance_alone_has_its_whole_time_and_no_outcome_when_there_is_none() -> None:
    assert sent(appearance_body(event(outcomeReasonCode=None, nextEventDateTime=None), CASE, TODAY)) == {
        "courtCaseUuid": CASE, "courtCode": "LEEDMC", "appearanceDate": "2024-02-01",
        "appearanceDateTime": "2024-02-01T10:00:00", "performedByUser": "CLERK1",
        "legacyData": {"postedDate": "2025-03-14", "appearanceTime": "10:00", "nomisAppearanceTypeCode": "CRT"},
    }  # fmt: skip


def test_a_charge_has_dates_and_outcome_of_the_appearance() -> None:
    there = {
        **ON_LAST,
        "offenceEndDate": "2024-01-21",
        "offenderCharge": {**OFFENDER_CHARGE, "offenceDate": "1999-01-01"},
    }
    charge = TypeAdapter(CourtEventCharge).validate_python(there, strict=False)
    body = {
        "offenceCode": "TH68010", "offenceStartDate": "2024-01-20", "offenceEndDate": "2024-01-21",
        "legacyData": {
            "postedDate": "2025-03-14", "nomisOutcomeCode": "1002", "outcomeDescription": "Imprisonment",
            "outcomeDispositionCode": "F", "outcomeConvictionFlag": True, "offenceDescription": "Theft from a shop",
        },
        "performedByUser": "CLERK1",
    }  # fmt: skip
    assert sent(charge_update(charge, TODAY)) == body
    assert sent(charge_body(charge, LAST, TODAY)) == {"appearanceLifetimeUuid": LAST, **body}


def test_a_linked_charge_tells_from_which_case_it_came() -> None:
    linked = {"caseId": 70009, "eventId": 81002, "dateLinked": "2024-03-04"}
    there = {**LAST_EVENT, "courtEventCharges": [{**ON_LAST, "linkedCaseDetails": linked}]}
    whole = sent(whole_case(case(courtEvents=[there]), TODAY))
    (charge,) = whole["appearances"][0]["charges"]
    assert (charge["mergedFromCaseId"], charge["mergedFromDate"]) == (70009, "2024-03-04")


def test_a_sentence_hangs_on_its_charges_at_the_appearance_where_it_was_passed_and_nowhere_else() -> None:
    passed, elsewhere = whole_sentences(NOMIS_SENTENCE)
    assert passed["sentenceId"] == {"offenderBookingId": BOOKING, "sequence": 1}
    assert elsewhere == {}


def test_a_sentence_of_several_charges_is_repeated_under_each() -> None:
    other = {**OFFENDER_CHARGE, "id": 9102}
    both = {**LAST_EVENT, "courtEventCharges": [ON_LAST, {**ON_LAST, "offenderCharge": other}]}
    of_both = {**NOMIS_SENTENCE, "offenderCharges": [other, OFFENDER_CHARGE]}
    first, second, _ = whole_sentences(of_both, on_last=both)
    assert first == second != {}


def test_of_two_sentences_for_a_charge_the_first_is_sent() -> None:
    passed, _ = whole_sentences({**NOMIS_SENTENCE, "sentenceSeq": 3}, NOMIS_SENTENCE)
    assert passed["sentenceId"]["sequence"] == 3


@pytest.mark.parametrize(
    "fields",
    [
        {"courtOrder": None},
        {"courtOrder": {"id": 1, "eventId": 99}},
        {"offenderCharges": []},
        {"offenderCharges": [{**OFFENDER_CHARGE, "id": 4}]},
    ],
)
def test_a_sentence_without_its_appearance_or_charges_there_is_not_sent(fields: Json) -> None:
    assert whole_sentences({**NOMIS_SENTENCE, **fields}) == [{}, {}]


def test_a_sentence_with_everything() -> None:
    recall = {"returnToCustodyDate": "2025-01-02", "recallLength": 14}
    passed, _ = whole_sentences(
        {**NOMIS_SENTENCE, "consecSequence": 4, "fineAmount": 10.5, "recallCustodyDate": recall}
    )
    assert passed["consecutiveToSentenceId"] == {"offenderBookingId": BOOKING, "sequence": 4}
    assert passed["fine"] == {"fineAmount": 10.5}
    assert passed["returnToCustodyDate"] == "2025-01-02"
    alone = sent(sentence_body(sentence(lineSequence=None), LAST, [CHARGE], SENTENCE))
    assert alone["consecutiveToLifetimeUuid"] == SENTENCE
    assert "nomisLineReference" not in alone["legacyData"]
    assert "periodLengths" not in alone


def test_a_term_keeps_its_nulls_and_drops_its_hours() -> None:
    fields = {**SENTENCE_TERM, "years": None, "days": 0, "hours": 5, "lifeSentenceFlag": True, "sentenceTermType": None}
    term = TypeAdapter(SentenceTerm).validate_python(fields, strict=False)
    assert sent(term_body(term, SENTENCE)) == {
        "sentenceUuid": SENTENCE, "periodDays": 0, "legacyData": {"lifeSentence": True}, "performedByUser": "CLERK1",
    }  # fmt: skip


def test_an_id_that_is_no_uuid_is_refused_where_only_one_will_do() -> None:
    charge = TypeAdapter(CourtEventCharge).validate_python(ON_FIRST, strict=False)
    with pytest.raises(InvalidAnswer, match="not a UUID"):
        charge_body(charge, "free text", TODAY)
    assert appearance_body(event(), "free text", TODAY).court_case_uuid == "free text"
