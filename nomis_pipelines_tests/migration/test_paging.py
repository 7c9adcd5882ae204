"""Promise: every id that NOMIS lists is read, whatever the numbers, and pages that are too small are noticed."""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, strategies as st

from nomis_pipelines.domains.visits import VISITS
from nomis_pipelines.http import ServiceClient, Unavailable
from nomis_pipelines.migration.engine import MigrationEngine
from nomis_pipelines.migration.ids import ByPageNumber, IdPage, PageSizeRefused
from nomis_pipelines_tests.fake_services import FakePlatform, FakeServices, error, migrate


@dataclass
class Listing:
    """An ids endpoint over a list, which may grow while it is read."""

    ids: list[int]
    largest: int = 100_000
    asked: int = 0

    async def fetch(self, client: ServiceClient, query: Any, page: int, size: int) -> IdPage[int]:
        self.asked += 1
        size = min(size, self.largest)
        return IdPage(ids=self.ids[page * size : (page + 1) * size], total=len(self.ids), size=size)


NOMIS: Any = None


async def read_all(listing: Listing, size: int, *, late: list[int]) -> list[int]:
    source = ByPageNumber(listing.fetch)
    pages = source.plan("2026-03-10T10:00:00", await source.count(NOMIS, {}), size)
    listing.ids += late
    return [id for page in pages for id in await source.read(NOMIS, {}, page)]


@given(count=st.integers(0, 60), late=st.integers(0, 25), size=st.integers(2, 12))
async def test_every_id_is_read_once_also_those_that_appear_after_the_count(count: int, late: int, size: int) -> None:
    found = await read_all(Listing(list(range(count))), size, late=list(range(count, count + late)))
    # with nothing at the start there is no page: the next run finds what came
    assert found == list(range(count + late if count else 0))


@given(count=st.integers(0, 100), size=st.integers(2, 20))
def test_pages_are_planned_like_the_contract_counts_them(count: int, size: int) -> None:
    pages = ByPageNumber(Listing([]).fetch).plan("2026-03-10T10:00:00", count, size)
    assert [page.number for page in pages] == [n // size for n in range(1, count + 1, size)]
    assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True] * bool(pages)
    assert len({page.label for page in pages}) == len(pages)


async def test_smaller_pages_than_asked_for_are_refused_with_the_setting_to_change() -> None:
    with pytest.raises(PageSizeRefused, match="NOMIS_PIPELINES_PAGE_SIZE to 5 or less"):
        await read_all(Listing(list(range(20)), largest=5), 8, late=[])


@pytest.mark.server
async def test_a_run_whose_pages_are_cut_short_writes_nothing(platform: FakePlatform, services: FakeServices) -> None:
    services.largest_page = 3
    with pytest.raises(PageSizeRefused):
        await migrate(platform, VISITS.migration)
    assert services.written == []


@pytest.mark.server
async def test_visits_made_during_the_run_are_migrated_with_the_last_page(
    platform: FakePlatform, services: FakeServices
) -> None:
    engine = MigrationEngine(platform)
    filter = VISITS.migration.filter.model_validate({})
    run = await engine.start(VISITS.migration, filter=filter, partition=None, run_id=None, who="TESTER")
    services.add(*range(10, 16))
    for spec in run.pages():
        await run.record_page(await run.write_page(await run.transform_page(await run.read_page(spec))))
    assert (run.estimated, run.tally.migrated, run.tally.listed) == (9, 15, 15)


@pytest.mark.server
async def test_a_page_that_cannot_be_listed_ends_the_run(platform: FakePlatform, services: FakeServices) -> None:
    services.order("ids", 0, error(500), always=True)
    with pytest.raises(Unavailable, match="nomis GET /visits/ids answered 500"):
        await migrate(platform, VISITS.migration)


@pytest.mark.server
async def test_a_page_that_cannot_be_listed_for_a_moment_is_asked_for_again(
    platform: FakePlatform, services: FakeServices
) -> None:
    services.order("ids", 0, error(503))
    assert (await migrate(platform, VISITS.migration)).tally.migrated == 9


@pytest.mark.server
async def test_nothing_to_migrate_is_a_completed_migration_of_nothing(
    platform: FakePlatform, services: FakeServices
) -> None:
    services.visits.clear()
    run = await migrate(platform, VISITS.migration)
    row = await platform.ledger.migration(run.migration_id)
    assert row is not None
    assert (row.status, row.estimated_record_count, row.records_migrated) == ("COMPLETED", 0, 0)
