"""Promise: whatever is sent to the control API, it answers as its own OpenAPI document says, and never with a 500."""

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, settings as hypothesis_settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from nomis_pipelines.api.app import build_app
from nomis_pipelines.platform import Platform
from nomis_pipelines.settings import Settings
from nomis_pipelines_tests import world
from nomis_pipelines_tests.api.support import ALL_ROLES, FakeAuth, FakeLauncher, Services, activities_answers
from nomis_pipelines_tests.fake_services import platform_on

pytestmark = pytest.mark.server

CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]


class Failing(FakeLauncher):
    """Its runs end at once, so that the next start is not refused."""

    async def launch(self, job: str, run_config: Mapping[str, Any], tags: Mapping[str, str]) -> str:
        run_id = await super().launch(job, run_config, tags)
        self.runs[run_id] = "FAILURE"
        return run_id


class Server(uvicorn.Server):
    """A server in a thread, which has no signals."""

    def install_signal_handlers(self) -> None:
        """None."""


@pytest.fixture(scope="module")
def served(postgres_server: Any, ledger_template: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The address of a control API over services in memory, and a header with every role."""
    url = postgres_server.create_database("fuzzed", template=ledger_template)
    services, auth = Services(), FakeAuth()
    services.add(*range(1, 10))
    services.answer_every_domain()
    services.answers |= activities_answers("*")

    def open_platform(_settings: Settings) -> AbstractAsyncContextManager[Platform]:
        return platform_on(services, url)

    app = build_app(world.settings(DATABASE_URL=url), open_platform=open_platform, launcher=Failing(), wire=auth)
    server = Server(uvicorn.Config(app, port=0, log_config=None, lifespan="on", ws="none"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        thread.join(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}", auth.bearer(*ALL_ROLES)
    server.should_exit = True
    thread.join(20)
    assert not thread.is_alive()
    postgres_server.drop_database("fuzzed")


schema = schemathesis.openapi.from_dict(build_app(world.settings()).openapi())


@schema.parametrize()
@hypothesis_settings(
    max_examples=15, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)  # fmt: skip
def test_no_request_breaks_it(case: Case, served: tuple[str, dict[str, str]]) -> None:
    case.call_and_validate(base_url=served[0], headers=served[1], checks=CHECKS)
