"""`nomis-pipelines sandbox`: start and stop a small world to run against, steer it, and look at what it received."""

import json
import shlex
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

STATE = click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".sandbox"),
    show_default=True,
    help="The sandbox's directory: what it stores, its log, its PostgreSQL.",
)


def _plain_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Errors of the sandbox end in one line, not in a traceback."""

    @wraps(command)
    def call(*arguments: Any, **options: Any) -> None:
        from nomis_pipelines.sandbox.postgres import PostgresError
        from nomis_pipelines.sandbox.state import SandboxError

        try:
            command(*arguments, **options)
        except* (SandboxError, PostgresError, RuntimeError) as errors:
            raise click.ClickException(str(errors.exceptions[0])) from None

    return call


@click.group(invoke_without_command=True)
@click.pass_context
def sandbox(context: click.Context) -> None:
    """A small world to run against. Without a command: start it here, until Ctrl-C."""
    if context.invoked_subcommand is None:
        context.invoke(start)


@sandbox.command()
@STATE
@click.option("--visits", type=click.IntRange(1), help="How many visits NOMIS has (default 50,000).")
@click.option("--adjustments", type=click.IntRange(1), help="How many adjustments are listed (default: visits / 6).")
@click.option("--seed", type=int, help="Another seed is another world (default 1).")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="The first day of the data (default 2024-01-01).")
@click.option("--today", type=click.DateTime(["%Y-%m-%d"]), help="Let the services believe it is this day.")
@click.option("--port", "ports", multiple=True, metavar="NAME=NUMBER", help="A fixed port; else a free one is taken.")
@click.option("--postgres/--no-postgres", default=True, help="With PostgreSQL for the ledger and Dagster.")
@click.option("--sqs/--no-sqs", default=True, help="With SQS and SNS.")
@click.option("--detach", is_flag=True, help="Return when it is ready, and leave it running.")
@_plain_errors
def start(**given: Any) -> None:
    """Start the sandbox; every child process ends with it."""
    from nomis_pipelines.sandbox import process
    from nomis_pipelines.sandbox.control import spawn, wait_until_ready
    from nomis_pipelines.sandbox.state import SandboxOptions, StateDirectory

    detach = given.pop("detach", False)
    given["ports"] = _ports(given.get("ports", ()))
    for name in ("since", "today"):
        given[name] = given[name].date() if given.get(name) else None
    options = SandboxOptions(**given)
    if detach:
        directory = StateDirectory(options.state)
        if directory.ready() is not None:
            raise click.ClickException(f"a sandbox is running over {directory.path} already")
        _announce(wait_until_ready(directory, spawn(options)))
    else:
        process.run(options, _announce)


@sandbox.command()
@STATE
@_plain_errors
def stop(state: Path) -> None:
    """Stop the sandbox that runs over a directory."""
    from nomis_pipelines.sandbox.control import stop_running
    from nomis_pipelines.sandbox.state import StateDirectory

    click.echo(f"stopped process {stop_running(StateDirectory(state))}")


@sandbox.command()
@STATE
@_plain_errors
def status(state: Path) -> None:
    """Tell what runs, where, and over how much data."""
    found = _state(state)
    _announce(found)
    click.echo(json.dumps(_admin(state).status(), indent=2))


@sandbox.command()
@STATE
@_plain_errors
def env(state: Path) -> None:
    """Print the environment that leads to this sandbox: eval "$(nomis-pipelines sandbox env)"."""
    for name, value in _state(state)["environment"].items():
        click.echo(f"export {name}={shlex.quote(value)}")


@sandbox.command()
@STATE
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@_plain_errors
def counts(state: Path, as_json: bool) -> None:
    """Show what every service received, and how what is stored agrees."""
    admin = _admin(state)
    found = {"counts": admin.counts(), "agreement": admin.agreement()}
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    _show_counts(found["counts"])
    for kind, numbers in found["agreement"].items():
        click.echo(f"{kind}: " + ", ".join(f"{name.replace('_', ' ')} {number}" for name, number in numbers.items()))


@sandbox.command()
@STATE
@click.argument("what", type=click.Choice(["all", "data", "counts", "faults"]), default="all")
@_plain_errors
def reset(state: Path, what: str) -> None:
    """Forget stored `data`, `counts`, `faults`, or `all` of them. The ledger is left alone."""
    _admin(state).reset(what)


@sandbox.command()
@STATE
@click.option("--client", default="operator", show_default=True, help="The OAuth2 client the token is for.")
@click.option("--username", help="The person using it.")
@_plain_errors
def token(state: Path, client: str, username: str | None) -> None:
    """Print a token, by default one that may do all an operator may."""
    click.echo(_admin(state).token(client, username))


@sandbox.group()
def faults() -> None:
    """Make things go wrong, per service and path, while the sandbox runs."""


@faults.command("set")
@STATE
@click.argument("kind")
@click.argument("service", type=click.Choice(["auth", "nomis", "mapping", "visits", "sentencing", "activities", "*"]))
@click.argument("options", nargs=-1, metavar="[NAME=VALUE]...")
@_plain_errors
def set_fault(state: Path, kind: str, service: str, options: tuple[str, ...]) -> None:
    """Set a fault of KIND for SERVICE, e.g. `status visits code=503 retry_after=2 probability=0.1`."""
    click.echo(_admin(state).set_fault(kind, service, **dict(map(_option, options))))


@faults.command("list")
@STATE
@_plain_errors
def list_faults(state: Path) -> None:
    """Show the faults that stand, with how often each has struck."""
    for fault in _admin(state).faults():
        click.echo(json.dumps(fault))


@faults.command("clear")
@STATE
@click.argument("fault_id", type=int, required=False)
@_plain_errors
def clear_faults(state: Path, fault_id: int | None) -> None:
    """Take back one fault, or all."""
    _admin(state).clear_faults(fault_id)


@sandbox.group()
def emit() -> None:
    """Change a record in NOMIS and publish the event that NOMIS would."""


@emit.command("visit-cancelled")
@STATE
@click.argument("visit_id", type=int, required=False)
@click.option("--outcome", default="VISCANC", show_default=True, help="NOMIS's outcome code.")
@click.option("--user", default="AB_GEN", show_default=True, help="Who did it; PRISONER_MANAGER_API is DPS itself.")
@_plain_errors
def visit_cancelled(state: Path, visit_id: int | None, outcome: str, user: str) -> None:
    """Cancel a visit: VISIT_CANCELLED. Without an id: the visit that was migrated last."""
    click.echo(json.dumps(_emitter(state).visit_cancelled(visit_id, outcome, user)))


@emit.command("adjustment-upserted")
@STATE
@click.option("--category", type=click.Choice(["SENTENCE", "KEY-DATE"]), default="SENTENCE", show_default=True)
@click.option("--id", "adjustment_id", type=int, help="The adjustment to change; without it a new one is made.")
@click.option("--booking", "booking_id", type=int, default=1_000_000, show_default=True, help="Of the new one.")
@click.option("--days", type=int, default=7, show_default=True)
@_plain_errors
def adjustment_upserted(state: Path, category: str, adjustment_id: int | None, booking_id: int, days: int) -> None:
    """Make or change an adjustment: SENTENCE_ADJUSTMENT_UPSERTED or KEY_DATE_ADJUSTMENT_UPSERTED."""
    click.echo(json.dumps(_emitter(state).adjustment_upserted(category, adjustment_id, booking_id, days)))


@emit.command("adjustment-deleted")
@STATE
@click.argument("adjustment_id", type=int)
@click.option("--category", type=click.Choice(["SENTENCE", "KEY-DATE"]), default="SENTENCE", show_default=True)
@click.option("--booking", "booking_id", type=int, default=1_000_000, show_default=True)
@click.option("--prisoner", "offender_no", default="A0000AA", show_default=True)
@_plain_errors
def adjustment_deleted(state: Path, adjustment_id: int, category: str, booking_id: int, offender_no: str) -> None:
    """Delete an adjustment: SENTENCE_ADJUSTMENT_DELETED or KEY_DATE_ADJUSTMENT_DELETED."""
    click.echo(json.dumps(_emitter(state).adjustment_deleted(category, adjustment_id, booking_id, offender_no)))


@emit.command("booking-number-changed")
@STATE
@click.argument("booking_id", type=int)
@_plain_errors
def booking_number_changed(state: Path, booking_id: int) -> None:
    """Announce a merge onto a booking: BOOKING_NUMBER-CHANGED."""
    click.echo(json.dumps(_emitter(state).booking_number_changed(booking_id)))


def _emitter(state: Path) -> Any:
    from nomis_pipelines.sandbox.control import SandboxAdmin
    from nomis_pipelines.sandbox.emit import Emitter

    found = _state(state)
    return Emitter(SandboxAdmin(found["admin"]), found["environment"])


def _state(state: Path) -> dict[str, Any]:
    from nomis_pipelines.sandbox.state import StateDirectory

    return StateDirectory(state).read()


def _admin(state: Path) -> Any:
    from nomis_pipelines.sandbox.control import SandboxAdmin

    return SandboxAdmin(_state(state)["admin"])


def _announce(state: dict[str, Any]) -> None:
    world = state["world"]
    click.echo(f"sandbox ready after {state['seconds_to_start']:.1f} s, process {state['pid']}, admin {state['admin']}")
    click.echo(f"  {world['visits']:,} visits from {world['since']} to {world['until']}, seed {world['seed']}")
    click.echo("  ports: " + ", ".join(f"{name} {port}" for name, port in state["ports"].items()))


def _show_counts(counts: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("service", "method", "path", "outcomes")
    for service, found in counts.items():
        for row in found["requests"]:
            outcomes = ", ".join(f"{outcome}: {count:,}" for outcome, count in sorted(row["outcomes"].items()))
            table.add_row(service, row["method"], row["path"], outcomes)
    Console().print(table)
    click.echo(
        "in flight (most at once): "
        + ", ".join(f"{name} {found['in_flight']} ({found['max_in_flight']})" for name, found in counts.items())
    )


def _ports(texts: tuple[str, ...]) -> dict[str, int]:
    ports: dict[str, int] = {}
    for text in texts:
        name, _, number = text.partition("=")
        if not number.isdigit():
            raise click.BadParameter(f"{text!r} is not NAME=NUMBER", param_hint="--port")
        ports[name] = int(number)
    return ports


def _option(text: str) -> tuple[str, object]:
    name, separator, value = text.partition("=")
    if not separator:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
