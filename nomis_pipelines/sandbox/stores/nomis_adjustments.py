"""The adjustments of NOMIS as they are now: the generated ones, with what has been changed, added or deleted since."""

from datetime import date, datetime
from typing import Any

from pydantic_core import from_json, to_json

from nomis_pipelines.sandbox.data.adjustments import (
    KEY_DATE,
    MOST_A_BOOKING,
    SENTENCE,
    SENTENCE_TYPES,
    Adjustment,
    AdjustmentData,
    Key,
    end_of,
    start_of,
)
from nomis_pipelines.sandbox.data.world import World, london_now
from nomis_pipelines.sandbox.journal import Journal


class NomisAdjustments:
    """Generated adjustments are never stored; changed ones are, as the fields that differ."""

    KIND = b"J"

    def __init__(self, world: World, journal: Journal) -> None:
        self.data = AdjustmentData(world)
        self._journal = journal
        self._changes: dict[Key, Adjustment] = {}
        self._added: dict[Key, Adjustment] = {}
        self._gone: set[Key] = set()

    def replay(self, payload: bytes, _place: int) -> None:
        """Read one journal entry: `[what, category, id, fields]`."""
        what, category, number, fields = from_json(payload)
        self._apply(what, (category, number), fields)

    def get(self, key: Key) -> Adjustment | None:
        """An adjustment as it is now."""
        if key in self._gone:
            return None
        adjustment = self._added.get(key) or self.data.adjustment(key)
        if adjustment is None:
            return None
        adjustment = adjustment | self._changes.get(key, {})
        adjustment.pop("whenCreated", None)
        return adjustment

    def page(self, first: date | None, last: date | None, start: int, size: int) -> tuple[list[Key], int]:
        """Up to `size` keys from the `start`-th on, in the order of creation, and how many there are in all."""
        begin, end = self.data.range(start_of(first), end_of(last))
        keys = [self.data.key_at(place) for place in range(begin + start, min(begin + start + size, end))]
        added = [key for key, adjustment in self._added.items() if _created_within(adjustment, first, last)]
        beyond = max(0, start - (end - begin))
        return keys + added[beyond : beyond + size - len(keys)], end - begin + len(added)

    def of_booking(self, booking_id: int) -> tuple[list[Adjustment], list[Adjustment]] | None:
        """Sentence and key-date adjustments of a booking, without the hidden ones; None for an unknown booking."""
        if not self.data.booking_exists(booking_id):
            return None
        keys = [key for key, _ in self.data.of_booking(booking_id)] + self._added_to(booking_id)
        found = [(key[0], adjustment) for key in keys if (adjustment := self.get(key)) is not None]
        shown = [(category, adjustment) for category, adjustment in found if not adjustment.get("hiddenFromUsers")]
        return (
            [adjustment for category, adjustment in shown if category == SENTENCE],
            [adjustment for category, adjustment in shown if category == KEY_DATE],
        )

    def find(self, booking_id: int, days: int, offender: str) -> Key | None:
        """The adjustment that a copy in DPS was made of."""
        key = self.data.find(booking_id, days, offender)
        if key is None:
            index = days % MOST_A_BOOKING
            return next((k for k in self._added_to(booking_id) if self._added[k]["adjustmentDays"] % 8 == index), None)
        return key

    def add(self, category: str, booking_id: int, fields: Adjustment) -> Key | None:
        """Make a new adjustment on a booking now; None when the booking is unknown, or full."""
        if not self.data.booking_exists(booking_id):
            return None
        index = len(self.data.of_booking(booking_id)) + len(self._added_to(booking_id))
        if index >= MOST_A_BOOKING:
            return None
        key = (category, self.data.highest(category) + sum(known == category for known, _ in self._added) + 1)
        code = "RX" if category == SENTENCE else "ADA"
        adjustment = self.data.booking(booking_id) | {
            "id": key[1],
            "adjustmentType": {"code": code, "description": SENTENCE_TYPES.get(code, "Additional Days Awarded")},
            "adjustmentDays": MOST_A_BOOKING + index,
            "active": True,
            "whenCreated": london_now().isoformat(timespec="seconds"),
        }
        if category == SENTENCE:
            adjustment |= {"sentenceSequence": 1, "hiddenFromUsers": False}
        self._record("add", key, adjustment | fields)
        return key

    def change(self, key: Key, fields: Adjustment) -> Adjustment | None:
        """Change an adjustment; returns it as it is then, None when there is none."""
        if self.get(key) is None:
            return None
        self._record("change", key, fields)
        return self.get(key)

    def remove(self, key: Key) -> None:
        """Delete an adjustment."""
        self._record("remove", key, {})

    def clear(self) -> None:
        """Back to the generated world."""
        self._changes.clear()
        self._added.clear()
        self._gone.clear()

    def _added_to(self, booking_id: int) -> list[Key]:
        return [key for key, adjustment in self._added.items() if adjustment["bookingId"] == booking_id]

    def _record(self, what: str, key: Key, fields: dict[str, Any]) -> None:
        self._journal.append(self.KIND, to_json([what, *key, fields]))
        self._apply(what, key, fields)

    def _apply(self, what: str, key: Key, fields: dict[str, Any]) -> None:
        match what:
            case "change":
                self._changes[key] = self._changes.get(key, {}) | fields
            case "add":
                self._added[key] = fields
            case _:
                self._gone.add(key)


def _created_within(adjustment: Adjustment, first: date | None, last: date | None) -> bool:
    created = datetime.fromisoformat(adjustment["whenCreated"]).date()
    return (first is None or created >= first) and (last is None or created <= last)
