"""Group commit: order is kept, neighbours do not suffer, nobody waits for ever, nothing queued is lost at the end."""

import asyncio
import gc

import pytest

from nomis_pipelines.ledger import ClaimOutcome, Ledger, LedgerError, LedgerReader, RecordKey, State
from nomis_pipelines_tests.ledger.conftest import OpenLedger, key

pytestmark = pytest.mark.server


async def test_operations_that_wait_together_share_commits(open_ledger: OpenLedger):
    ledger = await open_ledger(commit_milliseconds=5)
    before = ledger.commits
    await asyncio.gather(*(ledger.claim(key(number)) for number in range(500)))
    assert ledger.commits - before <= 3


async def test_a_lonely_operation_does_not_wait_longer_than_it_was_told(open_ledger: OpenLedger):
    ledger = await open_ledger(commit_milliseconds=0)
    for number in range(3):
        await ledger.claim(key(number))
    assert ledger.commits == 3


async def test_operations_on_one_record_are_made_in_the_order_of_the_calls(ledger: Ledger):
    claim, _, _, again = await asyncio.gather(
        ledger.claim(key()),
        ledger.failed(key(), reason="first", claimed=False),
        ledger.rejected(key(), reason="second", claimed=False),
        ledger.claim(key()),
    )
    assert (claim.outcome, again.outcome) == (ClaimOutcome.GRANTED, ClaimOutcome.BUSY)
    await ledger.written(key(), dps_id="d1", mapping={})
    await asyncio.gather(ledger.mapped(key()), ledger.mapped(key()), ledger.mapped(key()))
    found = await ledger.record(key())
    assert found is not None
    assert (found.state, found.version) == (State.MAPPED, 3)


async def test_two_claims_of_one_record_in_one_group_are_not_both_granted(open_ledger: OpenLedger):
    ledger = await open_ledger(commit_milliseconds=5)
    claims = await asyncio.gather(*(ledger.claim(key()) for _ in range(5)))
    assert [claim.outcome for claim in claims] == [ClaimOutcome.GRANTED, *[ClaimOutcome.BUSY] * 4]


@pytest.mark.parametrize("mapping", [{"a": object()}, {"a": float("nan")}, {"a": "\x00"}, {"a": "\ud800"}])
async def test_what_cannot_be_stored_is_refused_to_its_caller_without_being_shown(ledger: Ledger, mapping):
    await ledger.claim(key())
    with pytest.raises(LedgerError, match=r"^visits 1: ") as error:
        await ledger.written(key(), dps_id="d1", mapping=mapping)
    assert "\\x00" not in str(error.value)
    await ledger.written(key(), dps_id="d1", mapping={"a": 1})


async def test_an_operation_that_postgresql_refuses_does_not_spoil_its_group(open_ledger: OpenLedger):
    ledger = await open_ledger(commit_milliseconds=5)
    work = [ledger.failed(key(number), reason="r", status=2**40 if number == 3 else 400) for number in range(10)]
    answers = await asyncio.gather(*work, return_exceptions=True)
    assert [answer for answer in answers if answer is True] == [True] * 9
    assert isinstance(answers[3], LedgerError)
    assert str(answers[3]).endswith("refused visits 3 (NumericValueOutOfRange, SQLSTATE 22003)")
    assert await ledger.counts("visits") == {State.FAILED: 9}


async def test_a_claim_cancelled_while_it_waits_is_never_made(open_ledger: OpenLedger):
    ledger = await open_ledger(commit_milliseconds=50)
    claim = asyncio.create_task(ledger.claim(key()))
    await asyncio.sleep(0)
    claim.cancel()
    await asyncio.gather(claim, return_exceptions=True)
    await ledger.claim(key(2))
    assert await ledger.record(key()) is None


async def test_a_claim_cancelled_while_it_is_committed_is_released(ledger: Ledger, monkeypatch: pytest.MonkeyPatch):
    from nomis_pipelines.ledger import group

    apply = group.apply
    claim: asyncio.Task[object]

    async def cancelled_meanwhile(*arguments):
        results = await apply(*arguments)
        claim.cancel()
        await asyncio.sleep(0)
        return results

    monkeypatch.setattr(group, "apply", cancelled_meanwhile)
    claim = asyncio.create_task(ledger.claim(key()))
    await asyncio.gather(claim, return_exceptions=True)
    monkeypatch.setattr(group, "apply", apply)
    assert (await ledger.claim(key())).outcome is ClaimOutcome.GRANTED


async def test_an_answer_of_dps_is_recorded_though_its_caller_was_cancelled(open_ledger: OpenLedger):
    ledger = await open_ledger(commit_milliseconds=20)
    await ledger.claim(key())
    written = asyncio.create_task(ledger.written(key(), dps_id="d1", mapping={}))
    await asyncio.sleep(0)
    written.cancel()
    await asyncio.gather(written, return_exceptions=True)
    await ledger.claim(key(2))
    found = await ledger.record(key())
    assert found is not None
    assert found.state is State.WRITTEN


async def test_closing_makes_durable_what_is_queued(ledger_url: str):
    ledger = await Ledger.open(ledger_url, commit_milliseconds=1000)
    work = [asyncio.create_task(ledger.failed(key(number), reason="r")) for number in range(20)]
    await asyncio.sleep(0)
    await ledger.aclose()
    assert await asyncio.gather(*work) == [True] * 20
    with LedgerReader(ledger_url) as reader:
        assert reader.counts("visits") == {State.FAILED: 20}


async def test_a_closed_ledger_says_so(ledger_url: str):
    ledger = await Ledger.open(ledger_url)
    await ledger.aclose()
    with pytest.raises(LedgerError, match="closed"):
        await ledger.claim(key())
    gc.collect()  # a future nobody awaits would show here


async def test_entities_of_one_domain_do_not_share_keys(ledger: Ledger):
    slot, visit = RecordKey("visits", "slot", "1"), RecordKey("visits", "visit", "1")
    assert (await ledger.claim(slot)).outcome is ClaimOutcome.GRANTED
    assert (await ledger.claim(visit)).outcome is ClaimOutcome.GRANTED
    assert await ledger.counts("visits") == {State.WRITING: 2}
