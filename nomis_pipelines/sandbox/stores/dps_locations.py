"""What the locations service was sent, and which locations it no longer lets anybody change."""

from datetime import datetime

from pydantic_core import from_json, to_json

from nomis_pipelines.sandbox.journal import Journal, Replay
from nomis_pipelines.sandbox.stores.dps_records import DpsRecords, Spelling
from nomis_pipelines.sandbox.stores.nomis_locations import NomisLocations

SPELLING: Spelling[int] = Spelling(
    create=b"L",
    update=b"P",
    delete=b"Y",
    person=b"dpsloc",
    fields=1,
    write=str,
    read=lambda parts: int(parts[0]),
)
FROZEN_KIND = b"F"


class DpsLocations(DpsRecords[int]):
    """Locations in DPS, traced to NOMIS by the second of their creation."""

    def __init__(self, nomis: NomisLocations, journal: Journal, key: bytes) -> None:
        super().__init__(SPELLING, journal, key)
        self._nomis = nomis
        self._frozen: dict[str, int] = {}

    @property
    def replays(self) -> dict[bytes, Replay]:
        """What reads the journal's entries of each kind."""
        return super().replays | {FROZEN_KIND: self._replay_frozen}

    def add(self, body: bytes, created: datetime | None) -> str:
        """Store a location; returns its id."""
        return self.store(body, None if created is None else self._nomis.find(created.replace(microsecond=0)))

    def freeze(self, dps_id: str, error_code: int | None) -> None:
        """Refuse upserts of a location with this code from now on; None lifts it."""
        self._journal.append(FROZEN_KIND, to_json([dps_id, error_code]))
        self._freeze(dps_id, error_code)

    def frozen(self, dps_id: str) -> int | None:
        """The code with which upserts of a location are refused, if they are."""
        return self._frozen.get(dps_id)

    def clear(self) -> None:
        """Forget everything."""
        super().clear()
        self._frozen.clear()

    def _replay_frozen(self, payload: bytes, _place: int) -> None:
        self._freeze(*from_json(payload))

    def _freeze(self, dps_id: str, error_code: int | None) -> None:
        if error_code is None:
            self._frozen.pop(dps_id, None)
        else:
            self._frozen[dps_id] = error_code
