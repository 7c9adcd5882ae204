"""The filter of a run: where it comes from, how it is checked, how NOMIS and the history see it."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from nomis_pipelines.migration.declaration import Migration
from nomis_pipelines.migration.partitions import PartitionError


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
