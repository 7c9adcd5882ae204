"""Promise: the checks of a partition, of a migration and of a domain each see what is theirs, also what an earlier
migration left behind.
"""

import pytest

from nomis_pipelines.domains.visits import VISITS
from nomis_pipelines.migration.checks import NAMES, Scope, as_check_result, judge
from nomis_pipelines_tests.fake_services import FUTURE, FakePlatform, FakeServices, broken, conflict, error, migrate

pytestmark = pytest.mark.server

MIGRATION = VISITS.migration


async def failing(platform: FakePlatform, scope: Scope) -> dict[str, int]:
    verdicts = [await judge(MIGRATION, platform, name, scope) for name in NAMES]
    return {verdict.name: verdict.count for verdict in verdicts if not verdict.passed}


def order_trouble(services: FakeServices) -> None:
    services.order("read", 1, error(500), always=True)
    services.order("write", 2, broken())
    services.order("record", 3, error(500), always=True)
    services.order("record", 4, conflict({"nomisId": 4, "vsipId": "aa"}, {"nomisId": 4, "vsipId": "bb"}))
    services.add(5, **FUTURE)


async def test_a_migration_without_trouble_passes_them_all(platform: FakePlatform) -> None:
    run = await migrate(platform, MIGRATION)
    for scope in (Scope(), Scope(migration_id=run.migration_id), Scope(partition="BXI|2026-02")):
        if scope.partition is None:
            assert await failing(platform, scope) == {}
        else:  # no run was for this partition alone
            assert await failing(platform, scope) == {"complete": 0}


async def test_each_kind_of_trouble_fails_its_own_check(platform: FakePlatform, services: FakeServices) -> None:
    order_trouble(services)
    run = await migrate(platform, MIGRATION)
    expected = {"no_duplicates": 1, "no_failures": 1, "nothing_in_doubt": 1, "everything_mapped": 1, "complete": 4}
    assert await failing(platform, Scope()) == expected
    assert await failing(platform, Scope(migration_id=run.migration_id)) == expected


async def test_a_migration_that_meets_what_an_earlier_one_left_does_not_call_it_well(
    platform: FakePlatform, services: FakeServices
) -> None:
    order_trouble(services)
    first = await migrate(platform, MIGRATION)
    services.mappings[4] = {"nomisId": 4, "vsipId": "aa", "mappingType": "MIGRATED"}
    second = await migrate(platform, MIGRATION)
    found = await failing(platform, Scope(migration_id=second.migration_id))
    assert (found["nothing_in_doubt"], found["everything_mapped"]) == (1, 1)
    verdict = await judge(MIGRATION, platform, "nothing_in_doubt", Scope(migration_id=second.migration_id))
    assert [(row["NOMIS id"], row["migration"]) for row in verdict.rows] == [("2", first.migration_id)]


async def test_rejections_alone_are_a_warning_and_not_an_error(platform: FakePlatform, services: FakeServices) -> None:
    services.add(5, **FUTURE)
    await migrate(platform, MIGRATION)
    verdict = await judge(MIGRATION, platform, "complete", Scope())
    result = as_check_result(verdict)
    assert not result.passed
    assert result.severity.value == "WARN"
    assert "how to put it right" in result.metadata
