"""How a domain's records are cut into partitions: plain descriptions, made into Dagster's in `assets.py`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, ClassVar, TypeGuard

from pydantic import BaseModel

PRISON_CODE = re.compile(r"[A-Z0-9]{3,6}")
MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
PRISONS_SET = "prisons"
"""The name of Dagster's dynamic partitions that hold the prisons, shared by all domains."""


class PartitionError(ValueError):
    """A partition key that does not name a partition. The message says what a key looks like."""


@dataclass(frozen=True)
class PrisonByMonth:
    """Prison x month. A key reads `HEI|2024-05`; months are Europe/London.

    Both ends of NOMIS's filter are inclusive. One of times has a month run to the first instant of the next: a record
    made exactly then is listed in both, and the mapping check makes that harmless (visits card, section 3). One of
    days (`whole_days`) has it end with its last day.

    `moment` says of what the month is, `months_ahead` how many there are beyond the running one; with `needs_prison`
    NOMIS refuses a list that names no prison.
    """

    first_month: str
    prison_field: str
    from_field: str
    to_field: str
    whole_days: bool = False
    moment: str = "creation"
    months_ahead: int = 0
    needs_prison: bool = False

    def filter_values(self, key: str) -> dict[str, Any]:
        """The part of the domain's filter that a key stands for. Raises `PartitionError`."""
        prison, month = self.split(key)
        return self.month_values(month, [prison])

    def month_values(self, month: str, prisons: Sequence[str] = ()) -> dict[str, Any]:
        """The part of a filter that stands for one month (`2024-05`) of some prisons, or of all."""
        start = date.fromisoformat(f"{month}-01")
        return {
            self.prison_field: list(prisons),
            self.from_field: self._begin(start),
            self.to_field: self._end(start),
        }

    def earlier_values(self, prisons: Sequence[str] = ()) -> dict[str, Any]:
        """The part of a filter that stands for everything before the first month."""
        first = date.fromisoformat(f"{self.first_month}-01")
        return {
            self.prison_field: list(prisons),
            self.to_field: first - timedelta(days=1) if self.whole_days else _midnight(first),
        }

    def later_values(self, today: date, prisons: Sequence[str] = ()) -> dict[str, Any]:
        """The part of a filter that stands for everything after the last month."""
        last = _months(self.first_month, today, self.months_ahead)[-1]
        return {self.prison_field: list(prisons), self.from_field: self._begin(_next_month(last))}

    def months(self, today: date) -> list[str]:
        """The months from the first to today's, and those ahead of it."""
        return [f"{month:%Y-%m}" for month in _months(self.first_month, today, self.months_ahead)]

    def describe(self) -> str:
        """For people: what a key stands for."""
        ahead = f" to {self.months_ahead} months ahead" if self.months_ahead else ""
        return f"prison and month of {self.moment} since {self.first_month}{ahead}, such as HEI|{self.first_month}"

    def _begin(self, month: date) -> date:
        return month if self.whole_days else _midnight(month)

    def _end(self, month: date) -> date:
        return _next_month(month) - timedelta(days=1) if self.whole_days else _midnight(_next_month(month))

    def split(self, key: str) -> tuple[str, str]:
        """Prison code and month (`2024-05`) of a key. Raises `PartitionError`."""
        prison, bar, month = key.partition("|")
        if not bar or not PRISON_CODE.fullmatch(prison) or not MONTH.fullmatch(month):
            raise PartitionError(f"{key!r} is not a partition: a key is a prison and a month, such as HEI|2024-05")
        _not_before(self.first_month, month, key)
        return prison, month

    def prison_of(self, key: str) -> str | None:
        """The prison of a key. Raises `PartitionError`."""
        return self.split(key)[0]

    def key(self, prison: str, when: date) -> str | None:
        """The key of the partition that a record of `prison` and this moment belongs to; None outside the grid."""
        month = f"{when:%Y-%m}"
        return f"{prison}|{month}" if PRISON_CODE.fullmatch(prison) and month >= self.first_month else None

    def covered(self, filter: BaseModel, today: date, prisons: Sequence[str] = ()) -> list[str]:
        """The partitions that a filter covers whole: its prisons, every month of the grid that lies inside.

        A filter that names no prison covers all there are: `prisons`. One that also restricts anything else but prison
        and time covers none.
        """
        if not _restricts_only(filter, {self.prison_field, self.from_field, self.to_field}):
            return []
        values = filter.model_dump()
        prisons = values.get(self.prison_field) or prisons
        start: date | None = values.get(self.from_field)
        end: date | None = values.get(self.to_field)
        months = [
            f"{month:%Y-%m}"
            for month in _months(self.first_month, today, self.months_ahead)
            if (start is None or start <= self._begin(month)) and (end is None or end >= self._end(month))
        ]
        return [f"{prison}|{month}" for prison in prisons if PRISON_CODE.fullmatch(prison) for month in months]


@dataclass(frozen=True)
class ByMonth:
    """Month of creation, for ids endpoints that filter by dates and by nothing else. A key reads `2024-05`.

    Both dates of the filter are inclusive: a month is its first to its last day.
    """

    first_month: str
    from_field: str
    to_field: str

    def filter_values(self, key: str) -> dict[str, Any]:
        """The part of the domain's filter that a key stands for. Raises `PartitionError`."""
        if not MONTH.fullmatch(key):
            raise PartitionError(f"{key!r} is not a partition: a key is a month, such as 2024-05")
        _not_before(self.first_month, key, key)
        return self.month_values(key)

    def month_values(self, month: str, prisons: Sequence[str] = ()) -> dict[str, Any]:
        """The part of a filter that stands for one month (`2024-05`). Raises `PartitionError` for any prison."""
        self._no_prisons(prisons)
        start = date.fromisoformat(f"{month}-01")
        return {self.from_field: start, self.to_field: _next_month(start) - timedelta(days=1)}

    def earlier_values(self, prisons: Sequence[str] = ()) -> dict[str, Any]:
        """The part of a filter that stands for everything before the first month."""
        self._no_prisons(prisons)
        return {self.to_field: date.fromisoformat(f"{self.first_month}-01") - timedelta(days=1)}

    def key(self, when: date) -> str | None:
        """The key of the partition that a record of this moment belongs to; None outside the grid."""
        month = f"{when:%Y-%m}"
        return month if month >= self.first_month else None

    def months(self, today: date) -> list[str]:
        """The months from the first to today's."""
        return [f"{month:%Y-%m}" for month in _months(self.first_month, today)]

    def describe(self) -> str:
        """For people: what a key stands for."""
        return f"month of creation since {self.first_month}, such as {self.first_month}"

    @staticmethod
    def _no_prisons(prisons: Sequence[str]) -> None:
        if prisons:
            raise PartitionError("these records cannot be asked for by prison")

    def prison_of(self, key: str) -> str | None:
        """None: these partitions know no prison."""
        return None

    def covered(self, filter: BaseModel, today: date, prisons: Sequence[str] = ()) -> list[str]:
        """The months that a filter covers whole, up to today's; there are no `prisons`."""
        if not _restricts_only(filter, {self.from_field, self.to_field}):
            return []
        values = filter.model_dump()
        start: date | None = values.get(self.from_field)
        end: date | None = values.get(self.to_field)
        return [
            f"{month:%Y-%m}"
            for month in _months(self.first_month, today)
            if (start is None or start <= month) and (end is None or end >= _next_month(month) - timedelta(days=1))
        ]


@dataclass(frozen=True)
class Whole:
    """The one partition `all`, for ids endpoints that filter by neither prison nor date.

    What a filter of such a domain says is kept in the history and restricts nothing, so every filter covers the whole;
    but for the fields `narrowed_by`, which choose single records.
    """

    KEY: ClassVar[str] = "all"
    narrowed_by: tuple[str, ...] = ()

    def filter_values(self, key: str) -> dict[str, Any]:
        """The part of the domain's filter that the key stands for: none. Raises `PartitionError` for another key."""
        if key != self.KEY:
            raise PartitionError(f"{key!r} is not a partition: there is only {self.KEY!r}")
        return {}

    def describe(self) -> str:
        """For people: what the key stands for."""
        return f"{self.KEY}: these records cannot be asked for by prison or time"

    def prison_of(self, key: str) -> str | None:
        """None: the partition knows no prison."""
        return None

    def covered(self, filter: BaseModel, today: date, prisons: Sequence[str] = ()) -> list[str]:
        """The one partition, unless the filter chooses single records."""
        return [] if any(getattr(filter, name) for name in self.narrowed_by) else [self.KEY]


@dataclass(frozen=True)
class ByPrison:
    """Prison alone, for ids endpoints that take exactly one and no window of time. A key reads `HEI`.

    Filter fields in `beside` choose no records: a filter that sets them still covers the prison whole.
    """

    prison_field: str
    beside: tuple[str, ...] = ()
    WINDOW: ClassVar[str] = "all"
    """What stands for the time of a prison, where other partitions have a month."""

    def filter_values(self, key: str) -> dict[str, Any]:
        """The part of the domain's filter that a key stands for. Raises `PartitionError`."""
        return {self.prison_field: self.prison_of(key)}

    def describe(self) -> str:
        """For people: what a key stands for."""
        return "prison, such as HEI"

    def prison_of(self, key: str) -> str:
        """The prison of a key, which is the key. Raises `PartitionError`."""
        if not PRISON_CODE.fullmatch(key):
            raise PartitionError(f"{key!r} is not a partition: a key is a prison, such as HEI")
        return key

    def covered(self, filter: BaseModel, today: date, prisons: Sequence[str] = ()) -> list[str]:
        """The prison of a filter that restricts nothing else; every filter names one."""
        prison: str | None = getattr(filter, self.prison_field)
        whole = prison is not None and _restricts_only(filter, {self.prison_field, *self.beside})
        return [prison] if whole and prison and PRISON_CODE.fullmatch(prison) else []


Partitions = PrisonByMonth | ByMonth | ByPrison | Whole


def has_prisons(partitions: Partitions) -> TypeGuard[PrisonByMonth | ByPrison]:
    """Whether a partition belongs to one prison."""
    return isinstance(partitions, PrisonByMonth | ByPrison)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time())


def _next_month(month: date) -> date:
    return month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)


def _months(first: str, today: date, ahead: int = 0) -> list[date]:
    months: list[date] = []
    month = date.fromisoformat(f"{first}-01")
    while month <= today:
        months.append(month)
        month = _next_month(month)
    for _ in range(ahead):
        months.append(month)
        month = _next_month(month)
    return months


def _not_before(first_month: str, month: str, key: str) -> None:
    if month < first_month:
        raise PartitionError(f"{key!r} is not a partition: the first month is {first_month}")


def _restricts_only(filter: BaseModel, fields: set[str]) -> bool:
    """Whether every other field of a filter stands at its default: a narrower run covers no partition whole."""
    plain = type(filter).model_construct().model_dump()
    return all(value == plain.get(name) for name, value in filter.model_dump().items() if name not in fields)
