"""Promise: the live line goes on through an absence of the ledger, and ends with what was counted last."""

import time
from datetime import UTC, datetime

import pytest

from nomis_pipelines.cli import progress as module
from nomis_pipelines.cli.progress import LiveProgress
from nomis_pipelines.ledger import LedgerUnavailable, Progress
from nomis_pipelines.ledger.model import COUNTERS

NOW = datetime(2026, 11, 24, 2, tzinfo=UTC)


def at(processed: int) -> Progress:
    counts = dict.fromkeys(COUNTERS, 0) | {"processed": processed}
    return Progress(
        migration_id="2026-11-24T02:00:00", domain="visits", run_id=None, partition=None, estimated=50,
        cancel_requested_at=None, updated_at=NOW, **counts,
    )  # fmt: skip


def test_an_absence_of_the_ledger_does_not_end_the_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "INTERVAL_SECONDS", 0.01)
    looks: list[int] = []

    def look() -> Progress | None:
        looks.append(1)
        if len(looks) < 3:
            raise LedgerUnavailable("the ledger's database cannot be reached")
        return at(len(looks))

    with LiveProgress(look, "visits"):
        while len(looks) < 6:
            time.sleep(0.005)
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert said.strip().splitlines()[-1] == f"visits: {len(looks)} of 50 done"
