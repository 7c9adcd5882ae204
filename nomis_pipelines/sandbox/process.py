"""The sandbox's process: the services in its own event loop, PostgreSQL and moto as children."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvloop

import nomis_pipelines
from nomis_pipelines.sandbox import sqs
from nomis_pipelines.sandbox.postgres import THROWAWAY, EmbeddedPostgres, data_directory
from nomis_pipelines.sandbox.server import HOST, SandboxServer
from nomis_pipelines.sandbox.state import SandboxOptions, StateDirectory
from nomis_pipelines.sandbox.tokens import CLIENTS
from nomis_pipelines.settings import SERVICES

LEDGER_DATABASE = "migration"
DAGSTER_DATABASE = "dagster"
SERVICE_CLIENTS = {
    "nomis": "nomis-prisoner-api",
    "mapping": "nomis-mapping-api",
    "visits": "visits-api",
    "sentencing": "sentencing-api",
    "alerts": "alerts-api",
    "locations": "locations-api",
    "activities": "activities-api",
    "adjudications": "adjudications-api",
    "court-sentencing": "court-sentencing-api",
    "incidents": "incidents-api",
    "csip": "csip-api",
    "case-notes": "casenotes-api",
}

OnReady = Callable[[dict[str, Any]], None]


def run(options: SandboxOptions, on_ready: OnReady | None = None) -> None:
    """Run a sandbox until SIGTERM or SIGINT. Raises `SandboxError` or `PostgresError` when it cannot start."""
    uvloop.run(_run(options, on_ready))


async def _run(options: SandboxOptions, on_ready: OnReady | None) -> None:
    directory = StateDirectory(options.state)
    directory.hold()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if options.tied:
        # whoever started us holds the other end: when it closes, there is nobody left to stop us
        loop.add_reader(sys.stdin.fileno(), _until_closed, stop)
    try:
        async with contextlib.AsyncExitStack() as stack:
            state = await _start(options, directory, stack)
            directory.write(state)
            if on_ready is not None:
                on_ready(state)
            await stop.wait()
    finally:
        directory.release()


def _until_closed(stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 1024):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        stop.set()


async def _start(
    options: SandboxOptions, directory: StateDirectory, stack: contextlib.AsyncExitStack
) -> dict[str, Any]:
    began = time.monotonic()
    wishes = directory.last_ports() | options.ports
    world = directory.world(options)
    children: list[asyncio.Task[Mapping[str, str]]] = []
    async with asyncio.TaskGroup() as group:
        # the children first: they take seconds, the services milliseconds
        if options.sqs:
            queues = sqs.EmbeddedSqs(port=_if_free(wishes.get("sqs", 0)), log_file=directory.path / "sqs.log")
            stack.callback(queues.stop)
            children.append(group.create_task(asyncio.to_thread(_start_sqs, queues)))
        if options.postgres:
            port = _if_free(wishes.get("postgres", 0))
            database = EmbeddedPostgres(data_directory(directory.path / "postgres"), port=port, settings=THROWAWAY)
            stack.callback(database.stop)
            children.append(group.create_task(asyncio.to_thread(_start_postgres, database)))
        server = SandboxServer(world, directory.path)
        stack.push_async_callback(server.stop)
        await server.start(wishes)
    if options.postgres:
        stack.enter_context(_ended_with_us(data_directory(directory.path / "postgres")))
    environment = _service_environment(server.ports) | _dagster_environment(directory.path)
    for child in children:
        environment |= child.result()
    return {
        "pid": os.getpid(),
        "admin": f"http://{HOST}:{server.admin.port}",
        "ports": server.ports | _child_ports(environment),
        "world": world.as_json(),
        "seconds_to_start": round(time.monotonic() - began, 3),
        "environment": environment,
    }


def _child_ports(environment: Mapping[str, str]) -> dict[str, int]:
    variables = {"postgres": "DATABASE_URL", "sqs": "AWS_ENDPOINT_URL_SQS"}
    urls = {name: environment[variable] for name, variable in variables.items() if variable in environment}
    return {name: urlsplit(url).port or 0 for name, url in urls.items()}


def _service_environment(ports: Mapping[str, int]) -> dict[str, str]:
    environment = {"API_BASE_URL_HMPPS_AUTH": f"http://{HOST}:{ports['auth']}/auth"}
    for name, client_id in SERVICE_CLIENTS.items():
        if name in ports:
            spec = SERVICES[name]
            environment[spec.url_variable] = f"http://{HOST}:{ports[name]}"
            environment[spec.id_variable] = client_id
            environment[spec.secret_variable] = CLIENTS[client_id].secret
    return environment


def _dagster_environment(state: Path) -> dict[str, str]:
    home = state / "dagster"
    home.mkdir(exist_ok=True)
    instance = Path(nomis_pipelines.__file__).parent.parent / "dagster.yaml"
    if instance.exists():
        shutil.copyfile(instance, home / "dagster.yaml")
    return {"DAGSTER_HOME": str(home), "NOMIS_PIPELINES_TELEMETRY_FILE": str(state / "telemetry.jsonl")}


def _start_postgres(database: EmbeddedPostgres) -> Mapping[str, str]:
    import psycopg

    from nomis_pipelines.ledger.schema import upgrade

    _end_orphan(database.data_dir)
    database.start()
    for name in (LEDGER_DATABASE, DAGSTER_DATABASE):
        with contextlib.suppress(psycopg.errors.DuplicateDatabase):
            database.create_database(name)
    upgrade(database.url(LEDGER_DATABASE))
    return {
        "DATABASE_URL": database.url(LEDGER_DATABASE),
        # Dagster's own storage speaks through psycopg2, SQLAlchemy's default for this scheme
        "NOMIS_PIPELINES_DAGSTER_DATABASE_URL": database.url(DAGSTER_DATABASE).replace("+psycopg", ""),
    }


@contextlib.contextmanager
def _ended_with_us(data_dir: Path) -> Generator[None]:
    """Have PostgreSQL shut down should this process be killed: a shell waits for the end of a pipe that we hold."""
    server = (data_dir / "postmaster.pid").read_text().split()[0]
    command = ["/bin/sh", "-c", 'read -r line; kill -INT "$0"', server]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as watch:  # noqa: S603
        yield
        watch.kill()


def _end_orphan(data_dir: Path) -> None:
    """End the server of a sandbox that was killed: it still holds the directory that is now ours."""
    pid_file = data_dir / "postmaster.pid"
    if not pid_file.exists():
        return
    pid = int(pid_file.read_text().split()[0])
    with contextlib.suppress(OSError):
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        if str(data_dir).encode() not in command:
            return
        os.kill(pid, signal.SIGINT)
        deadline = time.monotonic() + 30
        while pid_file.exists() and time.monotonic() < deadline:  # it takes the file away when it has shut down
            os.kill(pid, 0)
            time.sleep(0.02)


def _start_sqs(queues: sqs.EmbeddedSqs) -> Mapping[str, str]:
    queues.start()
    return sqs.environment(queues.endpoint)


def _if_free(port: int) -> int:
    """The port, or 0 when something else has taken it since."""
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return 0
    return port


if __name__ == "__main__":
    run(SandboxOptions.model_validate_json(sys.argv[1]))
