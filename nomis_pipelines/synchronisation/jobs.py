"""A domain's event handling as Dagster objects: the consumer's job, the sensor that starts it, the repairs' jobs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
from pydantic import BaseModel

from nomis_pipelines.markdown import as_markdown
from nomis_pipelines.platform import Platform
from nomis_pipelines.synchronisation.repair import Repair, RepairError, run_repair
from nomis_pipelines.synchronisation.report import ConsumerReport
from nomis_pipelines.synchronisation.serve import Classes, configured, serve

ALIVE = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING,
         dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]  # fmt: skip
SENSOR_SECONDS = 2


@dataclass(frozen=True, kw_only=True)
class SynchronisationDefs:
    """What the event handling of one domain becomes in Dagster."""

    jobs: Sequence[dg.JobDefinition]
    sensors: Sequence[dg.SensorDefinition]


def build_synchronisation(
    name: str, queues: Mapping[str, Classes], repairs: Sequence[Repair], asset: dg.AssetKey
) -> SynchronisationDefs:
    """The job `synchronise_<name>`, the sensor `<name>_events`, and a job `repair_<name>_<repair>` for each repair."""
    repair_jobs = [_repair_job(name, repair) for repair in repairs]
    if not queues:
        return SynchronisationDefs(jobs=repair_jobs, sensors=[])
    consume = _consumer_job(name, queues, asset)
    return SynchronisationDefs(jobs=[consume, *repair_jobs], sensors=[_events_sensor(name, list(queues), consume)])


def _consumer_job(name: str, queues: Mapping[str, Classes], asset: dg.AssetKey) -> dg.JobDefinition:
    @dg.op(name=f"consume_{name}_events")
    async def consume(context: dg.OpExecutionContext, platform: dg.ResourceParam[Platform]) -> None:
        """Handle events until the queue has been idle, or the consumer is old enough to be replaced."""
        served = await serve(configured(queues, platform.settings), platform)
        for report in served.reports:
            context.log_event(dg.AssetObservation(asset_key=asset, metadata=_metadata(report)))
        if served.interrupted:
            raise dg.DagsterExecutionInterruptedError
        for report in served.reports:
            if not report.ok:
                raise dg.Failure(f"the consumer of {report.queue} ended: {report.ended.value} {report.service}".strip())

    @dg.job(
        name=f"synchronise_{name}",
        description=f"Handle the events of {name}. Started by the sensor {name}_events whenever there is work.",
        # the sensor starts the next one: a retry of the daemon's would be a second consumer
        tags={"dagster/max_retries": "0"},
    )
    def synchronise() -> None:
        consume.alias("consume")()

    return synchronise


def _events_sensor(name: str, queues: Sequence[str], job: dg.JobDefinition) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"{name}_events",
        job=job,
        minimum_interval_seconds=SENSOR_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Starts a consumer when {', '.join(queues)} holds messages and none is alive.",
    )
    def events(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        from nomis_pipelines.settings import load_settings
        from nomis_pipelines.synchronisation.depth import depth

        settings = load_settings()
        asked = [queue for queue in queues if settings.has_queue(queue)]
        if not asked:
            return dg.SkipReason(f"no queue is configured: {', '.join(queues)}")
        if context.instance.get_runs(dg.RunsFilter(job_name=job.name, statuses=ALIVE), limit=1):
            return dg.SkipReason("a consumer is alive")
        waiting = {queue: depth(settings, queue) for queue in asked}
        if not any(waiting.values()):
            return dg.SkipReason("nothing to do")
        return dg.RunRequest()

    return events


def _repair_job(name: str, repair: Repair) -> dg.JobDefinition:
    @dg.op(name=f"repair_{name}_{repair.name}_work", config_schema=dg.Permissive({}))
    async def work(context: dg.OpExecutionContext, platform: dg.ResourceParam[Platform]) -> None:
        """Do the repair; its parameters are the op's configuration."""
        try:
            await run_repair(repair, platform, dict(context.op_config))
        except RepairError as error:
            raise dg.Failure(str(error), allow_retries=False) from None

    @dg.job(name=f"repair_{name}_{repair.name}", description=f"{repair.summary} ({_parameters(repair.parameters)})")
    def job() -> None:
        work.alias("repair")()

    return job


def _parameters(model: type[BaseModel]) -> str:
    return ", ".join(field.alias or name for name, field in model.model_fields.items())


def _metadata(report: ConsumerReport) -> dict[str, Any]:
    metadata: dict[str, Any] = dict(report.as_metadata())
    table = report.by_event_type()
    if table:
        metadata["events"] = dg.MetadataValue.md(
            as_markdown([{"event": event, **outcomes} for event, outcomes in table.items()])
        )
    return metadata
