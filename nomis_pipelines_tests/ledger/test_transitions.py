"""Every transition of a record on a real database: from each state, by each operation, as the table in `rules` says."""

import pytest

from nomis_pipelines.ledger import ClaimOutcome, Ledger, LedgerError, State
from nomis_pipelines_tests.ledger.conftest import OpenLedger, die, key

pytestmark = pytest.mark.server

MAPPING = {"nomisId": 1, "dpsId": "d1"}


async def bring(ledger: Ledger, state: State | None) -> None:
    """Lead record 1 from unknown to `state` by `ledger`'s own operations."""
    if state is None:
        return
    if state in {State.FAILED, State.REJECTED}:
        await (ledger.failed if state is State.FAILED else ledger.rejected)(key(), reason="r", details={"code": "x"})
        return
    await ledger.claim(key(), migration_id="m1", partition="MDI|2024-05")
    if state is State.IN_DOUBT:
        await ledger.in_doubt(key(), details={"at": "write"})
    if state in {State.WRITTEN, State.MAPPED, State.DUPLICATE}:
        await ledger.written(key(), dps_id="d1", mapping=MAPPING)
    if state is State.MAPPED:
        await ledger.mapped(key())
    if state is State.DUPLICATE:
        await ledger.duplicate(key(), dps_id="d1", existing_dps_id="d0", details={"code": 1409})


async def state_of(ledger: Ledger) -> State | None:
    found = await ledger.record(key())
    return found.state if found else None


CLAIMS = [
    # from, by the same process, its owner dead, idempotent -> outcome, state afterwards
    (None, True, False, False, "granted", "writing"),
    ("failed", False, False, False, "granted", "writing"),
    ("rejected", False, False, False, "granted", "writing"),
    ("written", False, False, False, "written", "written"),
    ("mapped", False, False, False, "settled", "mapped"),
    ("duplicate", False, False, False, "settled", "duplicate"),
    ("in_doubt", False, False, False, "in_doubt", "in_doubt"),
    ("in_doubt", True, False, False, "in_doubt", "in_doubt"),
    ("in_doubt", False, False, True, "granted", "writing"),
    ("writing", True, False, False, "busy", "writing"),
    ("writing", True, False, True, "busy", "writing"),
    ("writing", False, False, False, "busy", "writing"),
    ("writing", False, False, True, "busy", "writing"),
    ("writing", False, True, False, "in_doubt", "in_doubt"),
    ("writing", False, True, True, "granted", "writing"),
    ("written", False, True, False, "written", "written"),
]


@pytest.mark.parametrize(("before", "same", "dead", "idempotent", "outcome", "after"), CLAIMS)
async def test_a_claim_is_granted_exactly_when_a_write_is_safe(
    open_ledger: OpenLedger, before, same, dead, idempotent, outcome, after
):
    first = await open_ledger()
    await bring(first, State(before) if before else None)
    if dead:
        await die(first)
    claimant = first if same else await open_ledger()
    claim = await claimant.claim(key(), idempotent=idempotent)
    assert (claim.outcome, await state_of(claimant)) == (outcome, after)
    if outcome == "written":
        assert (claim.dps_id, claim.mapping) == ("d1", MAPPING)


@pytest.mark.parametrize("state", [State.MAPPED, State.DUPLICATE])
async def test_a_settled_record_is_granted_only_while_it_is_what_the_claimant_saw(open_ledger: OpenLedger, state):
    first, second = await open_ledger(), await open_ledger()
    await bring(first, state)
    seen = await second.claim(key())
    assert seen.outcome is ClaimOutcome.SETTLED
    assert (await second.claim(key(), settled_version=seen.version - 1)).outcome is ClaimOutcome.SETTLED
    assert (await second.claim(key(), settled_version=seen.version)).outcome is ClaimOutcome.GRANTED
    assert (await first.claim(key(), settled_version=seen.version)).outcome is ClaimOutcome.BUSY
    again = await second.record(key())
    assert again is not None
    assert again.details == {"previousDpsId": "d1"}, "the DPS record of before must not be forgotten"
    assert (again.dps_id, again.mapping, again.attempts) == (None, None, 2)


OPERATIONS = {
    "written": lambda ledger: ledger.written(key(), dps_id="d1", mapping=MAPPING),
    "written as another": lambda ledger: ledger.written(key(), dps_id="d2", mapping=MAPPING),
    "mapped": lambda ledger: ledger.mapped(key()),
    "duplicate": lambda ledger: ledger.duplicate(key(), dps_id="d1", existing_dps_id="d0", details={}),
    "in_doubt": lambda ledger: ledger.in_doubt(key(), details={}),
    "failed": lambda ledger: ledger.failed(key(), reason="new", status=400, details={}),
    "rejected": lambda ledger: ledger.rejected(key(), reason="new", details={}),
    "failed, no claim": lambda ledger: ledger.failed(key(), reason="new", claimed=False),
}

# For each operation: by the process that holds the record, what becomes of each state. "!" raises, "=" is left as it
# is.
STATES = (None, *State)
BY_HOLDER = {
    # operation            unknown  writing     written     mapped      duplicate    rejected    failed    in_doubt
    "written":            ("!",     "written",  "=",        "=",        "=",         "!",        "!",      "!"),
    "written as another": ("!",     "written",  "!",        "!",        "!",         "!",        "!",      "!"),
    "mapped":             ("!",     "!",        "mapped",   "=",        "!",         "!",        "!",      "!"),
    "duplicate":          ("!",     "!",        "duplicate", "!",       "=",         "!",        "!",      "!"),
    "in_doubt":           ("!",     "in_doubt", "!",        "!",        "!",         "!",        "!",      "="),
    "failed":             ("failed", "failed",  "=",        "=",        "=",         "failed",   "failed", "="),
    "rejected":           ("rejected", "rejected", "=",     "=",        "=",         "rejected", "rejected", "="),
    "failed, no claim":   ("failed", "=",       "=",        "=",        "=",         "failed",   "failed", "="),
}  # fmt: skip
BY_OTHER = BY_HOLDER | {
    "written":            ("!",     "!",        "=",        "=",        "=",         "!",        "!",      "!"),
    "written as another": ("!",     "!",        "!",        "!",        "!",         "!",        "!",      "!"),
    "in_doubt":           ("!",     "!",        "!",        "!",        "!",         "!",        "!",      "="),
    "failed":             ("failed", "=",       "=",        "=",        "=",         "failed",   "failed", "="),
    "rejected":           ("rejected", "=",     "=",        "=",        "=",         "rejected", "rejected", "="),
}  # fmt: skip
CASES = [
    (who, operation, state, expected)
    for who, table in (("holder", BY_HOLDER), ("other", BY_OTHER))
    for operation, row in table.items()
    for state, expected in zip(STATES, row, strict=True)
]


@pytest.mark.parametrize(("who", "operation", "before", "expected"), CASES)
async def test_what_follows_a_claim_changes_a_record_as_the_table_says(
    open_ledger: OpenLedger, who, operation, before, expected
):
    holder = await open_ledger()
    await bring(holder, before)
    actor = holder if who == "holder" else await open_ledger()
    if expected == "!":
        with pytest.raises(LedgerError, match=r"^visits 1 cannot become"):
            await OPERATIONS[operation](actor)
        assert await state_of(actor) == before
        return
    told = await OPERATIONS[operation](actor)
    assert await state_of(actor) == (before if expected == "=" else expected)
    if operation.startswith(("failed", "rejected")):
        assert told is (expected != "=")


async def test_an_answer_of_dps_is_accepted_though_another_process_raised_a_doubt_meanwhile(
    open_ledger: OpenLedger,
):
    first, second = await open_ledger(), await open_ledger()
    await first.claim(key())
    await first._session.drop()  # the lock is gone for a moment, the process lives
    assert (await second.claim(key())).outcome is ClaimOutcome.IN_DOUBT
    await first.written(key(), dps_id="d1", mapping=MAPPING)
    assert await state_of(second) is State.WRITTEN


async def test_a_refusal_of_dps_is_accepted_though_another_process_raised_a_doubt_meanwhile(
    open_ledger: OpenLedger,
):
    first, second = await open_ledger(), await open_ledger()
    await first.claim(key())
    await first._session.drop()
    assert (await second.claim(key())).outcome is ClaimOutcome.IN_DOUBT
    assert await first.failed(key(), reason="visits-400", status=400)
    assert await state_of(second) is State.FAILED


async def test_a_retry_that_fails_early_forgets_neither_its_own_doubt_nor_what_was_written(ledger: Ledger):
    await bring(ledger, State.IN_DOUBT)
    assert not await ledger.failed(key(), reason="nomis-500", status=500)
    assert (await ledger.claim(key())).outcome is ClaimOutcome.IN_DOUBT


async def test_a_late_answer_to_a_superseded_claim_is_refused(open_ledger: OpenLedger):
    """Its owner seemed dead, the record went to another: the late answer must not overwrite the other's claim."""
    first, second = await open_ledger(), await open_ledger()
    await first.claim(key())
    await first._session.drop()
    assert (await second.claim(key(), idempotent=True)).outcome is ClaimOutcome.GRANTED
    with pytest.raises(LedgerError):
        await first.written(key(), dps_id="late", mapping=MAPPING)
    await second.written(key(), dps_id="d1", mapping=MAPPING)


async def test_a_record_keeps_what_was_said_of_it(ledger: Ledger):
    await ledger.claim(key(), migration_id="m1", partition="MDI|2024-05")
    await ledger.failed(key(), reason="visits-400", status=400, details={"body": '{"status":400}'})
    await ledger.dismiss([key()])
    failed = await ledger.record(key())
    assert failed is not None
    assert (failed.reason, failed.status, failed.details) == ("visits-400", 400, {"body": '{"status":400}'})
    assert (failed.migration_id, failed.partition, failed.attempts, failed.dismissed) == ("m1", "MDI|2024-05", 1, True)
    await ledger.claim(key(), migration_id="m2")
    claimed = await ledger.record(key())
    assert claimed is not None
    assert (claimed.reason, claimed.status, claimed.details, claimed.dismissed) == (None, None, None, False)
    assert (claimed.migration_id, claimed.partition, claimed.attempts) == ("m2", None, 2)
    assert claimed.version > failed.version
    await ledger.written(key(), dps_id="d1", mapping=MAPPING)
    await ledger.mapped(key())
    mapped = await ledger.record(key())
    assert mapped is not None
    assert (mapped.dps_id, mapped.mapping) == ("d1", None), "the mapping is only kept until it is recorded"
