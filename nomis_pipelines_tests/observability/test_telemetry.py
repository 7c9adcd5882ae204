"""Promise: an event arrives in every sink with its name and its properties as text, and no sink can stop the caller."""

import enum
import logging
import threading
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from uuid import UUID

import pytest

from nomis_pipelines.observability import Telemetry, TelemetryEvent, build_telemetry, format_value
from nomis_pipelines.settings import Settings
from nomis_pipelines_tests.recording import RecordingTelemetry


class Colour(enum.Enum):
    RED = "red"


class KeepingSink:
    def __init__(self) -> None:
        self.events: list[TelemetryEvent] = []
        self.closed = 0
        self.arrived = threading.Event()

    def write(self, events: Sequence[TelemetryEvent]) -> None:
        self.events.extend(events)
        self.arrived.set()

    def close(self) -> None:
        self.closed += 1


class BrokenSink:
    def write(self, events: Sequence[TelemetryEvent]) -> None:
        raise OSError("no space left on device")

    def close(self) -> None:
        raise OSError("no space left on device")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("HEI", "HEI"),
        ("", ""),
        (["LEI", "BXI"], "[LEI, BXI]"),
        (("LEI",), "[LEI]"),
        ([], "[]"),
        ({}, "{}"),
        ({"a": 1, "b": None}, "{a=1, b=null}"),
        (True, "true"),
        (False, "false"),
        (2345, "2345"),
        (1.5, "1.5"),
        (Decimal("2.50"), "2.50"),
        (date(2020, 1, 1), "2020-01-01"),
        (datetime(2020, 1, 1), "2020-01-01T00:00"),
        (datetime(2020, 1, 1, 12, 30, 5), "2020-01-01T12:30:05"),
        (datetime(2020, 1, 1, 12, 30, 0, 500_000), "2020-01-01T12:30:00.500"),
        (datetime(2020, 1, 1, 12, 30, 5, 123_456), "2020-01-01T12:30:05.123456"),
        (datetime(2020, 1, 1, 12, 30, 5, tzinfo=UTC), "2020-01-01T12:30:05Z"),
        (time(9, 0), "09:00"),
        (Colour.RED, "red"),
        (UUID(int=0), "00000000-0000-0000-0000-000000000000"),
    ],
)
def test_values_are_written_as_the_card_shows_them(value: object, text: str):
    assert format_value(value) == text


def test_none_is_left_out_and_everything_else_is_text():
    telemetry = RecordingTelemetry()
    telemetry.event("visits-migration-started", {"estimatedCount": 3, "fromDateTime": None, "prisonIds": ["HEI"]})
    assert telemetry.events == [("visits-migration-started", {"estimatedCount": "3", "prisonIds": "[HEI]"})]


def test_properties_changed_after_the_event_was_sent_do_not_change_it():
    sink = KeepingSink()
    telemetry = Telemetry([sink])
    prisons = ["HEI"]
    telemetry.event("started", {"prisonIds": prisons})
    prisons.append("BXI")
    telemetry.close()
    assert sink.events[0].properties == {"prisonIds": "[HEI]"}


def test_events_arrive_by_themselves_within_moments():
    sink = KeepingSink()
    telemetry = Telemetry([sink])
    telemetry.event("started", {})
    assert sink.arrived.wait(10)
    telemetry.close()


def test_close_hands_over_what_is_left_and_closes_each_sink_once():
    sink = KeepingSink()
    telemetry = Telemetry([sink])
    telemetry.event("one", {})
    telemetry.close()
    telemetry.close()
    telemetry.event("too-late", {})
    telemetry.flush()
    assert [event.name for event in sink.events] == ["one"]
    assert sink.closed == 1


def test_events_of_many_threads_all_arrive_in_the_order_of_each_thread():
    sink = KeepingSink()
    telemetry = Telemetry([sink])

    def send(thread: int) -> None:
        for number in range(500):
            telemetry.event(f"thread-{thread}", {"number": number})
            if number % 100 == 0:
                telemetry.flush()

    threads = [threading.Thread(target=send, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    telemetry.close()
    for number in range(4):
        seen = [int(event.properties["number"]) for event in sink.events if event.name == f"thread-{number}"]
        assert seen == list(range(500))


def test_a_failing_sink_is_reported_once_and_its_neighbours_still_get_everything(caplog: pytest.LogCaptureFixture):
    sink = KeepingSink()
    telemetry = Telemetry([BrokenSink(), sink])
    with caplog.at_level(logging.ERROR):
        for name in ("one", "two"):
            telemetry.event(name, {})
            telemetry.flush()
        telemetry.close()
    assert [event.name for event in sink.events] == ["one", "two"]
    assert sink.closed == 1
    assert [record.getMessage() for record in caplog.records] == [
        "telemetry: BrokenSink takes no events; this is reported once"
    ]


def test_without_settings_of_its_own_telemetry_goes_to_the_log_only(caplog: pytest.LogCaptureFixture):
    telemetry = build_telemetry(Settings.load({}))
    with caplog.at_level(logging.INFO, "nomis_telemetry"):
        telemetry.event("visits-migration-started", {"migrationId": "2024-06-12T10:13:56"})
        telemetry.close()
    assert [record.getMessage() for record in caplog.records] == [
        'visits-migration-started {"migrationId":"2024-06-12T10:13:56"}'
    ]
