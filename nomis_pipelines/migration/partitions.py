"""How a domain's records are cut into partitions: plain descriptions, made into Dagster's in `assets.py`."""

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from pydantic import BaseModel

PRISON_CODE = re.compile(r"[A-Z0-9]{3,6}")
PRISONS_SET = "prisons"
"""The name of Dagster's dynamic partitions that hold the prisons, shared by all domains."""


class PartitionError(ValueError):
    """A partition key that does not name a partition. The message says what a key looks like."""


@dataclass(frozen=True)
class PrisonByMonth:
    """Prison x month of creation. A key reads `HEI|2024-05`; months are Europe/London.

    Both ends of NOMIS's filter are inclusive, so a month runs to the first instant of the next: a record made exactly
    then is listed in both, and the mapping check makes that harmless (visits card, section 3).
    """

    first_month: str
    prison_field: str
    from_field: str
    to_field: str

    def filter_values(self, key: str) -> dict[str, Any]:
        """The part of the domain's filter that a key stands for. Raises `PartitionError`."""
        prison, month = self.split(key)
        start = datetime.fromisoformat(f"{month}-01T00:00:00")
        return {self.prison_field: [prison], self.from_field: start, self.to_field: next_month(start)}

    def split(self, key: str) -> tuple[str, str]:
        """Prison code and month (`2024-05`) of a key. Raises `PartitionError`."""
        prison, bar, month = key.partition("|")
        if not bar or not PRISON_CODE.fullmatch(prison) or not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", month):
            raise PartitionError(f"{key!r} is not a partition: a key is a prison and a month, such as HEI|2024-05")
        if month < self.first_month:
            raise PartitionError(f"{key!r} is not a partition: the first month is {self.first_month}")
        return prison, month

    def key(self, prison: str, when: date) -> str | None:
        """The key of the partition that a record of `prison` made at `when` belongs to; None outside the grid."""
        month = f"{when:%Y-%m}"
        return f"{prison}|{month}" if PRISON_CODE.fullmatch(prison) and month >= self.first_month else None

    def covered(self, filter: BaseModel, today: date) -> list[str]:
        """The partitions that a filter covers whole: named prisons, every month up to today's that lies inside.

        A filter that also restricts anything else but prison and time covers none.
        """
        values = filter.model_dump()
        prisons: list[str] = values.get(self.prison_field) or []
        plain = type(filter).model_construct().model_dump()
        own = {self.prison_field, self.from_field, self.to_field}
        if any(value != plain.get(name) for name, value in values.items() if name not in own):
            return []
        start = values.get(self.from_field) or datetime.fromisoformat(f"{self.first_month}-01T00:00:00")
        end = values.get(self.to_field)
        month = datetime.fromisoformat(f"{self.first_month}-01T00:00:00")
        months: list[str] = []
        while month.date() <= today:
            after = next_month(month)
            if start <= month and (end is None or end >= after):
                months.append(f"{month:%Y-%m}")
            month = after
        return [f"{prison}|{label}" for prison in prisons if PRISON_CODE.fullmatch(prison) for label in months]


def next_month(month: datetime) -> datetime:
    """The first instant of the month after the one that begins at `month`."""
    return month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)


Partitions = PrisonByMonth
