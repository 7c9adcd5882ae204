"""What Dagster loads: every domain as assets, checks, jobs and sensors. This module assembles; it does not work."""

import asyncio
from collections.abc import Sequence
from typing import Any

import dagster as dg
import uvloop

from nomis_pipelines.alerting import build_alerting
from nomis_pipelines.domains import DOMAINS, consumers_of
from nomis_pipelines.domains.declaration import Domain
from nomis_pipelines.maintenance import build_jobs, build_schedules
from nomis_pipelines.migration.action_jobs import build_action
from nomis_pipelines.migration.assets import PAGE_IO_MANAGER, asset_key, build_migration
from nomis_pipelines.migration.grid import prisons_sensor
from nomis_pipelines.migration.reconcile_job import build_reconciliation, nightly
from nomis_pipelines.resources import MigrationEngineResource, PlatformResource, forgetting_io_manager
from nomis_pipelines.synchronisation.jobs import build_synchronisation


def build_definitions(domains: Sequence[Domain] = DOMAINS) -> dg.Definitions:
    """The code location for `domains`."""
    migrations = [build_migration(domain.migration) for domain in domains]
    synchronisations = [
        build_synchronisation(domain.name, consumers_of(domain, domains), domain.repairs, asset_key(domain.migration))
        for domain in domains
    ]
    jobs: list[Any] = [job for built in (*migrations, *synchronisations) for job in built.jobs]
    reconciliations = [build_reconciliation(domain.migration, asset_key(domain.migration)) for domain in domains]
    alerting = build_alerting(domains)
    jobs += [build_action(domain.name, action) for domain in domains for action in domain.actions]
    jobs += [*build_jobs(domains), *reconciliations, *alerting.jobs]
    resources: dict[str, Any] = {
        "migrations": MigrationEngineResource(),
        "platform": PlatformResource(),
        PAGE_IO_MANAGER: forgetting_io_manager,
    }
    return dg.Definitions(
        assets=[built.asset for built in migrations],
        asset_checks=[check for built in migrations for check in built.checks],
        jobs=jobs,
        sensors=[
            prisons_sensor(),
            *alerting.sensors,
            *(sensor for built in synchronisations for sensor in built.sensors),
        ],
        schedules=[
            *build_schedules(domains, jobs),
            *(nightly(domain.migration, job) for domain, job in zip(domains, reconciliations, strict=True)),
        ],
        resources=resources,
        # here, not on the jobs: a backfill started in the UI runs in Dagster's own job
        executor=dg.in_process_executor,
    )


# Dagster makes the loop of a run itself, by the policy in force
asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # pyright: ignore[reportDeprecated]


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions of all domains."""
    return build_definitions()
