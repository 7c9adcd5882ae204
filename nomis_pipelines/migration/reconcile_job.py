"""Reconciliation in Dagster: the job `reconcile_<domain>`, its nightly schedule, and what it leaves on the asset."""

from base64 import b64encode
from typing import Any

import dagster as dg

from nomis_pipelines.markdown import as_markdown
from nomis_pipelines.migration.checks import as_check_result
from nomis_pipelines.migration.declaration import Migration
from nomis_pipelines.migration.grid import NOMIS_POOL, known_prisons
from nomis_pipelines.migration.partitions import PRISONS_SET, has_prisons
from nomis_pipelines.migration.reconciliation import Reconciliation, Scope, Standing
from nomis_pipelines.migration.workers import StopRequest
from nomis_pipelines.platform import Platform

AnyMigration = type[Migration[Any, Any, Any]]
NIGHTLY = "0 2 * * *"


class ReconcileConfig(dg.Config):
    """What is reconciled: everything unless restricted. Months read `2024-05`; both are included."""

    prisons: list[str] = []  # noqa: RUF012  # a field of a pydantic model, copied for each
    from_month: str | None = None
    to_month: str | None = None


def build_reconciliation(migration: AnyMigration, asset: dg.AssetKey) -> dg.JobDefinition:
    """The job `reconcile_<domain>`: reads only, changes nothing."""
    name = migration.name

    @dg.op(name=f"reconcile_{name}_records", pool=NOMIS_POOL)
    async def reconcile(
        context: dg.OpExecutionContext, config: ReconcileConfig, platform: dg.ResourceParam[Platform]
    ) -> None:
        """NOMIS's ids against the mapping service's pairs against the ledger."""
        from nomis_pipelines.migration.reconcile import Reconciler

        added = context.instance.get_dynamic_partitions(PRISONS_SET)
        prisons = [*known_prisons(platform.settings), *added] if has_prisons(migration.partitions) else []
        stop = StopRequest()
        reconciler = Reconciler(platform, migration, prisons=list(dict.fromkeys(prisons)), stop=stop)
        scope = Scope(prisons=config.prisons, from_month=config.from_month, to_month=config.to_month)

        def tell(window: str, records: int) -> None:
            if records:
                context.log.info(f"{window}: {records} records")

        with stop.on_signals():
            found = await reconciler.run(scope, on_window=tell)
        if stop.by_signal:
            raise dg.DagsterExecutionInterruptedError
        _report(context, found, platform, asset)

    @dg.job(
        name=f"reconcile_{name}",
        description=f"Compare NOMIS, mapping service and ledger for {name}. Reads only.",
        tags={"dagster/max_retries": "1"},
    )
    def job() -> None:
        reconcile.alias("reconcile")()

    return job


def nightly(migration: AnyMigration, job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """Every night at two, London time.

    Off until it is switched on in the UI: a night costs a call to the mapping service for each record of the domain,
    and before a domain has been migrated everything would be told to be missing.
    """
    return dg.ScheduleDefinition(
        name=f"reconcile_{migration.name}_nightly",
        job=job,
        cron_schedule=NIGHTLY,
        execution_timezone="Europe/London",
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description=f"Reconciles {migration.name} at 02:00. Switch it on when the domain has been migrated.",
    )


def _report(context: dg.OpExecutionContext, found: Reconciliation, platform: Platform, asset: dg.AssetKey) -> None:
    from nomis_pipelines.migration import reconcile_report as report

    png = report.picture(found)
    path = report.write(found, png, platform.settings.reports, platform.now())
    judged = report.verdict(found)
    counts = metadata_of(found)
    context.add_output_metadata({**counts, "report": dg.MetadataValue.path(str(path))})
    shown: dict[str, Any] = {**counts, "report": dg.MetadataValue.path(str(path))}
    if png:
        shown["completeness"] = dg.MetadataValue.md(
            f"![mapped records in percent](data:image/png;base64,{b64encode(png).decode()})"
        )
    if rows := report.cell_rows(found.different(), report.MOST_CELLS):
        shown["where they differ"] = dg.MetadataValue.md(as_markdown(rows))
    context.log_event(dg.AssetObservation(asset_key=asset, description=judged.summary, metadata=shown))
    result = as_check_result(judged)
    # as a check's evaluation, so that the sensor of failed checks tells of it; no check of the asset, which every
    # migration of a partition would then run
    context.log_event(
        dg.AssetCheckEvaluation(  # pyright: ignore[reportArgumentType]  # taken, though the annotation lacks it
            asset_key=asset,
            check_name=judged.name,
            passed=judged.passed,
            severity=result.severity,
            description=judged.summary,
            metadata=result.metadata,
        )
    )
    context.log.info(judged.summary)


def metadata_of(found: Reconciliation) -> dict[str, Any]:
    """The counts: in NOMIS, by standing, and the two sums that the eye looks for first."""
    totals = found.totals()
    known = (Standing.MAPPED, Standing.DISAGREES)
    missing = found.in_nomis - sum(totals[standing] for standing in known)
    return {
        "in_nomis": dg.MetadataValue.int(found.in_nomis),
        "missing": dg.MetadataValue.int(missing),
        **{standing.value: dg.MetadataValue.int(totals[standing]) for standing in Standing},
        "seconds": dg.MetadataValue.float(round(found.seconds, 1)),
    }
