"""Promise: what an operator adopts is mapped as asked, or is seen to be wrong; it never passes for right unseen."""

import pytest

from nomis_pipelines.domains.sentencing_adjustments import SENTENCING_ADJUSTMENTS
from nomis_pipelines.domains.visits import VISITS
from nomis_pipelines.ledger import RecordKey, State
from nomis_pipelines.migration.declaration import MigrationContext
from nomis_pipelines.migration.doubts import Adoption, DoubtError, adopt
from nomis_pipelines.migration.engine import MigrationEngine
from nomis_pipelines_tests.fake_services import FakePlatform, FakeServices, broken, conflict, migrate

pytestmark = pytest.mark.server

MIGRATION = VISITS.migration


def key(number: int | str) -> RecordKey:
    return MIGRATION.record_key(str(number))


async def test_a_dps_record_of_another_nomis_record_is_not_taken_for_a_pair_of_ours(
    platform: FakePlatform, services: FakeServices
) -> None:
    services.order("write", 5, broken())
    run = await migrate(platform, MIGRATION)
    assert run.tally.in_doubt == 1
    others = services.mappings[6]
    assert await adopt(platform, MIGRATION, key(5), others["vsipId"]) is Adoption.TO_BE_MAPPED
    services.order("record", 5, conflict(others, {"nomisId": 5, "vsipId": others["vsipId"]}))
    tally = await MigrationEngine(platform).retry_mappings(MIGRATION)
    assert (tally.migrated, tally.duplicates) == (0, 1)
    record = await platform.ledger.record(key(5))
    assert record is not None
    assert record.state is State.DUPLICATE


async def test_the_adopted_record_is_mapped_under_the_migration_that_wrote_it(
    platform: FakePlatform, services: FakeServices
) -> None:
    services.order("write", 5, broken())
    run = await migrate(platform, MIGRATION)
    await adopt(platform, MIGRATION, key(5), "found-in-dps")
    tally = await MigrationEngine(platform).retry_mappings(MIGRATION)
    assert tally.migrated == 1
    assert services.mappings[5]["vsipId"] == "found-in-dps"
    assert services.mappings[5]["label"] == run.migration_id
    assert services.copies(5) == 0


async def test_a_key_that_is_no_id_of_the_domain_is_refused(platform: FakePlatform) -> None:
    await platform.ledger.claim(key("five"))
    await platform.ledger.in_doubt(key("five"))
    with pytest.raises(DoubtError, match="five is not an id of visits"):
        await adopt(platform, MIGRATION, key("five"), "x")


async def test_what_an_event_made_is_mapped_as_an_event_maps(platform: FakePlatform) -> None:
    context = MigrationContext(
        clients=platform.clients, telemetry=platform.telemetry, migration_id="", today=platform.today()
    )
    adjustments = SENTENCING_ADJUSTMENTS.migration(context)
    assert adjustments.mapping_of_created(adjustments.parse_key("SENTENCE/5"), "dps") == {
        "nomisAdjustmentId": 5,
        "nomisAdjustmentCategory": "SENTENCE",
        "adjustmentId": "dps",
        "mappingType": "NOMIS_CREATED",
    }
