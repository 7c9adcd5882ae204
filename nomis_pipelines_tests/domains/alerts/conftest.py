"""A consumer of the queue of alerts, at the HTTP edge."""

from collections.abc import AsyncIterator

import pytest
import respx

from nomis_pipelines.domains.alerts.synchronisation import AlertsSynchronisation
from nomis_pipelines_tests.domains.events import Consumer, consumer


@pytest.fixture
async def alerts(ledger_url: str) -> AsyncIterator[Consumer]:
    """The consumer; respx listens."""
    with respx.mock:
        async with consumer(ledger_url, AlertsSynchronisation) as made:
            yield made
