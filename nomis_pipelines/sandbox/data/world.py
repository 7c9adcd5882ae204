"""The world's measures (how many, since when, until when) and the source of all its chance."""

import hashlib
import struct
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

LONDON = ZoneInfo("Europe/London")
DAY_US = 86_400_000_000
OFFICE_OPENS_US = 7 * 3_600_000_000  # records are made between 07:00 and 21:00
OFFICE_HOURS = 14
MIN_SLOT_US = 4_000_000

_DRAWS = struct.Struct("<32H")


def london_now() -> datetime:
    """Local wall-clock time, without zone, as NOMIS keeps it."""
    return datetime.now(UTC).astimezone(LONDON).replace(tzinfo=None)


@dataclass(frozen=True, kw_only=True)
class World:
    """How large the sandbox's NOMIS is. `since` and `until` are midnights; records are created between them."""

    seed: int = 1
    visits: int = 50_000
    adjustments: int = 8_000
    prisoners: int = 20_000
    locations: int = 5_000
    since: date = date(2024, 1, 1)
    until: date = date(2026, 1, 1)
    today: date | None = None

    def __post_init__(self) -> None:
        sizes = (self.visits, self.adjustments, self.prisoners, self.locations)
        if min(sizes) < 1 or self.since >= self.until:
            raise ValueError("the sandbox needs at least one visit, adjustment, prisoner and location, and one day")
        most = self.span_us // MIN_SLOT_US
        if max(self.visits, self.adjustments, self.locations) > most:
            raise ValueError(
                f"{most} records are the most from {self.since} to {self.until}: the sandbox knows a record by the "
                "second of its creation; begin earlier (--since) for more"
            )

    @cached_property
    def span_us(self) -> int:
        """Microseconds from `since` to `until`."""
        return (self.until - self.since).days * DAY_US

    @cached_property
    def start(self) -> datetime:
        """The first midnight."""
        return datetime(self.since.year, self.since.month, self.since.day)  # noqa: DTZ001 - local wall clock

    @cached_property
    def key(self) -> bytes:
        """The seed as the key of the hash that draws."""
        return self.seed.to_bytes(8, "little", signed=True)

    def london_today(self) -> date:
        """Today, unless the world was told to stand still."""
        return self.today or london_now().date()

    def as_json(self) -> dict[str, object]:
        """What must be kept to find the same world again."""
        return {
            "seed": self.seed,
            "visits": self.visits,
            "adjustments": self.adjustments,
            "prisoners": self.prisoners,
            "locations": self.locations,
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
        }


def draws(key: bytes, kind: bytes, number: int) -> tuple[int, ...]:
    """32 independent numbers below 65,536 for record `number` of a kind (`kind` has at most 8 bytes)."""
    digest = hashlib.blake2b(number.to_bytes(8, "little"), digest_size=64, key=key, person=kind).digest()
    return _DRAWS.unpack(digest)


@dataclass(frozen=True)
class Timeline:
    """When the n-th of `count` records was created: strictly later than the one before, by more than a second."""

    world: World
    count: int

    def created_ms(self, number: int) -> int:
        """Creation of record `number` (from 1), milliseconds after the start; nineteen in twenty on the second."""
        slot = self.world.span_us // self.count
        # a cheap mix is enough here: it is asked for twenty times in every search
        mixed = ((number * 0x9E3779B97F4A7C15 + self.world.seed * 0xBF58476D1CE4E5B9) >> 20) & 0xFFFFFF
        moment = (number - 1) * self.world.span_us // self.count + (mixed * (slot >> 1) >> 24)
        day, rest = divmod(moment, DAY_US)
        milliseconds = (day * DAY_US + OFFICE_OPENS_US + rest * OFFICE_HOURS // 24) // 1000
        return milliseconds if mixed % 20 == 0 else milliseconds - milliseconds % 1000

    def created(self, number: int) -> datetime:
        """Creation of record `number`, local time."""
        return self.world.start + timedelta(milliseconds=self.created_ms(number))

    def milliseconds(self, moment: datetime) -> int:
        """A local time in milliseconds after the world's start, rounded down; negative before it."""
        return (moment - self.world.start) // timedelta(milliseconds=1)

    def find_second(self, moment: datetime) -> int | None:
        """The record created within the second that begins at `moment`, if there is one."""
        second = self.milliseconds(moment) // 1000
        day, rest = divmod(second * 1_000_000, DAY_US)
        warped = day * DAY_US + max(0, rest - OFFICE_OPENS_US) * 24 // OFFICE_HOURS
        guess = warped * self.count // self.world.span_us + 1
        for number in (guess, guess + 1, guess - 1):
            if 1 <= number <= self.count and self.created_ms(number) // 1000 == second:
                return number
        return None

    def first_at_or_after(self, milliseconds: int) -> int:
        """The lowest record number created at or after a time; `count` + 1 when there is none."""
        low, high = 1, self.count + 1
        while low < high:
            middle = (low + high) // 2
            if self.created_ms(middle) < milliseconds:
                low = middle + 1
            else:
                high = middle
        return low
