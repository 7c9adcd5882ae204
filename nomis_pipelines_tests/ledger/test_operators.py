"""What operators do: list, count, adopt, write again, dismiss, resolve. Reader and ledger give the same answers."""

from collections.abc import Iterator

import pytest

from nomis_pipelines.ledger import ClaimOutcome, Ledger, LedgerError, LedgerReader, ReasonCount, State
from nomis_pipelines_tests.ledger.conftest import OpenLedger, die, key

pytestmark = pytest.mark.server


@pytest.fixture
def reader(ledger_url: str) -> Iterator[LedgerReader]:
    """The synchronous side."""
    with LedgerReader(ledger_url) as reader:
        yield reader


async def fill(ledger: Ledger) -> None:
    """Ten failed records in two partitions and migrations, for two reasons; one of each other kind."""
    for number in range(10):
        reason, status = ("visits-400", 400) if number % 3 else ("nomis-500", 500)
        partition = "MDI|2024-05" if number < 6 else "LEI|2024-05"
        await ledger.failed(
            key(number), reason=reason, status=status, migration_id=f"m{number % 2}", partition=partition
        )
    await ledger.rejected(key("r"), reason="no-room-mapping", details={"prison": "MDI"}, partition="MDI|2024-05")
    await ledger.claim(key("w"), partition="MDI|2024-05")
    await ledger.written(key("w"), dps_id="dw", mapping={"a": 1})
    await ledger.claim(key("m"), partition="MDI|2024-05", migration_id="m1")
    await ledger.written(key("m"), dps_id="dm", mapping={})
    await ledger.mapped(key("m"))


async def test_records_are_listed_page_by_page_in_the_order_of_their_keys(ledger: Ledger, reader: LedgerReader):
    await fill(ledger)
    first = await ledger.records("visits", states=[State.FAILED], limit=6)
    second = await ledger.records("visits", states=[State.FAILED], limit=6, after=first[-1].key)
    assert [record.nomis_key for record in first + second] == [str(number) for number in range(10)]
    assert reader.records("visits", states=[State.FAILED], limit=6, after=first[-1].key) == second
    assert await ledger.records("visits", states=[State.FAILED], after=second[-1].key) == []
    assert await ledger.records("alerts", states=list(State)) == []


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        ({"states": ["failed"], "partition": "LEI|2024-05"}, "6 7 8 9"),
        ({"states": ["failed"], "migration_id": "m1"}, "1 3 5 7 9"),
        ({"states": ["failed"], "reason": "nomis-500"}, "0 3 6 9"),
        ({"states": ["failed"], "reason": "nomis-500", "partition": "LEI|2024-05", "migration_id": "m0"}, "6"),
        ({"states": ["rejected", "mapped"]}, "m r"),
        ({"states": ["mapped"], "partition": "LEI|2024-05"}, ""),
        ({"states": []}, ""),
    ],
)
async def test_records_are_listed_by_state_partition_migration_and_reason(
    ledger: Ledger, reader: LedgerReader, options, keys
):
    await fill(ledger)
    found = await ledger.records("visits", **options)
    assert " ".join(record.nomis_key for record in found) == keys
    assert reader.records("visits", **options) == found


async def test_an_unknown_state_is_refused(ledger: Ledger):
    with pytest.raises(ValueError, match="lost"):
        await ledger.records("visits", states=["lost"])


async def test_records_are_counted_by_state_and_by_reason(ledger: Ledger, reader: LedgerReader):
    await fill(ledger)
    counts = await ledger.counts("visits")
    assert counts == {"failed": 10, "rejected": 1, "written": 1, "mapped": 1} == reader.counts("visits")
    assert await ledger.counts("visits", migration_id="m1") == {"failed": 5, "mapped": 1}
    assert await ledger.counts("visits", partition="LEI|2024-05") == {"failed": 4}
    assert await ledger.counts("alerts") == {}
    reasons = await ledger.counts_by_reason("visits")
    assert reasons == reader.counts_by_reason("visits")
    assert reasons == [
        ReasonCount(State.FAILED, "visits-400", 400, 6),
        ReasonCount(State.FAILED, "nomis-500", 500, 4),
        ReasonCount(State.REJECTED, "no-room-mapping", None, 1),
    ]
    assert await ledger.counts_by_reason("visits", migration_id="m1", partition="LEI|2024-05") == [
        ReasonCount(State.FAILED, "nomis-500", 500, 1),
        ReasonCount(State.FAILED, "visits-400", 400, 1),
    ]


async def test_dismissed_records_are_counted_no_more_until_they_are_tried_again(ledger: Ledger):
    await fill(ledger)
    assert await ledger.dismiss([key(0), key("w"), key("absent")]) == 1, "only what failed or was rejected"
    assert await ledger.dismiss_all("visits", reason="nomis-500", partition="LEI|2024-05") == 2
    assert await ledger.dismiss([]) == 0
    open_failures = await ledger.records("visits", states=[State.FAILED], include_dismissed=False)
    assert [record.nomis_key for record in open_failures] == ["1", "2", "3", "4", "5", "7", "8"]
    assert sum(found.count for found in await ledger.counts_by_reason("visits", states=[State.FAILED])) == 7
    await ledger.failed(key(0), reason="again")
    assert (await ledger.records("visits", states=[State.FAILED], include_dismissed=False))[0].nomis_key == "0"
    assert await ledger.dismiss_all("visits") == 9
    assert await ledger.counts_by_reason("visits") == []


async def test_many_records_are_looked_up_at_once(ledger: Ledger):
    await fill(ledger)
    found = await ledger.lookup("visits", ["w", "m", "3", "absent"])
    assert {name: record.state for name, record in found.items()} == {
        "w": State.WRITTEN,
        "m": State.MAPPED,
        "3": State.FAILED,
    }
    assert await ledger.lookup("visits", []) == {}


async def test_unmapped_is_what_dps_has_and_the_mapping_service_has_not(ledger: Ledger, reader: LedgerReader):
    await fill(ledger)
    (record,) = await ledger.unmapped("visits")
    assert (record.key, record.dps_id, record.mapping) == (key("w"), "dw", {"a": 1})
    assert reader.unmapped("visits") == [record]
    assert reader.record(key("w")) == record
    assert reader.record(key("absent")) is None


async def test_a_record_in_doubt_that_was_found_in_dps_is_adopted(ledger: Ledger):
    await ledger.claim(key())
    with pytest.raises(LedgerError, match="visits 1 is writing, not in_doubt"):
        await ledger.adopt(key(), dps_id="d1", mapping={})
    await ledger.in_doubt(key())
    await ledger.adopt(key(), dps_id="d1", mapping={"dpsId": "d1"})
    claim = await ledger.claim(key())
    assert (claim.outcome, claim.dps_id, claim.mapping) == (ClaimOutcome.WRITTEN, "d1", {"dpsId": "d1"})
    with pytest.raises(LedgerError, match="visits absent is not in the ledger, not in_doubt"):
        await ledger.adopt(key("absent"), dps_id="d1", mapping={})


async def test_a_record_in_doubt_is_written_again_only_when_its_process_is_dead(open_ledger: OpenLedger):
    first, operator = await open_ledger(), await open_ledger()
    await first.claim(key())
    with pytest.raises(LedgerError, match="visits 1 is writing, not in_doubt"):
        await operator.rewrite(key())
    await first.in_doubt(key())
    with pytest.raises(LedgerError, match=f"its owner {first.owner} is alive"):
        await operator.rewrite(key())
    await die(first)
    await operator.rewrite(key())
    found = await operator.record(key())
    assert found is not None
    assert (found.state, found.reason) == (State.FAILED, "rewrite-requested")
    assert (await operator.claim(key())).outcome is ClaimOutcome.GRANTED


async def test_a_resolved_duplicate_is_mapped_and_still_knows_the_surplus_record(ledger: Ledger):
    await ledger.claim(key())
    await ledger.written(key(), dps_id="surplus", mapping={})
    await ledger.duplicate(key(), dps_id="surplus", existing_dps_id="first", details={})
    await ledger.resolve_duplicate(key())
    found = await ledger.record(key())
    assert found is not None
    assert (found.state, found.dps_id, found.details) == (State.MAPPED, "first", {"surplusDpsId": "surplus"})
    with pytest.raises(LedgerError, match="visits 1 is mapped, not duplicate"):
        await ledger.resolve_duplicate(key())


async def test_what_the_mapping_service_turns_out_to_have_is_settled(ledger: Ledger):
    await ledger.failed(key(1), reason="r", status=400)
    await ledger.claim(key(2))
    await ledger.in_doubt(key(2))
    await ledger.claim(key(3))
    for number in (1, 2, 3):
        await ledger.settle(key(number), "d")
    assert await ledger.counts("visits") == {State.MAPPED: 2, State.WRITING: 1}, "never what is being written"


async def test_what_dead_processes_left_is_shown_as_in_doubt_by_domain_or_altogether(open_ledger: OpenLedger):
    dead, alive = await open_ledger(), await open_ledger()
    await dead.claim(key(1))
    await alive.claim(key(2))
    await die(dead)
    assert await alive.doubt_abandoned("alerts") == 0
    assert await alive.doubt_abandoned() == 1
    assert await alive.doubt_abandoned() == 0
    assert await alive.counts("visits") == {State.IN_DOUBT: 1, State.WRITING: 1}
