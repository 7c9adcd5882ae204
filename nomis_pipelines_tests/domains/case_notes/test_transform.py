"""Promise: section 6 of the case notes card field by field; which rows are one note to DPS, and which are copies."""

import logging
from typing import Any
from uuid import UUID

import pytest

from nomis_pipelines.contracts.nomis_prisoner import CaseNote
from nomis_pipelines.domains.case_notes.transform import (
    grouped,
    migrate_note,
    same_but_copied,
    sync_note,
    update_of_sister,
)
from nomis_pipelines.migration.declaration import Rejected
from nomis_pipelines_tests.domains.case_notes.examples import (
    AMENDED,
    MIGRATED_BODIES,
    PRISONER,
    THREE,
    amendment,
    body,
    note,
)

LATER = "2022-06-03T08:00:00"


def as_json(made: Any) -> Any:
    return made.model_dump(mode="json", by_alias=True, exclude_none=True)


def test_the_notes_of_worked_example_10_1_come_out_as_its_bodies() -> None:
    first, second, _ = (CaseNote.model_validate(each) for each in THREE)
    assert [as_json(migrate_note(first)), as_json(migrate_note(second))] == MIGRATED_BODIES


def test_synchronisation_sends_the_prisoner_and_no_id_unless_it_has_one() -> None:
    made = sync_note(note(701), PRISONER)
    assert as_json(made) == {**body(701), "personIdentifier": PRISONER}
    assert list(as_json(made))[:2] == ["legacyId", "personIdentifier"]
    known = made.model_copy(update={"id": UUID(int=7)})
    assert list(as_json(known))[:3] == ["id", "legacyId", "personIdentifier"]


@pytest.mark.parametrize(
    ("changes", "field", "expected"),
    [
        ({"prisonId": None}, "locationId", "OUT"),
        ({"prisonId": ""}, "locationId", ""),
        ({"noteSourceCode": "AUTO"}, "systemGenerated", True),
        ({"noteSourceCode": "EXT"}, "systemGenerated", False),
        ({"noteSourceCode": None}, "systemGenerated", False),
        ({"authorFirstName": None}, "author", {"username": "RVANE_GEN", "userId": "4711", "firstName": "",
                                               "lastName": "VANE"}),
        ({"authorUsername": "AX", "createdUsername": "BX"}, "createdByUsername", "BX"),
        ({"createdDatetime": "2026-01-01T00:00:00"}, "createdDateTime", "2022-06-01T10:00:00"),
        ({"creationDateTime": "2022-06-01T11:30:00.250"}, "createdDateTime", "2022-06-01T11:30:00.250000"),
        ({"occurrenceDateTime": "2022-06-01T00:00:00"}, "occurrenceDateTime", "2022-06-01T00:00:00"),
        ({"sourceSystem": "DPS"}, "system", "DPS"),
        ({"caseNoteText": "x" * 9000}, "text", "x" * 9000),
        ({"caseNoteText": ""}, "text", ""),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_a_field_of_both_requests(changes: dict[str, Any], field: str, expected: object) -> None:
    assert as_json(migrate_note(note(**changes)))[field] == expected
    assert as_json(sync_note(note(**changes), PRISONER))[field] == expected


@pytest.mark.parametrize(
    ("kind", "sub", "migrated"),
    [("CNOTE", "OUTCOME", "APP"), ("CNOTE", "OTHER", "CNOTE"), ("GEN", "OUTCOME", "GEN"), ("APP", "OUTCOME", "APP")],
)
def test_only_the_migration_corrects_the_one_type_that_dps_does_not_know(
    kind: str, sub: str, migrated: str, caplog: pytest.LogCaptureFixture
) -> None:
    made = note(caseNoteType={"code": kind, "description": "k"}, caseNoteSubType={"code": sub, "description": "s"})
    with caplog.at_level(logging.WARNING):
        assert (migrate_note(made).type, migrate_note(made).sub_type) == (migrated, sub)
    assert bool(caplog.messages) == ((kind, sub) == ("CNOTE", "OUTCOME"))
    assert sync_note(made, PRISONER).type == kind


@pytest.mark.parametrize("field", ["occurrenceDateTime", "creationDateTime"])
def test_a_note_without_one_of_its_times_cannot_be_sent(field: str) -> None:
    without: dict[str, Any] = {field: None}
    for make in (migrate_note, lambda each: sync_note(each, PRISONER)):
        with pytest.raises(Rejected, match="missing-date-time") as raised:
            make(note(**without))
        assert raised.value.details == {"caseNoteId": 501, "field": field}


@pytest.mark.parametrize(
    "changes", [{"sourceSystem": "PNOMIS"}, {"amendments": [amendment(sourceSystem="PNOMIS")]}], ids=["note", "added"]
)
def test_a_note_of_an_unknown_system_cannot_be_sent(changes: dict[str, Any]) -> None:
    with pytest.raises(Rejected, match="unknown-source-system") as raised:
        migrate_note(note(**changes))
    assert raised.value.details == {"caseNoteId": 501, "code": "PNOMIS"}


def test_amendments_keep_their_order_and_equal_ones_are_sent_once() -> None:
    added = [amendment("b"), amendment("a"), amendment("b", authorFirstName=""), amendment("b", createdDateTime=LATER)]
    made = migrate_note(note(amendments=added)).amendments
    assert [(each.text, each.created_date_time.day) for each in made] == [("b", 2), ("a", 2), ("b", 3)]


def test_an_amendment_with_and_without_the_names_of_its_author() -> None:
    whole = amendment(authorStaffId=99, authorFirstName="JO", authorLastName="DOE", sourceSystem="DPS")
    made = as_json(migrate_note(note(amendments=[whole, amendment()])))["amendments"]
    author = {"username": "JDOE", "userId": "99", "firstName": "JO", "lastName": "DOE"}
    assert made == [{**AMENDED[0], "author": author, "system": "DPS"}, *AMENDED]


def test_a_sister_row_is_told_every_amendment_in_order_the_equal_ones_too() -> None:
    made = update_of_sister(note(caseNoteText="Settled", amendments=[amendment(), amendment(), amendment("See log")]))
    one = {"text": "Typo fixed", "authorUsername": "JDOE", "createdDateTime": "2022-06-02T08:00:00"}
    assert as_json(made) == {"text": "Settled", "amendments": [one, one, {**one, "text": "See log"}]}


@pytest.mark.parametrize(
    ("changes", "one"),
    [
        ({}, True),
        ({"auditModuleName": "MERGE", "prisonId": "MDI", "authorUsername": "RVANE_ADM", "noteSourceCode": "AUTO",
          "sourceSystem": "DPS", "createdUsername": "X", "createdDatetime": LATER, "authorFirstName": None}, True),
        ({"creationDateTime": LATER}, False),
        ({"occurrenceDateTime": LATER}, False),
        ({"occurrenceDateTime": None}, False),
        ({"caseNoteText": "Settled in well."}, False),
        ({"caseNoteType": {"code": "KA", "description": "General"}}, False),
        ({"caseNoteType": {"code": "GEN", "description": "Generals"}}, False),
        ({"caseNoteSubType": {"code": "HIS", "description": "Offender supervisor entry"}}, False),
        ({"caseNoteSubType": {"code": "OSE", "description": "Offender"}}, False),
        ({"authorStaffId": 4712}, False),
        ({"amendments": []}, False),
        ({"amendments": [amendment("b"), amendment()]}, False),
        ({"amendments": [amendment(), amendment("b", authorStaffId=1)]}, False),
        ({"amendments": [amendment(), amendment("b", sourceSystem="DPS")]}, False),
    ],
    ids=lambda value: str(value)[:50],
)  # fmt: skip
def test_which_rows_are_one_note(changes: dict[str, Any], one: bool) -> None:
    first = note(501, 31, amendments=[amendment(), amendment("b")])
    other = note(601, 44, **{"amendments": [amendment(), amendment("b")], **changes})
    assert grouped([first, other]) == ([[first, other]] if one else [[first], [other]])


def test_groups_are_in_the_order_of_their_first_rows() -> None:
    rows = [note(1, caseNoteText="b"), note(2, caseNoteText="a"), note(3, caseNoteText="b"), note(4, caseNoteText="c")]
    assert [[each.case_note_id for each in group] for group in grouped(rows)] == [[1, 3], [2], [4]]
    assert grouped([]) == []


def test_a_copy_has_as_many_amendments_as_its_original_whatever_they_say() -> None:
    original = note(501, 31, amendments=[amendment()])
    assert same_but_copied(original, note(601, 44, amendments=[amendment("quite another", authorUsername="X")]))
    assert not same_but_copied(original, note(601, 44))
    assert not same_but_copied(original, note(601, 44, amendments=[amendment()], authorStaffId=1))
