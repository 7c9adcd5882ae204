"""Custom events: a name and a flat map of text properties, sent to every configured sink (platform card, section 6).

Here: how values become text, the buffer, and which sinks the settings ask for. The sinks are in `sinks.py`; what each
event is called and holds belongs to the domains and engines that send it.
"""

import atexit
import logging
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time as time_of_day
from enum import Enum
from typing import NamedTuple, Protocol

from nomis_pipelines.settings import Settings

FLUSH_SECONDS = 0.2

_logger = logging.getLogger(__name__)


class TelemetryEvent(NamedTuple):
    """One event as the sinks get it: `when` in seconds since the epoch, every property already text."""

    name: str
    when: float
    properties: dict[str, str]


class Sink(Protocol):
    """A place that events go to. `write` gets them in order, in batches, never from two threads at once."""

    def write(self, events: Sequence[TelemetryEvent]) -> None: ...

    def close(self) -> None: ...


def format_value(value: object) -> str:
    """A property value as text, written as the platform card (section 2.3) shows it.

    Lists are `[LEI, BXI]`, maps `{a=1}`, booleans `true` or `false`; dates are ISO, times leave out seconds that are
    zero (`2020-01-01T00:00`).
    """
    if type(value) is str:
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Enum):
        return format_value(value.value)
    if isinstance(value, datetime | time_of_day):
        return _format_time(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{format_value(key)}={format_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple | set | frozenset):
        return "[" + ", ".join(format_value(item) for item in value) + "]"
    return str(value)


def _format_time(value: datetime | time_of_day) -> str:
    if value.microsecond % 1000:
        spec = "microseconds"
    elif value.microsecond:
        spec = "milliseconds"
    else:
        spec = "seconds" if value.second else "minutes"
    return value.isoformat(timespec=spec).replace("+00:00", "Z")


class Telemetry:
    """Takes events from any thread in a few microseconds and hands them to its sinks every 200 ms, and at the end.

    A sink that fails loses the batch in hand; it is reported once in the log and never stops the caller. What was
    taken less than 200 ms before a `kill -9` is lost: telemetry tells, the ledger knows.
    """

    def __init__(self, sinks: Sequence[Sink] = ()) -> None:
        self._sinks = tuple(sinks)
        self._buffer: deque[TelemetryEvent] = deque()
        self._flushing = threading.Lock()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()
        self._failed: set[int] = set()

    def event(self, name: str, properties: Mapping[str, object | None]) -> None:
        """Send event `name`. Properties become text at once (the caller may change its objects); `None` is left out."""
        texts = {
            key: value if type(value) is str else format_value(value)
            for key, value in properties.items()
            if value is not None
        }
        self._take(TelemetryEvent(name, time.time(), texts))

    def flush(self) -> None:
        """Hand everything taken so far to the sinks, now."""
        with self._flushing:
            batch: list[TelemetryEvent] = []
            while self._buffer:
                batch.append(self._buffer.popleft())
            if batch:
                for sink in self._sinks:
                    self._guarded(sink, "takes no events", lambda sink=sink: sink.write(batch))

    def close(self) -> None:
        """Flush, then close the sinks. Calling it again does nothing; events sent after it are dropped."""
        with self._starting:
            if self._closed.is_set():
                return
            self._closed.set()
        if self._thread is not None:
            atexit.unregister(self.close)
            self._thread.join()
        self.flush()
        for sink in self._sinks:
            self._guarded(sink, "cannot be closed", sink.close)

    def _take(self, event: TelemetryEvent) -> None:
        if self._closed.is_set():
            return
        self._buffer.append(event)
        if self._thread is None:
            self._start()

    def _start(self) -> None:
        # begun by the first event: most processes that load the package never send one
        with self._starting:
            if self._thread is None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)
                self._thread.start()
                atexit.register(self.close)

    def _run(self) -> None:
        while not self._closed.wait(FLUSH_SECONDS):
            self.flush()

    def _guarded(self, sink: Sink, what: str, action: "_Action") -> None:
        try:
            action()
        except Exception:
            if id(sink) not in self._failed:
                self._failed.add(id(sink))
                _logger.exception("telemetry: %s %s; this is reported once", type(sink).__name__, what)


class _Action(Protocol):
    def __call__(self) -> None: ...


def build_telemetry(settings: Settings) -> Telemetry:
    """The telemetry that the settings ask for: always the log; a file, OTLP and Azure Monitor when they are set.

    Raises `SettingError` when the file cannot be written or the package for Azure Monitor is not installed.
    """
    from nomis_pipelines.observability.sinks import JsonLinesSink, StructuredLogSink

    sinks: list[Sink] = [StructuredLogSink()]
    if settings.telemetry_file is not None:
        sinks.append(JsonLinesSink(settings.telemetry_file))
    if settings.otlp_endpoint or settings.app_insights is not None:
        # imported only where it is used: the SDK costs a third of a second
        from nomis_pipelines.observability.opentelemetry import azure_monitor_sink, otlp_sink

        if settings.otlp_endpoint:
            sinks.append(otlp_sink(settings.otlp_endpoint))
        if settings.app_insights is not None:
            sinks.append(azure_monitor_sink(settings.app_insights))
    return Telemetry(sinks)
