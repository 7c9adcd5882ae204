"""The Dagster side of partitions and limits: the grid of prisons and months, which prisons there are, NOMIS's pool.

The prisons are dynamic partitions, kept in Dagster's own database: the packaged list and the setting
`NOMIS_PIPELINES_PRISONS` are added by a sensor, and one more can be added in the UI at any time.
"""

from importlib.resources import files
from typing import Any

import dagster as dg

from nomis_pipelines.migration.declaration import Migration
from nomis_pipelines.migration.filters import FilterError
from nomis_pipelines.migration.partitions import (
    PRISON_CODE,
    PRISONS_SET,
    ByMonth,
    ByPrison,
    Partitions,
    PrisonByMonth,
    Whole,
)
from nomis_pipelines.settings import LONDON, Settings

PRISONS = dg.DynamicPartitionsDefinition(name=PRISONS_SET)

NOMIS_POOL = "nomis"
"""The pool of all runs that read NOMIS: the instance's limit of it is how many do so at once, of whatever domain."""


def dagster_partitions(partitions: Partitions) -> dg.PartitionsDefinition[str]:
    """Prison x window (keys read `HEI|2024-05`), window alone, prison alone, or one that is all.

    The running month is there from its first day, and so are those ahead of it that a domain declares.
    """
    if isinstance(partitions, Whole):
        return dg.StaticPartitionsDefinition([partitions.KEY])
    if isinstance(partitions, ByPrison):
        return PRISONS
    ahead = partitions.months_ahead if isinstance(partitions, PrisonByMonth) else 0
    months = dg.MonthlyPartitionsDefinition(
        start_date=partitions.first_month, fmt="%Y-%m", timezone=LONDON, end_offset=1 + ahead
    )
    if isinstance(partitions, ByMonth):
        return months
    return dg.MultiPartitionsDefinition({"prison": PRISONS, "window": months})


def packaged_prisons() -> list[str]:
    """The prison codes delivered with the package."""
    lines = files("nomis_pipelines.migration").joinpath("prisons.txt").read_text(encoding="utf-8").splitlines()
    return [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]


def known_prisons(settings: Settings) -> list[str]:
    """The packaged prisons and those of the setting, each once."""
    return list(dict.fromkeys([*packaged_prisons(), *settings.prisons]))


def missing_prisons(settings: Settings, instance: dg.DagsterInstance) -> list[str]:
    """Known prisons that Dagster's partitions lack."""
    there = set(instance.get_dynamic_partitions(PRISONS_SET))
    return [code for code in known_prisons(settings) if code not in there]


def require_known_prison(
    migration: type[Migration[Any, Any, Any]], partition: str, settings: Settings, instance: dg.DagsterInstance
) -> None:
    """Refuse a partition of a prison that nobody has named: Dagster does not check the keys of a run's tag itself.

    A known prison that is not in the grid yet is added: on a new instance a run may come before the sensor's first
    tick, and would fail at its end, with all records migrated. Raises `FilterError` saying how a prison is added.
    """
    prison = migration.partitions.prison_of(partition)
    if prison is None or instance.has_dynamic_partition(PRISONS_SET, prison):
        return
    if prison in known_prisons(settings):
        instance.add_dynamic_partitions(PRISONS_SET, [prison])
        return
    raise FilterError(
        f"partition {partition} of {migration.name}: {prison} is not a known prison; "
        f"add it to NOMIS_PIPELINES_PRISONS or to the dynamic partitions `{PRISONS_SET}` in the Dagster UI"
    )


def prisons_sensor() -> dg.SensorDefinition:
    """Keeps the dynamic partitions in step with the packaged list and the setting. It never removes a prison."""

    @dg.sensor(
        name="known_prisons",
        asset_selection=None,
        minimum_interval_seconds=300,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Adds the prisons of the packaged list and of NOMIS_PIPELINES_PRISONS to the partition grid.",
    )
    def known_prisons_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        from nomis_pipelines.settings import load_settings

        missing = [code for code in missing_prisons(load_settings(), context.instance) if PRISON_CODE.fullmatch(code)]
        if not missing:
            return dg.SkipReason("every known prison is in the grid")
        return dg.SensorResult(dynamic_partitions_requests=[PRISONS.build_add_request(missing)])

    return known_prisons_sensor
