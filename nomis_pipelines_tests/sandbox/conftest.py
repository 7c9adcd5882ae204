"""A sandbox's services inside the test's own event loop."""

import shutil
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import httpx
import pytest

from nomis_pipelines.sandbox.data.world import World
from nomis_pipelines.sandbox.server import HOST, SandboxServer
from nomis_pipelines.sandbox.tokens import CLIENTS, TokenIssuer

WORLD = World(
    seed=7,
    visits=3000,
    adjustments=600,
    locations=600,
    prisoners=1200,
    since=date(2024, 1, 1),
    until=date(2026, 3, 10),
    today=date(2026, 3, 10),
)
CLIENT_OF = {
    "nomis": "nomis-prisoner-api",
    "mapping": "nomis-mapping-api",
    "visits": "visits-api",
    "sentencing": "sentencing-api",
    "locations": "locations-api",
    "alerts": "alerts-api",
    "activities": "activities-api",
    "adjudications": "adjudications-api",
    "court-sentencing": "court-sentencing-api",
    "incidents": "incidents-api",
    "csip": "csip-api",
    "case-notes": "casenotes-api",
}


class Running:
    """The services, and a client that has the right token for each."""

    def __init__(self, server: SandboxServer, http: httpx.AsyncClient) -> None:
        self.server = server
        self.http = http

    def url(self, service: str, path: str) -> str:
        return f"http://{HOST}:{self.server.ports[service]}{path}"

    def token(self, client_id: str) -> str:
        return self.server.issuer.issue(CLIENTS[client_id], issuer="test", seconds=60)

    async def call(
        self, service: str, method: str, path: str, *, client: str | None = None, **options: object
    ) -> httpx.Response:
        headers = dict(options.pop("headers", {}))
        name = client or CLIENT_OF.get(service)
        if name:
            headers.setdefault("Authorization", f"Bearer {self.token(name)}")
        return await self.http.request(method, self.url(service, path), headers=headers, **options)

    async def fault(self, kind: str, service: str, **options: object) -> int:
        answer = await self.call("admin", "POST", "/faults", json={"kind": kind, "service": service, **options})
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def count(self, service: str, path: str, method: str = "GET") -> dict[str, int]:
        rows = self.server.counts()[service]["requests"]
        return next((row["outcomes"] for row in rows if (row["method"], row["path"]) == (method, path)), {})


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("key") / "key.pem"
    TokenIssuer(file)
    return file


@pytest.fixture
def state(tmp_path: Path, key_file: Path) -> Path:
    shutil.copy(key_file, tmp_path / "key.pem")  # making a key takes as long as a whole test
    return tmp_path


@pytest.fixture
async def running(state: Path) -> AsyncIterator[Running]:
    server = SandboxServer(WORLD, state)
    await server.start()
    async with httpx.AsyncClient(timeout=5, trust_env=False) as http:
        yield Running(server, http)
    await server.stop()
