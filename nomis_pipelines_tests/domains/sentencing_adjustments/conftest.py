"""Consumers of the two queues that tell of adjustments, at the HTTP edge."""

from collections.abc import AsyncIterator

import pytest
import respx

from nomis_pipelines.domains.sentencing_adjustments.synchronisation import (
    AdjustmentsResynchronisation,
    AdjustmentsSynchronisation,
)
from nomis_pipelines_tests.domains.events import Consumer, consumer


@pytest.fixture
async def adjustments(ledger_url: str) -> AsyncIterator[Consumer]:
    """The consumer of the queue of adjustments."""
    with respx.mock:
        async with consumer(ledger_url, AdjustmentsSynchronisation) as made:
            yield made


@pytest.fixture
async def court(ledger_url: str) -> AsyncIterator[Consumer]:
    """The consumer of the queue of court sentencing."""
    with respx.mock:
        async with consumer(ledger_url, AdjustmentsResynchronisation) as made:
            yield made
