"""A consumer of the queue of alerts at the HTTP edge; and a small sandbox to migrate on, in the test's event loop."""

import shutil
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest
import respx

from nomis_pipelines.domains.alerts.synchronisation import AlertsSynchronisation
from nomis_pipelines.http import HttpClients
from nomis_pipelines.ledger import Ledger
from nomis_pipelines.sandbox.data.world import World
from nomis_pipelines.sandbox.process import SERVICE_CLIENTS
from nomis_pipelines.sandbox.server import HOST, SandboxServer
from nomis_pipelines.sandbox.tokens import CLIENTS, TokenIssuer
from nomis_pipelines.settings import SERVICES
from nomis_pipelines_tests import world
from nomis_pipelines_tests.domains.events import Consumer, consumer
from nomis_pipelines_tests.fake_services import FakePlatform, RecordingAudit
from nomis_pipelines_tests.recording import RecordingTelemetry

SMALL = World(seed=7, visits=10, adjustments=10, prisoners=48, until=date(2026, 3, 10), today=date(2026, 3, 10))


@pytest.fixture
async def alerts(ledger_url: str) -> AsyncIterator[Consumer]:
    """The consumer; respx listens."""
    with respx.mock:
        async with consumer(ledger_url, AlertsSynchronisation) as made:
            yield made


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The key that signs the sandbox's tokens: making one takes as long as a whole test."""
    file = tmp_path_factory.mktemp("key") / "key.pem"
    TokenIssuer(file)
    return file


@pytest.fixture
async def services(tmp_path: Path, key_file: Path) -> AsyncIterator[SandboxServer]:
    """NOMIS with 48 prisoners, the mapping service and the alerts service."""
    shutil.copy(key_file, tmp_path / "key.pem")
    server = SandboxServer(SMALL, tmp_path)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def platform(services: SandboxServer, ledger_url: str) -> AsyncIterator[FakePlatform]:
    """A platform over them and a real ledger."""
    environment = {"API_BASE_URL_HMPPS_AUTH": f"http://{HOST}:{services.ports['auth']}/auth"}
    for name, client in SERVICE_CLIENTS.items():
        spec = SERVICES[name]
        environment[spec.url_variable] = f"http://{HOST}:{services.ports[name]}"
        environment |= {spec.id_variable: client, spec.secret_variable: CLIENTS[client].secret}
    settings = world.settings(
        **environment,
        DATABASE_URL=ledger_url,
        NOMIS_PIPELINES_HTTP_WIRE="reqwest",
        NOMIS_PIPELINES_HTTP_ATTEMPTS="2",
        NOMIS_PIPELINES_PAGE_SIZE="20",
    )
    async with await Ledger.open(ledger_url, commit_milliseconds=0.5) as ledger, HttpClients(settings) as clients:
        yield FakePlatform(
            settings=settings, clients=clients, ledger=ledger, telemetry=RecordingTelemetry(), audit=RecordingAudit()
        )
