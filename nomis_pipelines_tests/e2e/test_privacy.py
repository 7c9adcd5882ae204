"""Promise: no name, telephone, note or prison comment of a visit is ever in Dagster's storage, in a log, in the ledger,
in telemetry, in what a command prints, or on a disk; whatever goes wrong while it passes through.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from nomis_pipelines.ledger import LedgerReader
from nomis_pipelines.sandbox import SandboxAdmin
from nomis_pipelines.sandbox.postgres import EmbeddedPostgres
from nomis_pipelines_tests.e2e.support import bare, by_state, command, wait_for_writes

pytestmark = pytest.mark.server

ROOT = Path(__file__).parent.parent.parent
MARKERS = {
    "name": "QQNAMEQQ",
    "telephone": "07700QQPHONEQQ",
    "comment": "QQCOMMENTQQ",
    "concern": "QQCONCERNQQ",
    "description": "QQDESCRIPTIONQQ",
    "in the answer of a service": "QQBODYQQ",
}
PAST = {"startDateTime": "2026-03-02T14:00:00", "endDateTime": "2026-03-02T16:00:00"}
FUTURE = {"startDateTime": "2026-03-12T14:00:00", "endDateTime": "2026-03-12T16:00:00"}
TELLING = json.dumps({"userMessage": "QQBODYQQ", "developerMessage": "visitor QQNAMEQQ, status 400", "errorCode": 7})


@pytest.fixture
def dagster_url(postgres_server: EmbeddedPostgres, database_url: str) -> str:
    """A database of Dagster's own."""
    return database_url.replace("+psycopg", "")


@pytest.fixture
def marked(environment: dict[str, str], dagster_url: str, tmp_path: Path, sandbox: SandboxAdmin) -> dict[str, str]:
    """The environment with our `dagster.yaml` on PostgreSQL, temporary files in sight, and marked visits in NOMIS."""
    for folder in ("home", "temporary", "cwd"):
        (tmp_path / folder).mkdir()
    shutil.copy(ROOT / "dagster.yaml", tmp_path / "home")
    make_marked_visits(sandbox)
    return {
        **environment,
        "DAGSTER_HOME": str(tmp_path / "home"),
        "NOMIS_PIPELINES_DAGSTER_DATABASE_URL": dagster_url,
        "TMPDIR": str(tmp_path / "temporary"),
        "NOMIS_PIPELINES_LOG_LEVEL": "DEBUG",
        "NOMIS_PIPELINES_PAGE_SIZE": "20",
        "NOMIS_PIPELINES_HTTP_ATTEMPTS": "2",
    }


def make_marked_visits(sandbox: SandboxAdmin) -> None:
    person = {
        "leadVisitor": {
            "personId": 7, "fullName": f"Jo {MARKERS['name']}", "telephones": [MARKERS["telephone"]],
        },
        "visitors": [{"personId": 7, "leadVisitor": True}],
        "commentText": f"comment {MARKERS['comment']}",
        "visitorConcernText": f"concern {MARKERS['concern']}",
        "prisonId": "ZZI",
        "visitType": {"code": "SCON", "description": MARKERS["description"]},
        "visitStatus": {"code": "SCH", "description": MARKERS["description"]},
        "visitOutcome": None,
        "agencyInternalLocation": {"code": "SOC_VIS", "description": "ZZI-VISITS-SOC_VIS"},
    }  # fmt: skip
    odd: list[dict[str, Any]] = [
        {"visitStatus": {"code": "XXX", "description": MARKERS["description"]}},
        {"visitOutcome": {"code": "XXX", "description": MARKERS["description"]}},
        {"visitType": {"code": "SCON", "description": MARKERS["description"]}, "startDateTime": MARKERS["comment"]},
        {"visitors": MARKERS["name"]},
        {"leadVisitor": {"personId": MARKERS["name"], "fullName": MARKERS["name"]}},
        {"offenderNo": None, "leadVisitor": person["leadVisitor"]},
    ]
    for number in range(60):
        changes = odd[number] if number < len(odd) else {}
        sandbox.add_visit(like=1, **{**person, **(FUTURE if number % 10 == 9 else PAST), **changes})


def order_faults(sandbox: SandboxAdmin) -> None:
    """Something of everything, with bodies that tell too much.

    All rules of one operation count from the same first request, so each begins where the one before is spent. The
    mapping service refuses two pages' worth twice over, so that some records stay written whatever came through before.
    """
    sandbox.set_fault("status", "nomis", path="/visits/{visitId}", code=500, limit=2, body=TELLING)
    sandbox.set_fault("malformed_body", "nomis", path="/visits/{visitId}", style="truncated", limit=4)
    sandbox.set_fault("status", "visits", method="POST", code=400, limit=2, body=TELLING)
    sandbox.set_fault("status", "visits", method="POST", code=422, limit=4, body=TELLING)
    sandbox.set_fault("status", "visits", method="POST", code=504, limit=6, body=TELLING)
    sandbox.set_fault("drop_after", "visits", method="POST", limit=8)
    sandbox.set_fault("malformed_body", "visits", method="POST", style="wrong_shape", limit=10)
    sandbox.set_fault("status", "mapping", path="/mapping/visits", method="POST", code=500, limit=40, body=TELLING)
    sandbox.set_fault("collision", "mapping", path="/mapping/visits", method="POST", limit=42)


FILTER = {"prisonIds": ["ZZI"]}


def test_nothing_personal_is_kept_or_shown(
    marked: dict[str, str], sandbox: SandboxAdmin, tmp_path: Path, dagster_url: str
) -> None:
    order_faults(sandbox)
    shown = [finished(command("migrate", "visits", "--filter", json.dumps(FILTER), "--json"), marked, tmp_path)]
    with LedgerReader(marked["DATABASE_URL"]) as reader:
        states = by_state(reader)
    # the faults have bitten: the test looks where something was to be found
    assert {"failed", "rejected", "in_doubt", "written", "mapped"} <= set(states), states

    dagster = [sys.executable, "-m", "dagster", "job", "execute", "-m", "nomis_pipelines.definitions", "-j"]
    order_faults(sandbox)
    shown.append(finished([*dagster, "retry_failed_visits"], marked, tmp_path))
    shown.append(finished([*dagster, "retry_mappings"], marked, tmp_path))
    marked["NOMIS_PIPELINES_PRISONS"] = "ZZI"
    tags = json.dumps({"dagster/partition": "ZZI|2026-11"})
    shown.append(finished([*dagster, "migrate_visits", "--tags", tags], marked, tmp_path))

    # a run that breaks down with pages in hand
    sandbox.reset("data")
    make_marked_visits(sandbox)
    sandbox.clear_faults()
    sandbox.set_fault("status", "visits", code=503, body=TELLING)
    impatient = {**marked, "NOMIS_PIPELINES_BREAKER_SECONDS": "0.5"}
    shown.append(finished(command("migrate", "visits", "--filter", json.dumps(FILTER)), impatient, tmp_path, status=1))

    # one that is stopped, and one that is killed
    sandbox.clear_faults()
    sandbox.set_fault("latency", "visits", milliseconds=150)
    for number, at_least in ((signal.SIGTERM, 5), (signal.SIGKILL, 25)):
        process = subprocess.Popen(
            command("migrate", "visits", "--filter", json.dumps(FILTER)), env=bare(marked), cwd=tmp_path / "cwd",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        wait_for_writes(sandbox, process, at_least)
        os.killpg(process.pid, number)
        shown.append(process.communicate(timeout=60)[0])

    for text in shown:
        clean_of_markers(text, "what a command printed")
    clean_of_markers(dump(marked["DATABASE_URL"].replace("+psycopg", "")), "the ledger")
    events = dump(dagster_url)
    assert "migrate_visits" in events
    assert "STEP_SUCCESS" in events
    clean_of_markers(events, "Dagster's storage")
    for file in tmp_path.rglob("*"):
        if file.is_file():
            clean_of_markers(file.read_bytes().decode("utf-8", "replace"), str(file.relative_to(tmp_path)))
    telemetry = (tmp_path / "telemetry.jsonl").read_text()
    assert "nomis-migration-visit-mapping-failed" in telemetry


def finished(call: list[str], environment: dict[str, str], tmp_path: Path, *, status: int = 0) -> str:
    """Run a command to its end; everything it printed."""
    ended = subprocess.run(
        call, env=bare(environment), cwd=tmp_path / "cwd", capture_output=True, text=True, check=False, timeout=120
    )
    assert ended.returncode == status, ended.stderr[-4000:]
    return ended.stdout + ended.stderr


def dump(url: str) -> str:
    """Every row of every table of a database, as text."""
    lines: list[str] = []
    with psycopg.connect(url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        assert tables
        for (table,) in tables:
            query = sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(table))
            lines += [f"{table}: {row[0]}" for row in connection.execute(query)]
    return "\n".join(lines)


def clean_of_markers(text: str, place: str) -> None:
    for kind, marker in MARKERS.items():
        where = text.find(marker)
        around = text[max(0, where - 300) : where + 50]
        assert where < 0, f"{kind} found in {place}: …{around}"
