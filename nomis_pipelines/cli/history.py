"""`nomis-pipelines history`: the migrations there were."""

from typing import TYPE_CHECKING

import click

from nomis_pipelines.cli.common import JSON, OPTIONAL_DOMAIN, ledger_reader, show

if TYPE_CHECKING:
    from nomis_pipelines.domains.declaration import Domain

COLUMNS = {
    "migration_id": "migration",
    "migration_type": "type",
    "status": "status",
    "when_started": "started",
    "when_ended": "ended",
    "estimated_record_count": "estimated",
    "records_migrated": "migrated",
    "records_failed": "failed",
    "filter": "filter",
}


@click.command()
@OPTIONAL_DOMAIN
@click.option("--prison", metavar="CODE", help="Only runs of exactly this prison.")
@click.option("--failures", "only_failures", is_flag=True, help="Only those with records that failed.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True)
@JSON
def history(domain: "Domain | None", prison: str | None, *, only_failures: bool, limit: int, as_json: bool) -> None:
    """The migrations of DOMAIN, or of all domains, newest first.

    Failed counts failed, rejected and in-doubt records together, as the control API does. While a migration runs, its
    counts are those of the moment.
    """
    from dataclasses import asdict

    types = [domain.migration.migration_type] if domain is not None else []
    with ledger_reader() as reader:
        found = reader.history(types, only_failures=only_failures, prison_id=prison)[:limit]
        running = {progress.migration_id: progress for progress in reader.active()}
    rows = [asdict(row) for row in found]
    for row in rows:
        progress = running.get(row["migration_id"])
        if progress is not None:
            row["records_migrated"] = progress.migrated
            row["records_failed"] = progress.failed + progress.rejected + progress.in_doubt
    show(rows, COLUMNS, as_json=as_json, empty="no migrations")
