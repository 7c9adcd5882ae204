"""A migration's declaration as Dagster objects: the asset's graph and its jobs. The work itself is in `run`."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from inspect import Parameter, Signature
from typing import Any

import dagster as dg
from pydantic import BaseModel, Field

from nomis_pipelines.ledger import MigrationStatus, State
from nomis_pipelines.migration.checks import build_checks
from nomis_pipelines.migration.engine import MigrationEngine
from nomis_pipelines.migration.filters import run_filter
from nomis_pipelines.migration.grid import NOMIS_POOL, dagster_partitions, require_known_prison
from nomis_pipelines.migration.partitions import PRISONS_SET
from nomis_pipelines.migration.report import as_metadata, sentence, tally_metadata
from nomis_pipelines.migration.run import MigrationRun
from nomis_pipelines.migration.start import MIGRATION_ID_TAG, WHO_TAG, AnyMigration, cautions_of
from nomis_pipelines.migration.tally import Tally

PAGE_IO_MANAGER = "page_io_manager"

RETRY_WHOLE = {"dagster/retry_strategy": "ALL_STEPS"}
"""Pages live in the memory of a run: a retry from the step that failed would find none."""

PRIORITY = "dagster/priority"
"""Later steps of a page go first, so that a page is worked to its end before the next is read."""


@dataclass(frozen=True, kw_only=True)
class MigrationDefs:
    """What one migration becomes in Dagster."""

    asset: dg.AssetsDefinition
    checks: Sequence[dg.AssetChecksDefinition]
    jobs: Sequence[Any]


class PlanConfig(dg.Config):
    """The filter of the run, by the field names of the start request; a partition's own part is fixed."""

    filter: dict[str, Any] = Field(default_factory=dict)


def build_migration(migration: AnyMigration) -> MigrationDefs:
    """The asset `dps/<name>` with its checks, and its jobs: by partition, by filter, and for what failed."""
    name = migration.name
    graph = _graph(migration)
    asset = dg.AssetsDefinition.from_graph(
        graph,
        keys_by_input_name={domain: dg.AssetKey(["dps", domain]) for domain in migration.depends_on},
        keys_by_output_name={"result": asset_key(migration)},
        partitions_def=dagster_partitions(migration.partitions),
        group_name="dps",
        descriptions_by_output_name={"result": (migration.__doc__ or "").strip()},
    )
    migrate = dg.define_asset_job(
        f"migrate_{name}",
        selection=dg.AssetSelection.assets(asset),
        tags=RETRY_WHOLE,
        description=f"Migrate one partition of {name}. Safe to run again: what is mapped is skipped.",
    )
    by_filter = graph.to_job(
        name=f"migrate_{name}_by_filter",
        tags=RETRY_WHOLE,
        description=f"Migrate {name} by a free filter: any prisons and times in one run.",
    )
    return MigrationDefs(
        asset=asset,
        checks=build_checks(migration, asset),
        jobs=[migrate, by_filter, _retry_failed_job(migration)],
    )


def _graph(migration: AnyMigration) -> dg.GraphDefinition:
    plan_pages, finish = _plan_op(migration), _finish_op(migration)
    read_page = _page_op(migration, "read", 1, "List the ids, leave out what is mapped, read the rest from NOMIS.")
    transform_page = _page_op(migration, "transform", 2, "Turn NOMIS records into DPS requests; note what is rejected.")
    write_page = _page_op(migration, "write", 3, "Claim each record in the ledger, write it to DPS, commit the answer.")
    record_page = _page_op(migration, "record", 4, "Record the pairs of ids in the mapping service.")

    def compose(**before: Any) -> Any:
        def one_page(spec: Any) -> Any:
            return record_page(write_page(transform_page(read_page(spec))))

        pages = plan_pages(**before).map(one_page).collect()
        return finish(_waiting_op(migration)(pages) if migration.orders_by_parent else pages)

    # Dagster takes a graph's inputs from the names of its function's parameters
    inputs = [Parameter(domain, Parameter.POSITIONAL_OR_KEYWORD) for domain in migration.depends_on]
    compose.__signature__ = Signature(inputs)  # pyright: ignore[reportFunctionMemberAccess]
    decorate = dg.graph(
        name=f"{migration.name}_migration",
        description=f"Migrates {migration.name}: plan, then read, transform, write and record page by page.",
        ins={domain: dg.GraphIn() for domain in migration.depends_on},
    )
    return decorate(compose)


def _plan_op(migration: AnyMigration) -> Any:
    @dg.op(
        name=f"plan_{migration.name}_pages",
        ins={domain: dg.In(dg.Nothing) for domain in migration.depends_on},
        out=dg.DynamicOut(io_manager_key=PAGE_IO_MANAGER),
        tags={PRIORITY: "0"},
        pool=NOMIS_POOL,
    )
    async def plan_pages(
        context: dg.OpExecutionContext, config: PlanConfig, migrations: dg.ResourceParam[MigrationEngine]
    ) -> Any:  # an async generator: from a list, Dagster resets a context variable in another context (1.13.27)
        """Count what NOMIS has, open the history row, and cut the work into pages."""
        # a backfill from the asset's page runs in Dagster's own job, which has no tags of ours
        context.instance.add_run_tags(context.run_id, RETRY_WHOLE)
        partition = str(context.partition_key) if context.has_partition_key else None
        filter = run_filter(migration, config.filter, partition)
        if partition is not None:
            require_known_prison(migration, partition, migrations.platform.settings, context.instance)
        for caution in await cautions_of(migration, migrations.platform.clients, filter):
            context.log.warning(caution)
        who = context.run_tags.get(WHO_TAG, migrations.platform.settings.user)
        run = await _taken_over(context, migrations, migration, filter)
        if run is None:
            run = await migrations.start(migration, filter=filter, partition=partition, run_id=context.run_id, who=who)
        context.log.info(f"migration {run.migration_id} of {migration.name}: {run.estimated} records estimated")
        for page in [] if run.stop.requested else run.pages():
            yield dg.DynamicOutput(page, mapping_key=page.label)

    return plan_pages.alias("plan_pages")


async def _taken_over(
    context: dg.OpExecutionContext, migrations: MigrationEngine, migration: AnyMigration, filter: BaseModel
) -> MigrationRun | None:
    """The migration that the launcher opened for this run; None for a run that shall open its own.

    A retry whose migration was closed opens another, as every retry does. A first attempt must not: its start was
    answered as failed, or has been cancelled, and may have been made again.
    """
    migration_id = context.run_tags.get(MIGRATION_ID_TAG)
    if migration_id is None:
        return None
    run = await migrations.take_over(migration, migration_id, filter=filter, run_id=context.run_id)
    if run is not None or context.run.parent_run_id is not None:
        return run
    row = await migrations.platform.ledger.migration(migration_id)
    context.instance.add_run_tags(context.run_id, {"dagster/max_retries": "0"})
    if row is not None and row.status is MigrationStatus.CANCELLED:
        context.instance.report_run_canceling(context.run)
        raise dg.DagsterExecutionInterruptedError
    raise dg.Failure(
        f"migration {migration_id} is {row.status if row else 'not in the history'} and not this run's to work: "
        "start it again through the control API, or launch this job without the tag " + MIGRATION_ID_TAG,
        allow_retries=False,
    )


def _page_op(migration: AnyMigration, stage: str, priority: int, description: str) -> Any:
    @dg.op(
        name=f"{stage}_{migration.name}_page",
        description=description,
        out=dg.Out(io_manager_key=PAGE_IO_MANAGER),
        tags={PRIORITY: str(priority)},
        pool={"read": NOMIS_POOL, "write": f"dps-{migration.write_service}"}.get(stage),
    )
    async def page_op(context: dg.OpExecutionContext, page: Any, migrations: dg.ResourceParam[MigrationEngine]) -> Any:
        async with _stage(migrations) as run:
            result = await getattr(run, f"{stage}_page")(page)
            if stage == "write" and run.stop.by_signal:
                result = await run.record_page(result)  # no step will follow this one
        if isinstance(result, Tally):
            context.log.info(f"migration {run.migration_id}: {sentence(run.tally, run.estimated, run.seconds)}")
        return result

    return page_op.alias(f"{stage}_page")


def _waiting_op(migration: AnyMigration) -> Any:
    @dg.op(
        name=f"write_waiting_{migration.name}",
        description="Migrate what waited for its parent, generation by generation.",
        out=dg.Out(io_manager_key=PAGE_IO_MANAGER),
        pool=NOMIS_POOL,
    )
    async def write_waiting(
        context: dg.OpExecutionContext, pages: list[Any], migrations: dg.ResourceParam[MigrationEngine]
    ) -> Any:
        async with _stage(migrations) as run:
            tally = await run.write_waiting()
        context.log.info(f"migration {run.migration_id}: {sentence(run.tally, run.estimated, run.seconds)}")
        return [*pages, tally]

    return write_waiting.alias("write_waiting")


def _finish_op(migration: AnyMigration) -> Any:
    @dg.op(name=f"finish_{migration.name}", tags={PRIORITY: "5"})
    async def finish(
        context: dg.OpExecutionContext, pages: list[Any], migrations: dg.ResourceParam[MigrationEngine]
    ) -> None:
        """Close the history row and report counts, rate and reasons."""
        run = migrations.current
        await run.finish(migrations.platform.now())
        if run.stop.requested:
            _end_as_cancelled(context, run)
        context.add_output_metadata(as_metadata(run, migrations.platform.settings, context.run_id))
        if not context.has_partition_key:
            prisons = context.instance.get_dynamic_partitions(PRISONS_SET)
            for key in migration.partitions.covered(run.filter, migrations.platform.today(), prisons):
                context.log_event(
                    dg.AssetMaterialization(
                        asset_key=asset_key(migration), partition=key, metadata={"migration_id": run.migration_id}
                    )
                )

    return finish.alias("finish")


@asynccontextmanager
async def _stage(migrations: MigrationEngine) -> AsyncGenerator[MigrationRun]:
    """One op's share of a run: a termination lets what is in hand be finished and recorded, then ends the run."""
    run = migrations.current
    try:
        with run.stop.on_signals():
            yield run
    except Exception:
        run.failed = True
        raise
    if run.stop.by_signal:
        raise dg.DagsterExecutionInterruptedError


def _end_as_cancelled(context: dg.OpExecutionContext, run: MigrationRun) -> None:
    # Cancelled through the ledger (API, CLI): the run must end as cancelled, and must not be retried by the daemon.
    context.log.info(f"migration {run.migration_id} was cancelled: {run.stop.reason}")
    context.instance.report_run_canceling(context.run)
    raise dg.DagsterExecutionInterruptedError


def _retry_failed_job(migration: AnyMigration) -> dg.JobDefinition:
    name = migration.name

    class RetryConfig(dg.Config):
        """`rejected`: take up rejected records too, for instance after a room was mapped."""

        rejected: bool = False

    @dg.op(name=f"retry_failed_{name}_records", pool=NOMIS_POOL)
    async def retry(
        context: dg.OpExecutionContext, config: RetryConfig, migrations: dg.ResourceParam[MigrationEngine]
    ) -> None:
        """Migrate again what failed, each record under the migration it belongs to."""
        states = [State.FAILED, State.REJECTED] if config.rejected else [State.FAILED]
        with migrations.stop.on_signals():
            tally = await migrations.retry_failed(migration, states=states)
        context.add_output_metadata(tally_metadata(tally))
        if migrations.stop.requested:
            raise dg.DagsterExecutionInterruptedError

    @dg.job(name=f"retry_failed_{name}", description=f"Migrate again the {name} that failed.")
    def retry_job() -> None:
        retry.alias("retry")()

    return retry_job


def asset_key(migration: AnyMigration) -> dg.AssetKey:
    """Where a domain's DPS records stand in the asset graph."""
    return dg.AssetKey(["dps", migration.name])
