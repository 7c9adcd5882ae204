"""The rules of the asset checks, as pure functions: exact count, capped sample, and how to put it right."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from nomis_pipelines.ledger import Record

SAMPLE = 20
ADVICE = "how to put it right"
"""The name under which a check's metadata carries its advice."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What one check found. `serious` tells an error from something that an operator may well accept."""

    name: str
    passed: bool
    summary: str
    count: int = 0
    advice: str = ""
    serious: bool = True
    rows: Sequence[dict[str, str]] = field(default_factory=list[dict[str, str]])


def _listing(name: str, count: int, sample: Sequence[Record], what: str, advice: str) -> Verdict:
    rows = [
        {
            "NOMIS id": record.nomis_key,
            "DPS id": record.dps_id or "",
            "existing DPS id": record.existing_dps_id or "",
            "reason": record.reason or "",
            "migration": record.migration_id or "",
        }
        for record in sample[:SAMPLE]
    ]
    return Verdict(
        name=name,
        passed=count == 0,
        summary=f"no {what}" if count == 0 else f"{count} {what}, {len(rows)} shown",
        count=count,
        advice=advice if count else "",
        rows=rows,
    )


def no_duplicates(domain: str, count: int, sample: Sequence[Record]) -> Verdict:
    """No record has a second DPS record beside its mapped one."""
    return _listing(
        "no_duplicates",
        count,
        sample,
        "records with a surplus DPS record",
        f"delete the surplus record (DPS id) and keep the existing one: `nomis-pipelines duplicates resolve {domain}` "
        "says what it would delete, and with --yes deletes it (runbook, Duplicates)",
    )


def no_failures(domain: str, count: int, sample: Sequence[Record]) -> Verdict:
    """No record failed."""
    return _listing(
        "no_failures",
        count,
        sample,
        "failed records",
        f"mend the cause, then `nomis-pipelines failures retry {domain}` or the job retry_failed_{domain} "
        "(runbook, Failed and rejected)",
    )


def nothing_in_doubt(domain: str, count: int, sample: Sequence[Record]) -> Verdict:
    """No record may or may not have reached DPS."""
    return _listing(
        "nothing_in_doubt",
        count,
        sample,
        "records in doubt",
        f"look each up in DPS, then `nomis-pipelines in-doubt adopt {domain} NOMIS_ID DPS_ID` "
        f"or `nomis-pipelines in-doubt rewrite {domain} NOMIS_ID` (runbook, In doubt)",
    )


def everything_mapped(domain: str, count: int, sample: Sequence[Record]) -> Verdict:
    """Every record that was written has its mapping recorded."""
    return _listing(
        "everything_mapped",
        count,
        sample,
        "written records without a mapping",
        f"`nomis-pipelines mappings retry {domain}` or the job retry_mappings (runbook, Failed and rejected)",
    )


def complete(domain: str, in_nomis: int, mapped: int, rejected: int) -> Verdict:
    """NOMIS's count equals what is mapped. A gap that rejections explain to the record is a warning."""
    gap = in_nomis - mapped
    if gap == 0:
        return Verdict(name="complete", passed=True, summary=f"all {in_nomis} records of NOMIS are mapped")
    explained = gap == rejected
    return Verdict(
        name="complete",
        passed=False,
        serious=not explained,
        count=abs(gap),
        summary=f"NOMIS has {in_nomis} records, {mapped} are mapped"
        + (f", {rejected} were rejected with a reason" if rejected else ""),
        advice="see the reasons of the rejected records; mend the cause and migrate again"
        if explained
        else f"migrate again; if the gap stays, run `nomis-pipelines failures {domain}`",
    )
