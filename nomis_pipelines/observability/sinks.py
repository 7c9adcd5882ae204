"""The telemetry sinks that need nothing but this machine: the log and a file of JSON lines."""

import logging
import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from pydantic_core import to_json

from nomis_pipelines.observability.telemetry import TelemetryEvent
from nomis_pipelines.settings import SettingError

# not below `nomis_pipelines`, whose loggers go into the event log of each run (dagster.yaml): too slow for every event
_logger = logging.getLogger("nomis_telemetry")

# what may stand in a log: ids and counts. Free text (an error, a description) goes to the other sinks only.
_LOGGED = re.compile(r"(?:^|.*[a-z0-9])(?:ids?|nos?|numbers?|count|minutes)$", re.IGNORECASE)


class StructuredLogSink:
    """Writes each event to the logger `nomis_telemetry` at INFO: its name, then ids and counts as JSON."""

    def write(self, events: Sequence[TelemetryEvent]) -> None:
        """Log the events, if anybody listens."""
        if not _logger.isEnabledFor(logging.INFO):
            return
        for event in events:
            ids = {key: value for key, value in event.properties.items() if _LOGGED.match(key)}
            _logger.info("%s %s", event.name, to_json(ids).decode(), extra={"event": event.name, "properties": ids})

    def close(self) -> None:
        """Nothing is held open."""


class JsonLinesSink:
    """Appends one JSON object a line: `name`, `timestamp` (UTC, milliseconds), `properties` (all text).

    Each batch is one write of whole lines in append mode, so several processes may share the file; it is opened anew
    for each batch, so that it may be moved away by log rotation.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(self._open())
        except OSError as error:
            raise SettingError(
                f"NOMIS_PIPELINES_TELEMETRY_FILE cannot be written: {path} ({error.strerror})"
            ) from error

    def write(self, events: Sequence[TelemetryEvent]) -> None:
        """Append the events. Raises `OSError` when the file cannot be written."""
        lines = memoryview(b"".join([_line(event) for event in events]))
        descriptor = self._open()
        try:
            while lines:
                lines = lines[os.write(descriptor, lines) :]
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Nothing is held open."""

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)


def _line(event: TelemetryEvent) -> bytes:
    seconds, milliseconds = divmod(int(event.when * 1000), 1000)
    timestamp = f"{_second(seconds)}.{milliseconds:03d}Z"
    return to_json({"name": event.name, "timestamp": timestamp, "properties": event.properties}) + b"\n"


@lru_cache(maxsize=1)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
