"""What a reconciliation finds, as values: where each record stands, counted by prison and month."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from nomis_pipelines.ledger import Record, State

EARLIER = "earlier"
"""The window before the first month of the domain's partitions."""
LATER = "later"
"""The window after the last month of partitions that may lie in the future."""
NO_PRISON = ""
UNKNOWN_PRISON = "?"


class Standing(StrEnum):
    """Where one record stands. All but `mapped` and `surplus` are records of NOMIS that have no right mapping."""

    MAPPED = "mapped"
    NEVER_MIGRATED = "never_migrated"
    """Neither the mapping service nor the ledger knows it."""
    LOST = "mapping_lost"
    """The ledger believes it mapped; the mapping service has no pair (any more)."""
    UNMAPPED = "unmapped"
    """Written to DPS; its pair has not been recorded."""
    DISAGREES = "disagrees"
    """The mapping service has another DPS id than the ledger."""
    FAILED = "failed"
    IN_DOUBT = "in_doubt"
    REJECTED = "rejected"
    DISMISSED = "dismissed"
    """Failed or rejected, and an operator accepted that."""
    BUSY = "being_written"
    NOT_ASKED = "not_asked"
    """The mapping service did not answer for it."""
    SURPLUS = "surplus"
    """Mapped, and gone from NOMIS: DPS has a record too many. Not one of NOMIS's records."""


EXPLAINED = frozenset({Standing.MAPPED, Standing.REJECTED, Standing.DISMISSED})
"""What an operator need not look at."""
PASSING = frozenset({Standing.NEVER_MIGRATED, Standing.UNMAPPED, Standing.BUSY, Standing.LOST, Standing.DISAGREES})
"""What may only look wrong because a record was just being made: looked at again at the end."""

Cell = tuple[str, str]
"""Prison (empty where partitions know none) and month."""


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What is reconciled: everything, or some prisons, or some months (`2024-05`, both included)."""

    prisons: Sequence[str] = ()
    from_month: str | None = None
    to_month: str | None = None


@dataclass(frozen=True, kw_only=True)
class Example:
    """One record that stands wrong: ids only."""

    nomis_id: str
    standing: Standing
    cell: Cell
    ledger_dps_id: str = ""
    mapped_dps_id: str = ""

    def as_row(self) -> dict[str, str]:
        """For a table."""
        prison, month = self.cell
        return {
            "standing": self.standing.value,
            "NOMIS id": self.nomis_id,
            "prison": prison,
            "month": month,
            "DPS id in the ledger": self.ledger_dps_id,
            "DPS id in the mapping service": self.mapped_dps_id,
        }


@dataclass(kw_only=True)
class Reconciliation:
    """What was found, by cell. `complete` is false when it was stopped before the last month."""

    domain: str
    scope: Scope
    months: list[str]
    cells: defaultdict[Cell, Counter[Standing]] = field(default_factory=lambda: defaultdict(Counter[Standing]))
    examples: list[Example] = field(default_factory=list[Example])
    seconds: float = 0.0
    complete: bool = True

    def totals(self) -> Counter[Standing]:
        """Records by standing."""
        total: Counter[Standing] = Counter()
        for counts in self.cells.values():
            total += counts
        return total

    @property
    def in_nomis(self) -> int:
        """Records that NOMIS listed."""
        return sum(count for standing, count in self.totals().items() if standing is not Standing.SURPLUS)

    def different(self) -> dict[Cell, Counter[Standing]]:
        """The cells in which something stands wrong, in order."""
        return {cell: counts for cell, counts in sorted(self.cells.items()) if set(+counts) - EXPLAINED}

    def examples_of(self, standing: Standing, most: int) -> list[Example]:
        """Some records of a standing."""
        return [example for example in self.examples if example.standing is standing][:most]


def standing_of(record: Record | None, mapped: str | None) -> Standing:
    """Where a record stands, from the ledger's row and the mapping service's DPS id."""
    if mapped is not None:
        if record is None:
            return Standing.MAPPED
        believed = {State.MAPPED: record.dps_id, State.WRITTEN: record.dps_id, State.DUPLICATE: record.existing_dps_id}
        return Standing.MAPPED if believed.get(record.state) in (None, "", mapped) else Standing.DISAGREES
    if record is None:
        return Standing.NEVER_MIGRATED
    if record.state is State.MAPPED and record.dps_id == "":
        return Standing.MAPPED  # nothing to be named by a mapping: the ledger is all there is
    if record.dismissed and record.state in (State.FAILED, State.REJECTED):
        return Standing.DISMISSED
    return {
        State.MAPPED: Standing.LOST,
        State.DUPLICATE: Standing.LOST,
        State.WRITTEN: Standing.UNMAPPED,
        State.WRITING: Standing.BUSY,
        State.FAILED: Standing.FAILED,
        State.IN_DOUBT: Standing.IN_DOUBT,
        State.REJECTED: Standing.REJECTED,
    }[record.state]
