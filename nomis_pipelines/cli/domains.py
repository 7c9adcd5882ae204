"""`nomis-pipelines domains`: what exists, from the declarations alone. Nothing is connected to."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from nomis_pipelines.cli.common import JSON, OPTIONAL_DOMAIN, as_json_text, chosen, plain_console

if TYPE_CHECKING:
    from nomis_pipelines.domains.declaration import Domain
    from nomis_pipelines.settings import Settings


@click.command()
@OPTIONAL_DOMAIN
@JSON
def domains(domain: "Domain | None", *, as_json: bool) -> None:
    """The domains there are, or one: migration, partitions, filter, queues, events with their switches, repairs."""
    from nomis_pipelines.settings import load_settings

    settings = load_settings()
    rows = [describe(each, settings) for each in chosen(domain)]
    if as_json:
        click.echo(as_json_text(rows))
        return
    _print(rows)


def describe(domain: "Domain", settings: "Settings") -> dict[str, Any]:
    """A domain as data."""
    migration = domain.migration
    queues = [
        {
            "queue_id": queue,
            "configured": settings.has_queue(queue),
            "events": {
                handler.type: settings.event_enabled(declared.switch_domain, handler.type)
                for declared in domain.synchronisation
                if declared.queue == queue
                for handler in declared.handlers
                if handler.kind == "event"
            },
        }
        for queue in domain.queues
    ]
    return {
        "domain": domain.name,
        "title": domain.title,
        "migration_type": migration.migration_type,
        "partitions": migration.partitions.describe(),
        "filter": [field.alias or name for name, field in migration.filter.model_fields.items()],
        "services": list(migration.services),
        "queues": queues,
        "repairs": [
            {"name": repair.name, "summary": repair.summary, "endpoint": f"{repair.method} {repair.path}"}
            for repair in domain.repairs
        ],
        "actions": [
            {"name": action.name, "summary": action.summary, "endpoint": f"PUT {action.path}"}
            for action in domain.actions
        ],
        "deletes_surplus": domain.delete_surplus is not None,
    }


def _print(rows: Sequence[dict[str, Any]]) -> None:
    from rich.table import Table

    for row in rows:
        table = Table(title=f"{row['title']} ({row['domain']})", title_justify="left", show_header=False)
        table.add_column(style="bold")
        table.add_column(overflow="fold")
        for key in ("migration_type", "partitions", "filter", "services"):
            value = row[key]
            table.add_row(key.replace("_", " "), value if isinstance(value, str) else ", ".join(value))
        for queue in row["queues"]:
            table.add_row(f"queue {queue['queue_id']}", "configured" if queue["configured"] else "not configured")
            for event, on in queue["events"].items():
                table.add_row("  event", f"{event}: {'on' if on else 'OFF'}")
        for repair in row["repairs"]:
            table.add_row("repair", f"{repair['name']}: {repair['summary']} ({repair['endpoint']})")
        for action in row["actions"]:
            table.add_row("action", f"{action['name']}: {action['summary']} ({action['endpoint']})")
        table.add_row("surplus records", "can be deleted" if row["deletes_surplus"] else "must be deleted by hand")
        plain_console().print(table)
