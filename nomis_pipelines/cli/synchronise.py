"""`nomis-pipelines synchronise`: a domain's event consumer in the foreground, without Dagster."""

import asyncio
import json
import sys
from dataclasses import replace

import click


@click.command()
@click.argument("domain_name", metavar="DOMAIN")
@click.option(
    "--until-idle",
    type=click.FloatRange(min=0.1),
    metavar="SECONDS",
    help="End when no message has come for so long. Without it: until Ctrl-C.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was done as one JSON object on the last line.")
def synchronise(domain_name: str, until_idle: float | None, as_json: bool) -> None:
    """Handle the events of DOMAIN here, until Ctrl-C or until the queue is idle.

    The exit status is 0 when the consumer ended for a good reason (also when messages failed: they come back), 1 when
    a service or queue stopped it, 2 when the call or a setting is wrong.
    """
    from nomis_pipelines.domains import UnknownDomain, consumers_of, domain
    from nomis_pipelines.ledger import LedgerError
    from nomis_pipelines.observability import configure_logging
    from nomis_pipelines.platform import Platform
    from nomis_pipelines.settings import load_settings
    from nomis_pipelines.synchronisation import ConsumerOptions, QueueError
    from nomis_pipelines.synchronisation.serve import Served, configured, serve

    try:
        chosen = domain(domain_name)
    except UnknownDomain as error:
        raise click.BadParameter(str(error), param_hint="DOMAIN") from None
    if not chosen.synchronisation:
        raise click.BadParameter(f"{chosen.name} handles no events", param_hint="DOMAIN")
    settings = load_settings()
    configure_logging(settings)
    queues = configured(consumers_of(chosen), settings)
    options = replace(ConsumerOptions.from_settings(settings), idle_seconds=until_idle, max_age_seconds=None)

    async def work() -> Served:
        async with Platform.open(settings) as platform:
            return await serve(queues, platform, options)

    try:
        served = asyncio.run(work())
    except* (LedgerError, QueueError) as errors:
        raise click.ClickException("; ".join(str(error) for error in errors.exceptions)) from None
    for report in served.reports:
        click.echo(f"{report.queue}: {report.as_metadata()}", err=True)
    if as_json:
        click.echo(
            json.dumps([{**report.as_metadata(), "events": report.by_event_type()} for report in served.reports])
        )
    sys.exit(0 if served.ok else 1)
