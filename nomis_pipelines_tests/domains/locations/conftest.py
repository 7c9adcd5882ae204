"""A consumer of the queue that tells of locations, and a migration, both at the HTTP edge."""

from collections.abc import AsyncIterator
from datetime import date

import pytest
import respx

from nomis_pipelines.domains.locations.migration import LocationsMigration
from nomis_pipelines.domains.locations.synchronisation import LocationsSynchronisation
from nomis_pipelines.migration.declaration import MigrationContext
from nomis_pipelines_tests import world
from nomis_pipelines_tests.domains.events import Consumer, consumer
from nomis_pipelines_tests.domains.locations.examples import MIGRATION_ID
from nomis_pipelines_tests.recording import RecordingTelemetry


@pytest.fixture
async def locations(ledger_url: str) -> AsyncIterator[Consumer]:
    """The consumer of the queue of locations."""
    with respx.mock:
        async with consumer(ledger_url, LocationsSynchronisation) as made:
            yield made


@pytest.fixture
def telemetry() -> RecordingTelemetry:
    """What the migration tells."""
    return RecordingTelemetry()


@pytest.fixture
async def migration(telemetry: RecordingTelemetry) -> AsyncIterator[LocationsMigration]:
    """A migration without an engine around it."""
    clients = world.clients()
    with respx.mock:
        respx.post(f"{world.AUTH}/oauth/token").respond(json={"access_token": "t", "expires_in": 600})
        yield LocationsMigration(
            MigrationContext(clients=clients, telemetry=telemetry, migration_id=MIGRATION_ID, today=date(2025, 2, 3))
        )
    await clients.aclose()
