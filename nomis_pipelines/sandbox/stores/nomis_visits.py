"""The visits of NOMIS as they are now: the generated ones, with what has been changed, added or removed since."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from pydantic_core import from_json, to_json

from nomis_pipelines.sandbox.data.visits import OUTCOMES, STATUSES, Visit, VisitData, VisitFilter, described
from nomis_pipelines.sandbox.data.world import World, london_now
from nomis_pipelines.sandbox.journal import Journal


class NomisVisits:
    """Generated visits are never stored; changed ones are, as the fields that differ."""

    KIND = b"N"

    def __init__(self, world: World, journal: Journal) -> None:
        self.data = VisitData(world)
        self._world = world
        self._journal = journal
        self._changes: dict[int, dict[str, Any]] = {}
        self._added: list[Visit] = []
        self._added_by_second: dict[datetime, int] = {}
        self._gone: set[int] = set()

    def replay(self, payload: bytes, _place: int) -> None:
        """Read one journal entry: `[what, visit id, fields]`."""
        what, number, fields = from_json(payload)
        self._apply(what, number, fields)

    def get(self, number: int) -> Visit | None:
        """Visit `number` as it is now."""
        if number in self._gone:
            return None
        if self.data.exists(number):
            visit = self.data.visit(number)
        else:
            place = number - self._world.visits - 1
            if not 0 <= place < len(self._added):
                return None
            visit = dict(self._added[place])
        changes = self._changes.get(number) if self._changes else None
        return visit if changes is None else visit | changes

    def page(self, wanted: VisitFilter, start: int, size: int) -> tuple[list[int], int]:
        """Up to `size` ids from the `start`-th on, in the order of creation, and how many there are in all."""
        selection = self.data.select(wanted)
        numbers = selection.numbers(start, size)
        if not self._added:
            return numbers, selection.count
        added = [visit["visitId"] for visit in self._added if _matches(visit, wanted)]
        beyond = max(0, start - selection.count)
        return numbers + added[beyond : beyond + size - len(numbers)], selection.count + len(added)

    def find(self, prisoner: str, created: datetime) -> int | None:
        """The visit that a copy was made of, known by its creation (to the second) and its prisoner."""
        number = self.data.find(prisoner, created)
        if number is None and self._added_by_second:
            number = self._added_by_second.get(created)
            if number is not None and self._added[number - self._world.visits - 1]["offenderNo"] != prisoner:
                return None
        return number

    def cancel(self, number: int, outcome: str, user: str) -> Visit | None:
        """Cancel a visit in NOMIS; returns it as it is then, None when there is none."""
        if self.get(number) is None:
            return None
        fields = {
            "visitStatus": described("CANC", STATUSES),
            "visitOutcome": described(outcome, OUTCOMES),
            "modifyUserId": user,
            "whenUpdated": london_now().replace(microsecond=0).isoformat(),
        }
        self._record("change", number, fields)
        return self.get(number)

    def add(self, like: int, fields: dict[str, Any]) -> Visit:
        """Make a new visit now, alike to visit `like` but for `fields`."""
        number = self._world.visits + len(self._added) + 1
        created = london_now().replace(microsecond=0)
        while created in self._added_by_second:
            created += timedelta(seconds=1)
        visit = self.data.visit(like) | {"visitId": number, "whenCreated": created.isoformat()} | fields
        self._record("add", number, visit)
        return visit

    def remove(self, number: int) -> None:
        """Let a visit vanish: it is still listed, as one deleted between listing and reading would have been."""
        self._record("remove", number, {})

    def clear(self) -> None:
        """Back to the generated world."""
        self._changes.clear()
        self._added.clear()
        self._added_by_second.clear()
        self._gone.clear()

    @property
    def size(self) -> int:
        """The highest visit id there is."""
        return self._world.visits + len(self._added)

    def rooms_used(self, wanted: VisitFilter, *, future_only: bool) -> dict[tuple[str, str], int]:
        """Visits by prison and room description; with `future_only` those after today and within a year."""
        today = self._world.london_today()
        last = today + timedelta(days=365)
        earliest = datetime.combine(today - timedelta(days=62), datetime.min.time())
        if future_only and (wanted.created_from is None or wanted.created_from < earliest):
            wanted = replace(wanted, created_from=earliest)  # nobody books earlier, so no earlier visit can count
        counts: dict[tuple[str, str], int] = {}
        numbers, _ = self.page(wanted, 0, self.size)
        for number in numbers:
            room, start = self._room_and_start(number)
            if room and (not future_only or today < start.date() < last):
                key = (self._prison(number), room)
                counts[key] = counts.get(key, 0) + 1
        return counts

    def _room_and_start(self, number: int) -> tuple[str, datetime]:
        if self.data.exists(number):
            room = self.data.room(number)
            return (room.description if room else ""), self.data.start(number)
        visit = self.get(number) or {}
        location: dict[str, str] = visit.get("agencyInternalLocation", {})
        return location.get("description", ""), datetime.fromisoformat(visit.get("startDateTime", "1900-01-01"))

    def _prison(self, number: int) -> str:
        if self.data.exists(number):
            return self.data.prison_and_type(number)[0]
        return str(self._added[number - self._world.visits - 1]["prisonId"])

    def _record(self, what: str, number: int, fields: dict[str, Any]) -> None:
        self._journal.append(self.KIND, to_json([what, number, fields]))
        self._apply(what, number, fields)

    def _apply(self, what: str, number: int, fields: dict[str, Any]) -> None:
        match what:
            case "change":
                self._changes[number] = self._changes.get(number, {}) | fields
            case "add":
                self._added.append(fields)
                self._added_by_second[datetime.fromisoformat(fields["whenCreated"])] = number
            case _:
                self._gone.add(number)


def _matches(visit: Visit, wanted: VisitFilter) -> bool:
    created = datetime.fromisoformat(visit["whenCreated"])
    return (
        (not wanted.prisons or visit["prisonId"] in wanted.prisons)
        and (not wanted.types or visit["visitType"]["code"] in wanted.types)
        and (wanted.created_from is None or created >= wanted.created_from)
        and (wanted.created_to is None or created <= wanted.created_to)
    )
