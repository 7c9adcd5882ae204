"""The incidents of NOMIS as they are now: the generated ones, with what has been changed, added or deleted since.

And where DPS, not NOMIS, is in charge of them: the agency switch.
"""

from datetime import date, datetime
from typing import Any

from pydantic_core import from_json, to_json

from nomis_pipelines.sandbox.data.incidents import Incident, IncidentData
from nomis_pipelines.sandbox.data.world import World, london_now
from nomis_pipelines.sandbox.journal import Journal
from nomis_pipelines.sandbox.stores.overlay import Overlay


class NomisIncidents:
    """Generated incidents are never stored; changed ones are, as the fields that differ."""

    KIND = b"!"
    SWITCH_KIND = b"$"

    def __init__(self, world: World, journal: Journal) -> None:
        self.data = IncidentData(world)
        self._journal = journal
        self._overlay: Overlay[int] = Overlay(self.KIND, journal, lambda parts: int(parts[0]))
        self._switched_on: set[str] = set()
        self.replay = self._overlay.replay

    def get(self, incident_id: int) -> Incident | None:
        """An incident as it is now."""
        return self._overlay.current(incident_id, self.data.incident)

    def page(self, first: date | None, last: date | None, start: int, size: int) -> tuple[list[int], int]:
        """Up to `size` ids from the `start`-th on, lowest first, and how many there are in all."""
        begin, end = self.data.range(first, last)
        added = [key for key, incident in self._overlay.added.items() if _made_within(incident, first, last)]
        if not self._overlay.gone:
            ids = [self.data.id_at(place) for place in range(begin + start, min(begin + start + size, end))]
            beyond = max(0, start - (end - begin))
            return ids + added[beyond : beyond + size - len(ids)], end - begin + len(added)
        everything = [*(self.data.id_at(place) for place in range(begin, end)), *added]
        there = [incident_id for incident_id in everything if not self._overlay.is_gone(incident_id)]
        return there[start : start + size], len(there)

    def add(self, like: int, fields: dict[str, Any]) -> Incident | None:
        """Make a new incident now, alike to another but for `fields`; None when there is no such other."""
        model = self.get(like)
        if model is None:
            return None
        number = self.data.id_at(self.data.count + len(self._overlay.added))
        created = {"createDateTime": london_now().isoformat(timespec="seconds")}
        self._overlay.add(number, model | created | fields | {"incidentId": number})
        return self.get(number)

    def change(self, incident_id: int, fields: dict[str, Any]) -> Incident | None:
        """Change an incident; returns it as it is then, None when there is none."""
        if self.get(incident_id) is None:
            return None
        self._overlay.change(incident_id, fields)
        return self.get(incident_id)

    def remove(self, incident_id: int) -> None:
        """Delete an incident: it is neither found nor listed any more."""
        self._overlay.remove(incident_id)

    def switch(self, agency: str, *, on: bool) -> None:
        """Put DPS in charge at an agency, or NOMIS."""
        self._journal.append(self.SWITCH_KIND, to_json([agency, on]))
        self._switch(agency, on)

    def is_switched_on(self, agency: str) -> bool:
        """Whether DPS is in charge at an agency."""
        return agency in self._switched_on

    def replay_switch(self, payload: bytes, _place: int) -> None:
        """Read one journal entry: `[agency, on]`."""
        self._switch(*from_json(payload))

    def clear(self) -> None:
        """Back to the generated world, with NOMIS in charge everywhere."""
        self._overlay.clear()
        self._switched_on.clear()

    def _switch(self, agency: str, on: bool) -> None:
        (self._switched_on.add if on else self._switched_on.discard)(agency)


def _made_within(incident: Incident, first: date | None, last: date | None) -> bool:
    created = datetime.fromisoformat(incident["createDateTime"]).date()
    return (first is None or created >= first) and (last is None or created <= last)
