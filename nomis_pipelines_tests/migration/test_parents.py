"""Promise: no record is written before its parent, one run brings a whole tree over, and what cannot come says why."""

from collections.abc import Mapping
from typing import Any

import pytest

from nomis_pipelines.domains.visits import VISITS
from nomis_pipelines.ledger import State
from nomis_pipelines.migration.declaration import AwaitsParent, DeclarationError, Migration
from nomis_pipelines.migration.engine import MigrationEngine
from nomis_pipelines.migration.tally import Tally
from nomis_pipelines.migration.waiting import Waiting
from nomis_pipelines_tests.fake_services import FakePlatform, FakeServices, error, migrate, number_of

MIGRATION = VISITS.migration


def family(parents: Mapping[int, int]) -> type[Migration[Any, Any, Any]]:
    """A migration of visits in which some come after others: child to parent."""

    class Family(MIGRATION):
        """Visits with parents."""

        orders_by_parent = True

        async def read(self, id: int) -> Any:
            record = await super().read(id)
            parent = parents.get(id)
            if parent is not None and await self.find_mapping(parent) is None:
                raise AwaitsParent(str(parent), f"visit {parent} not yet migrated for visit {id}")
            return record

        async def exists(self, id: int) -> bool:
            return id < 100

    return Family


def order(services: FakeServices) -> list[int]:
    return [number_of(body["prisonerId"]) for _, body in services.written]


async def ledger_of(platform: FakePlatform, number: int) -> tuple[str, str | None, dict[str, Any] | None]:
    record = await platform.ledger.record(MIGRATION.record_key(str(number)))
    assert record is not None
    return record.state, record.reason, record.details


@pytest.mark.server
async def test_a_chain_against_the_order_of_ids_goes_over_in_one_run(
    platform: FakePlatform, services: FakeServices
) -> None:
    parents = {number: number + 1 for number in range(1, 9)}
    run = await migrate(platform, family(parents))
    assert (run.tally.migrated, run.tally.processed, run.tally.listed) == (9, 9, 9)
    assert order(services) == [9, 8, 7, 6, 5, 4, 3, 2, 1]


@pytest.mark.server
async def test_each_record_is_read_at_most_twice(platform: FakePlatform, services: FakeServices) -> None:
    await migrate(platform, family({number: number + 1 for number in range(1, 9)}))
    assert [services.called("read", number) for number in range(1, 10)] == [2] * 8 + [1]


@pytest.mark.server
async def test_a_parent_that_nomis_does_not_have_rejects_its_children(
    platform: FakePlatform, services: FakeServices
) -> None:
    run = await migrate(platform, family({4: 400, 5: 4}))
    assert await ledger_of(platform, 4) == (State.REJECTED, "parent-missing", {"parent": "400"})
    assert await ledger_of(platform, 5) == (
        State.FAILED,
        "parent-not-migrated",
        {"parent": "4", "problem": "visit 4 not yet migrated for visit 5"},
    )
    assert (run.tally.migrated, run.tally.rejected, run.tally.failed) == (7, 1, 1)


@pytest.mark.server
async def test_a_circle_is_rejected_with_its_ids_and_what_hangs_on_it_fails(
    platform: FakePlatform, services: FakeServices
) -> None:
    run = await migrate(platform, family({3: 7, 7: 5, 5: 3, 9: 3}))
    for number, parent in ((3, 7), (7, 5), (5, 3)):
        details = {"parent": str(parent), "cycle": "3, 7, 5"}
        assert await ledger_of(platform, number) == (State.REJECTED, "parent-cycle", details)
    assert (await ledger_of(platform, 9))[:2] == (State.FAILED, "parent-not-migrated")
    assert run.tally == Tally(
        listed=9, migrated=5, rejected=3, failed=1, reasons={"parent-cycle": 3, "parent-not-migrated": 1}
    )


@pytest.mark.server
async def test_a_family_whose_parent_failed_comes_over_in_the_retry(
    platform: FakePlatform, services: FakeServices
) -> None:
    services.order("write", 9, error(500))
    tree = family({1: 5, 2: 5, 5: 9})
    run = await migrate(platform, tree)
    assert (run.tally.failed, run.tally.migrated) == (4, 5)
    services.written.clear()
    tally = await MigrationEngine(platform).retry_failed(tree, states=[State.FAILED])
    assert (tally.migrated, tally.failed) == (4, 0)
    assert order(services)[:2] == [9, 5]


@pytest.mark.server
async def test_a_parent_that_an_earlier_run_migrated_makes_nobody_wait(
    platform: FakePlatform, services: FakeServices
) -> None:
    services.mappings[8] = {"nomisId": 8, "vsipId": "from-before", "mappingType": "ONLINE"}
    run = await migrate(platform, family({1: 8, 2: 8}))
    assert (run.tally.migrated, run.tally.skipped) == (8, 1)
    assert services.called("read", 1) == 1


@pytest.mark.server
async def test_after_a_stop_nothing_that_waits_is_begun(platform: FakePlatform, services: FakeServices) -> None:
    engine = MigrationEngine(platform)
    tree = family({1: 9})
    run = await engine.start(tree, filter=tree.filter(), partition=None, run_id=None, who="TESTER")
    for spec in run.pages():
        await run.record_page(await run.write_page(await run.transform_page(await run.read_page(spec))))
    run.stop.request("enough")
    await run.write_waiting()
    assert services.copies(1) == 0
    assert await platform.ledger.record(MIGRATION.record_key("1")) is None


def test_the_declaration_must_say_whether_a_parent_exists() -> None:
    with pytest.raises(DeclarationError, match="does not say whether a parent exists"):
        type("Nameless", (MIGRATION,), {"orders_by_parent": True})


def test_a_record_that_is_its_own_parent_is_a_circle_of_one() -> None:
    waiting = Waiting()
    waiting.add("1", "1", "")
    waiting.add("2", "1", "")
    assert waiting.take_ready() == []
    rest = waiting.take_rest()
    assert (rest["1"].cycle, rest["2"].cycle) == (("1",), ())
    assert waiting.take_rest() == {}
