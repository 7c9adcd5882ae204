"""A create is made once, whatever dies or answers late, or the ledger says that it is in doubt."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from nomis_pipelines.http import Conflict, InvalidAnswer, OutcomeUnknown, Rejected, Unavailable
from nomis_pipelines.ledger import Ledger, LedgerError, RecordKey, State
from nomis_pipelines.synchronisation import (
    AlreadyMapped,
    Create,
    Created,
    Duplicate,
    HandlerError,
    InDoubt,
    Redeliver,
    SyncContext,
    complete_mapping,
    create_once,
    require_settled,
)
from nomis_pipelines_tests.synchronisation.examples import context

pytestmark = pytest.mark.server

KEY = RecordKey("adjustments", "adjustments", "5551")


class Client:
    """A service client of which only the reservation is used."""

    @asynccontextmanager
    async def reserved(self) -> AsyncIterator[None]:
        yield


class Dps:
    """The new service and the mapping service, as one record of ours sees them. Errors are raised once each."""

    def __init__(self) -> None:
        self.writes: list[str] = []
        self.mappings: dict[str, dict[str, Any]] = {}
        self.write_error: BaseException | None = None
        self.after_write: BaseException | None = None
        self.map_error: Exception | None = None
        self.found: str | None = None

    async def find_mapping(self) -> dict[str, Any] | None:
        return self.mappings.get("5551")

    async def write(self) -> str:
        error, self.write_error = self.write_error, None
        if error:
            raise error
        self.writes.append(f"dps-{len(self.writes) + 1}")
        late, self.after_write = self.after_write, None
        if late:
            raise late
        return self.writes[-1]

    async def post_mapping(self, mapping: dict[str, Any]) -> None:
        error, self.map_error = self.map_error, None
        if error:
            raise error
        existing = self.mappings.setdefault(mapping["nomisId"], mapping)
        if existing is not mapping:
            raise conflict(mapping, existing)

    async def lookup(self) -> str | None:
        return self.found

    def create(self, **more: Any) -> Create[dict[str, Any], str]:
        return Create(
            **{
                "key": KEY,
                "client": cast("Any", Client()),
                "find_mapping": self.find_mapping,
                "write": self.write,
                "dps_id_of": str,
                "mapping_of": lambda dps_id: {
                    "nomisId": "5551",
                    "adjustmentId": dps_id,
                    "mappingType": "NOMIS_CREATED",
                },
                "post_mapping": self.post_mapping,
                "dps_field": "adjustmentId",
                **more,
            }
        )


def conflict(duplicate: dict[str, Any], existing: dict[str, Any]) -> Conflict:
    import json

    body = {"errorCode": 1409, "moreInfo": {"duplicate": duplicate, "existing": existing}}
    return Conflict("mapping", "POST", "/mapping", body=json.dumps(body).encode())


def collision() -> Conflict:
    return Conflict("mapping", "POST", "/mapping", body=b'{"errorCode":1409,"moreInfo":{"existing":null}}')


def unknown() -> OutcomeUnknown:
    return OutcomeUnknown("sentencing", "POST", "/legacy/adjustments", reason="timeout")


@pytest.fixture
async def ledger(ledger_url: str) -> AsyncIterator[Ledger]:
    async with await Ledger.open(ledger_url, grace_seconds=0) as ledger:
        yield ledger


@pytest.fixture
def sync(ledger: Ledger) -> SyncContext:
    return context(ledger=ledger)


async def state(ledger: Ledger) -> State:
    (record,) = await ledger.records("adjustments", states=list(State))
    return record.state


async def test_a_create_writes_and_maps(sync: SyncContext, ledger: Ledger):
    dps = Dps()
    result = await create_once(sync, dps.create())
    assert result == Created(
        dps_id="dps-1", mapping={"nomisId": "5551", "adjustmentId": "dps-1", "mappingType": "NOMIS_CREATED"}
    )
    assert await state(ledger) is State.MAPPED


async def test_a_second_event_of_a_mapped_record_goes_on_as_for_an_update(sync: SyncContext):
    dps = Dps()
    await create_once(sync, dps.create())
    result = await create_once(sync, dps.create())
    assert result == AlreadyMapped(mapping=dps.mappings["5551"])
    assert len(dps.writes) == 1


async def test_when_the_mapping_was_taken_away_the_record_is_created_again(sync: SyncContext, ledger: Ledger):
    dps = Dps()
    await create_once(sync, dps.create())
    dps.mappings.clear()
    result = await create_once(sync, dps.create())
    assert isinstance(result, Created)
    assert result.dps_id == "dps-2"
    assert await state(ledger) is State.MAPPED


async def test_a_mapping_that_fails_leaves_the_record_written_and_the_next_delivery_only_maps(
    sync: SyncContext, ledger: Ledger
):
    dps = Dps()
    dps.map_error = Unavailable("mapping", "POST", "/mapping", 500)
    result = await create_once(sync, dps.create())
    assert isinstance(result, Created)
    assert result.mapping_failed
    assert await state(ledger) is State.WRITTEN
    again = await create_once(sync, dps.create())
    assert isinstance(again, Created)
    assert (again.dps_id, again.mapping_failed, again.resumed) == ("dps-1", False, True)
    assert dps.writes == ["dps-1"]
    assert await state(ledger) is State.MAPPED


async def test_a_mapping_retry_completes_the_record(sync: SyncContext, ledger: Ledger):
    dps = Dps()
    dps.map_error = Unavailable("mapping", "POST", "/mapping", 500)
    result = await create_once(sync, dps.create())
    assert isinstance(result, Created)
    completed = await complete_mapping(
        sync, KEY, result.mapping, post_mapping=dps.post_mapping, dps_field="adjustmentId"
    )
    assert isinstance(completed, Created)
    assert await state(ledger) is State.MAPPED


async def test_a_mapping_retry_of_a_record_that_the_ledger_does_not_know_is_done_all_the_same(sync: SyncContext):
    dps = Dps()
    mapping = {"nomisId": "5551", "adjustmentId": "dps-9"}
    completed = await complete_mapping(sync, KEY, mapping, post_mapping=dps.post_mapping, dps_field="adjustmentId")
    assert isinstance(completed, Created)
    assert dps.mappings["5551"] == mapping


async def test_a_duplicate_keeps_both_ids_and_both_mappings(sync: SyncContext, ledger: Ledger):
    dps = Dps()
    existing = {"nomisId": "5551", "adjustmentId": "dps-0", "mappingType": "MIGRATED"}
    dps.mappings["5551"] = existing
    result = await create_once(sync, dps.create())
    assert isinstance(result, Duplicate)
    assert (result.dps_id, result.existing_dps_id, result.existing) == ("dps-1", "dps-0", existing)
    (record,) = await ledger.records("adjustments", states=[State.DUPLICATE])
    assert (record.dps_id, record.existing_dps_id) == ("dps-1", "dps-0")


async def test_our_own_mapping_met_again_is_no_duplicate(sync: SyncContext, ledger: Ledger):
    dps = Dps()
    dps.map_error = Unavailable("mapping", "POST", "/mapping", reason="the answer was lost")
    result = await create_once(sync, dps.create())
    assert isinstance(result, Created)
    dps.mappings["5551"] = {**result.mapping, "whenCreated": "2026-03-10T10:00:00"}
    again = await create_once(sync, dps.create())
    assert isinstance(again, Created)
    assert await state(ledger) is State.MAPPED


async def test_a_definite_refusal_is_recorded_raised_and_may_be_tried_again(sync: SyncContext, ledger: Ledger):
    dps = Dps()
    dps.write_error = Rejected("sentencing", "POST", "/legacy/adjustments", 400)
    with pytest.raises(Rejected):
        await create_once(sync, dps.create())
    assert await state(ledger) is State.FAILED
    assert isinstance(await create_once(sync, dps.create()), Created)


@pytest.mark.parametrize(
    "error", [unknown(), InvalidAnswer("sentencing", "POST", "/legacy/adjustments", 201, reason="adjustmentId missing")]
)
async def test_an_unknown_outcome_is_in_doubt_and_never_written_again_by_itself(
    sync: SyncContext, ledger: Ledger, error: Exception
):
    dps = Dps()
    dps.after_write = error
    for _ in range(3):
        with pytest.raises(InDoubt, match="adjustments 5551 is in doubt"):
            await create_once(sync, dps.create())
    assert dps.writes == ["dps-1"]
    assert await state(ledger) is State.IN_DOUBT


async def test_a_create_cut_off_in_the_middle_is_in_doubt(sync: SyncContext, ledger: Ledger):
    dps = Dps()

    async def hang() -> str:
        await asyncio.sleep(60)
        return "never"

    task = asyncio.get_running_loop().create_task(create_once(sync, dps.create(write=hang)))
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await state(ledger) is State.IN_DOUBT


async def test_a_lookup_that_finds_the_record_adopts_it(sync: SyncContext, ledger: Ledger):
    dps = Dps()
    dps.after_write = unknown()
    with pytest.raises(InDoubt):
        await create_once(sync, dps.create(lookup=dps.lookup))
    dps.found = "dps-1"
    result = await create_once(sync, dps.create(lookup=dps.lookup))
    assert isinstance(result, Created)
    assert (result.dps_id, result.resumed) == ("dps-1", True)
    assert dps.writes == ["dps-1"]
    assert await state(ledger) is State.MAPPED


async def test_a_lookup_that_finds_nothing_writes_again(sync: SyncContext, ledger: Ledger):
    dps = Dps()
    dps.write_error = unknown()
    with pytest.raises(InDoubt):
        await create_once(sync, dps.create(lookup=dps.lookup))
    result = await create_once(sync, dps.create(lookup=dps.lookup))
    assert isinstance(result, Created)
    assert dps.writes == ["dps-1"]
    assert not result.resumed


async def test_an_idempotent_create_in_doubt_is_written_again(sync: SyncContext, ledger: Ledger):
    dps = Dps()
    dps.write_error = unknown()
    with pytest.raises(OutcomeUnknown):
        await create_once(sync, dps.create(idempotent=True))
    assert isinstance(await create_once(sync, dps.create(idempotent=True)), Created)
    assert await state(ledger) is State.MAPPED


async def test_two_at_the_same_moment_write_once(sync: SyncContext):
    dps = Dps()

    async def slow() -> str:
        await asyncio.sleep(0.2)
        return await Dps.write(dps)

    results = await asyncio.gather(
        *(create_once(sync, dps.create(write=slow)) for _ in range(5)), return_exceptions=True
    )
    assert dps.writes == ["dps-1"]
    assert sum(isinstance(result, Created) for result in results) == 1
    busy = [(result.seconds, result.at_least) for result in results if isinstance(result, Redeliver)]
    assert busy == [(2, True)] * 4


async def test_a_dead_process_leaves_its_create_in_doubt(sync: SyncContext, ledger_url: str):
    dps = Dps()
    dead = await Ledger.open(ledger_url, grace_seconds=0)
    await dead.claim(KEY)
    await dead.aclose()
    with pytest.raises(InDoubt):
        await create_once(sync, dps.create())
    assert dps.writes == []


async def test_only_a_misfit_of_the_ledger_is_forgiven(sync: SyncContext):
    with pytest.raises(LedgerError):
        await sync.ledger.mapped(KEY)


async def test_a_conflict_that_names_no_other_pair_is_no_duplicate_but_a_mapping_to_retry(
    sync: SyncContext, ledger: Ledger
):
    dps = Dps()
    dps.map_error = collision()
    created = await create_once(sync, dps.create())
    assert isinstance(created, Created)
    assert created.mapping_failed
    assert await state(ledger) is State.WRITTEN
    dps.map_error = collision()
    with pytest.raises(Conflict):
        await complete_mapping(sync, KEY, created.mapping, post_mapping=dps.post_mapping, dps_field="adjustmentId")
    assert await state(ledger) is State.WRITTEN


@pytest.mark.parametrize("unsettled", ["written", "in_doubt", "writing"])
async def test_a_change_waits_while_its_create_is_not_settled(sync: SyncContext, ledger: Ledger, unsettled: str):
    await require_settled(sync, KEY)
    await ledger.claim(KEY)
    if unsettled == "written":
        await ledger.written(KEY, dps_id="dps-1", mapping={})
    elif unsettled == "in_doubt":
        await ledger.in_doubt(KEY)
    with pytest.raises(HandlerError, match=unsettled):
        await require_settled(sync, KEY)
    if unsettled == "written":
        await ledger.mapped(KEY)
    elif unsettled == "in_doubt":
        await ledger.adopt(KEY, dps_id="dps-1", mapping={})
        await ledger.mapped(KEY)
    else:
        await ledger.failed(KEY, reason="sentencing-500")
    await require_settled(sync, KEY)
