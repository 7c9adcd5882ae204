"""Whole migrations of one record at the HTTP edge, told by their events."""

from collections.abc import Iterator
from typing import Any

import respx

from nomis_pipelines.migration.run import MigrationRun
from nomis_pipelines_tests.domains.edge import EdgePlatform
from nomis_pipelines_tests.fake_services import migrate

ID = "<migration id>"
"""Stands for the id of the run."""
MINUTES = "<minutes>"
"""Stands for how long a run has lasted: the engine's matter, and by the clock on the wall."""

Events = list[tuple[str, dict[str, str]]]


async def migrated(platform: EdgePlatform, migration: Any, **filter: Any) -> tuple[MigrationRun, Events]:
    """A whole run, and its events with the placeholders for its id and length; what earlier runs told is forgotten."""
    platform.telemetry.events.clear()
    run = await migrate(platform, migration, **filter)
    events = [(name, dict(_shown(properties, run.migration_id))) for name, properties in platform.telemetry.events]
    return run, events


def _shown(properties: dict[str, str], migration_id: str) -> Iterator[tuple[str, str]]:
    for name, value in properties.items():
        if name == "durationMinutes":
            assert value.isdigit(), value
            yield name, MINUTES
        else:
            yield name, ID if value == migration_id else value


def calls_to(url: str) -> list[str]:
    """The paths of the calls that a service got, pings aside, as `POST /path`."""
    return [
        f"{call.request.method} {call.request.url.path}"
        for call in respx.calls
        if str(call.request.url).startswith(url) and call.request.url.path != "/health/ping"
    ]
