"""The telemetry sinks that speak OpenTelemetry: OTLP over HTTP, and Azure Monitor (Application Insights).

An event is a log record with an event name; its properties are the record's attributes.
"""

from collections.abc import Sequence

from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter
from opentelemetry.sdk.resources import Resource
from pydantic import SecretStr

from nomis_pipelines.observability.telemetry import TelemetryEvent
from nomis_pipelines.settings import SettingError

EXPORT_TIMEOUT_SECONDS = 5.0
# a minute of the busiest migration: the SDK drops events when an endpoint is away for longer
QUEUE_SIZE = 50_000
# the attribute that makes Application Insights file a log record under custom events
AZURE_EVENT_NAME = "microsoft.custom_event.name"


class OpenTelemetrySink:
    """Gives each event to an OpenTelemetry exporter, which sends in its own thread.

    `name_attribute` is a second place for the event's name, for receivers that want it among the attributes.
    """

    def __init__(self, exporter: LogRecordExporter, *, name_attribute: str | None = None) -> None:
        self._name_attribute = name_attribute
        self._provider = LoggerProvider(
            resource=Resource.create({"service.name": "nomis-pipelines"}), shutdown_on_exit=False
        )
        self._provider.add_log_record_processor(BatchLogRecordProcessor(exporter, max_queue_size=QUEUE_SIZE))
        self._logger = self._provider.get_logger("nomis_telemetry")

    def write(self, events: Sequence[TelemetryEvent]) -> None:
        """Queue the events for export."""
        for event in events:
            attributes = event.properties
            if self._name_attribute:
                attributes = {**attributes, self._name_attribute: event.name}
            self._logger.emit(
                timestamp=int(event.when * 1_000_000_000),
                severity_number=SeverityNumber.INFO,
                event_name=event.name,
                body=event.name,
                attributes=attributes,
            )

    def close(self) -> None:
        """Send what is queued (at most half a minute) and stop the exporter."""
        self._provider.shutdown()


def otlp_sink(endpoint: str) -> OpenTelemetrySink:
    """A sink for the OTLP/HTTP collector whose base address is `endpoint` (`/v1/logs` is added)."""
    return OpenTelemetrySink(OTLPLogExporter(endpoint.rstrip("/") + "/v1/logs", timeout=EXPORT_TIMEOUT_SECONDS))


def azure_monitor_sink(connection_string: SecretStr) -> OpenTelemetrySink:
    """A sink for Azure Monitor, where events arrive as custom events with name and properties.

    Raises `SettingError` when the extra `azure` is not installed or the connection string is not one.
    """
    try:
        from azure.monitor.opentelemetry.exporter import (  # pyright: ignore[reportMissingImports]
            AzureMonitorLogExporter,
        )
    except ImportError:
        raise SettingError(
            "APPLICATIONINSIGHTS_CONNECTION_STRING is set, but the exporter for Azure Monitor is not installed: "
            "install nomis-pipelines[azure], or unset the variable"
        ) from None
    try:
        # no copy on disk of what could not be sent: events may hold prisoners' numbers
        exporter = AzureMonitorLogExporter(
            connection_string=connection_string.get_secret_value(), disable_offline_storage=True
        )
    except ValueError:
        raise SettingError(
            "APPLICATIONINSIGHTS_CONNECTION_STRING is not of the form InstrumentationKey=…;IngestionEndpoint=…"
        ) from None
    return OpenTelemetrySink(exporter, name_attribute=AZURE_EVENT_NAME)
