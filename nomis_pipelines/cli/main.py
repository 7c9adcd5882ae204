"""The command's root: which groups there are, and how errors end.

Exit status: 0 done, 1 the work failed, 2 the call or a setting is wrong.
"""

import importlib
import sys
from typing import NoReturn

import click

COMMANDS = {
    "act": ("nomis_pipelines.cli.act", "What a domain has done with a migration afterwards, such as ending in NOMIS."),
    "api": ("nomis_pipelines.cli.api", "Serve the control API that dashboards and scripts speak."),
    "cancel": ("nomis_pipelines.cli.cancel", "Ask a migration to stop."),
    "contracts": ("nomis_pipelines.cli.contracts", "Our consumer contracts: generate models, check producers."),
    "db": ("nomis_pipelines.cli.db", "The ledger's schema."),
    "demo": ("nomis_pipelines.cli.demo", "A migration or the UI on the sandbox: make run, make dev."),
    "domains": ("nomis_pipelines.cli.domains", "What exists: events, queues, partitions, switches, repairs."),
    "duplicates": ("nomis_pipelines.cli.duplicates", "Surplus DPS records: list, resolve."),
    "failures": ("nomis_pipelines.cli.failures", "Records that failed or were rejected: list, retry, dismiss."),
    "history": ("nomis_pipelines.cli.history", "The migrations there were, newest first."),
    "in-doubt": ("nomis_pipelines.cli.in_doubt", "Records that DPS may or may not have: list, adopt, rewrite."),
    "mappings": ("nomis_pipelines.cli.mappings", "Record the mappings that were refused earlier."),
    "migrate": ("nomis_pipelines.cli.migrate", "Migrate a domain by a filter, in this process."),
    "queues": ("nomis_pipelines.cli.queues", "Event queues and their dead letters: list, peek, retry, purge."),
    "sandbox": ("nomis_pipelines.cli.sandbox", "A small world to run against."),
    "status": ("nomis_pipelines.cli.status", "How far a migration is, how fast, and how long it will take."),
    "synchronise": ("nomis_pipelines.cli.synchronise", "Handle a domain's events here, without Dagster."),
}  # fmt: skip


class LazyGroup(click.Group):
    """Imports a command's module only when that command is called, so that the others start fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in alphabetical order."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported."""
        if cmd_name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(COMMANDS[cmd_name][0]), cmd_name.replace("-", "_"))
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list for `--help`, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="nomis-pipelines")
def cli() -> None:
    """Move prisoner data from NOMIS into the DPS services, and keep the two in step."""


def main() -> NoReturn:
    """Run the command; errors of ours are one line and a status, never a traceback."""
    from nomis_pipelines.settings import SettingError

    try:
        status = cli(standalone_mode=False)
    except click.exceptions.Exit as ending:
        status = ending.exit_code
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        status = 130
    except SettingError as error:
        click.echo(f"Error: {error}", err=True)
        status = 2
    except Exception as error:
        if not type(error).__module__.startswith("nomis_pipelines."):
            raise  # not foreseen by us: the traceback is what helps
        click.echo(f"Error: {error}", err=True)
        status = 1
    sys.exit(status if isinstance(status, int) else 0)
