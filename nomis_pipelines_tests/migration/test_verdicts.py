"""Promise: each check says exactly how many, shows a few of them by id, and how to put it right."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from nomis_pipelines.ledger import Record, State
from nomis_pipelines.migration import verdicts
from nomis_pipelines.migration.verdicts import Verdict

NOW = datetime(2026, 3, 10, tzinfo=UTC)


def record(number: int, state: State) -> Record:
    return Record(
        domain="visits", entity="visits", nomis_key=str(number), state=state, dps_id="ab-12", existing_dps_id="cd-34",
        mapping=None, reason="nomis-500", status=500, details=None, migration_id="2026-03-10T10:00:00", partition=None,
        version=1, attempts=1, dismissed=False, created_at=NOW, updated_at=NOW,
    )  # fmt: skip


RULES = [
    (verdicts.no_duplicates, "nomis-pipelines duplicates resolve visits"),
    (verdicts.no_failures, "nomis-pipelines failures retry visits"),
    (verdicts.nothing_in_doubt, "nomis-pipelines in-doubt adopt visits NOMIS_ID DPS_ID"),
    (verdicts.everything_mapped, "nomis-pipelines mappings retry visits"),
]


@pytest.mark.parametrize(("rule", "advice"), RULES)
def test_a_listing_counts_all_and_shows_a_few(rule: Callable[..., Verdict], advice: str) -> None:
    sample = [record(number, State.FAILED) for number in range(30)]
    verdict = rule("visits", 900, sample)
    assert (verdict.name, verdict.passed, verdict.serious, verdict.count) == (rule.__name__, False, True, 900)
    assert verdict.summary.startswith("900 ")
    assert len(verdict.rows) == verdicts.SAMPLE
    assert f"{verdicts.SAMPLE} shown" in verdict.summary
    assert verdict.rows[3]["NOMIS id"] == "3"
    assert advice in verdict.advice


@pytest.mark.parametrize(("rule", "advice"), RULES)
def test_nothing_found_is_passed_without_advice(rule: Callable[..., Verdict], advice: str) -> None:
    verdict = rule("visits", 0, [])
    assert (verdict.passed, verdict.count, verdict.advice, list(verdict.rows)) == (True, 0, "", [])
    assert verdict.summary.startswith("no ")


@pytest.mark.parametrize(
    ("in_nomis", "mapped", "rejected", "passed", "serious", "count"),
    [
        (100, 100, 0, True, True, 0),
        (0, 0, 0, True, True, 0),
        (100, 97, 3, False, False, 3),  # the rejections explain it to the record: an operator may accept that
        (100, 96, 3, False, True, 4),
        (100, 99, 0, False, True, 1),
        (100, 103, 0, False, True, 3),
    ],
)
def test_complete_compares_nomis_with_what_is_mapped(
    in_nomis: int, mapped: int, rejected: int, passed: bool, serious: bool, count: int
) -> None:
    verdict = verdicts.complete("visits", in_nomis, mapped, rejected)
    assert (verdict.passed, verdict.serious, verdict.count) == (passed, serious, count)
    assert str(in_nomis) in verdict.summary
    assert bool(verdict.advice) is not passed
