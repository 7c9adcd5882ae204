"""Dagster resources: the migration engine of one run, and an IO manager that keeps nothing.

Secrets are read when a run begins, never in a resource's fields, which Dagster shows.
"""

import gc
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import dagster as dg

from nomis_pipelines.migration.engine import MigrationEngine
from nomis_pipelines.platform import Platform
from nomis_pipelines.settings import load_settings


class PlatformResource(dg.ConfigurableResource[Platform]):
    """Opens the platform on the run's event loop and closes it at the run's end."""

    @asynccontextmanager
    async def yield_for_execution(self, context: dg.InitResourceContext) -> AsyncGenerator[Platform]:  # pyright: ignore[reportIncompatibleMethodOverride]
        async with Platform.open(load_settings()) as platform:
            yield platform


class MigrationEngineResource(dg.ConfigurableResource[MigrationEngine]):
    """Opens the platform on the run's event loop, and closes it and the migration's history row at the run's end."""

    @asynccontextmanager
    async def yield_for_execution(self, context: dg.InitResourceContext) -> AsyncGenerator[MigrationEngine]:  # pyright: ignore[reportIncompatibleMethodOverride]
        # what has been imported stays: looking through it again and again for garbage would cost a tenth of the CPU
        gc.freeze()
        async with Platform.open(load_settings()) as platform:
            engine = MigrationEngine(platform)
            try:
                yield engine
            finally:
                await engine.close_left_open()


class ForgettingIOManager(dg.IOManager):
    """Hands each value to its one consumer, in memory, and forgets it.

    Personal data on its way through never touches a disk, and memory stays flat however long the run. A value is gone
    after its first reader, so ops must have no retry policy (which the migration's have not, architecture section 3).
    """

    def __init__(self) -> None:
        self._values: dict[tuple[Any, ...], Any] = {}

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        self._values[_identity(context)] = obj

    def load_input(self, context: dg.InputContext) -> Any:
        if context.upstream_output is None:
            raise dg.DagsterInvariantViolationError(f"input {context.name} has no upstream output to be loaded from")
        return self._values.pop(_identity(context.upstream_output))


def _identity(output: dg.OutputContext) -> tuple[Any, ...]:
    return (output.run_id, output.step_key, output.name, output.mapping_key)


@dg.io_manager(description="Hands each value on in memory and forgets it: no personal data on disk.")
def forgetting_io_manager() -> ForgettingIOManager:
    """A fresh `ForgettingIOManager` for each run."""
    return ForgettingIOManager()
