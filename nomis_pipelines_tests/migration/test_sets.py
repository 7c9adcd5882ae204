"""Promise: a domain may write a set of DPS records under one NOMIS id, an empty one too, and may pass records over."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from nomis_pipelines.domains.visits import VISITS
from nomis_pipelines.http import WireRequest, WireResponse
from nomis_pipelines.ledger import State
from nomis_pipelines.migration.declaration import Ignored, Written
from nomis_pipelines.migration.reconcile import Reconciler
from nomis_pipelines.migration.reconciliation import Scope, Standing
from nomis_pipelines_tests.fake_services import FakePlatform, FakeServices, conflict, migrate, number_of

pytestmark = pytest.mark.server

MIGRATION = VISITS.migration
EMPTY = 4


class Sets(MIGRATION):
    """Visits, each written as a set named by its number; number four is an empty one."""

    async def write(self, request: Any) -> Written:
        reference = await super().write(request)
        number = number_of(request.prisoner_id)
        if number == EMPTY:
            return Written(dps_id="", mapping={"nomisId": number, "members": []})
        mapping = {"nomisId": number, "vsipId": reference, "mappingType": "MIGRATED", "members": [reference]}
        return Written(dps_id=f"set-{number}", mapping=mapping)

    async def find_mapping(self, id: int) -> str | None:
        return None if await super().find_mapping(id) is None else f"set-{id}"

    async def post_mapping(self, mapping: Mapping[str, Any]) -> None:
        if mapping["members"]:
            await super().post_mapping({name: value for name, value in mapping.items() if name != "members"})

    def maps_nothing(self, request: Any) -> bool:
        return number_of(request.prisoner_id) == EMPTY

    def is_own_pair(self, mapping: Mapping[str, Any], existing: Mapping[str, Any]) -> bool:
        return existing["vsipId"] in mapping["members"]


async def test_the_mapping_is_the_one_that_the_write_made(platform: FakePlatform, services: FakeServices) -> None:
    run = await migrate(platform, Sets)
    assert run.tally.migrated == 9
    assert services.mappings[5]["vsipId"] in {reference for reference, _ in services.written}
    record = await platform.ledger.record(MIGRATION.record_key("5"))
    assert record is not None
    assert (record.state, record.dps_id) == (State.MAPPED, "set-5")


async def test_an_empty_set_is_not_written_again(platform: FakePlatform, services: FakeServices) -> None:
    await migrate(platform, Sets)
    again = await migrate(platform, Sets)
    assert (again.tally.skipped, again.tally.migrated) == (9, 0)
    assert services.copies(EMPTY) == 1


async def test_an_empty_set_stands_as_mapped_in_a_reconciliation(
    platform: FakePlatform, services: FakeServices
) -> None:
    await migrate(platform, Sets)
    found = await Reconciler(platform, Sets).run(Scope(from_month="2026-03", to_month="2026-03"))
    assert found.totals()[Standing.MAPPED] == 9


async def test_a_409_that_shows_a_member_of_the_set_is_our_own_pair(
    platform: FakePlatform, services: FakeServices
) -> None:
    async def ours(world: FakeServices, request: WireRequest) -> WireResponse:
        return conflict({"nomisId": 5, "vsipId": json.loads(request.body or b"{}")["vsipId"]})

    services.order("record", 5, ours)
    services.order("record", 6, conflict({"nomisId": 6, "vsipId": "another"}))
    run = await migrate(platform, Sets)
    assert (run.tally.migrated, run.tally.duplicates) == (8, 1)
    record = await platform.ledger.record(MIGRATION.record_key("6"))
    assert record is not None
    assert (record.dps_id, record.existing_dps_id) == ("set-6", "another")


async def test_a_record_that_is_passed_over_is_done_and_explained(
    platform: FakePlatform, services: FakeServices
) -> None:
    class Choosy(MIGRATION):
        """Visits, but for number two."""

        async def read(self, id: int) -> Any:
            if id == 2:
                raise Ignored("not-wanted", prison="ZZG")
            return await super().read(id)

    run = await migrate(platform, Choosy)
    assert (run.tally.migrated, run.tally.skipped, run.tally.rejected) == (8, 1, 0)
    assert not run.tally.reasons
    record = await platform.ledger.record(MIGRATION.record_key("2"))
    assert record is not None
    assert (record.state, record.reason, record.dismissed) == (State.REJECTED, "not-wanted", True)
    found = await Reconciler(platform, Choosy).run(Scope(from_month="2026-03", to_month="2026-03"))
    assert found.totals()[Standing.DISMISSED] == 1
    again = await migrate(platform, Choosy)
    assert (again.tally.skipped, again.tally.processed) == (9, 9)
