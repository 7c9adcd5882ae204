"""The asset checks of a migration: Dagster's wrapper around the rules in `verdicts`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import dagster as dg

from nomis_pipelines.ledger import Record, State
from nomis_pipelines.markdown import as_markdown
from nomis_pipelines.migration import verdicts
from nomis_pipelines.migration.declaration import Migration
from nomis_pipelines.migration.engine import MigrationEngine
from nomis_pipelines.migration.filters import filter_query
from nomis_pipelines.migration.verdicts import Verdict
from nomis_pipelines.platform import Platform

AnyMigration = type[Migration[Any, Any, Any]]

LISTINGS = {
    "no_duplicates": (verdicts.no_duplicates, (State.DUPLICATE,)),
    "no_failures": (verdicts.no_failures, (State.FAILED,)),
    "nothing_in_doubt": (verdicts.nothing_in_doubt, (State.IN_DOUBT,)),
    "everything_mapped": (verdicts.everything_mapped, (State.WRITTEN,)),
}
NAMES = (*LISTINGS, "complete")
COUNTERS = {
    "no_duplicates": "duplicates",
    "no_failures": "failed",
    "nothing_in_doubt": "in_doubt",
    "everything_mapped": "unmapped",
}
"""The counter of a migration that a listing is about."""


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What a verdict is about: a partition, a migration, or with neither the whole domain."""

    partition: str | None = None
    migration_id: str | None = None


class _Where(TypedDict):
    partition: str | None
    migration_id: str | None


async def judge(migration: AnyMigration, platform: Platform, name: str, scope: Scope) -> Verdict:
    """One check's verdict."""
    if name not in LISTINGS:
        return await _complete(migration, platform, scope)
    rule, states = LISTINGS[name]
    count, sample = await _listed(migration, platform, states, scope)
    if scope.migration_id is not None:
        # a record in doubt or without its mapping belongs to the migration that wrote it, though this one met it again
        progress = await platform.ledger.progress(scope.migration_id)
        met = getattr(progress, COUNTERS[name]) if progress is not None else 0
        if met > count:
            count, (_, sample) = met, await _listed(migration, platform, states, Scope())
    return rule(migration.name, count, sample)


async def _listed(
    migration: AnyMigration, platform: Platform, states: Sequence[State], scope: Scope
) -> tuple[int, Sequence[Record]]:
    """How many records are in one of `states`, and the first of them."""
    where: _Where = {"partition": scope.partition, "migration_id": scope.migration_id}
    by_reason = await platform.ledger.counts_by_reason(migration.name, states=states, **where)
    sample = await platform.ledger.records(
        migration.name, states=states, include_dismissed=False, limit=verdicts.SAMPLE, **where
    )
    return sum(found.count for found in by_reason), sample


async def _complete(migration: AnyMigration, platform: Platform, scope: Scope) -> Verdict:
    ledger = platform.ledger
    if scope.migration_id is not None:
        progress = await ledger.progress(scope.migration_id)
    else:
        progress = await ledger.latest_progress(migration.name, partition=scope.partition)
    row = await ledger.migration(progress.migration_id) if progress is not None else None
    if progress is None or row is None:
        return Verdict(name="complete", passed=False, summary="never migrated", advice="migrate it", serious=False)
    filter = migration.filter.model_validate_json(row.filter or "{}")
    in_nomis = await migration.ids.count(platform.clients.client("nomis"), filter_query(filter))
    mapped = progress.migrated + progress.skipped + progress.duplicates
    return verdicts.complete(migration.name, in_nomis, mapped, progress.rejected)


def build_checks(migration: AnyMigration, asset: dg.AssetsDefinition) -> Sequence[dg.AssetChecksDefinition]:
    """The five checks of `asset`, each about the partition that its run migrates, else about the whole domain."""
    return [_check(migration, asset, name) for name in NAMES]


def _check(migration: AnyMigration, asset: dg.AssetsDefinition, name: str) -> dg.AssetChecksDefinition:
    description = {
        "no_duplicates": "No record has a surplus DPS record.",
        "no_failures": "No record failed.",
        "nothing_in_doubt": "No record may or may not have reached DPS.",
        "everything_mapped": "Every record that was written has its mapping recorded.",
        "complete": "NOMIS's count equals what is mapped.",
    }[name]

    @dg.asset_check(asset=asset, name=name, description=description)  # pyright: ignore[reportArgumentType]  # async is allowed
    async def check(
        context: dg.AssetCheckExecutionContext, migrations: dg.ResourceParam[MigrationEngine]
    ) -> dg.AssetCheckResult:
        scope = Scope(partition=str(context.partition_key) if context.has_partition_key else None)
        return as_check_result(await judge(migration, migrations.platform, name, scope))

    return check


def as_check_result(verdict: Verdict) -> dg.AssetCheckResult:
    """A verdict with its sample as a table."""
    metadata: dict[str, Any] = {"count": dg.MetadataValue.int(verdict.count)}
    if verdict.advice:
        metadata[verdicts.ADVICE] = dg.MetadataValue.text(verdict.advice)
    if verdict.rows:
        metadata["records"] = dg.MetadataValue.md(as_markdown(verdict.rows))
    return dg.AssetCheckResult(
        passed=verdict.passed,
        severity=dg.AssetCheckSeverity.ERROR if verdict.serious else dg.AssetCheckSeverity.WARN,
        description=verdict.summary,
        metadata=metadata,
    )
