"""Stand-ins that remember what was sent to them."""

from nomis_pipelines.observability.telemetry import Telemetry, TelemetryEvent


class RecordingTelemetry(Telemetry):
    """Keeps every event, with its properties as the text that sinks would get, in the order of sending."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[tuple[str, dict[str, str]]] = []

    def _take(self, event: TelemetryEvent) -> None:
        self.events.append((event.name, event.properties))

    def names(self) -> list[str]:
        """The names of the events, in order."""
        return [name for name, _ in self.events]

    def named(self, name: str) -> list[dict[str, str]]:
        """The properties of each event called `name`."""
        return [properties for event, properties in self.events if event == name]
