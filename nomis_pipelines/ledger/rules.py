"""The rules of a record's life, as pure functions of a locked row. PostgreSQL applies the common cases by itself (see
`nomis_pipelines.ledger.group`); whatever it leaves over is decided here.

**A claim** asks "may I write this record to DPS now?":

| record is                               | answer                       | record becomes            |
|-----------------------------------------|------------------------------|---------------------------|
| unknown                                 | GRANTED                      | `writing`, mine           |
| `failed`, `rejected` (dismissed or not) | GRANTED                      | `writing`, mine           |
| `written`                               | WRITTEN, dps_id and mapping  | unchanged                 |
| `mapped`, `duplicate`                   | SETTLED, version             | unchanged                 |
| the same, `settled_version` = version   | GRANTED                      | `writing`, mine           |
| `in_doubt`                              | IN_DOUBT                     | unchanged                 |
| `in_doubt`, claim idempotent            | GRANTED                      | `writing`, mine           |
| `writing`, owner alive (or me)          | BUSY                         | unchanged                 |
| `writing`, owner dead                   | IN_DOUBT                     | `in_doubt`, owner kept    |
| `writing`, owner dead, claim idempotent | GRANTED                      | `writing`, mine           |
| last granted for this very claim        | GRANTED (answer was lost)    | `writing`, mine           |

**What follows a claim** ("held" = under my claim, nobody has claimed it since; `in_doubt` only if another raised it):

| operation            | taken from                   | nothing to do when             | else              |
|----------------------|------------------------------|--------------------------------|-------------------|
| `written`            | `writing`, `in_doubt`, held  | DPS id known and the same      | LedgerError       |
| `mapped`             | `written`, anybody's         | `mapped`                       | LedgerError       |
| `duplicate`          | `written`, anybody's         | `duplicate`, same two ids      | LedgerError       |
| `in_doubt`           | `writing`, held              | `in_doubt`                     | LedgerError       |
| `failed`, `rejected` | `writing`, `in_doubt`, held  |                                | stays, False      |
| the same, no claim   | unknown, `failed`,`rejected` |                                | stays, False      |

`written` from `in_doubt` happens when PostgreSQL was restarted, our lock was gone for a moment, and another process
doubted the record while our call to DPS was on its way: DPS's answer is known, so there is no doubt. `failed` and
`rejected` never overwrite what knows of a DPS record, or may: a retry that fails to read NOMIS must forget neither what
was written before, nor a doubt, nor that another coroutine is writing.

Every operation bears a token that is unique for ever. A row that bears the operation's own token has it already: that
is how a group is applied twice without harm when PostgreSQL was lost between COMMIT and its answer.
"""

from dataclasses import dataclass
from typing import Any

from nomis_pipelines.ledger.model import Claim, ClaimOutcome, State

SETTLED_STATES = frozenset({State.MAPPED, State.DUPLICATE})
_KNOWN_TO_DPS = frozenset({State.WRITTEN, *SETTLED_STATES})


@dataclass(frozen=True, slots=True)
class LockedRow:
    """A row of `record` as the rules need it, locked by our transaction."""

    state: State
    owner: int
    token: int
    version: int
    dps_id: str | None
    existing_dps_id: str | None
    mapping: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class ClaimRequest:
    """A claim as the rules need it."""

    owner: int
    token: int
    idempotent: bool
    settled_version: int | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to answer to a claim, and the state to put the row in (None: leave it)."""

    claim: Claim
    becomes: State | None = None


def decide_claim(row: LockedRow, request: ClaimRequest, *, owner_alive: bool) -> Verdict:
    """Answer a claim on an existing row."""
    mine = row.token == request.token
    match row.state:
        case State.WRITTEN:
            answer = Claim(ClaimOutcome.WRITTEN, row.dps_id, row.mapping, row.state, row.version)
            return Verdict(answer)
        case State.MAPPED | State.DUPLICATE:
            granted = request.settled_version == row.version
            return _granted(row) if granted else _refused(row, ClaimOutcome.SETTLED)
        case State.FAILED | State.REJECTED:
            return _granted(row)
        case State.IN_DOUBT:
            return _granted(row) if mine or request.idempotent else _refused(row, ClaimOutcome.IN_DOUBT)
        case State.WRITING:
            if mine:
                return _granted(row)
            if owner_alive or row.owner == request.owner:
                return _refused(row, ClaimOutcome.BUSY)
            if request.idempotent:
                return _granted(row)
            return Verdict(
                Claim(ClaimOutcome.IN_DOUBT, state=row.state, version=row.version + 1), becomes=State.IN_DOUBT
            )


def _granted(row: LockedRow) -> Verdict:
    return Verdict(Claim(ClaimOutcome.GRANTED, state=row.state, version=row.version + 1), becomes=State.WRITING)


def _refused(row: LockedRow, outcome: ClaimOutcome) -> Verdict:
    dps_id = row.dps_id if outcome is ClaimOutcome.SETTLED else None
    return Verdict(Claim(outcome, dps_id, state=row.state, version=row.version))


def already_so(row: LockedRow, kind: str, dps_id: str | None, existing_dps_id: str | None) -> bool:
    """Whether the row says already what operation `kind` would make it say."""
    match kind:
        case State.WRITTEN:
            return row.state in _KNOWN_TO_DPS and row.dps_id == dps_id
        case State.DUPLICATE:
            return row.state is State.DUPLICATE and (row.dps_id, row.existing_dps_id) == (dps_id, existing_dps_id)
        case _:
            return row.state == kind
