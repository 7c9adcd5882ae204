"""Promise: the mapping creator of the adjudications card, section 5.4, pairs hearings and punishments as it says."""

from typing import Any

import pytest

from nomis_pipelines.contracts.adjudications import ReportedHearing, ReportedPunishment
from nomis_pipelines.domains.adjudications.rebuild import pair_hearings, pair_punishments
from nomis_pipelines.migration.declaration import Rejected
from nomis_pipelines_tests.domains.adjudications.examples import (
    ADA,
    CC,
    HEARING,
    NUMBER,
    RESULT,
    SEQUENCE,
    Json,
    charge,
)

AWARDS = ("hearings", 0, "hearingResults", 0, "resultAwards")


def hearings(*rows: tuple[int, str]) -> list[ReportedHearing]:
    return [ReportedHearing.model_validate({"id": id, "dateTimeOfHearing": when}) for id, when in rows]


def punishments(*rows: tuple[int, str, int | None]) -> list[ReportedPunishment]:
    return [
        ReportedPunishment.model_validate({"id": id, "type": kind, "schedule": {"days": days}})
        for id, kind, days in rows
    ]


def award(sequence: int, sanction: str, days: int | None, **more: Any) -> Json:
    kind = {"code": sanction, "description": "x"}
    return {**CC, "sequence": sequence, "sanctionType": kind, "sanctionDays": days, **more}


def test_worked_example_10_2_pairs_by_type_then_days() -> None:
    found = pair_punishments(charge(), punishments((611, "PROSPECTIVE_DAYS", 35), (612, "CONFINEMENT", 3)))
    assert [(each.sanction_seq, each.punishment_id, each.booking_id) for each in found] == [
        (7, 612, 990011),
        (8, 611, 990011),
    ]


def test_types_are_sorted_as_dps_lists_them_and_no_days_come_first() -> None:
    awards = [award(1, "CAUTION", None), award(2, "FORFEIT", 5), award(3, "FORFEIT", None), award(4, "STOP_PCT", 1)]
    theirs = punishments((10, "CAUTION", None), (11, "EARNINGS", 1), (12, "PRIVILEGE", 5), (13, "PRIVILEGE", 0))
    found = pair_punishments(charge(*AWARDS, to=awards), theirs)
    assert [(each.sanction_seq, each.punishment_id) for each in found] == [(3, 13), (2, 12), (4, 11), (1, 10)]


def test_equals_keep_their_order_on_both_sides() -> None:
    awards = [award(9, "CC", 3), award(7, "CC", 3), award(8, "CC", 3)]
    theirs = punishments((30, "CONFINEMENT", 3), (10, "CONFINEMENT", 3), (20, "CONFINEMENT", 3))
    found = pair_punishments(charge(*AWARDS, to=awards), theirs)
    assert [(each.sanction_seq, each.punishment_id) for each in found] == [(9, 30), (7, 10), (8, 20)]


def test_awards_of_all_results_count_but_those_without_type_or_status() -> None:
    results = [
        {**RESULT, "resultAwards": [CC, award(5, "CC", 1, sanctionType=None), award(6, "CC", 1, sanctionStatus=None)]},
        {**RESULT, "resultAwards": [ADA]},
    ]
    theirs = punishments((1, "CONFINEMENT", 3), (2, "PROSPECTIVE_DAYS", 35))
    found = pair_punishments(charge("hearings", 0, "hearingResults", to=results), theirs)
    assert [each.sanction_seq for each in found] == [7, 8]


def test_hearings_are_paired_by_their_time_and_those_without_one_do_not_count() -> None:
    listed = [
        {**HEARING, "hearingId": 1, "hearingTime": "10:00:00.5"},
        {**HEARING, "hearingId": 2, "hearingTime": "10:00"},
        {**HEARING, "hearingId": 3, "hearingDate": "2023-05-09"},
        {**HEARING, "hearingId": 4, "hearingTime": None},
        {**HEARING, "hearingId": 5, "hearingDate": None},
    ]
    theirs = hearings((70, "2023-05-11T09:00:00"), (71, "2023-05-08T09:00:00"), (72, "2023-05-10T10:00:00"))
    found = pair_hearings(charge("hearings", to=listed), theirs)
    assert [(each.oic_hearing_id, each.hearing_id) for each in found] == [(3, 71), (2, 72), (1, 70)]


@pytest.mark.parametrize("theirs", [hearings(), hearings((1, "2023-05-10T10:00:00"), (2, "2023-05-11T10:00:00"))])
def test_another_number_of_hearings_rejects_the_charge(theirs: list[ReportedHearing]) -> None:
    with pytest.raises(Rejected) as caught:
        pair_hearings(charge(), theirs)
    assert (caught.value.reason, caught.value.details) == (
        "different-number-of-hearings",
        {"adjudicationNumber": NUMBER, "chargeSequence": SEQUENCE, "inNomis": 1, "inDps": len(theirs)},
    )


def test_another_number_of_punishments_rejects_the_charge() -> None:
    with pytest.raises(Rejected) as caught:
        pair_punishments(charge(), punishments((611, "PROSPECTIVE_DAYS", 35)))
    assert caught.value.reason == "different-number-of-punishments"


def test_a_type_of_dps_that_nobody_knows_rejects_the_charge() -> None:
    with pytest.raises(Rejected, match="unknown-punishment-type"):
        pair_punishments(charge(), punishments((611, "PAYBACK", 35), (612, "CONFINEMENT", 3)))
