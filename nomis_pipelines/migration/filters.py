"""The filter of a run: where it comes from, how it is checked, how NOMIS and the history see it."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator
from pydantic.alias_generators import to_camel

from nomis_pipelines.migration.declaration import Migration
from nomis_pipelines.migration.filter_fields import PrisonCode
from nomis_pipelines.migration.partitions import PartitionError

_PLAIN_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class DateFilter(BaseModel):
    """The filter of many domains: from one day to another, both optional and both included."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")

    from_date: date | None = None
    to_date: date | None = None

    @field_validator("from_date", "to_date", mode="before")
    @classmethod
    def _plain_date(cls, value: object) -> object:
        # pydantic would take a moment in any zone, or a number of seconds, for the day it falls on in UTC
        if isinstance(value, int | float) or (isinstance(value, str) and not _PLAIN_DATE.fullmatch(value)):
            raise ValueError("a date is a year, a month and a day, such as 2024-05-01")
        return value

    @model_validator(mode="after")
    def _in_order(self) -> "DateFilter":
        if self.from_date and self.to_date and self.from_date > self.to_date:
            raise ValueError("fromDate is after toDate")
        return self


class PrisonDateFilter(DateFilter):
    """The filter of domains that NOMIS lists by prison and day; no prison named means all."""

    prison_ids: list[PrisonCode] = []


class FilterError(ValueError):
    """A filter that cannot be used. The message names the domain, each field at fault and what would do."""


def run_filter(
    migration: type[Migration[Any, Any, Any]], values: Mapping[str, Any], partition: str | None
) -> BaseModel:
    """The filter of a run from what was asked, and from the partition, whose part cannot be overridden.

    Unknown fields are refused: a slip in `prisonIds` must not migrate every prison. Raises `FilterError`.
    """
    model = migration.filter
    known = {field.alias or name: name for name, field in model.model_fields.items()}
    spelt = {name: alias for alias, name in known.items()}
    unknown = sorted(set(values) - set(known) - set(known.values()))
    if unknown:
        raise FilterError(f"filter of {migration.name}: {', '.join(unknown)} unknown; there are {', '.join(known)}")
    merged = {known.get(name, name): value for name, value in values.items()}
    if partition is not None:
        try:
            fixed = migration.partitions.filter_values(partition)
        except PartitionError as error:
            raise FilterError(f"partition of {migration.name}: {error}") from None
        twice = sorted(set(fixed) & set(merged))
        if twice:
            names = ", ".join(spelt[name] for name in twice)
            raise FilterError(f"filter of {migration.name}: the partition {partition} already sets {names}")
        merged |= fixed
    try:
        return model.model_validate(merged)
    except ValidationError as error:
        problems = [
            f"{'.'.join(spelt.get(str(part), str(part)) for part in problem['loc']) or 'filter'}: {problem['msg']}"
            for problem in error.errors(include_input=False, include_url=False)
        ]
        raise FilterError(f"filter of {migration.name}: {'; '.join(problems)}") from None


def filter_query(filter: BaseModel) -> dict[str, object]:
    """The filter's fields that are set, by their names in the API."""
    return {name: value for name, value in filter.model_dump(by_alias=True).items() if value is not None}


def filter_json(filter: BaseModel) -> str:
    """The filter as the history keeps it: JSON without blanks or nulls (platform card, section 2.9)."""
    return filter.model_dump_json(by_alias=True, exclude_none=True)
