"""A consumer of the queue of court sentencing at the HTTP edge, with every service answering."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import respx

from nomis_pipelines.domains.court_sentencing import COURT_SENTENCING
from nomis_pipelines_tests.domains.court_sentencing.examples import Services
from nomis_pipelines_tests.domains.events import Consumer, consumer


@dataclass
class Court:
    """The consumer, and the services around it."""

    consumer: Consumer
    services: Services


@pytest.fixture
async def court(ledger_url: str) -> AsyncIterator[Court]:
    """Everything of the worked examples is in NOMIS and mapped; today is the card's processing day."""
    with respx.mock:
        services = Services()
        services.listen()
        environment = {
            "NOMIS_PIPELINES_TODAY": "2025-03-14",
            "NOMIS_PIPELINES_HTTP_ATTEMPTS": "1",
            "COURTSENTENCING_MAPPING_RETRY_DELAY_MILLISECONDS": "0",
        }
        async with consumer(ledger_url, *COURT_SENTENCING.synchronisation, **environment) as made:
            yield Court(made, services)
