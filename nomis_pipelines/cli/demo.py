"""`make run` and `make dev`: a partition migrated on the sandbox by Dagster itself, and the UI on the sandbox."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click

from nomis_pipelines.signals import on_signals

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
        filter = run_filter(migration, {}, partition)
    except (UnknownDomain, FilterError) as error:
        raise click.UsageError(str(error)) from None
    launch.caution(load_settings(), migration, filter)
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
    """Dagster's UI and daemon and the control API on the sandbox, until Ctrl-C."""
    with _sandbox(state) as running:
        port = _free_port(port)
        environment = {**running.environment, "NOMIS_PIPELINES_UI_URL": f"http://localhost:{port}"}
        sys.exit(_serve(_Children(state.absolute(), environment), port, _free_port(8080)))


def _serve(children: "_Children", port: int, api_port: int) -> int:
    code_port = _free_port(4266)
    workspace = children.directory / "workspace.yaml"
    workspace.write_text(
        f"load_from:\n  - grpc_server: {{host: 127.0.0.1, port: {code_port}, location_name: nomis-pipelines}}\n"
    )
    with children.stopping_on_signals():
        # one code location server for both: each would load the definitions for itself
        code = ["code-server", "start", "-h", "127.0.0.1", "-p", str(code_port), "-m", "nomis_pipelines.definitions"]
        children.start("code-location", "dagster", *code)
        if not children.wait_for_port(code_port):
            return children.outcome()
        children.start("daemon", "dagster-daemon", "run", "-w", str(workspace))
        children.start("webserver", "dagster-webserver", "-h", "127.0.0.1", "-p", str(port), "-w", str(workspace))
        children.start("api", "nomis-pipelines", "api", "--port", str(api_port))
        if children.wait_for_port(port) and children.wait_for_port(api_port):
            click.echo(f"Dagster UI: http://localhost:{port}    logs: {children.directory}/dev-*.log", err=True)
            click.echo(f"Control API: http://localhost:{api_port}/swagger-ui.html", err=True)
            click.echo("Ctrl-C stops everything.", err=True)
            children.wait()
        return children.outcome()


class _Children:
    """The processes of `make dev`. All of them end with ours, with whatever they started themselves."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self.directory = directory
        self._environment = dict(environment)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._stopping = False

    @contextmanager
    def stopping_on_signals(self) -> Generator[None]:
        """Until the end of the block; then every child is stopped."""

        def stop(_number: signal.Signals) -> None:
            self._stopping = True

        with on_signals(stop):
            try:
                yield
            finally:
                self._end()

    def start(self, name: str, tool: str, *arguments: str) -> None:
        """Start a tool of our environment, its output in a log of its own."""
        with (self.directory / f"dev-{name}.log").open("ab") as log:
            # a session of its own: a Ctrl-C is for us, and we stop it together with what it started
            self._running[name] = subprocess.Popen(  # noqa: S603
                [str(Path(sys.executable).with_name(tool)), *arguments],
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_for_port(self, port: int) -> bool:
        """Whether somebody listens on the port before a child ends or a signal comes."""
        while self._going_on():
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return True
        return False

    def wait(self) -> None:
        """Until a signal comes or a child ends."""
        while self._going_on():
            pass

    def outcome(self) -> int:
        """0 after a signal; 1 when a child ended by itself, which is told with the place of its log."""
        for name, child in self._running.items():
            if not self._stopping and child.poll() is not None:
                click.echo(f"{name} ended: see {self.directory}/dev-{name}.log", err=True)
        return 0 if self._stopping else 1

    def _going_on(self) -> bool:
        time.sleep(0.2)
        return not self._stopping and all(child.poll() is None for child in self._running.values())

    def _end(self, patience: float = 8.0) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            for child in self._running.values():
                # the whole group, also after its leader has gone
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, number)
            deadline = time.monotonic() + patience
            while time.monotonic() < deadline and any(child.poll() is None for child in self._running.values()):
                time.sleep(0.1)


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


def _free_port(first: int) -> int:
    for port in range(first, first + 50):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise click.ClickException(f"no free port from {first} to {first + 49}")
