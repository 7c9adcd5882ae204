"""The locations of NOMIS as they are now: the generated ones, with what has been changed, added or deleted since."""

from datetime import datetime, timedelta
from typing import Any

from nomis_pipelines.sandbox.data.locations import Location, LocationData
from nomis_pipelines.sandbox.data.world import World, london_now
from nomis_pipelines.sandbox.journal import Journal
from nomis_pipelines.sandbox.stores.overlay import Overlay


class NomisLocations:
    """Generated locations are never stored; changed ones are, as the fields that differ."""

    KIND = b"I"

    def __init__(self, world: World, journal: Journal) -> None:
        self.data = LocationData(world)
        self._overlay: Overlay[int] = Overlay(self.KIND, journal, lambda parts: int(parts[0]))
        self.replay = self._overlay.replay

    def get(self, location_id: int) -> Location | None:
        """A location as it is now."""
        return self._overlay.current(location_id, self.data.location)

    def page(self, start: int, size: int) -> tuple[list[int], int]:
        """Up to `size` ids from the `start`-th on, lowest first, and how many there are in all."""
        count = self.data.world.locations
        total = count + len(self._overlay.added) - self._overlay.gone
        if not self._overlay.gone:
            ids = [self.data.id_at(place) for place in range(start, min(start + size, count))]
            beyond = max(0, start - count)
            return ids + list(self._overlay.added)[beyond : beyond + size - len(ids)], total
        everything = [*(self.data.id_at(place) for place in range(count)), *self._overlay.added]
        there = [location_id for location_id in everything if not self._overlay.is_gone(location_id)]
        return there[start : start + size], total

    def find(self, created: datetime) -> int | None:
        """The location that a copy in DPS was made of, known by the second of its creation."""
        found = self.data.find(created)
        if found is not None:
            return found
        text = created.isoformat()
        return next((key for key, row in self._overlay.added.items() if row["createDatetime"] == text), None)

    def add(self, like: int, fields: dict[str, Any]) -> Location | None:
        """Make a new location now, alike to another but for `fields`; None when there is no such other."""
        model = self.get(like)
        if model is None:
            return None
        created = london_now().replace(microsecond=0)
        while self.find(created) is not None:
            created += timedelta(seconds=1)
        number = self.data.id_at(self.data.world.locations + len(self._overlay.added))
        self._overlay.add(number, model | {"createDatetime": created.isoformat()} | fields | {"locationId": number})
        return self.get(number)

    def change(self, location_id: int, fields: dict[str, Any]) -> Location | None:
        """Change a location; returns it as it is then, None when there is none."""
        if self.get(location_id) is None:
            return None
        self._overlay.change(location_id, fields)
        return self.get(location_id)

    def remove(self, location_id: int) -> None:
        """Delete a location: it is neither found nor listed any more."""
        self._overlay.remove(location_id)

    def clear(self) -> None:
        """Back to the generated world."""
        self._overlay.clear()
