"""Fixtures of the engine's tests: services in memory, and a platform over them with a real ledger."""

from collections.abc import AsyncIterator

import pytest

from nomis_pipelines_tests.fake_services import FakePlatform, FakeServices, platform_on


@pytest.fixture
def services() -> FakeServices:
    """Nine visits in NOMIS, none of them mapped."""
    made = FakeServices()
    made.add(*range(1, 10))
    return made


@pytest.fixture
async def platform(services: FakeServices, ledger_url: str) -> AsyncIterator[FakePlatform]:
    """Pages of four, one attempt a call, little patience."""
    changes = {"NOMIS_PIPELINES_HTTP_ATTEMPTS": "1", "NOMIS_PIPELINES_BREAKER_SECONDS": "0.2"}
    async with platform_on(services, ledger_url, NOMIS_PIPELINES_PAGE_SIZE="4", **changes) as made:
        yield made
