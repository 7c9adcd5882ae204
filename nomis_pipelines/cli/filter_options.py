"""`--prison`, `--from`, `--to` of a migration, written into the fields of the domain's filter that mean them."""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, get_args

import click

from nomis_pipelines.migration.declaration import Migration
from nomis_pipelines.migration.partitions import ByPrison, Whole, has_prisons

_MONTH = re.compile(r"\d{4}-\d{2}")


def with_options(
    migration: type[Migration[Any, Any, Any]],
    values: Mapping[str, Any],
    *,
    prisons: Sequence[str] = (),
    start: str | None = None,
    end: str | None = None,
) -> dict[str, Any]:
    """A filter with the options' fields added, as JSON. Raises `click.BadParameter`.

    Dates may be a month (`2024-05`), a day, or a local date-time where the filter has times. The end is inclusive: for
    a filter of times a day ends at the next midnight.
    """
    partitions = migration.partitions
    merged = dict(values)
    if prisons:
        if not has_prisons(partitions):
            raise click.BadParameter(f"{migration.name} cannot be asked for by prison", param_hint="--prison")
        one = isinstance(partitions, ByPrison)
        if one and len(prisons) > 1:
            raise click.BadParameter(f"{migration.name} are migrated one prison at a time", param_hint="--prison")
        _put(migration, merged, partitions.prison_field, prisons[0] if one else list(prisons), "--prison")
    if isinstance(partitions, Whole | ByPrison):
        if start is not None or end is not None:
            raise click.BadParameter(f"{migration.name} cannot be asked for by time", param_hint="--from, --to")
        return merged
    if start is not None:
        _put(migration, merged, partitions.from_field, _moment(migration, partitions.from_field, start), "--from")
    if end is not None:
        moment = _moment(migration, partitions.to_field, end, last=True)
        _put(migration, merged, partitions.to_field, moment, "--to")
    return merged


def _put(migration: type[Migration[Any, Any, Any]], values: dict[str, Any], name: str, value: Any, option: str) -> None:
    alias = migration.filter.model_fields[name].alias or name
    if name in values or alias in values:
        raise click.BadParameter(f"--filter sets {alias} already", param_hint=option)
    values[alias] = value


def _moment(migration: type[Migration[Any, Any, Any]], name: str, text: str, *, last: bool = False) -> str:
    annotation = migration.filter.model_fields[name].annotation
    times = datetime in (annotation, *get_args(annotation))
    option = "--to" if last else "--from"
    try:
        if "T" in text and times:
            return datetime.fromisoformat(text).isoformat()
        day = date.fromisoformat(f"{text}-01" if _MONTH.fullmatch(text) else text)
    except ValueError:
        shapes = "2024-05, 2024-05-31" + (" or 2024-05-31T12:00" if times else "")
        raise click.BadParameter(f"{text!r} is not a date: write {shapes}", param_hint=option) from None
    if last and _MONTH.fullmatch(text):
        day = (day + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    if not times:
        return day.isoformat()
    return datetime.combine(day + timedelta(days=1) if last else day, time()).isoformat()
