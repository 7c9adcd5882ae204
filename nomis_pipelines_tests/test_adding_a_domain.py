"""Promise: docs/adding-a-domain.md is true: the domain that it adds from nothing loads, migrates and synchronises."""

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import nomis_pipelines.contracts
import nomis_pipelines.domains
import nomis_pipelines.sandbox
from nomis_pipelines.contract_tools.documents import Document
from nomis_pipelines.contract_tools.generation import generate
from nomis_pipelines.definitions import build_definitions
from nomis_pipelines.domains import DOMAINS
from nomis_pipelines.domains.declaration import Domain
from nomis_pipelines.http import WireRequest, WireResponse
from nomis_pipelines.ledger import State
from nomis_pipelines.migration import declaration, partitions
from nomis_pipelines.migration.declaration import Migration
from nomis_pipelines.sandbox.journal import Journal
from nomis_pipelines.sandbox.routing import Request, Router
from nomis_pipelines.sandbox.stores.mappings import MappingTable
from nomis_pipelines.synchronisation import SyncContext
from nomis_pipelines_tests import world
from nomis_pipelines_tests.domains.events import RecordingQueues
from nomis_pipelines_tests.fake_services import migrate, platform_on

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "adding-a-domain.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^```\w+ (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
PROPERTY = "http://property.test"
ENVIRONMENT = {"API_BASE_URL_PROPERTY": PROPERTY, "PROPERTY_CLIENT_ID": "property", "PROPERTY_CLIENT_SECRET": "secret"}
PACKAGES: dict[str, Any] = {
    "contracts": nomis_pipelines.contracts,
    "domains": nomis_pipelines.domains,
    "sandbox": nomis_pipelines.sandbox,
}


def put(folder: Path) -> None:
    """Write the page's files, and the models that are generated from its contract."""
    for name, text in BLOCKS.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    contract = Document("keepsakes-api-docs.json", json.loads(BLOCKS["openapi-specs/keepsakes-api-docs.json"]))
    (folder / "contracts").mkdir()
    (folder / "contracts" / "keepsakes.py").write_text(generate([contract])["keepsakes.py"], encoding="utf-8")


@pytest.fixture
def keepsakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Domain]:
    """The domain of the page, as if it had been added."""
    put(tmp_path)
    for name, package in PACKAGES.items():
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path / name)])
    yield importlib.import_module("nomis_pipelines.domains.keepsakes").KEEPSAKES
    for module in [name for name in sys.modules if "keepsakes" in name]:
        del sys.modules[module]


class RoutedWire:
    """The sandbox's routing tables without the sandbox: no ports, no tokens."""

    def __init__(self, routers: dict[str, Router]) -> None:
        self._routers = routers

    async def send(self, request: WireRequest) -> WireResponse:
        """Answer one request."""
        split = urlsplit(request.url)
        origin = f"{split.scheme}://{split.netloc}"
        if request.url.startswith(world.AUTH):
            return WireResponse(200, b'{"access_token": "t", "expires_in": 600}')
        if split.path == "/health/ping":
            return WireResponse(200, b"pong")
        asked = Request(request.method, split.path.encode(), split.query.encode(), request.body or b"")
        route, _ = self._routers[origin].find(asked)
        assert route is not None, f"the page's sandbox does not serve {request.method} {split.path}"
        answer = route.handler(asked)
        return WireResponse(answer.status, bytes(answer.body))

    async def aclose(self) -> None:
        """Nothing is open."""


def test_the_page_shows_every_part() -> None:
    assert {name.split("/")[0] for name in BLOCKS} == {"openapi-specs", "domains", "sandbox", "tests"}


def test_what_the_page_points_to_is_there() -> None:
    for path in re.findall(r"`((?:sandbox|domains|migration|docker|deploy)/[\w/.-]*)`", PAGE):
        if "keepsakes" not in path:
            assert (ROOT / path).exists() or (ROOT / "nomis_pipelines" / path).exists(), path


def test_the_hooks_that_the_page_names_are_hooks() -> None:
    table = PAGE.split("What a domain may need beyond this")[1].split("## 3.")[0]
    words = set(re.findall(r"`(\w+)`|`(\w+)(?:\(| =)", table))
    known = {*dir(Migration), *Migration.__annotations__, *dir(declaration), *dir(partitions)}
    named = {first or second for first, second in words}
    assert named - known == set()


def test_dagster_has_what_the_page_promises(keepsakes: Domain) -> None:
    repository = build_definitions((*DOMAINS, keepsakes)).get_repository_def()
    section = PAGE.split("## 4.")[1].split("## 5.")[0]
    jobs = set(re.findall(r"`(\w+_keepsakes\w*)`", section))
    assert len(jobs) == 5
    assert jobs <= set(repository.job_names)
    assert repository.has_sensor_def("keepsakes_events")
    assert ["dps", "keepsakes"] in [list(key.path) for key in repository.asset_graph.get_all_asset_keys()]


@pytest.mark.server
async def test_the_domain_migrates_and_synchronises(keepsakes: Domain, ledger_url: str, tmp_path: Path) -> None:
    sandbox = importlib.import_module("nomis_pipelines.sandbox.keepsakes")
    played = sandbox.Keepsakes(20, MappingTable[int]("Keepsake", b"K", Journal(tmp_path / "journal")))
    routers = {origin: Router() for origin in (world.NOMIS, world.MAPPING, PROPERTY)}
    played.add_nomis(routers[world.NOMIS])
    played.add_mapping(routers[world.MAPPING])
    played.add_property(routers[PROPERTY])
    async with platform_on(RoutedWire(routers), ledger_url, **ENVIRONMENT) as platform:  # pyright: ignore[reportArgumentType]
        run = await migrate(platform, keepsakes.migration)
        assert (run.tally.migrated, run.tally.rejected, run.tally.reasons) == (15, 5, {"unknown-kind": 5})
        assert len(played.items) == 15
        again = await migrate(platform, keepsakes.migration)
        assert (again.tally.migrated, again.tally.skipped, len(played.items)) == (0, 15, 15)

        played.count = 21
        context = SyncContext(
            settings=platform.settings, clients=platform.clients, ledger=platform.ledger,
            telemetry=platform.telemetry, queues=RecordingQueues(),
        )  # fmt: skip
        (declared,) = keepsakes.synchronisation
        handler: Any = declared(context)
        event: Any = importlib.import_module("nomis_pipelines.domains.keepsakes.synchronisation").KeepsakeEvent
        for _ in range(2):
            await handler.inserted(event(keepsake_id=21))
        assert len(played.items) == 16
        record = await platform.ledger.record(keepsakes.migration.record_key("21"))
        assert record is not None
        assert (record.state, record.dps_id) == (State.MAPPED, "item-16")


def test_the_tests_of_the_page_pass(tmp_path: Path) -> None:
    put(tmp_path)
    paths = "\n".join(
        f"import nomis_pipelines.{name} as {name}; {name}.__path__.append({str(tmp_path / name)!r})"
        for name in ("contracts", "domains")
    )
    (tmp_path / "tests" / "conftest.py").write_text(paths, encoding="utf-8")
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", str(tmp_path),
         str(tmp_path / "tests" / "keepsakes.py")],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout[-2000:]
    assert "4 passed" in ended.stdout
