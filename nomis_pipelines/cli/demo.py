"""`make run` and `make dev`: a partition migrated on the sandbox by Dagster itself, and the UI on the sandbox."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

STATE = click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".sandbox"),
    show_default=True,
    help="The sandbox's directory. One that runs there is used, else one is started and stopped again.",
)


@click.group()
def demo() -> None:
    """A migration or the UI on the sandbox."""


@demo.command()
@STATE
@click.option("--domain", "domain_name", default="visits", show_default=True)
@click.option("--partition", default="HEI|2024-05", show_default=True, help="Prison and month of creation.")
def run(state: Path, domain_name: str, partition: str) -> None:
    """Migrate one PARTITION on the sandbox and show what became of it.

    The exit status is 0 only if the run went through and ledger, mapping service and DPS agree.
    """
    with _sandbox(state) as running:
        command = [sys.executable, "-m", "nomis_pipelines", "demo", "partition", domain_name, partition]
        ended = subprocess.run([*command, running.admin], env=running.environment, check=False)  # noqa: S603
    sys.exit(ended.returncode)


@demo.command(hidden=True)
@click.argument("domain_name")
@click.argument("partition")
@click.argument("admin_url")
def partition(domain_name: str, partition: str, admin_url: str) -> None:
    """What `run` does once the environment leads to the sandbox."""
    from nomis_pipelines.cli import launch
    from nomis_pipelines.domains import UnknownDomain, domain
    from nomis_pipelines.ledger import LedgerReader
    from nomis_pipelines.migration.filters import FilterError, run_filter
    from nomis_pipelines.sandbox import SandboxAdmin
    from nomis_pipelines.sandbox.compare import disagreements
    from nomis_pipelines.settings import load_settings

    try:
        migration = domain(domain_name).migration
        run_filter(migration, {}, partition)
    except (UnknownDomain, FilterError) as error:
        raise click.UsageError(str(error)) from None
    result = launch.by_job(migration, partition)
    launch.show(result)
    with LedgerReader(load_settings().database_url) as reader:
        problems = disagreements(SandboxAdmin(admin_url), reader, migration.name)
    for problem in problems[:20]:
        click.echo(f"disagreement: {problem}", err=True)
    click.echo(
        f"{len(problems)} disagreements" if problems else "Ledger, mapping service and DPS agree.",
        err=True,
    )
    click.echo("To see it in the Dagster UI: make dev", err=True)
    sys.exit(0 if result.succeeded and not problems else 1)


@demo.command()
@STATE
@click.option("--port", default=3000, show_default=True, help="Of the Dagster UI; the next free one is taken.")
def dev(state: Path, port: int) -> None:
    """Dagster's UI and daemon on the sandbox, until Ctrl-C."""
    with _sandbox(state) as running:
        port = _free_port(port)
        environment = {**running.environment, "NOMIS_PIPELINES_UI_URL": f"http://localhost:{port}"}
        click.echo(f"Dagster UI: http://localhost:{port}    (Ctrl-C stops everything)", err=True)
        children = [
            _start([_tool("dagster"), "dev", "-w", str(_workspace()), "-h", "127.0.0.1", "-p", str(port)], environment)
        ]
        sys.exit(_until_interrupted(children))


class _Running:
    def __init__(self, admin: str, environment: Mapping[str, str]) -> None:
        self.admin = admin
        self.environment = {**os.environ, **environment}  # what children get; settings stay the only reader


@contextmanager
def _sandbox(state: Path) -> Generator[_Running]:
    from nomis_pipelines.sandbox import Sandbox, SandboxError
    from nomis_pipelines.sandbox.state import StateDirectory

    there = StateDirectory(state).ready()
    if there is not None:
        yield _Running(there["admin"], there["environment"])
        return
    sandbox = Sandbox(state=state)
    click.echo("Starting the sandbox …", err=True)
    try:
        sandbox.start()
    except SandboxError as error:
        raise click.ClickException(str(error)) from None
    try:
        yield _Running(sandbox.state["admin"], sandbox.environment)
    finally:
        sandbox.stop()


def _tool(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def _workspace() -> Path:
    import nomis_pipelines

    return Path(nomis_pipelines.__file__).parent.parent / "workspace.yaml"


def _free_port(first: int) -> int:
    import socket

    for port in range(first, first + 50):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise click.ClickException(f"no free port from {first} to {first + 49}")


def _start(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    # a session of its own, so that we decide when it is told to stop, and can stop what it started too
    return subprocess.Popen(command, env=dict(environment), start_new_session=True)  # noqa: S603


def _until_interrupted(children: Sequence[subprocess.Popen[Any]]) -> int:
    stopping = False

    def stop(_number: int, _frame: object) -> None:
        nonlocal stopping
        stopping = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    try:
        while not stopping:
            ended = [child.returncode for child in children if child.poll() is not None]
            if ended:
                return ended[0] or 1
            time.sleep(0.2)
    finally:
        for child in children:
            _end(child)
    return 0


def _end(child: subprocess.Popen[Any], seconds: float = 20.0) -> None:
    for number, patience in ((signal.SIGINT, seconds), (signal.SIGTERM, seconds), (signal.SIGKILL, 5.0)):
        try:
            os.killpg(child.pid, number)
            child.wait(patience)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
    # the leader is gone; whatever it left in its group goes too
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
