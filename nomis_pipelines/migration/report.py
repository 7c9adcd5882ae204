"""The counts of a run as people see them: a sentence for the log, metadata for Dagster, a row for the CLI."""

from typing import Any

import dagster as dg

from nomis_pipelines.markdown import as_markdown
from nomis_pipelines.migration.run import MigrationRun
from nomis_pipelines.migration.tally import Tally
from nomis_pipelines.settings import Settings


def sentence(tally: Tally, estimated: int, seconds: float) -> str:
    """Progress in a line, e.g. `1200 of 5000 done (1190 migrated, 10 skipped), 512 a second`."""
    parts = [
        f"{count} {name.replace('_', ' ')}" for name, count in tally.counts().items() if count and name != "listed"
    ]
    rate = tally.processed / seconds if seconds > 0 else 0.0
    return f"{tally.processed} of {estimated} done ({', '.join(parts) or 'nothing yet'}), {rate:.0f} a second"


def tally_metadata(tally: Tally) -> dict[str, Any]:
    """Counts by outcome, and the reasons when there are any."""
    metadata: dict[str, Any] = {name: dg.MetadataValue.int(count) for name, count in tally.counts().items()}
    if tally.reasons:
        metadata["reasons"] = dg.MetadataValue.md(
            as_markdown([{"reason": reason, "records": count} for reason, count in tally.reasons.most_common()])
        )
    return metadata


def as_metadata(run: MigrationRun, settings: Settings, run_id: str) -> dict[str, Any]:
    """What a materialisation says of its run: counts, rate, reasons, and where to look further."""
    mappings = settings.service("mapping").base_url + run.migration.migrated_path.format(migrationId=run.migration_id)
    rate = run.tally.processed / run.seconds if run.seconds else 0.0
    return {
        "migration_id": dg.MetadataValue.text(run.migration_id),
        "estimated": dg.MetadataValue.int(run.estimated),
        **tally_metadata(run.tally),
        "seconds": dg.MetadataValue.float(round(run.seconds, 3)),
        "records_a_second": dg.MetadataValue.float(round(rate, 1)),
        "run": dg.MetadataValue.url(f"{settings.ui_url}/runs/{run_id}"),
        "mappings": dg.MetadataValue.url(mappings),
    }
