"""Promise: what a run came to is told the same way as table and as JSON, and an error in its own words."""

import io
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from nomis_pipelines.cli.launch import Result, build_result, failure_of
from nomis_pipelines.cli.tables import result_table
from nomis_pipelines.domains.visits import VISITS
from nomis_pipelines.ledger import MigrationRow, MigrationStatus, Progress, ReasonCount, State
from nomis_pipelines.migration.verdicts import Verdict

STARTED = datetime(2026, 3, 10, 10, 0, 0, tzinfo=UTC)
ROW = MigrationRow(
    migration_id="2026-03-10T10:00:00", when_started=STARTED, when_ended=STARTED.replace(second=10),
    estimated_record_count=9, records_migrated=6, records_failed=2, migration_type="VISITS",
    status=MigrationStatus.COMPLETED, filter="{}",
)  # fmt: skip
PROGRESS = Progress(
    migration_id="2026-03-10T10:00:00", domain="visits", run_id="r", partition=None, estimated=9, listed=9, migrated=6,
    skipped=0, rejected=1, failed=1, unmapped=1, in_doubt=0, duplicates=0, busy=0, processed=9,
    cancel_requested_at=None, updated_at=STARTED,
)  # fmt: skip
REASONS = [ReasonCount(State.REJECTED, "no-room-mapping", None, 1), ReasonCount(State.FAILED, "nomis-500", 500, 1)]
VERDICTS = [
    Verdict(name="no_failures", passed=False, summary="1 failed records, 1 shown", count=1, advice="mend it"),
    Verdict(name="complete", passed=False, serious=False, summary="NOMIS has 9 records, 6 are mapped"),
    Verdict(name="no_duplicates", passed=True, summary="no records with a surplus DPS record"),
]


def result(**changes: Any) -> Result:
    values = {"row": ROW, "progress": PROGRESS, "reasons": REASONS, "verdicts": VERDICTS, "error": None, **changes}
    return build_result(VISITS.migration, **values)


def table(shown: Result) -> str:
    out = io.StringIO()
    result_table(shown, Console(file=out, width=160))
    return " ".join(out.getvalue().split())


def test_the_json_has_the_counts_and_what_explains_them() -> None:
    assert result().as_json() == {
        "domain": "visits", "migration_id": "2026-03-10T10:00:00", "status": "COMPLETED", "seconds": 10.0,
        "estimated": 9, "migrated": 6, "skipped": 0, "rejected": 1, "failed": 1, "unmapped": 1, "in_doubt": 0,
        "duplicates": 0, "busy": 0, "reasons": {"no-room-mapping": 1, "nomis-500": 1},
        "checks": {
            "no_failures": {"passed": False, "summary": "1 failed records, 1 shown"},
            "complete": {"passed": False, "summary": "NOMIS has 9 records, 6 are mapped"},
            "no_duplicates": {"passed": True, "summary": "no records with a surplus DPS record"},
        },
        "error": None,
    }  # fmt: skip


def test_the_table_tells_the_same_and_how_to_put_it_right() -> None:
    text = table(result())
    for part in ("no-room-mapping", "nomis-500", "10.0", "no_failures", "FAILED", "warning", "passed", "mend it"):
        assert part in text, part


@pytest.mark.parametrize(
    ("changes", "succeeded", "status"),
    [
        ({}, True, "COMPLETED"),
        ({"error": "read_page: it broke"}, False, "COMPLETED"),
        ({"row": None, "progress": None, "reasons": [], "verdicts": [], "error": "start: no"}, False, "NOT_STARTED"),
    ],
)
def test_a_run_succeeds_when_it_went_through_whatever_became_of_records(
    changes: dict[str, Any], succeeded: bool, status: str
) -> None:
    shown = result(**changes)
    assert (shown.succeeded, shown.status) == (succeeded, status)
    assert (shown.error or "") in table(shown)


def test_a_second_run_says_why_it_migrates_nothing() -> None:
    counts = {"estimated": 9, "skipped": 9}
    shown = Result(domain="visits", migration_id="x", status="COMPLETED", seconds=1.0, counts=counts)
    assert "every record has its mapping already" in table(shown)


def failing(message: str, kind: str, cause: Any = None) -> Any:
    return SimpleNamespace(message=message, cls_name=kind, cause=cause)


def event(error: Any, step: str | None = "plan_pages") -> Any:
    return SimpleNamespace(event_specific_data=SimpleNamespace(error=error), step_key=step)


OURS = failing(
    "nomis_pipelines.http.errors.Unavailable: nomis GET /visits/ids: refused\ncheck API_BASE_URL_NOMIS\n",
    "Unavailable",
    failing("OSError: [Errno 111] refused", "OSError"),
)


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([event(None), event(failing("dagster: wrapped", "DagsterExecutionStepExecutionError", OURS))],
         "plan_pages: nomis GET /visits/ids: refused; check API_BASE_URL_NOMIS"),
        ([event(failing("x: wrapped", "DagsterResourceFunctionError", failing("a.SettingError: X is wrong",
                                                                              "SettingError")), None)],
         "start: X is wrong"),
        ([event(failing("KeyError", "KeyError"))], "plan_pages: KeyError"),
        ([event(failing("d.DagsterExecutionInterruptedError", "DagsterExecutionInterruptedError"))],
         "the run was cancelled"),
        ([], "the run was cancelled"),
    ],
)  # fmt: skip
def test_an_error_is_told_without_what_dagster_wraps_around_it(events: list[Any], words: str) -> None:
    assert failure_of(events) == words
