"""Promise: the log shows ids and never free text; the file holds whole JSON lines, whoever else writes to it."""

import json
import logging
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from nomis_pipelines.observability import Telemetry, build_telemetry
from nomis_pipelines.observability.sinks import JsonLinesSink, StructuredLogSink
from nomis_pipelines.settings import SettingError, Settings

WRITER = """
import sys
from pathlib import Path
from nomis_pipelines.observability.sinks import JsonLinesSink
from nomis_pipelines.observability.telemetry import Telemetry

telemetry = Telemetry([JsonLinesSink(Path(sys.argv[1]))])
for number in range(2000):
    telemetry.event("visit", {"writer": sys.argv[2], "number": number, "room": "x" * 200})
    if number % 50 == 0:
        telemetry.flush()
# not closed: what is left is written at exit
"""


def test_the_log_shows_the_name_the_ids_and_the_counts_but_no_free_text(caplog: pytest.LogCaptureFixture):
    telemetry = Telemetry([StructuredLogSink()])
    with caplog.at_level(logging.INFO, "nomis_telemetry"):
        telemetry.event(
            "visits-migration-entity-migrated",
            {"migrationId": "m", "offenderNo": "A1234BC", "visitId": 4, "nomisIds": [1, 2], "count": 2, "room": "Hall",
             "error": "visitor Smith\nwas not found", "note": "n", "id": 7},
        )  # fmt: skip
        telemetry.close()
    (record,) = caplog.records
    assert record.getMessage() == (
        'visits-migration-entity-migrated {"migrationId":"m","offenderNo":"A1234BC","visitId":"4",'
        '"nomisIds":"[1, 2]","count":"2","id":"7"}'
    )


def test_a_file_holds_one_object_a_line_with_name_timestamp_and_text_properties(tmp_path: Path):
    path = tmp_path / "logs" / "telemetry.jsonl"
    telemetry = build_telemetry(Settings.load({"NOMIS_PIPELINES_TELEMETRY_FILE": str(path)}))
    telemetry.event("visits-migration-started", {"estimatedCount": 2, "room": "line\nbreak"})
    telemetry.event("visits-migration-completed", {})
    telemetry.close()
    first, second = [json.loads(line) for line in path.read_text().splitlines()]
    assert list(first) == ["name", "timestamp", "properties"]
    assert first["name"] == "visits-migration-started"
    assert first["properties"] == {"estimatedCount": "2", "room": "line\nbreak"}
    assert first["timestamp"].endswith("Z")
    assert datetime.fromisoformat(first["timestamp"]).utcoffset() is not None
    assert second["properties"] == {}


def test_a_file_that_was_moved_away_is_begun_again(tmp_path: Path):
    path = tmp_path / "telemetry.jsonl"
    telemetry = Telemetry([JsonLinesSink(path)])
    telemetry.event("one", {})
    telemetry.flush()
    path.rename(tmp_path / "telemetry.jsonl.1")
    telemetry.event("two", {})
    telemetry.close()
    assert json.loads(path.read_text())["name"] == "two"


def test_several_processes_append_whole_lines_to_one_file_to_their_last_event(tmp_path: Path):
    path = tmp_path / "telemetry.jsonl"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(writer)]) for writer in range(2)]
    assert [process.wait() for process in writers] == [0, 0]
    seen = [json.loads(line)["properties"] for line in path.read_text().splitlines()]
    for writer in range(2):
        assert [int(p["number"]) for p in seen if p["writer"] == str(writer)] == list(range(2000))


def test_a_file_that_cannot_be_written_is_refused_at_once_naming_the_setting(tmp_path: Path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(SettingError, match="NOMIS_PIPELINES_TELEMETRY_FILE cannot be written"):
        build_telemetry(Settings.load({"NOMIS_PIPELINES_TELEMETRY_FILE": str(tmp_path / "taken")}))
