"""The table of `ledger/rules.py`, line by line, without a database: what a claim is answered, and when nothing is to
do.
"""

from itertools import product

import pytest

from nomis_pipelines.ledger import ClaimOutcome, State
from nomis_pipelines.ledger.rules import ClaimRequest, LockedRow, already_so, decide_claim

ME, OTHER = 7, 8
GRANTED, WRITTEN, SETTLED, IN_DOUBT, BUSY = ClaimOutcome


def row(state: State, *, owner: int = OTHER, token: int = 1) -> LockedRow:
    dps_id = "d1" if state in {State.WRITTEN, State.MAPPED, State.DUPLICATE} else None
    return LockedRow(state, owner, token, 5, dps_id, None, {"a": 1} if state is State.WRITTEN else None)


@pytest.mark.parametrize(
    ("state", "owner", "alive", "idempotent", "settled_version", "outcome", "becomes"),
    [
        (State.FAILED, OTHER, True, False, None, GRANTED, State.WRITING),
        (State.REJECTED, OTHER, False, False, None, GRANTED, State.WRITING),
        (State.WRITTEN, OTHER, True, False, None, WRITTEN, None),
        (State.WRITTEN, ME, True, True, None, WRITTEN, None),
        (State.MAPPED, OTHER, True, False, None, SETTLED, None),
        (State.MAPPED, OTHER, True, True, 4, SETTLED, None),
        (State.MAPPED, OTHER, True, False, 5, GRANTED, State.WRITING),
        (State.DUPLICATE, OTHER, True, False, None, SETTLED, None),
        (State.DUPLICATE, OTHER, True, False, 5, GRANTED, State.WRITING),
        (State.IN_DOUBT, OTHER, False, False, None, IN_DOUBT, None),
        (State.IN_DOUBT, ME, True, False, None, IN_DOUBT, None),
        (State.IN_DOUBT, OTHER, True, True, None, GRANTED, State.WRITING),
        (State.WRITING, OTHER, True, False, None, BUSY, None),
        (State.WRITING, OTHER, True, True, None, BUSY, None),
        (State.WRITING, ME, False, True, None, BUSY, None),
        (State.WRITING, OTHER, False, False, None, IN_DOUBT, State.IN_DOUBT),
        (State.WRITING, OTHER, False, True, None, GRANTED, State.WRITING),
    ],
)
def test_a_claim_is_answered_by_the_table(state, owner, alive, idempotent, settled_version, outcome, becomes):
    request = ClaimRequest(ME, 99, idempotent, settled_version)
    verdict = decide_claim(row(state, owner=owner), request, owner_alive=alive)
    assert (verdict.claim.outcome, verdict.becomes) == (outcome, becomes)


@pytest.mark.parametrize("state", [State.WRITING, State.IN_DOUBT])
def test_a_claim_whose_answer_was_lost_is_granted_to_the_same_token(state):
    verdict = decide_claim(row(state, owner=ME, token=99), ClaimRequest(ME, 99, False, None), owner_alive=True)
    assert verdict.claim.outcome is GRANTED


def test_only_written_hands_out_the_mapping_and_the_version_follows_every_change():
    request = ClaimRequest(ME, 99, False, None)
    written = decide_claim(row(State.WRITTEN), request, owner_alive=True).claim
    assert (written.dps_id, written.mapping, written.version) == ("d1", {"a": 1}, 5)
    assert decide_claim(row(State.FAILED), request, owner_alive=True).claim.version == 6
    assert decide_claim(row(State.WRITING), request, owner_alive=False).claim.version == 6
    assert decide_claim(row(State.IN_DOUBT), request, owner_alive=False).claim.dps_id is None


def test_no_state_grants_to_two_claims_at_once():
    """Whatever the row, once granted it is `writing` under a living owner, and that is never granted again."""
    for state, alive, idempotent, version in product(State, (True, False), (True, False), (None, 5)):
        verdict = decide_claim(row(state), ClaimRequest(ME, 99, idempotent, version), owner_alive=alive)
        if verdict.claim.outcome is not GRANTED:
            continue
        after = LockedRow(State.WRITING, ME, 99, verdict.claim.version, None, None, None)
        for other_idempotent, other_version in product((True, False), (None, 5, 6)):
            second = ClaimRequest(OTHER, 100, other_idempotent, other_version)
            assert decide_claim(after, second, owner_alive=True).claim.outcome is BUSY


@pytest.mark.parametrize(
    ("state", "kind", "dps_id", "existing", "so"),
    [
        (State.WRITTEN, State.WRITTEN, "d1", None, True),
        (State.MAPPED, State.WRITTEN, "d1", None, True),
        (State.MAPPED, State.WRITTEN, "d2", None, False),
        (State.WRITING, State.WRITTEN, None, None, False),
        (State.MAPPED, State.MAPPED, None, None, True),
        (State.WRITING, State.MAPPED, None, None, False),
        (State.DUPLICATE, State.DUPLICATE, "d1", None, True),
        (State.DUPLICATE, State.DUPLICATE, "d1", "d9", False),
        (State.MAPPED, State.DUPLICATE, "d1", None, False),
        (State.IN_DOUBT, State.IN_DOUBT, None, None, True),
        (State.FAILED, State.IN_DOUBT, None, None, False),
    ],
)
def test_nothing_is_to_do_when_the_record_says_so_already(state, kind, dps_id, existing, so):
    assert already_so(row(state), kind, dps_id, existing) is so
