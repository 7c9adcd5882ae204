"""What the case notes service was sent, and whose each note is."""

from collections.abc import Sequence

from pydantic_core import from_json, to_json

from nomis_pipelines.sandbox.journal import Journal, Replay
from nomis_pipelines.sandbox.stores.dps_records import DpsRecords, Spelling

Key = tuple[str, int]
"""The prisoner that a note was made for, and its NOMIS id then."""

SPELLING: Spelling[Key] = Spelling(
    create=b"#",
    update=b"[",
    delete=b"]",
    person=b"dpsnote",
    fields=2,
    write=lambda key: f"{key[0]}\t{key[1]}",
    read=lambda parts: (parts[0], int(parts[1])),
)
MOVE_KIND = b"{"


class DpsCaseNotes(DpsRecords[Key]):
    """Notes in DPS. One may stand for several of NOMIS, of which it knows the one that it was made from."""

    def __init__(self, journal: Journal, key: bytes) -> None:
        super().__init__(SPELLING, journal, key)
        self._moved: dict[str, str] = {}

    @property
    def replays(self) -> dict[bytes, Replay]:
        """What reads the journal's entries of each kind."""
        return super().replays | {MOVE_KIND: self._replay_move}

    def owner(self, dps_id: str) -> str | None:
        """Whose a note is now; None when there is none."""
        made_for = self.origin(dps_id)
        if made_for is None or not self.exists(dps_id):
            return None
        return self._moved.get(dps_id, made_for[0])

    def of_prisoner(self, number: str) -> list[str]:
        """The ids of a prisoner's notes."""
        return [dps_id for dps_id in self.ids() if self.owner(dps_id) == number]

    def move(self, dps_ids: Sequence[str], target: str) -> None:
        """Put notes under another prisoner."""
        self._journal.append(MOVE_KIND, to_json([list(dps_ids), target]))
        self._moved |= dict.fromkeys(dps_ids, target)

    def clear(self) -> None:
        """Forget everything."""
        super().clear()
        self._moved.clear()

    def _replay_move(self, payload: bytes, _place: int) -> None:
        dps_ids, target = from_json(payload)
        self._moved |= dict.fromkeys(dps_ids, target)
