"""Promise: the log shows ids and never free text; the file holds whole JSON lines, whoever else writes to it."""

import json
import logging
import multiprocessing
from datetime import datetime
from pathlib import Path

import pytest

from nomis_pipelines.observability import Telemetry, build_telemetry
from nomis_pipelines.observability.sinks import JsonLinesSink, StructuredLogSink
from nomis_pipelines.settings import SettingError, Settings


def _write_many(path: Path, writer: int) -> None:
    telemetry = Telemetry([JsonLinesSink(path)])
    for number in range(2000):
        telemetry.event("visit", {"writer": writer, "number": number, "room": "x" * 200})
        if number % 50 == 0:
            telemetry.flush()
    telemetry.close()


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


def test_several_processes_append_whole_lines_to_one_file(tmp_path: Path):
    path = tmp_path / "telemetry.jsonl"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_many, args=(path, writer)) for writer in range(3)]
    for process in writers:
        process.start()
    for process in writers:
        process.join()
    seen = [json.loads(line)["properties"] for line in path.read_text().splitlines()]
    assert len(seen) == 6000
    for writer in range(3):
        assert [int(p["number"]) for p in seen if p["writer"] == str(writer)] == list(range(2000))


def test_a_file_that_cannot_be_written_is_refused_at_once_naming_the_setting(tmp_path: Path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(SettingError, match="NOMIS_PIPELINES_TELEMETRY_FILE cannot be written"):
        build_telemetry(Settings.load({"NOMIS_PIPELINES_TELEMETRY_FILE": str(tmp_path / "taken")}))


def test_events_of_a_process_that_ends_without_closing_are_written_at_exit(tmp_path: Path):
    import subprocess
    import sys

    path = tmp_path / "telemetry.jsonl"
    program = (
        "import sys; from pathlib import Path\n"
        "from nomis_pipelines.observability import Telemetry\n"
        "from nomis_pipelines.observability.sinks import JsonLinesSink\n"
        "Telemetry([JsonLinesSink(Path(sys.argv[1]))]).event('last', {})\n"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=True)
    assert json.loads(path.read_text())["name"] == "last"
