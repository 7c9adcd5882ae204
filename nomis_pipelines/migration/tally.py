"""What became of the records of a migration: counts that add up, from page to run, the same for all who show them."""

from collections import Counter
from dataclasses import dataclass, field, fields
from enum import StrEnum


class Outcome(StrEnum):
    """The one thing that became of a record. Every record that was listed has exactly one."""

    MIGRATED = "migrated"
    SKIPPED = "skipped"
    REJECTED = "rejected"
    FAILED = "failed"
    UNMAPPED = "unmapped"
    IN_DOUBT = "in_doubt"
    DUPLICATE = "duplicates"
    BUSY = "busy"


@dataclass
class Tally:
    """Counts by outcome, reasons of what was rejected or failed, and working time in seconds.

    `skipped` were mapped already; `unmapped` are written but the mapping service still refuses the pair; `busy` were
    being written by another living run.
    """

    listed: int = 0
    migrated: int = 0
    skipped: int = 0
    rejected: int = 0
    failed: int = 0
    unmapped: int = 0
    in_doubt: int = 0
    duplicates: int = 0
    busy: int = 0
    reasons: Counter[str] = field(default_factory=Counter[str])

    def add(self, outcome: Outcome, reason: str | None = None) -> None:
        """Count one record."""
        setattr(self, outcome.value, getattr(self, outcome.value) + 1)
        if reason is not None:
            self.reasons[reason] += 1

    def __add__(self, other: "Tally") -> "Tally":
        total = Tally(reasons=self.reasons + other.reasons)
        for name in COUNTS:
            setattr(total, name, getattr(self, name) + getattr(other, name))
        return total

    @property
    def processed(self) -> int:
        """Records whose fate is known."""
        return sum(getattr(self, outcome.value) for outcome in Outcome)

    def counts(self) -> dict[str, int]:
        """The counts by name."""
        return {name: getattr(self, name) for name in COUNTS}


COUNTS = tuple(f.name for f in fields(Tally) if f.name != "reasons")
