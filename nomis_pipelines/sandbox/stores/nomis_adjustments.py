"""The adjustments of NOMIS as they are now: the generated ones, with what has been changed, added or deleted since."""

from datetime import date, datetime

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
from nomis_pipelines.sandbox.stores.overlay import Overlay


class NomisAdjustments:
    """Generated adjustments are never stored; changed ones are, as the fields that differ."""

    KIND = b"J"

    def __init__(self, world: World, journal: Journal) -> None:
        self.data = AdjustmentData(world)
        self._overlay: Overlay[Key] = Overlay(self.KIND, journal, lambda parts: (str(parts[0]), int(parts[1])))
        self.replay = self._overlay.replay

    def get(self, key: Key) -> Adjustment | None:
        """An adjustment as it is now."""
        adjustment = self._overlay.current(key, self.data.adjustment)
        if adjustment is not None:
            adjustment.pop("whenCreated", None)
        return adjustment

    def page(self, first: date | None, last: date | None, start: int, size: int) -> tuple[list[Key], int]:
        """Up to `size` keys from the `start`-th on, in the order of creation, and how many there are in all."""
        begin, end = self.data.range(start_of(first), end_of(last))
        keys = [self.data.key_at(place) for place in range(begin + start, min(begin + start + size, end))]
        added = [key for key, adjustment in self._overlay.added.items() if _created_within(adjustment, first, last)]
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
            index, added = days % MOST_A_BOOKING, self._overlay.added
            same = (k for k in self._added_to(booking_id) if added[k]["adjustmentDays"] % MOST_A_BOOKING == index)
            return next(same, None)
        return key

    def add(self, category: str, booking_id: int, fields: Adjustment) -> Key | None:
        """Make a new adjustment on a booking now; None when the booking is unknown, or full."""
        if not self.data.booking_exists(booking_id):
            return None
        index = len(self.data.of_booking(booking_id)) + len(self._added_to(booking_id))
        if index >= MOST_A_BOOKING:
            return None
        key = (category, self.data.highest(category) + sum(known == category for known, _ in self._overlay.added) + 1)
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
        self._overlay.add(key, adjustment | fields)
        return key

    def change(self, key: Key, fields: Adjustment) -> Adjustment | None:
        """Change an adjustment; returns it as it is then, None when there is none."""
        if self.get(key) is None:
            return None
        self._overlay.change(key, fields)
        return self.get(key)

    def remove(self, key: Key) -> None:
        """Delete an adjustment."""
        self._overlay.remove(key)

    def clear(self) -> None:
        """Back to the generated world."""
        self._overlay.clear()

    def _added_to(self, booking_id: int) -> list[Key]:
        return [key for key, adjustment in self._overlay.added.items() if adjustment["bookingId"] == booking_id]


def _created_within(adjustment: Adjustment, first: date | None, last: date | None) -> bool:
    created = datetime.fromisoformat(adjustment["whenCreated"]).date()
    return (first is None or created >= first) and (last is None or created <= last)
