"""`nomis-pipelines migrate`: the job `migrate_<domain>_by_filter`, here or on the Dagster server."""

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from nomis_pipelines.cli.common import DOMAIN

if TYPE_CHECKING:
    from nomis_pipelines.domains.declaration import Domain


@click.command()
@DOMAIN
@click.option("--prison", "prisons", multiple=True, metavar="CODE", help="A prison; may be repeated.")
@click.option("--from", "start", metavar="DATE", help="Created on or after: 2024-05, 2024-05-01.")
@click.option("--to", "end", metavar="DATE", help="Created on or before: a month or day, its end included.")
@click.option(
    "--filter",
    "filter_text",
    default="{}",
    metavar="JSON",
    help='The filter, as the start request has it, e.g. \'{"prisonIds": ["HEI"]}\'.',
)
@click.option("--launch", "launched", is_flag=True, help="Launch it on the Dagster server instead.")
@click.option("--wait", is_flag=True, help="With --launch: follow it to its end, through Dagster's retries.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object on the last line.")
def migrate(
    domain: "Domain",
    prisons: tuple[str, ...],
    start: str | None,
    end: str | None,
    filter_text: str,
    *,
    launched: bool,
    wait: bool,
    as_json: bool,
) -> None:
    """Migrate DOMAIN by a filter, in this process, with live progress.

    --prison, --from and --to are written into the filter, beside what --filter says. The exit status is 0 when the run
    went through, also when records failed; 1 when the run itself failed or was cancelled; 2 when the call or a setting
    is wrong.
    """
    from nomis_pipelines.cli import launch
    from nomis_pipelines.cli.filter_options import with_options
    from nomis_pipelines.migration.filters import FilterError, run_filter
    from nomis_pipelines.settings import load_settings

    migration = domain.migration
    if wait and not launched:
        raise click.UsageError("--wait goes with --launch: without it the command waits anyway")
    values = with_options(migration, _object(filter_text), prisons=prisons, start=start, end=end)
    try:
        filter = run_filter(migration, values, None)
    except FilterError as error:
        raise click.BadParameter(str(error), param_hint="--filter") from None
    launch.caution(load_settings(), migration, filter)
    if launched and not wait:
        run_id, url = launch.on_server(migration, values)
        click.echo(json.dumps({"run_id": run_id, "run_url": url}) if as_json else f"launched: {url}")
        return
    result = launch.followed(migration, values) if launched else launch.by_filter(migration, values)
    launch.show(result)
    if as_json:
        click.echo(json.dumps(result.as_json()))
    sys.exit(0 if result.succeeded else 1)


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"not JSON: {error}", param_hint="--filter") from None
    if not isinstance(value, dict):
        raise click.BadParameter('must be a JSON object, such as {"prisonIds": ["HEI"]}', param_hint="--filter")
    return value
