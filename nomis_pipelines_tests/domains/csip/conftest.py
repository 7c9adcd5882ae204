"""A consumer of the queue of CSIP at the HTTP edge, with every service answering."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import respx

from nomis_pipelines.domains.csip import CSIP
from nomis_pipelines_tests.domains.csip.examples import Services
from nomis_pipelines_tests.domains.events import Consumer, consumer


@dataclass
class Csip:
    """The consumer, and the services around it."""

    consumer: Consumer
    services: Services


@pytest.fixture
async def csip(ledger_url: str) -> AsyncIterator[Csip]:
    """The report of the worked examples is in NOMIS and mapped with all its parts. Every call is tried once."""
    with respx.mock:
        services = Services()
        services.listen()
        async with consumer(ledger_url, *CSIP.synchronisation, NOMIS_PIPELINES_HTTP_ATTEMPTS="1") as made:
            yield Csip(made, services)
