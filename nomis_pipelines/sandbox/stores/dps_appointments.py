"""What the appointments service was sent, and what it drops."""

from nomis_pipelines.contracts.activities import AppointmentMigrateRequest
from nomis_pipelines.sandbox.data.appointments import AppointmentData
from nomis_pipelines.sandbox.journal import Journal
from nomis_pipelines.sandbox.stores.dps_records import DpsRecords, Spelling

SPELLING: Spelling[int] = Spelling(
    create=b"G",
    update=b"H",
    delete=b"K",
    person=b"dpsappt",
    fields=1,
    write=str,
    read=lambda parts: int(parts[0]),
)
FIRST_INSTANCE = 880_001


class DpsAppointments(DpsRecords[int]):
    """Appointments in DPS, traced to NOMIS by the second of their creation and their prisoner."""

    def __init__(self, data: AppointmentData, journal: Journal, key: bytes) -> None:
        super().__init__(SPELLING, journal, key)
        self._data = data
        self.dropped = 0

    def add(self, body: bytes, request: AppointmentMigrateRequest) -> int | None:
        """Store an appointment; returns its id. None: it is dropped, being cancelled and without a comment."""
        if request.is_cancelled and not request.comment:
            self.dropped += 1
            return None
        return int(self.store(body, self._data.find(request.prisoner_number, request.created)))

    def clear(self) -> None:
        """Forget everything."""
        super().clear()
        self.dropped = 0

    def _new_id(self, body: bytes, number: int) -> str:
        return str(FIRST_INSTANCE + number)
