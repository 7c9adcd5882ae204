"""`nomis-pipelines sandbox`: start and stop a small world to run against, steer it, and look at what it received."""

import json
import shlex
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, get_args

import click

from nomis_pipelines.sandbox.names import ServiceName

FIRST_INCIDENT = 500_001
FIRST_LOCATION = 70_001
"""The sandbox's first records: not imported, for the command line shall start quickly."""

STATE = click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".sandbox"),
    show_default=True,
    help="The sandbox's directory: what it stores, its log, its PostgreSQL.",
)

BOOKING = click.option("--booking", "booking_id", type=int, help="With --sequence; else the alert mapped last.")
SEQUENCE = click.option("--sequence", type=int, help="Of the alert within its booking.")


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
@click.option(
    "--prisoners", type=click.IntRange(1), help="How many prisoners have alerts (default: 2/5 of the visits)."
)
@click.option("--locations", type=click.IntRange(1), help="How many locations there are (default: visits / 10).")
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
@click.argument("service", type=click.Choice(get_args(ServiceName)))
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


@emit.command("alert-inserted")
@STATE
@click.option("--prisoner", "offender_no", help="Whose; without it the prisoner whose alert was mapped last.")
@click.option("--code", default="XCU", show_default=True, help="The alert's code.")
@click.option("--comment", default="Added at reception", show_default=True)
@_plain_errors
def alert_inserted(state: Path, offender_no: str | None, code: str, comment: str) -> None:
    """Make an alert on a prisoner's latest booking: ALERT-INSERTED."""
    click.echo(json.dumps(_emitter(state).alert_inserted(offender_no, code, comment)))


@emit.command("alert-updated")
@STATE
@BOOKING
@SEQUENCE
@click.option("--comment", default="Reviewed", show_default=True)
@_plain_errors
def alert_updated(state: Path, booking_id: int | None, sequence: int | None, comment: str) -> None:
    """Change the comment of an alert: ALERT-UPDATED."""
    click.echo(json.dumps(_emitter(state).alert_updated(booking_id, sequence, comment)))


@emit.command("alert-deleted")
@STATE
@BOOKING
@SEQUENCE
@_plain_errors
def alert_deleted(state: Path, booking_id: int | None, sequence: int | None) -> None:
    """Delete an alert: ALERT-DELETED."""
    click.echo(json.dumps(_emitter(state).alert_deleted(booking_id, sequence)))


@emit.command("court-case-inserted")
@STATE
@click.argument("booking_id", type=int)
@click.option("--like", type=int, required=True, help="The court case that it is made alike to.")
@_plain_errors
def court_case_inserted(state: Path, booking_id: int, like: int) -> None:
    """Make a court case on a booking with all its parts: an event for each, OFFENDER_CASES-INSERTED first."""
    click.echo(json.dumps(_emitter(state).courts.case_inserted(booking_id, like)))


@emit.command("court-appearance-updated")
@STATE
@click.argument("case_id", type=int)
@click.option("--comment", default="by video link", show_default=True)
@_plain_errors
def court_appearance_updated(state: Path, case_id: int, comment: str) -> None:
    """Change the comment of the last appearance of a court case: COURT_EVENTS-UPDATED."""
    click.echo(json.dumps(_emitter(state).courts.appearance_updated(case_id, comment)))


@emit.command("court-case-deleted")
@STATE
@click.argument("case_id", type=int)
@_plain_errors
def court_case_deleted(state: Path, case_id: int) -> None:
    """Delete a court case with all its parts: an event for each, OFFENDER_CASES-DELETED last."""
    click.echo(json.dumps(_emitter(state).courts.case_deleted(case_id)))


@emit.command("csip-inserted")
@STATE
@click.option("--like", type=int, required=True, help="The CSIP report that it is made alike to.")
@_plain_errors
def csip_inserted(state: Path, like: int) -> None:
    """Make a CSIP report with all its parts: an event for each, CSIP_REPORTS-INSERTED first."""
    click.echo(json.dumps(_emitter(state).csip.report_inserted(like)))


@emit.command("csip-updated")
@STATE
@click.argument("csip_id", type=int)
@click.option("--log-number", default="MDI-001", show_default=True)
@_plain_errors
def csip_updated(state: Path, csip_id: int, log_number: str) -> None:
    """Change the log number of a CSIP report: CSIP_REPORTS-UPDATED."""
    click.echo(json.dumps(_emitter(state).csip.report_updated(csip_id, log_number)))


@emit.command("csip-factor-inserted")
@STATE
@click.argument("csip_id", type=int)
@click.option("--code", default="DEB", show_default=True, help="The type of the factor.")
@_plain_errors
def csip_factor_inserted(state: Path, csip_id: int, code: str) -> None:
    """Add a contributory factor to a CSIP report: CSIP_FACTORS-INSERTED."""
    click.echo(json.dumps(_emitter(state).csip.factor_inserted(csip_id, code)))


@emit.command("csip-deleted")
@STATE
@click.argument("csip_id", type=int)
@_plain_errors
def csip_deleted(state: Path, csip_id: int) -> None:
    """Delete a CSIP report with all its parts: CSIP_REPORTS-DELETED."""
    click.echo(json.dumps(_emitter(state).csip.report_deleted(csip_id)))


@emit.command("case-note-inserted")
@STATE
@click.argument("offender_no")
@click.option("--text", default="Seen at reception", show_default=True)
@_plain_errors
def case_note_inserted(state: Path, offender_no: str, text: str) -> None:
    """Make a case note on a prisoner's latest booking: OFFENDER_CASE_NOTES-INSERTED."""
    click.echo(json.dumps(_emitter(state).case_notes.inserted(offender_no, text)))


@emit.command("case-note-updated")
@STATE
@click.argument("note_id", type=int)
@click.option("--text", default="Seen again", show_default=True)
@_plain_errors
def case_note_updated(state: Path, note_id: int, text: str) -> None:
    """Change the text of a case note: OFFENDER_CASE_NOTES-UPDATED."""
    click.echo(json.dumps(_emitter(state).case_notes.updated(note_id, text)))


@emit.command("case-note-deleted")
@STATE
@click.argument("note_id", type=int)
@_plain_errors
def case_note_deleted(state: Path, note_id: int) -> None:
    """Delete a case note: OFFENDER_CASE_NOTES-DELETED."""
    click.echo(json.dumps(_emitter(state).case_notes.deleted(note_id)))


@emit.command("prisoner-merged")
@STATE
@click.argument("retained")
@click.argument("removed")
@_plain_errors
def prisoner_merged(state: Path, retained: str, removed: str) -> None:
    """Let the number REMOVED go into RETAINED, with its bookings: prison-offender-events.prisoner.merged."""
    click.echo(json.dumps(_emitter(state).prisoner_merged(retained, removed)))


@emit.command("booking-moved")
@STATE
@click.argument("booking_id", type=int)
@click.argument("target")
@_plain_errors
def booking_moved(state: Path, booking_id: int, target: str) -> None:
    """Move a booking to the prisoner TARGET: prison-offender-events.prisoner.booking.moved."""
    click.echo(json.dumps(_emitter(state).booking_moved(booking_id, target)))


@emit.command("prisoner-received")
@STATE
@click.argument("offender_no")
@click.option("--reason", default="NEW_ADMISSION", show_default=True, help="A new admission brings a new booking.")
@_plain_errors
def prisoner_received(state: Path, offender_no: str, reason: str) -> None:
    """Receive a prisoner: prisoner-offender-search.prisoner.received, and ALERT-INSERTED for each alert copied."""
    click.echo(json.dumps(_emitter(state).prisoner_received(offender_no, reason)))


@emit.command("location-created")
@STATE
@click.option("--like", type=int, default=FIRST_LOCATION, show_default=True, help="Another location to copy.")
@click.option("--code", default="NEW", show_default=True, help="Its code, the last part of its key.")
@_plain_errors
def location_created(state: Path, like: int, code: str) -> None:
    """Make a location beside another: AGENCY_INTERNAL_LOCATIONS-UPDATED."""
    click.echo(json.dumps(_emitter(state).location_created(like, code)))


@emit.command("location-updated")
@STATE
@click.argument("location_id", type=int)
@click.option("--comment", default="Checked", show_default=True)
@_plain_errors
def location_updated(state: Path, location_id: int, comment: str) -> None:
    """Change the comment of a location: AGENCY_INTERNAL_LOCATIONS-UPDATED."""
    click.echo(json.dumps(_emitter(state).location_updated(location_id, comment)))


@emit.command("location-deleted")
@STATE
@click.argument("location_id", type=int)
@_plain_errors
def location_deleted(state: Path, location_id: int) -> None:
    """Delete a location: AGENCY_INTERNAL_LOCATIONS-UPDATED with `recordDeleted`."""
    click.echo(json.dumps(_emitter(state).location_deleted(location_id)))


@emit.command("location-profile")
@STATE
@click.argument("location_id", type=int)
@click.option("--type", "profile_type", default="HOU_UNIT_ATT", show_default=True)
@click.option("--code", default="SO", show_default=True)
@_plain_errors
def location_profile(state: Path, location_id: int, profile_type: str, code: str) -> None:
    """Give a location one more profile: AGY_INT_LOC_PROFILES-UPDATED."""
    click.echo(json.dumps(_emitter(state).location_profile(location_id, profile_type, code)))


@emit.command("location-usage")
@STATE
@click.argument("location_id", type=int)
@click.option("--type", "usage_type", default="VISIT", show_default=True)
@click.option("--capacity", type=int, default=10, show_default=True)
@_plain_errors
def location_usage(state: Path, location_id: int, usage_type: str, capacity: int) -> None:
    """Give a location one more usage: INT_LOC_USAGE_LOCATIONS-UPDATED."""
    click.echo(json.dumps(_emitter(state).location_usage(location_id, usage_type, capacity)))


@emit.command("incident")
@STATE
@click.argument("what", type=click.Choice(["inserted", "changed", "party-changed", "party-deleted", "deleted"]))
@click.argument("incident_id", type=int, default=FIRST_INCIDENT)
@_plain_errors
def incident(state: Path, what: str, incident_id: int) -> None:
    """Make an incident alike to another, change one, or delete one: INCIDENT-INSERTED, -CHANGED-… or -DELETED-…"""
    click.echo(json.dumps(_emitter(state).incidents.tell(what, incident_id)))


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
    click.echo(
        f"  {world['visits']:,} visits from {world['since']} to {world['until']}, "
        f"{world['adjustments']:,} adjustments, {world['prisoners']:,} prisoners, {world['locations']:,} locations, "
        f"seed {world['seed']}"
    )
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
