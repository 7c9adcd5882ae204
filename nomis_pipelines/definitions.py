"""What Dagster loads: every domain as assets, checks, jobs and sensors. This module assembles; it does not work."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from nomis_pipelines.domains import DOMAINS
from nomis_pipelines.domains.declaration import Domain
from nomis_pipelines.migration.assets import PAGE_IO_MANAGER, build_migration, retry_mappings_job
from nomis_pipelines.migration.grid import prisons_sensor
from nomis_pipelines.resources import MigrationEngineResource, forgetting_io_manager


def build_definitions(domains: Sequence[Domain] = DOMAINS) -> dg.Definitions:
    """The code location for `domains`."""
    migrations = [build_migration(domain.migration) for domain in domains]
    jobs: list[Any] = [job for built in migrations for job in built.jobs]
    resources: dict[str, Any] = {"migrations": MigrationEngineResource(), PAGE_IO_MANAGER: forgetting_io_manager}
    return dg.Definitions(
        assets=[built.asset for built in migrations],
        asset_checks=[check for built in migrations for check in built.checks],
        jobs=[*jobs, retry_mappings_job([domain.migration for domain in domains])],
        sensors=[prisons_sensor()],
        resources=resources,
        # here, not on the jobs: a backfill started in the UI runs in Dagster's own job
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions of all domains."""
    return build_definitions()
