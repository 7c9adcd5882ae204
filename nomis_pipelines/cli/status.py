"""`nomis-pipelines status`: how far migrations are."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from nomis_pipelines.cli.common import JSON, ledger_reader, show

if TYPE_CHECKING:
    from nomis_pipelines.ledger import LedgerReader, MigrationRow, Progress

COLUMNS = {
    "migration_id": "migration",
    "domain": "domain",
    "partition": "partition",
    "status": "status",
    "processed": "done",
    "estimated": "estimated",
    "trouble": "trouble",
    "records_a_second": "a second",
    "left": "time left",
    "note": "",
}
TROUBLE = ("rejected", "failed", "in_doubt", "duplicates", "unmapped")
SILENT_SECONDS = 120
"""A running migration saves its progress every second; one that has not for so long has probably died."""


@click.command()
@click.argument("which", metavar="[MIGRATION_ID|DOMAIN]", required=False)
@JSON
def status(which: str | None, *, as_json: bool) -> None:
    """How far a migration is: counts, rate, time left.

    With a DOMAIN its newest migration; with nothing, all that run, or when none does the newest of each domain.
    """
    from nomis_pipelines.settings import load_settings

    now, ui_url = datetime.now(UTC), load_settings().ui_url
    with ledger_reader() as reader:
        found = _found(reader, which)
        rows = [
            row_of(progress, row, now=now, ui_url=ui_url)
            for progress in found
            if (row := reader.migration(progress.migration_id)) is not None
        ]
    show(rows, COLUMNS, as_json=as_json, empty="no migrations")
    if not as_json and len(rows) == 1 and rows[0]["run_url"]:
        click.echo(rows[0]["run_url"])


def _found(reader: "LedgerReader", which: str | None) -> "list[Progress]":
    from nomis_pipelines.domains import DOMAINS, UnknownDomain, domain

    if which is None:
        newest = [reader.latest_progress(each.name) for each in DOMAINS]
        return reader.active() or [progress for progress in newest if progress is not None]
    if which[:1].isdigit():
        progress = reader.progress(which)
        if progress is None:
            gone = "has no progress kept" if reader.migration(which) else "is not in the history"
            raise click.ClickException(f"migration {which} {gone}")
        return [progress]
    try:
        newest_of_domain = reader.latest_progress(domain(which).name)
    except UnknownDomain as error:
        raise click.BadParameter(f"neither a migration id nor a domain: {error}", param_hint="WHICH") from None
    return [newest_of_domain] if newest_of_domain is not None else []


def row_of(progress: "Progress", row: "MigrationRow", *, now: datetime, ui_url: str) -> dict[str, Any]:
    """One migration: its counters, the rate since its start and, while it runs, the seconds left at that rate."""
    from dataclasses import asdict

    # to the last saved progress: a run that has died must not seem to become slower and slower
    until = row.when_ended or progress.updated_at
    seconds = max((until - row.when_started).total_seconds(), 0.0)
    rate = progress.processed / seconds if seconds else 0.0
    remaining = max(progress.estimated - progress.processed, 0)
    left = remaining / rate if row.active and rate else None
    silent = (now - progress.updated_at).total_seconds()
    return {
        **asdict(progress),
        "status": str(row.status),
        "when_started": row.when_started,
        "when_ended": row.when_ended,
        "seconds": round(seconds, 3),
        "records_a_second": round(rate, 1),
        "seconds_left": round(left) if left is not None else None,
        "left": duration(left) if left is not None else "",
        "trouble": ", ".join(f"{n} {name.replace('_', ' ')}" for name in TROUBLE if (n := getattr(progress, name))),
        "note": f"silent for {duration(silent)}" if row.active and silent > SILENT_SECONDS else "",
        "run_url": f"{ui_url}/runs/{progress.run_id}" if progress.run_id else "",
    }


def duration(seconds: float) -> str:
    """`2 h 5 min`, `3 min 20 s`, `12 s`."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"
