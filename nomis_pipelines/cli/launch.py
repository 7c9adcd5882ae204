"""Runs a migration from the command line, watches it, and shows what became of it."""

import asyncio
import json
import subprocess
import sys
import uuid
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from nomis_pipelines.cli.progress import LiveProgress
from nomis_pipelines.ledger import LedgerError, LedgerReader, MigrationRow, Progress, ReasonCount, check_schema
from nomis_pipelines.migration.declaration import Migration
from nomis_pipelines.migration.verdicts import ADVICE, Verdict
from nomis_pipelines.settings import Settings, load_settings

if TYPE_CHECKING:
    from pydantic import BaseModel

    from nomis_pipelines.api.launcher import DagsterLauncher

AnyMigration = type[Migration[Any, Any, Any]]
LAUNCH_TAG = "nomis_pipelines/launch"
FOLLOW_SECONDS = 1.0
UNMARKED_LOOKS = 5
"""How often a failed run is looked at that Dagster has not marked yet with whether it will be retried."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of one run, as table and as JSON show it. Counts are records, `seconds` is the run's time."""

    domain: str
    migration_id: str | None
    status: str
    seconds: float
    counts: Mapping[str, int]
    reasons: Sequence[ReasonCount] = ()
    verdicts: list[Verdict] = field(default_factory=list[Verdict])
    error: str | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the run went through to its end, whatever became of single records."""
        return self.error is None and self.status == "COMPLETED"

    def as_json(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        checks = {verdict.name: {"passed": verdict.passed, "summary": verdict.summary} for verdict in self.verdicts}
        return {
            "domain": self.domain,
            "migration_id": self.migration_id,
            "status": self.status,
            "seconds": round(self.seconds, 3),
            **{name: self.counts.get(name, 0) for name in COUNTS},
            "reasons": {found.reason: found.count for found in self.reasons},
            "checks": checks,
            "error": self.error,
        }


COUNTS = ("estimated", "migrated", "skipped", "rejected", "failed", "unmapped", "in_doubt", "duplicates", "busy")


def preflight(settings: Settings, migration: AnyMigration) -> None:
    """Find what would stop the run before it begins. Raises `SettingError` or, for the ledger, a `ClickException`."""
    _ = settings.auth_url
    for service in migration.services:
        settings.service(service)
    _check_ledger(settings)


def caution(settings: Settings, migration: AnyMigration, filter: "BaseModel") -> None:
    """Say, before a run begins, what its operator should know: that what it depends on is not migrated."""
    from nomis_pipelines.http import HttpClients
    from nomis_pipelines.migration.ids import FilterRefused
    from nomis_pipelines.migration.start import cautions_of

    if not migration.depends_on:
        return

    async def ask() -> list[str]:
        async with HttpClients(settings) as clients:
            return await cautions_of(migration, clients, filter)

    try:
        cautions = asyncio.run(ask())
    except FilterRefused as refused:
        raise click.ClickException(f"NOMIS refuses the filter: {refused}") from None
    for each in cautions:
        click.echo(f"warning: {each}", err=True)


def _check_ledger(settings: Settings) -> None:
    try:
        check_schema(settings.database_url)
    except LedgerError as error:
        raise click.ClickException(str(error)) from None


def by_filter_job(name: str) -> Any:
    """The job `migrate_<name>_by_filter`, for Dagster to build again."""
    from nomis_pipelines.definitions import build_definitions

    return build_definitions().resolve_job_def(f"migrate_{name}_by_filter")


def by_filter(migration: AnyMigration, filter_values: Mapping[str, Any]) -> Result:
    """Run `migrate_<domain>_by_filter` in this process, with live progress on the terminal."""
    import dagster as dg

    from nomis_pipelines.migration.assets import WHO_TAG

    settings = load_settings()
    preflight(settings, migration)
    tags = {WHO_TAG: settings.user}
    job = dg.build_reconstructable_job(
        "nomis_pipelines.cli.launch", "by_filter_job", reconstructable_args=(migration.name,)
    )
    config = {
        "ops": {"plan_pages": {"config": {"filter": dict(filter_values)}}},
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
    }
    with LedgerReader(settings.database_url) as reader:
        earlier = reader.latest(migration.migration_type)
        with _instance(settings) as instance, LiveProgress(_Watch(reader, migration, earlier), migration.name):
            outcome = dg.execute_job(job, instance, run_config=config, tags=tags, raise_on_error=False)
        error = None if outcome.success else failure_of(outcome.all_events)
        progress = reader.latest_progress(migration.name, run_id=outcome.run_id)
        row = reader.migration(progress.migration_id) if progress is not None else None
    verdicts = asyncio.run(_verdicts(settings, migration, row)) if row is not None and error is None else []
    return build_result(migration, row, progress, _reasons(settings, migration, row), verdicts, error)


def on_server(migration: AnyMigration, filter_values: Mapping[str, Any]) -> tuple[str, str]:
    """Launch `migrate_<domain>_by_filter` through the Dagster webserver: the run's id and address."""
    from nomis_pipelines.migration.assets import WHO_TAG

    settings = load_settings()
    config = {"ops": {"plan_pages": {"config": {"filter": dict(filter_values)}}}}
    job, tags = f"migrate_{migration.name}_by_filter", {WHO_TAG: settings.user}
    run_id = _ask_server(settings, lambda launcher: launcher.launch(job, config, tags))
    return run_id, f"{settings.ui_url}/runs/{run_id}"


def followed(migration: AnyMigration, filter_values: Mapping[str, Any]) -> Result:
    """Launch it on the server and watch it from here to the end of its last attempt. Ctrl-C ends the watching only."""
    settings = load_settings()
    _check_ledger(settings)
    run_id, url = on_server(migration, filter_values)
    click.echo(f"launched: {url}", err=True)
    attempts = [run_id]
    with LedgerReader(settings.database_url) as reader:

        def look() -> Progress | None:
            found = (reader.latest_progress(migration.name, run_id=each) for each in reversed(attempts))
            return next((progress for progress in found if progress is not None), None)

        with LiveProgress(look, migration.name):
            status = _ask_server(settings, lambda launcher: _end_of(launcher, attempts, settings.ui_url))
        progress = look()
        row = reader.migration(progress.migration_id) if progress is not None else None
    tried = f" after {len(attempts)} attempts" if len(attempts) > 1 else ""
    error = None if status == "SUCCESS" else f"the run ended as {status}{tried}: {settings.ui_url}/runs/{attempts[-1]}"
    return build_result(migration, row, progress, _reasons(settings, migration, row), [], error)


async def _end_of(launcher: "DagsterLauncher", attempts: list[str], ui_url: str) -> str:
    """Dagster's last word on the last attempt. What its daemon retries is added to `attempts`."""
    from nomis_pipelines.api.launcher import ENDED

    unmarked = 0
    while True:
        standing = await launcher.standing(attempts[-1])
        if standing is None:
            return "DELETED"
        if standing.status == "FAILURE" and standing.retry_run_id is not None:
            attempts.append(standing.retry_run_id)
            click.echo(f"it failed; attempt {len(attempts)}: {ui_url}/runs/{attempts[-1]}", err=True)
            unmarked = 0
            continue
        undecided = standing.will_retry is None and unmarked < UNMARKED_LOOKS
        if standing.status in ENDED and not (standing.status == "FAILURE" and (standing.will_retry or undecided)):
            return standing.status
        unmarked += standing.status == "FAILURE"
        await asyncio.sleep(FOLLOW_SECONDS)


def _ask_server(settings: Settings, question: "Callable[[DagsterLauncher], Awaitable[str]]") -> str:
    from nomis_pipelines.api.launcher import DagsterLauncher, LaunchError
    from nomis_pipelines.http import HttpxWire

    async def ask() -> str:
        wire = HttpxWire()
        try:
            return await question(DagsterLauncher(settings.dagster_server, wire))
        finally:
            await wire.aclose()

    try:
        return asyncio.run(ask())
    except LaunchError as error:
        raise click.ClickException(str(error)) from None


def by_job(migration: AnyMigration, partition: str) -> Result:
    """Run the job `migrate_<domain>` for one partition by Dagster's own command, and watch it from here."""
    import dagster as dg

    from nomis_pipelines.migration.grid import PRISONS_SET, missing_prisons

    settings = load_settings()
    preflight(settings, migration)
    token = uuid.uuid4().hex
    tags = {"dagster/partition": partition, LAUNCH_TAG: token}
    command = [
        "-m",
        "dagster",
        "job",
        "execute",
        "-m",
        "nomis_pipelines.definitions",
        "-j",
        f"migrate_{migration.name}",
    ]
    with dg.DagsterInstance.get() as instance, LedgerReader(settings.database_url) as reader:
        instance.add_dynamic_partitions(PRISONS_SET, missing_prisons(settings, instance))
        earlier = reader.latest(migration.migration_type)
        with LiveProgress(_Watch(reader, migration, earlier), f"{migration.name} {partition}"):
            ended = subprocess.run(  # noqa: S603
                [sys.executable, *command, "--tags", json.dumps(tags)], capture_output=True, text=True, check=False
            )
        run = next(iter(instance.get_runs(dg.RunsFilter(tags={LAUNCH_TAG: token}), limit=1)), None)
        if run is None:
            raise click.ClickException(f"the run could not be launched: {ended.stderr.strip()[-2000:]}")
        error = None if run.is_success else _failure_in(instance, run.run_id)
        progress = reader.latest_progress(migration.name, run_id=run.run_id)
        row = reader.migration(progress.migration_id) if progress is not None else None
        verdicts = _recorded_verdicts(instance, run.run_id)
    return build_result(migration, row, progress, _reasons(settings, migration, row), verdicts, error)


def _recorded_verdicts(instance: Any, run_id: str) -> list[Verdict]:
    import dagster as dg

    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
    evaluations = [record.event_log_entry.dagster_event.asset_check_evaluation_data for record in records]
    return [
        Verdict(
            name=evaluation.check_name,
            passed=evaluation.passed,
            serious=evaluation.severity is dg.AssetCheckSeverity.ERROR,
            summary=evaluation.description or "",
            advice=str(evaluation.metadata[ADVICE].value) if ADVICE in evaluation.metadata else "",
        )
        for evaluation in evaluations
    ]


def _failure_in(instance: Any, run_id: str) -> str:
    records = instance.get_records_for_run(run_id).records
    return failure_of([record.event_log_entry.dagster_event for record in records])


def build_result(
    migration: AnyMigration,
    row: MigrationRow | None,
    progress: Progress | None,
    reasons: Sequence[ReasonCount],
    verdicts: list[Verdict],
    error: str | None,
) -> Result:
    """A result from what the ledger holds."""
    counts = {name: getattr(progress, name) for name in COUNTS} if progress is not None else {}
    return Result(
        domain=migration.name,
        migration_id=row.migration_id if row is not None else None,
        status=str(row.status) if row is not None else "NOT_STARTED",
        seconds=(row.when_ended - row.when_started).total_seconds() if row is not None and row.when_ended else 0.0,
        counts=counts,
        reasons=reasons,
        verdicts=verdicts,
        error=error,
    )


def failure_of(events: Sequence[Any]) -> str:
    """The error of the first step that failed, without what Dagster wraps around it, in its own words."""
    for event in events:
        error = getattr(getattr(event, "event_specific_data", None), "error", None)
        if error is None:
            continue
        while error.cause is not None and (error.cls_name or "").startswith("Dagster"):
            error = error.cause
        if error.cls_name == "DagsterExecutionInterruptedError":
            break
        kind, _, words = error.message.strip().partition(": ")
        return f"{event.step_key or 'start'}: {words or kind}".replace("\n", "; ")
    return "the run was cancelled"


async def _verdicts(settings: Settings, migration: AnyMigration, row: MigrationRow) -> list[Verdict]:
    from nomis_pipelines.migration.checks import NAMES, Scope, judge
    from nomis_pipelines.platform import Platform

    async with Platform.open(settings) as platform:
        scope = Scope(migration_id=row.migration_id)
        return [await judge(migration, platform, name, scope) for name in NAMES]


def _reasons(settings: Settings, migration: AnyMigration, row: MigrationRow | None) -> Sequence[ReasonCount]:
    if row is None:
        return []
    with LedgerReader(settings.database_url) as reader:
        return reader.counts_by_reason(migration.name, migration_id=row.migration_id)


@contextmanager
def _instance(settings: Settings) -> Generator[Any]:
    import dagster as dg

    if settings.environment.get("DAGSTER_HOME"):
        with dg.DagsterInstance.get() as instance:
            yield instance
    else:
        with dg.DagsterInstance.ephemeral() as instance:
            yield instance


@dataclass(frozen=True)
class _Watch:
    """Finds the progress of the migration that was started after `earlier`."""

    reader: LedgerReader
    migration: AnyMigration
    earlier: MigrationRow | None

    def __call__(self) -> Progress | None:
        newest = self.reader.latest(self.migration.migration_type)
        if newest is None or (self.earlier is not None and newest.migration_id <= self.earlier.migration_id):
            return None
        return self.reader.progress(newest.migration_id)


def show(result: Result) -> None:
    """The table at the end, on standard error, so that standard output stays for `--json`."""
    from nomis_pipelines.cli.tables import result_table

    result_table(result)
