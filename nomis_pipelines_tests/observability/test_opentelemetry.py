"""Promise: an event reaches an OTLP collector, and Azure Monitor as a custom event, with its name and properties."""

import gzip
import json
import logging
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from nomis_pipelines.observability import Telemetry, build_telemetry
from nomis_pipelines.settings import SettingError, Settings


class Receiver(ThreadingHTTPServer):
    """Keeps the path and the body of each POST, and answers 200."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: list[tuple[str, bytes]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.bodies.append((self.path, body))
        answer = b'{"itemsReceived": 1, "itemsAccepted": 1, "errors": []}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def send_one(telemetry: Telemetry) -> None:
    telemetry.event("visits-migration-started", {"migrationId": "2024-06-12T10:13:56", "prisonIds": ["HEI", "BXI"]})
    telemetry.close()


@pytest.mark.server
def test_an_otlp_collector_gets_a_log_record_with_an_event_name(receiver: Receiver):
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    send_one(build_telemetry(Settings.load({"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url + "/"})))
    ((path, body),) = receiver.bodies
    assert path == "/v1/logs"
    request = ExportLogsServiceRequest.FromString(body)
    (resource,) = request.resource_logs
    assert ("service.name", "nomis-pipelines") in [(a.key, a.value.string_value) for a in resource.resource.attributes]
    (record,) = resource.scope_logs[0].log_records
    assert record.event_name == "visits-migration-started"
    assert {a.key: a.value.string_value for a in record.attributes} == {
        "migrationId": "2024-06-12T10:13:56",
        "prisonIds": "[HEI, BXI]",
    }
    assert record.time_unix_nano > 0


@pytest.mark.server
def test_azure_monitor_gets_a_custom_event(receiver: Receiver, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL", "true")
    connection = f"InstrumentationKey=00000000-0000-0000-0000-000000000001;IngestionEndpoint={receiver.url}"
    send_one(build_telemetry(Settings.load({"APPLICATIONINSIGHTS_CONNECTION_STRING": connection})))
    envelopes = [envelope for path, body in receiver.bodies if path.endswith("/track") for envelope in json.loads(body)]
    (event,) = [envelope["data"] for envelope in envelopes if envelope["data"]["baseType"] == "EventData"]
    assert event["baseData"]["name"] == "visits-migration-started"
    assert event["baseData"]["properties"] == {
        "migrationId": "2024-06-12T10:13:56",
        "prisonIds": "[HEI, BXI]",
        "logger_name": "nomis_telemetry",
    }


def test_azure_monitor_without_its_package_is_refused_naming_the_extra(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "azure.monitor.opentelemetry.exporter", None)
    with pytest.raises(SettingError, match=r"install nomis-pipelines\[azure\]"):
        build_telemetry(Settings.load({"APPLICATIONINSIGHTS_CONNECTION_STRING": "InstrumentationKey=x"}))


def test_a_connection_string_that_is_none_is_refused_without_showing_it():
    with pytest.raises(SettingError, match="APPLICATIONINSIGHTS_CONNECTION_STRING is not of the form") as caught:
        build_telemetry(Settings.load({"APPLICATIONINSIGHTS_CONNECTION_STRING": "marker-secret"}))
    assert "marker" not in str(caught.value)


@pytest.mark.server
def test_a_collector_that_is_away_does_not_stop_the_sender(receiver: Receiver, caplog: pytest.LogCaptureFixture):
    receiver.shutdown()
    receiver.server_close()
    with caplog.at_level(logging.CRITICAL, "opentelemetry"):
        send_one(build_telemetry(Settings.load({"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url})))
