"""What the incident reporting service was sent: one report for an incident, whose id is the reference."""

from nomis_pipelines.sandbox.journal import Journal
from nomis_pipelines.sandbox.stores.dps_records import DpsRecords, Spelling

SPELLING: Spelling[int] = Spelling(
    create=b"%",
    update=b"&",
    delete=b"(",
    person=b"dpsinc",
    fields=1,
    write=str,
    read=lambda parts: int(parts[0]),
)


class DpsIncidents(DpsRecords[int]):
    """Reports in DPS, which say themselves of which incident they are."""

    def __init__(self, journal: Journal, key: bytes) -> None:
        self._references: dict[int, str] = {}
        super().__init__(SPELLING, journal, key)

    def by_reference(self, incident_id: int) -> str | None:
        """The report of an incident."""
        dps_id = self._references.get(incident_id)
        return dps_id if dps_id is not None and self.exists(dps_id) else None

    def clear(self) -> None:
        """Forget everything."""
        super().clear()
        self._references.clear()

    def _remember(self, dps_id: str, origin: int | None, place: int, length: int) -> None:
        super()._remember(dps_id, origin, place, length)
        if origin is not None:
            self._references[origin] = dps_id
