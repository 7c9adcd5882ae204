"""A consumer of the queue that tells of incidents, at the HTTP edge. Every call is tried once."""

from collections.abc import AsyncIterator

import pytest
import respx

from nomis_pipelines.domains.incidents.synchronisation import IncidentsSynchronisation
from nomis_pipelines_tests.domains.events import Consumer, consumer


@pytest.fixture
async def incidents(ledger_url: str) -> AsyncIterator[Consumer]:
    """The consumer of the queue of incidents."""
    with respx.mock:
        async with consumer(ledger_url, IncidentsSynchronisation, NOMIS_PIPELINES_HTTP_ATTEMPTS="1") as made:
            yield made
