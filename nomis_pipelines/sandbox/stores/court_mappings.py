"""The mapping service's tables of court sentencing: pairs of five kinds, and what is noted of prisoners' batches."""

from typing import Any

from pydantic_core import from_json, to_json

from nomis_pipelines.sandbox.data.world import london_now
from nomis_pipelines.sandbox.journal import Journal
from nomis_pipelines.sandbox.stores.mappings import MappingTable

Key = tuple[str, int] | tuple[str, int, int] | tuple[str, int, int, int]
"""The kind, and the NOMIS ids."""


class CourtMappings:
    """All of them. A batch goes in the place of whatever its ids had."""

    SUMMARY_KIND = b"p"

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.pairs: MappingTable[Any] = MappingTable("CourtSentencing", b"q", journal)
        self._summaries: dict[str, tuple[str | None, int, str]] = {}

    def replay_summary(self, payload: bytes, _place: int) -> None:
        """Read one journal entry: `[prisoner, label, count, when]`."""
        prisoner, label, count, when = from_json(payload)
        self._summaries[prisoner] = (label, count, when)

    def replace(self, items: list[tuple[Key, str, str]], label: str | None) -> None:
        """Store pairs (key, DPS id, type), after removing those that any of their ids has."""
        for key, dps_id, mapping_type in items:
            known = self.pairs.get(key)
            if known is not None:
                self.pairs.remove_dps_id(known.dps_id)
            self.pairs.remove_dps_id(dps_id)
            self.pairs.add(key, dps_id, label, mapping_type)

    def note(self, prisoner: str, label: str | None, count: int) -> None:
        """Note that a prisoner's batch was recorded."""
        when = london_now().isoformat(timespec="seconds")
        self._journal.append(self.SUMMARY_KIND, to_json([prisoner, label, count, when]))
        self._summaries[prisoner] = (label, count, when)

    def summary(self, prisoner: str) -> dict[str, Any] | None:
        """What is noted of a prisoner."""
        noted = self._summaries.get(prisoner)
        return None if noted is None else _json(prisoner, noted)

    def summaries(self, label: str | None = None) -> list[dict[str, Any]]:
        """What is noted of all prisoners, or of those of one label."""
        return [_json(who, noted) for who, noted in self._summaries.items() if label is None or noted[0] == label]

    def clear(self) -> None:
        """Forget everything."""
        self.pairs.clear()
        self._summaries.clear()


def _json(prisoner: str, noted: tuple[str | None, int, str]) -> dict[str, Any]:
    label, count, when = noted
    return {"offenderNo": prisoner, "migrationId": label, "mappingsCount": count, "whenCreated": when}
