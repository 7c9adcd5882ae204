"""PostgreSQL goes away: killed, restarted, cut off, or away for good. Nothing is lost and nothing wrongly doubted."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from nomis_pipelines.ledger import ClaimOutcome, Ledger, LedgerReader, LedgerUnavailable, State
from nomis_pipelines.ledger.schema import upgrade
from nomis_pipelines.sandbox.postgres import THROWAWAY, EmbeddedPostgres
from nomis_pipelines_tests.ledger.conftest import OpenLedger, key
from nomis_pipelines_tests.ledger.proxy import Proxy

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def mortal_server() -> Iterator[EmbeddedPostgres]:
    """A server that tests may kill."""
    folder = Path(tempfile.mkdtemp(prefix="nomis-pipelines-tests-"))
    folder.chmod(0o755)
    # synchronous commits as in production: what was answered must survive the kill
    settings = {**THROWAWAY, "synchronous_commit": "on"}
    with EmbeddedPostgres(folder / "data", settings=settings) as server:
        upgrade(server.create_database("template"))
        yield server
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def mortal_url(mortal_server: EmbeddedPostgres) -> str:
    mortal_server.start()
    return mortal_server.create_database(f"test_{uuid4().hex}", template="template")


async def migrate(ledger: Ledger, numbers: Iterator[int], sent: list[int], stop: asyncio.Event) -> None:
    """Records through all their states, noting each call to DPS that was allowed."""
    for number in numbers:
        if stop.is_set():
            return
        claim = await ledger.claim(key(number))
        assert claim.outcome is ClaimOutcome.GRANTED
        sent.append(number)
        await asyncio.sleep(0)
        await ledger.written(key(number), dps_id=f"d{number}", mapping={"dpsId": f"d{number}"})
        await ledger.mapped(key(number))


async def test_killing_and_restarting_postgresql_under_traffic_loses_nothing_and_doubts_nothing(
    mortal_server: EmbeddedPostgres, mortal_url: str
):
    first, second = await Ledger.open(mortal_url), await Ledger.open(mortal_url)
    sent: list[int] = []
    numbers, stop = iter(range(1_000_000)), asyncio.Event()
    workers = [
        asyncio.create_task(migrate(ledger, numbers, sent, stop)) for ledger in (first, second) for _ in range(20)
    ]
    for _ in range(2):
        await asyncio.sleep(0.3)
        await asyncio.to_thread(mortal_server.kill)
        before = len(sent)
        await asyncio.to_thread(mortal_server.start)
        while len(sent) < before + 200:  # noqa: ASYNC110 - the workers go on while we look
            await asyncio.sleep(0.02)
    stop.set()
    await asyncio.gather(*workers)
    counts = await first.counts("visits")
    assert counts == {State.MAPPED: len(sent)}
    assert sorted(sent) == list(range(len(sent))), "each record went to DPS once"
    await first.aclose()
    await second.aclose()


async def test_an_owner_on_its_way_back_after_a_restart_is_not_taken_for_dead(
    mortal_server: EmbeddedPostgres, mortal_url: str
):
    slow, quick = await Ledger.open(mortal_url), await Ledger.open(mortal_url)
    await slow.claim(key())
    mortal_server.kill()
    mortal_server.start()
    assert (await quick.claim(key())).outcome is ClaimOutcome.BUSY
    assert await quick.doubt_abandoned() == 0
    impatient = await Ledger.open(mortal_url, grace_seconds=0)
    assert (await impatient.claim(key())).outcome is ClaimOutcome.IN_DOUBT
    await slow.written(key(), dps_id="d1", mapping={})
    assert await quick.counts("visits") == {State.WRITTEN: 1}
    for ledger in (slow, quick, impatient):
        await ledger.aclose()


async def test_an_idle_process_notices_the_loss_and_takes_its_lock_again(
    open_ledger: OpenLedger, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("nomis_pipelines.ledger.flusher._HEARTBEAT_SECONDS", 0.05)
    idle, other = await open_ledger(), await open_ledger()
    await idle.claim(key())
    await idle._session.drop()
    await asyncio.sleep(0.5)
    assert idle._session._connection is not None
    assert await other.alive([idle.owner]) == {idle.owner}
    assert (await other.claim(key())).outcome is ClaimOutcome.BUSY


async def test_operations_whose_commit_went_through_but_whose_answer_was_lost_are_answered_right(
    mortal_server: EmbeddedPostgres, mortal_url: str
):
    async with Proxy(mortal_server.port) as proxy:
        url = mortal_url.replace(f":{proxy.target}/", f":{proxy.port}/")
        ledger = await Ledger.open(url, commit_milliseconds=0)
        with LedgerReader(mortal_url) as reader:

            async def warm() -> None:
                """Have the statement prepared on the connection in hand: the next answer is the commit's."""
                await ledger.failed(key("other"), reason="r")

            async def lose(work, expected: State) -> object:
                await warm()
                proxy.lose_next_answer = True
                answer = await work
                assert not proxy.lose_next_answer
                found = reader.record(key())
                assert found is not None
                assert found.state is expected
                return answer

            claim = await lose(ledger.claim(key()), State.WRITING)
            assert claim.outcome is ClaimOutcome.GRANTED
            await lose(ledger.written(key(), dps_id="d1", mapping={"a": 1}), State.WRITTEN)
            await lose(ledger.duplicate(key(), dps_id="d1", existing_dps_id="d0"), State.DUPLICATE)
            await ledger.resolve_duplicate(key())
            seen = await ledger.claim(key())
            claim = await lose(ledger.claim(key(), settled_version=seen.version), State.WRITING)
            assert claim.outcome is ClaimOutcome.GRANTED
            assert await lose(ledger.failed(key(), reason="r"), State.FAILED) is True
            assert await lose(ledger.rejected(key(), reason="r"), State.REJECTED) is True
            await ledger.claim(key())
            await lose(ledger.in_doubt(key()), State.IN_DOUBT)
        assert proxy.lost == 7
        await ledger.aclose()


async def test_a_session_cut_off_by_the_network_is_ended_before_its_work_is_repeated(
    mortal_server: EmbeddedPostgres, mortal_url: str
):
    """PostgreSQL still believes in the old connection, which holds our lock: the new one must not be refused."""
    async with Proxy(mortal_server.port) as proxy:
        ledger = await Ledger.open(mortal_url.replace(f":{proxy.target}/", f":{proxy.port}/"), commit_milliseconds=0)
        await ledger.claim(key())
        old, ledger._session._connection = ledger._session._connection, None  # forgotten: it lives on at the server
        assert old is not None
        await ledger.written(key(), dps_id="d1", mapping={})
        await old.close()
        assert await ledger.counts("visits") == {State.WRITTEN: 1}
        await ledger.aclose()


async def test_waiters_are_told_when_postgresql_stays_away_and_a_claim_unanswered_can_be_made_again(
    mortal_server: EmbeddedPostgres, mortal_url: str
):
    ledger = await Ledger.open(mortal_url, patience_seconds=0.5)
    await ledger.claim(key(1))
    mortal_server.kill()
    begun = time.monotonic()
    work = [ledger.written(key(1), dps_id="d1", mapping={}), ledger.claim(key(2)), ledger.counts("visits")]
    answers = await asyncio.gather(*work, return_exceptions=True)
    assert time.monotonic() - begun < 10
    for answer in answers:
        assert isinstance(answer, LedgerUnavailable)
        assert f"127.0.0.1:{mortal_server.port}/test_" in str(answer)
    mortal_server.start()
    await ledger.written(key(1), dps_id="d1", mapping={})
    assert (await ledger.claim(key(2))).outcome is ClaimOutcome.GRANTED
    await ledger.aclose()


async def test_a_claim_that_was_granted_but_whose_answer_never_arrived_is_released_later(
    mortal_server: EmbeddedPostgres, mortal_url: str
):
    async with Proxy(mortal_server.port) as proxy:
        url = mortal_url.replace(f":{proxy.target}/", f":{proxy.port}/")
        ledger = await Ledger.open(url, commit_milliseconds=0, patience_seconds=0)
        await ledger.claim(key("first"))  # the statement is prepared now: the next answer is the commit's
        proxy.lose_next_answer = True
        with pytest.raises(LedgerUnavailable):
            await ledger.claim(key())
        assert await ledger.counts("visits") == {State.WRITING: 2}
        assert (await ledger.claim(key())).outcome is ClaimOutcome.GRANTED
        again = await ledger.record(key())
        assert again is not None
        assert again.attempts == 2
        await ledger.aclose()


async def test_closing_releases_what_was_never_answered(mortal_server: EmbeddedPostgres, mortal_url: str):
    async with Proxy(mortal_server.port) as proxy:
        url = mortal_url.replace(f":{proxy.target}/", f":{proxy.port}/")
        ledger = await Ledger.open(url, commit_milliseconds=0, patience_seconds=0)
        await ledger.claim(key("first"))  # the statement is prepared now: the next answer is the commit's
        proxy.lose_next_answer = True
        with pytest.raises(LedgerUnavailable):
            await ledger.claim(key())
        await ledger.aclose()
    with LedgerReader(mortal_url) as reader:
        found = reader.record(key())
    assert found is not None
    assert (found.state, found.reason) == (State.FAILED, "claim-given-up")
