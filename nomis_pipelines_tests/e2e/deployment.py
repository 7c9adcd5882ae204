"""All processes of a deployment on this machine: code location, Dagster's webserver and daemon, the control API."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import yaml

from nomis_pipelines_tests.e2e.support import bare

ROOT = Path(__file__).parent.parent.parent
START_SECONDS = 90
UI = "http://ui.test"


def eventually(look: Callable[[], Any], seconds: float, what: str) -> Any:
    """The first true answer of `look`, asked again and again."""
    deadline = time.monotonic() + seconds
    while True:
        if found := look():
            return found
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.1)


class Slack:
    """A webhook that keeps what it is told."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        told = self.messages

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                told.append(json.loads(body)["text"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Nothing on standard error."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


class Deployment:
    """The processes, started when entered. `environment` leads commands to them; `slack` is where alerts go.

    The instance is that of `dagster.yaml`, but for one retry of a failed run instead of three.
    """

    def __init__(self, directory: Path, environment: Mapping[str, str], dagster_database: str) -> None:
        self.slack = Slack()
        self._directory = directory
        self._ports = {name: _free_port() for name in ("code", "webserver", "api")}
        instance = yaml.safe_load((ROOT / "dagster.yaml").read_text())
        instance["run_retries"]["max_retries"] = 1
        (directory / "dagster.yaml").write_text(yaml.safe_dump(instance))
        location = {"host": "127.0.0.1", "port": self._ports["code"], "location_name": "nomis-pipelines"}
        (directory / "workspace.yaml").write_text(yaml.safe_dump({"load_from": [{"grpc_server": location}]}))
        self.environment = {
            **environment,
            "DAGSTER_HOME": str(directory),
            "NOMIS_PIPELINES_DAGSTER_DATABASE_URL": dagster_database,
            "NOMIS_PIPELINES_DAGSTER_URL": f"http://127.0.0.1:{self._ports['webserver']}",
            "NOMIS_PIPELINES_UI_URL": UI,
            "NOMIS_PIPELINES_ALERT_WEBHOOK_URL": self.slack.url,
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def api(self) -> str:
        """The address of the control API."""
        return f"http://127.0.0.1:{self._ports['api']}"

    def __enter__(self) -> Self:
        workspace = str(self._directory / "workspace.yaml")
        code, webserver, api = (str(self._ports[name]) for name in ("code", "webserver", "api"))
        try:
            module = ("-m", "nomis_pipelines.definitions")
            self._start("code", "dagster", "api", "grpc", "-h", "127.0.0.1", "-p", code, *module)
            self._wait_for("code")
            self._start("webserver", "dagster-webserver", "-h", "127.0.0.1", "-p", webserver, "-w", workspace)
            self._start("daemon", "dagster-daemon", "run", "-w", workspace)
            self._start("api", "nomis-pipelines", "api", "--port", api)
            self._wait_for("webserver")
            self._wait_for("api")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End every process, with whatever it started."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            for process in self._running.values():
                if process.poll() is None:
                    os.killpg(process.pid, number)
            deadline = time.monotonic() + 15
            while time.monotonic() < deadline and any(process.poll() is None for process in self._running.values()):
                time.sleep(0.1)
        self.slack.close()

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Ask Dagster's webserver."""
        url = f"{self.environment['NOMIS_PIPELINES_DAGSTER_URL']}/graphql"
        answer = httpx.post(url, json={"query": query, "variables": variables}, timeout=60).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def status_of(self, run_id: str) -> str:
        """Dagster's word for where a run stands."""
        query = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
        return self.ask(query, id=run_id)["runOrError"]["status"]

    def log_of(self, name: str) -> str:
        """What a process wrote."""
        return (self._directory / f"{name}.log").read_text(errors="replace")

    def _start(self, name: str, tool: str, *arguments: str) -> None:
        with (self._directory / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [str(Path(sys.executable).with_name(tool)), *arguments],
                env=bare(self.environment),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _wait_for(self, name: str) -> None:
        def listens() -> bool:
            for each, process in self._running.items():
                assert process.poll() is None, f"{each} ended by itself: {self.log_of(each)[-2000:]}"
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self._ports[name])) == 0

        eventually(listens, START_SECONDS, f"{name} listens; its log ends: {self.log_of(name)[-500:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
