"""What the outside sees of us: telemetry events, audit events and logs. Never personal data beyond ids."""

from nomis_pipelines.observability.audit import Audit
from nomis_pipelines.observability.logging import configure_logging
from nomis_pipelines.observability.telemetry import Sink, Telemetry, TelemetryEvent, build_telemetry, format_value

__all__ = ["Audit", "Sink", "Telemetry", "TelemetryEvent", "build_telemetry", "configure_logging", "format_value"]
