"""What the adjustments service was sent."""

from nomis_pipelines.sandbox.data.adjustments import Key
from nomis_pipelines.sandbox.journal import Journal
from nomis_pipelines.sandbox.stores.dps_records import DpsRecords, Spelling
from nomis_pipelines.sandbox.stores.nomis_adjustments import NomisAdjustments

SPELLING: Spelling[Key] = Spelling(
    create=b"D",
    update=b"U",
    delete=b"X",
    person=b"dpsadj",
    fields=2,
    write=lambda key: f"{key[0]}\t{key[1]}",
    read=lambda parts: (parts[0], int(parts[1])),
)


class DpsAdjustments(DpsRecords[Key]):
    """Adjustments in DPS, traced to NOMIS by booking, days and prisoner."""

    def __init__(self, nomis: NomisAdjustments, journal: Journal, key: bytes) -> None:
        super().__init__(SPELLING, journal, key)
        self._nomis = nomis

    def add(self, body: bytes, *, booking_id: int, days: int, offender: str) -> str:
        """Store an adjustment; returns its id."""
        return self.store(body, self._nomis.find(booking_id, days, offender))
