"""`nomis-pipelines act`: what a domain has done with one of its migrations afterwards."""

from typing import TYPE_CHECKING

import click

from nomis_pipelines.cli.common import DOMAIN, JSON, as_json_text, on_platform

if TYPE_CHECKING:
    from nomis_pipelines.domains.declaration import Domain
    from nomis_pipelines.migration.actions import Action
    from nomis_pipelines.platform import Platform


@click.command()
@DOMAIN
@click.argument("name", metavar="ACTION")
@click.argument("migration_id", metavar="MIGRATION_ID")
@click.argument("parameters", nargs=-1, metavar="[NAME=VALUE]...")
@JSON
def act(domain: "Domain", name: str, migration_id: str, parameters: tuple[str, ...], *, as_json: bool) -> None:
    """Do ACTION of DOMAIN with the migration MIGRATION_ID; `nomis-pipelines domains DOMAIN` lists the actions.

    For instance: act activities move-start-dates 2026-09-28T09:15:30 newActivityStartDate=2026-10-12
    """
    from nomis_pipelines.migration.actions import ActionError, run_action

    action = _chosen(domain, name)
    values = dict(map(_parameter, parameters))

    async def work(platform: "Platform") -> list[str]:
        try:
            return await run_action(action, platform, migration_id, values)
        except ActionError as error:
            raise click.ClickException(str(error)) from error

    lines = on_platform(work)
    if as_json:
        click.echo(as_json_text(lines))
        return
    for line in lines:
        click.echo(line)
    click.echo(f"{action.name} of migration {migration_id}: done", err=True)


def _chosen(domain: "Domain", name: str) -> "Action":
    for action in domain.actions:
        if action.name == name.replace("_", "-"):
            return action
    names = ", ".join(action.name for action in domain.actions)
    raise click.BadParameter(
        f"{domain.name} has {f'the actions {names}' if names else 'no actions'}", param_hint="ACTION"
    )


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="[NAME=VALUE]...")
    return name, value
