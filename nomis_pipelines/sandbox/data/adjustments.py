"""The adjustments of NOMIS, of both kinds: functions of the world and an id, like the visits.

Bookings repeat a pattern of sixteen: so many sentence adjustments, key-date adjustments, and the hidden sentence
adjustments that NOMIS breaks those down into (sentencing adjustments card, section 1). The kinds number independently.

Within a booking no two adjustments have days alike modulo 8, so that a copy in DPS can be traced to its origin.
"""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import cached_property
from typing import Any

from nomis_pipelines.sandbox.data.people import offender_no
from nomis_pipelines.sandbox.data.prisons import PRISONS
from nomis_pipelines.sandbox.data.world import Timeline, World, draws

SENTENCE, KEY_DATE = "SENTENCE", "KEY-DATE"
FIRST_BOOKING = 1_000_000
MOST_A_BOOKING = 8
# S: sentence adjustment, K: key-date adjustment, H: hidden sentence adjustment belonging to the K before it
PATTERNS = ("S", "SS", "K", "", "SKH", "S", "KHH", "SSS", "", "SK", "K", "S", "SSKH", "S", "", "KK")

SENTENCE_TYPES = {
    "RX": "Remand", "UR": "Unused Remand", "S240A": "Tagged Bail Credit", "RSR": "Recall Sentence Remand",
    "RST": "Recall Sentence Tagged Bail", "APPEAL": "Time Spent Awaiting Appeal",
}  # fmt: skip
KEY_DATE_TYPES = {
    "ADA": "Additional Days Awarded", "RADA": "Restoration of Additional Days Awarded", "UAL": "Unlawfully At Large",
    "LAL": "Lawfully At Large", "SREM": "Special Remission", "HDC": "Home Detention Curfew",
}  # fmt: skip
_SENTENCE_DRAW = ("RX",) * 9 + ("UR", "UR", "S240A", "S240A", "S240A", "RSR", "RST")
_KEY_DATE_DRAW = ("ADA",) * 8 + ("RADA", "RADA", "UAL", "UAL", "UAL", "LAL", "SREM")
_UNKNOWN_IN = 1_000  # one in so many has a type that DPS does not know
_COMMENTS = (
    "Adjudication 12",
    "Per court warrant",
    "",
    "Checked against the warrant — see file",
    "Returned from hospital",
)

Adjustment = dict[str, Any]
Key = tuple[str, int]


@dataclass(frozen=True)
class Slot:
    """One adjustment of the pattern. `place` is where it is listed, or when hidden where its key-date adjustment is."""

    category: str
    booking: int
    index: int
    sentence: int
    place: int
    hidden: bool


def _slots() -> tuple[tuple[Slot, ...], tuple[Slot, ...]]:
    sentences: list[Slot] = []
    key_dates: list[Slot] = []
    place = -1
    for booking, pattern in enumerate(PATTERNS):
        sentence = 0
        for index, letter in enumerate(pattern):
            place += letter != "H"
            sentence += letter != "K"
            slot = Slot(KEY_DATE if letter == "K" else SENTENCE, booking, index, sentence, place, letter == "H")
            (key_dates if letter == "K" else sentences).append(slot)
    return tuple(sentences), tuple(key_dates)


SENTENCE_SLOTS, KEY_DATE_SLOTS = _slots()
LISTED = tuple(
    sorted((slot for slot in SENTENCE_SLOTS + KEY_DATE_SLOTS if not slot.hidden), key=lambda slot: slot.place)
)


class AdjustmentData:
    """All adjustments of a world; `world.adjustments` of them are listed, the hidden ones come on top."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.timeline = Timeline(world, world.adjustments)
        self.prisoners = max(500, world.visits // 12)

    @cached_property
    def _ordinals(self) -> dict[int, Key]:
        """Category and number within the pattern, by listed place."""
        return {
            slot.place: (slot.category, number)
            for slots in (SENTENCE_SLOTS, KEY_DATE_SLOTS)
            for number, slot in enumerate(slots)
            if not slot.hidden
        }

    def key_at(self, place: int) -> Key:
        """The adjustment at a place of the list (from 0), in the order of creation."""
        turn, rest = divmod(place, len(LISTED))
        category, number = self._ordinals[rest]
        return category, turn * len(_slots_of(category)) + number + 1

    def place_of(self, key: Key) -> int | None:
        """Where an adjustment stands in the list (a hidden one: where its key-date adjustment does); None for none."""
        category, number = key
        if number < 1 or category not in {SENTENCE, KEY_DATE}:
            return None
        turn, slot = self._slot(key)
        place = turn * len(LISTED) + slot.place
        return place if place < self.world.adjustments else None

    def highest(self, category: str) -> int:
        """An id above all generated ones of a kind."""
        turns = self.world.adjustments // len(LISTED) + 1
        return turns * len(_slots_of(category))

    def range(self, first: datetime | None, last: datetime | None) -> tuple[int, int]:
        """The first place of the list created at or after `first`, and the first one created after `last`."""
        begin, end = 1, self.timeline.count + 1
        if first is not None:
            begin = self.timeline.first_at_or_after(self.timeline.milliseconds(first))
        if last is not None:
            end = self.timeline.first_at_or_after(self.timeline.milliseconds(last) + 1)
        return begin - 1, max(begin, end) - 1

    def of_booking(self, booking_id: int) -> list[tuple[Key, Slot]]:
        """The adjustments of a booking, hidden ones too, by their index."""
        turn, booking = divmod(booking_id - FIRST_BOOKING, len(PATTERNS))
        if turn < 0:
            return []
        found: list[tuple[Key, Slot]] = []
        for category in (SENTENCE, KEY_DATE):
            slots = _slots_of(category)
            for number, slot in enumerate(slots):
                if slot.booking == booking:
                    key = (category, turn * len(slots) + number + 1)
                    if self.place_of(key) is not None:
                        found.append((key, slot))
        return sorted(found, key=lambda item: item[1].index)

    def booking_exists(self, booking_id: int) -> bool:
        """Whether there is such a booking, with adjustments or without."""
        turns = self.world.adjustments // len(LISTED) + 1
        return FIRST_BOOKING <= booking_id < FIRST_BOOKING + turns * len(PATTERNS)

    def find(self, booking_id: int, days: int, offender: str) -> Key | None:
        """The adjustment that a copy was made of."""
        if not self.booking_exists(booking_id) or self.booking(booking_id)["offenderNo"] != offender:
            return None
        return next((key for key, slot in self.of_booking(booking_id) if slot.index == days % MOST_A_BOOKING), None)

    def booking(self, booking_id: int) -> Adjustment:
        """What all adjustments of a booking share."""
        drawn = draws(self.world.key, b"booking", booking_id)
        released = drawn[2] % 4 == 0
        prisons = tuple(PRISONS)
        return {
            "bookingId": booking_id,
            "bookingSequence": 1 if drawn[3] % 7 else 2 + drawn[4] % 2,
            "offenderNo": offender_no((drawn[0] | drawn[1] << 16) % self.prisoners),
            "hasBeenReleased": released,
            "prisonId": "OUT" if released else prisons[drawn[5] % len(prisons)],
        }

    def adjustment(self, key: Key) -> Adjustment | None:
        """An adjustment as NOMIS gives it (sentencing adjustments card, section 3), nulls left out; None for none."""
        place = self.place_of(key)
        if place is None:
            return None
        turn, slot = self._slot(key)
        category, number = key
        adjustment = self.booking(FIRST_BOOKING + turn * len(PATTERNS) + slot.booking)
        kind = b"sentadj" if category == SENTENCE else b"keyadj"
        adjustment |= {"id": number} | _details(category, slot.index, draws(self.world.key, kind, number))
        created = self.timeline.created(place + 1)
        _add_dates(adjustment, created, draws(self.world.key, kind, number))
        if category == SENTENCE:
            adjustment |= {"sentenceSequence": slot.sentence, "hiddenFromUsers": slot.hidden}
        return adjustment

    def _slot(self, key: Key) -> tuple[int, Slot]:
        slots = _slots_of(key[0])
        turn, number = divmod(key[1] - 1, len(slots))
        return turn, slots[number]


def start_of(day: Any) -> datetime | None:
    """The first moment of a day, None for None."""
    return None if day is None else datetime.combine(day, time.min)


def end_of(day: Any) -> datetime | None:
    """The last moment of a day, None for None."""
    return None if day is None else datetime.combine(day, time.max)


def _slots_of(category: str) -> tuple[Slot, ...]:
    return SENTENCE_SLOTS if category == SENTENCE else KEY_DATE_SLOTS


def _details(category: str, index: int, drawn: tuple[int, ...]) -> Adjustment:
    if category == SENTENCE:
        table, code, unknown = SENTENCE_TYPES, _SENTENCE_DRAW[drawn[0] % len(_SENTENCE_DRAW)], "APPEAL"
    else:
        table, code, unknown = KEY_DATE_TYPES, _KEY_DATE_DRAW[drawn[0] % len(_KEY_DATE_DRAW)], "HDC"
    if drawn[1] % _UNKNOWN_IN == 0:
        code = unknown
    weeks = -1 if drawn[2] % 150 == 0 else drawn[2] % 15
    details: Adjustment = {
        "adjustmentType": {"code": code, "description": table[code]},
        "adjustmentDays": weeks * MOST_A_BOOKING + index,
        "active": drawn[3] % 7 != 0,
    }
    if drawn[4] % 5 < 2:
        details["comment"] = _COMMENTS[drawn[5] % len(_COMMENTS)]
    return details


def _add_dates(adjustment: Adjustment, created: datetime, drawn: tuple[int, ...]) -> None:
    begin = created.date() - timedelta(days=drawn[6] % 400)
    if drawn[7] % 5:
        adjustment["adjustmentDate"] = created.date().isoformat()
    if drawn[8] % 10 >= 3:
        adjustment["adjustmentFromDate"] = begin.isoformat()
        days = max(1, int(adjustment["adjustmentDays"]))
        adjustment["adjustmentToDate"] = (begin + timedelta(days=days - 1)).isoformat()
