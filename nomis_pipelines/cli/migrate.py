"""`nomis-pipelines migrate`: the job `migrate_<domain>_by_filter` in this process, without webserver or daemon."""

import json
import sys
from typing import Any

import click


@click.command()
@click.argument("domain_name", metavar="DOMAIN")
@click.option(
    "--filter",
    "filter_text",
    default="{}",
    metavar="JSON",
    help='The filter, as the start request has it, e.g. \'{"prisonIds": ["HEI"]}\'.',
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object on the last line.")
def migrate(domain_name: str, filter_text: str, as_json: bool) -> None:
    """Migrate DOMAIN by a filter.

    The exit status is 0 when the run went through, also when records failed; 1 when the run itself failed or was
    cancelled; 2 when the call or a setting is wrong.
    """
    from nomis_pipelines.cli import launch
    from nomis_pipelines.domains import UnknownDomain, domain
    from nomis_pipelines.migration.filters import FilterError, run_filter

    try:
        migration = domain(domain_name).migration
        run_filter(migration, _object(filter_text), None)
    except UnknownDomain as error:
        raise click.BadParameter(str(error), param_hint="DOMAIN") from None
    except FilterError as error:
        raise click.BadParameter(str(error), param_hint="--filter") from None
    result = launch.by_filter(migration, _object(filter_text))
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
