"""Jobs that look after all domains at once, and the schedules that start them: retries, duplicates, dead letters."""

from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg

from nomis_pipelines.domains.declaration import Domain
from nomis_pipelines.ledger import State
from nomis_pipelines.markdown import as_markdown
from nomis_pipelines.migration.duplicates import resolve_duplicates
from nomis_pipelines.migration.engine import MigrationEngine
from nomis_pipelines.migration.report import tally_metadata
from nomis_pipelines.migration.tally import Tally
from nomis_pipelines.platform import Platform
from nomis_pipelines.settings import Settings
from nomis_pipelines.synchronisation import DeadLetters, Sqs

EVERY_TEN_MINUTES = "*/10 * * * *"


class DuplicatesConfig(dg.Config):
    """`dry_run` (the default) only says what would be deleted; `domain` restricts it to one."""

    dry_run: bool = True
    domain: str | None = None


def build_jobs(domains: Sequence[Domain]) -> list[dg.JobDefinition]:
    """The jobs `retry_mappings`, `resolve_duplicates` and `retry_dead_letters`."""
    return [_retry_mappings(domains), _resolve_duplicates(domains), _retry_dead_letters(domains)]


def build_schedules(domains: Sequence[Domain], jobs: Sequence[Any]) -> list[dg.ScheduleDefinition]:
    """Every ten minutes: mappings, failed records (each unless its setting says no), dead letters (switched off)."""
    by_name = {job.name: job for job in jobs}
    mappings = _schedule(
        by_name["retry_mappings"],
        "Records the mappings of what is written and not mapped.",
        lambda settings: _nothing_to_retry(
            settings.retry_mappings_enabled, "RETRY_MAPPINGS", settings, domains, State.WRITTEN
        ),
    )
    failed = [_retry_failed_schedule(domain, by_name[f"retry_failed_{domain.name}"]) for domain in domains]
    dead_letters = _schedule(
        by_name["retry_dead_letters"],
        "Puts dead letters back on their queues. Off unless switched on here (platform card, section 4.7).",
        lambda settings: None,
        default=dg.DefaultScheduleStatus.STOPPED,
    )
    return [mappings, *failed, dead_letters]


def _retry_failed_schedule(domain: Domain, job: Any) -> dg.ScheduleDefinition:
    return _schedule(
        job,
        f"Migrates again the {domain.title.lower()} that failed.",
        lambda settings: _nothing_to_retry(
            settings.retry_failed_enabled, "RETRY_FAILED", settings, [domain], State.FAILED
        ),
    )


def _schedule(
    job: Any,
    description: str,
    skip: Callable[[Settings], str | None],
    default: dg.DefaultScheduleStatus = dg.DefaultScheduleStatus.RUNNING,
) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=f"{job.name}_every_ten_minutes",
        job=job,
        cron_schedule=EVERY_TEN_MINUTES,
        execution_timezone="Europe/London",
        default_status=default,
        description=description,
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        from nomis_pipelines.settings import load_settings

        reason = skip(load_settings())
        return dg.SkipReason(reason) if reason is not None else dg.RunRequest()

    return schedule


def _nothing_to_retry(
    enabled: bool, setting: str, settings: Settings, domains: Sequence[Domain], state: State
) -> str | None:
    if not enabled:
        return f"NOMIS_PIPELINES_{setting}_ENABLED is false"
    from nomis_pipelines.ledger import LedgerReader

    with LedgerReader(settings.database_url) as reader:
        found = any(reader.records(domain.name, states=[state], include_dismissed=False, limit=1) for domain in domains)
    return None if found else "nothing to retry"


def _retry_mappings(domains: Sequence[Domain]) -> dg.JobDefinition:
    @dg.op(name="retry_mappings_of_all_domains")
    async def retry(context: dg.OpExecutionContext, migrations: dg.ResourceParam[MigrationEngine]) -> None:
        """Record the pairs that the mapping service refused earlier."""
        total = Tally()
        with migrations.stop.on_signals():
            for domain in domains:
                tally = await migrations.retry_mappings(domain.migration)
                context.log.info(f"{domain.name}: {tally.migrated} mappings recorded, {tally.unmapped} refused again")
                total += tally
        context.add_output_metadata(tally_metadata(total))
        if migrations.stop.requested:
            raise dg.DagsterExecutionInterruptedError

    @dg.job(name="retry_mappings", description="Record the mappings of what is written to DPS and not mapped yet.")
    def retry_mappings() -> None:
        retry.alias("retry")()

    return retry_mappings


def _resolve_duplicates(domains: Sequence[Domain]) -> dg.JobDefinition:
    @dg.op(name="resolve_duplicates_of_domains")
    async def resolve(
        context: dg.OpExecutionContext, config: DuplicatesConfig, platform: dg.ResourceParam[Platform]
    ) -> None:
        """Delete surplus DPS records, or say which would be deleted."""
        chosen = [domain for domain in domains if config.domain in (None, domain.name)]
        if not chosen:
            raise dg.Failure(f"{config.domain} is not a domain", allow_retries=False)
        rows: list[dict[str, str]] = []
        for domain in chosen:
            found = await resolve_duplicates(domain.migration, domain.delete_surplus, platform, dry_run=config.dry_run)
            rows += [{"domain": domain.name, **resolution.as_row()} for resolution in found]
        metadata: dict[str, Any] = {"duplicates": dg.MetadataValue.int(len(rows)), "dry_run": config.dry_run}
        if rows:
            metadata["actions"] = dg.MetadataValue.md(as_markdown(rows))
        context.add_output_metadata(metadata)

    @dg.job(
        name="resolve_duplicates",
        description="Delete surplus DPS records through their domain's endpoint. A dry run unless told otherwise.",
    )
    def job() -> None:
        resolve.alias("resolve")()

    return job


def _retry_dead_letters(domains: Sequence[Domain]) -> dg.JobDefinition:
    queue_ids = list(dict.fromkeys(queue for domain in domains for queue in domain.queues))

    @dg.op(name="retry_dead_letters_of_all_queues")
    async def retry(context: dg.OpExecutionContext, platform: dg.ResourceParam[Platform]) -> None:
        """Move every dead letter back to its queue."""
        async with Sqs.open(platform.settings) as sqs:
            letters = DeadLetters(sqs, platform.settings, platform.telemetry, queue_ids)
            moved = await letters.retry_all()
        context.add_output_metadata({name: dg.MetadataValue.int(count) for name, count in moved.items()})

    @dg.job(name="retry_dead_letters", description="Put the dead letters of all queues back on their queues.")
    def job() -> None:
        retry.alias("retry")()

    return job
