"""A consumer of the queue of case notes at the HTTP edge; and a small sandbox to migrate on, the one of the alerts."""

from collections.abc import AsyncIterator

import pytest
import respx

from nomis_pipelines.domains.case_notes.synchronisation import CaseNotesSynchronisation
from nomis_pipelines_tests.domains.alerts.conftest import (
    key_file as key_file,
    platform as platform,
    services as services,
)
from nomis_pipelines_tests.domains.events import Consumer, consumer


@pytest.fixture
async def notes(ledger_url: str) -> AsyncIterator[Consumer]:
    """The consumer; respx listens."""
    with respx.mock:
        async with consumer(ledger_url, CaseNotesSynchronisation) as made:
            yield made
