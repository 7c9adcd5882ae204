"""Two processes, two records, any order of operations, deaths in between: the ledger does what a small model of it
says.

The model also keeps count of what the ledger is there for: a write to DPS is only ever allowed when no other may be in
flight or done, unless an operator or a reset mapping service has said so.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from nomis_pipelines.ledger import ClaimOutcome, Ledger, LedgerError, LedgerReader, RecordKey, State
from nomis_pipelines_tests.ledger.conftest import die

pytestmark = pytest.mark.server

WHO, WHICH = st.integers(0, 1), st.integers(0, 1)
KNOWN_TO_DPS = (State.WRITTEN, State.MAPPED, State.DUPLICATE)


@dataclass
class Model:
    """A record as it should be. `holder` is the owner number whose claim is open, `dps` what DPS holds of it."""

    state: State | None = None
    dps_id: str | None = None
    owner: int | None = None
    holder: int | None = None
    version: int = 0
    dps: int = 0

    def become(self, state: State, **changes: Any) -> None:
        self.state = state
        self.version += 1
        for name, value in changes.items():
            setattr(self, name, value)


class LedgerMachine(RuleBasedStateMachine):
    """Runs the real ledger beside the model."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.reader = LedgerReader(self.url)
        example = uuid4().hex
        self.keys = [RecordKey("visits", "visits", f"{example}-{number}") for number in range(2)]
        self.models = [Model(), Model()]
        self.ledgers = [self.open(), self.open()]
        self.dead: set[int] = set()
        self.written = 0

    def open(self) -> Ledger:
        return self.do(Ledger.open(self.url, commit_milliseconds=0, patience_seconds=5))

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    def allowed(self, work: Coroutine[Any, Any, Any], expected: bool) -> None:
        if expected:
            self.do(work)
        else:
            with pytest.raises(LedgerError):
                self.do(work)

    @rule(who=WHO, which=WHICH, idempotent=st.booleans(), insist=st.booleans())
    def claim(self, who: int, which: int, idempotent: bool, insist: bool) -> None:
        ledger, model = self.ledgers[who], self.models[which]
        version = model.version if insist else None
        claim = self.do(ledger.claim(self.keys[which], idempotent=idempotent, settled_version=version))
        before = model.state
        free = before in (None, State.FAILED, State.REJECTED)
        settled = before in (State.MAPPED, State.DUPLICATE)
        abandoned = before is State.WRITING and model.owner in self.dead
        if free or (settled and insist) or (idempotent and (before is State.IN_DOUBT or abandoned)):
            expected = ClaimOutcome.GRANTED
            if free:
                assert model.dps == 0, "a write was allowed though DPS has the record, or may have it"
            model.become(State.WRITING, owner=ledger.owner, holder=ledger.owner, dps_id=None)
        elif abandoned:
            expected = ClaimOutcome.IN_DOUBT
            model.become(State.IN_DOUBT)
        else:
            expected = {
                State.WRITTEN: ClaimOutcome.WRITTEN,
                State.MAPPED: ClaimOutcome.SETTLED,
                State.DUPLICATE: ClaimOutcome.SETTLED,
                State.IN_DOUBT: ClaimOutcome.IN_DOUBT,
                State.WRITING: ClaimOutcome.BUSY,
            }[before]
        assert claim.outcome is expected
        if expected is ClaimOutcome.WRITTEN:
            assert claim.dps_id == model.dps_id

    @rule(who=WHO, which=WHICH)
    def written(self, who: int, which: int) -> None:
        ledger, model = self.ledgers[who], self.models[which]
        held = model.holder == ledger.owner and model.state in (State.WRITING, State.IN_DOUBT)
        self.written += 1
        dps_id = f"d{self.written}"
        self.allowed(ledger.written(self.keys[which], dps_id=dps_id, mapping={"dpsId": dps_id}), held)
        if held:
            model.become(State.WRITTEN, dps_id=dps_id, holder=None)
            model.dps += 1

    @rule(who=WHO, which=WHICH)
    def mapped(self, who: int, which: int) -> None:
        model = self.models[which]
        self.allowed(self.ledgers[who].mapped(self.keys[which]), model.state in (State.WRITTEN, State.MAPPED))
        if model.state is State.WRITTEN:
            model.become(State.MAPPED)

    @rule(who=WHO, which=WHICH)
    def duplicate(self, who: int, which: int) -> None:
        model = self.models[which]
        dps_id = model.dps_id or "none"
        work = self.ledgers[who].duplicate(self.keys[which], dps_id=dps_id, existing_dps_id="other")
        self.allowed(work, model.state in (State.WRITTEN, State.DUPLICATE))
        if model.state is State.WRITTEN:
            model.become(State.DUPLICATE)

    @rule(who=WHO, which=WHICH, refused=st.booleans(), claimed=st.booleans())
    def failed(self, who: int, which: int, refused: bool, claimed: bool) -> None:
        ledger, model = self.ledgers[who], self.models[which]
        held = claimed and model.holder == ledger.owner and model.state in (State.WRITING, State.IN_DOUBT)
        free = model.state in (None, State.FAILED, State.REJECTED)
        write = ledger.rejected if refused else ledger.failed
        assert self.do(write(self.keys[which], reason="r", claimed=claimed)) is (held or free)
        if held or free:
            model.become(State.REJECTED if refused else State.FAILED, holder=None, owner=ledger.owner)

    @rule(who=WHO, which=WHICH)
    def in_doubt(self, who: int, which: int) -> None:
        ledger, model = self.ledgers[who], self.models[which]
        held = model.holder == ledger.owner and model.state is State.WRITING
        self.allowed(ledger.in_doubt(self.keys[which]), held or model.state is State.IN_DOUBT)
        if held:
            model.become(State.IN_DOUBT)
        if model.holder == ledger.owner and model.state is State.IN_DOUBT:
            model.holder = None  # it has said all it knows

    @rule(who=WHO)
    def the_process_dies_and_another_starts(self, who: int) -> None:
        self.dead.add(self.ledgers[who].owner)
        self.do(die(self.ledgers[who]))
        self.ledgers[who] = self.open()

    @rule(who=WHO)
    def the_abandoned_are_doubted(self, who: int) -> None:
        self.do(self.ledgers[who].doubt_abandoned("visits"))
        for model in self.models:
            if model.state is State.WRITING and model.owner in self.dead:
                model.become(State.IN_DOUBT)

    @rule(who=WHO, which=WHICH)
    def an_operator_adopts(self, who: int, which: int) -> None:
        model = self.models[which]
        expected = model.state is State.IN_DOUBT
        self.allowed(self.ledgers[who].adopt(self.keys[which], dps_id="found", mapping={"dpsId": "found"}), expected)
        if expected:
            model.become(State.WRITTEN, dps_id="found", holder=None)
            model.dps += 1

    @rule(who=WHO, which=WHICH)
    def an_operator_has_it_written_again(self, who: int, which: int) -> None:
        model = self.models[which]
        expected = model.state is State.IN_DOUBT and model.owner in self.dead
        self.allowed(self.ledgers[who].rewrite(self.keys[which]), expected)
        if expected:
            model.become(State.FAILED, holder=None)
            model.dps = 0  # the operator has looked: it is not there

    @rule(who=WHO, which=WHICH)
    def an_operator_resolves_a_duplicate(self, who: int, which: int) -> None:
        model = self.models[which]
        expected = model.state is State.DUPLICATE
        self.allowed(self.ledgers[who].resolve_duplicate(self.keys[which]), expected)
        if expected:
            model.become(State.MAPPED, dps_id="other")

    @invariant()
    def the_ledger_is_what_the_model_is(self) -> None:
        for key, model in zip(self.keys, self.models, strict=True):
            found = self.reader.record(key)
            if found is None:
                assert model.state is None
                continue
            assert (found.state, found.version) == (model.state, model.version)
            if model.state in KNOWN_TO_DPS:
                assert found.dps_id == model.dps_id

    def teardown(self) -> None:
        for ledger in self.ledgers:
            self.do(ledger.aclose())
        self.reader.close()
        self.runner.close()


def test_any_sequence_of_operations_and_deaths_follows_the_model(ledger_url: str):
    LedgerMachine.url = ledger_url
    checks = list(HealthCheck)
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(max_examples=8, stateful_step_count=30, deadline=None, suppress_health_check=checks),
    )
