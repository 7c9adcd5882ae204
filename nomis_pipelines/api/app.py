"""The application: endpoints from the declarations, middleware around them, connections for as long as it runs."""

import logging
import math
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.security import HTTPBearer

from nomis_pipelines.api.auth import Authentication, KeySet, Tokens, open_to_all
from nomis_pipelines.api.context import ApiContext
from nomis_pipelines.api.contract_2024 import routes_2024
from nomis_pipelines.api.errors import ErrorBody, install
from nomis_pipelines.api.health import build_health, health_routes
from nomis_pipelines.api.launcher import DagsterLauncher, Launcher
from nomis_pipelines.api.middleware import BodyLimit, Guard
from nomis_pipelines.api.migrations import migration_routes
from nomis_pipelines.api.queues import RETRY_ALL, queue_routes
from nomis_pipelines.api.reading import localise
from nomis_pipelines.api.repairs import repair_routes
from nomis_pipelines.api.starts import start_routes
from nomis_pipelines.domains import DOMAINS
from nomis_pipelines.domains.declaration import Domain
from nomis_pipelines.http import ReqwestWire, Wire
from nomis_pipelines.platform import Platform
from nomis_pipelines.settings import Settings
from nomis_pipelines.synchronisation import DeadLetters, Sqs

PATIENCE_SECONDS = 5.0
"""How long a caller waits for the ledger's database before being told that it is away."""


class ControlApi(FastAPI):
    """Its document says of the date-times of all bodies that they are local."""

    def openapi(self) -> dict[str, Any]:
        """The document at `/v3/api-docs`."""
        if self.openapi_schema is None:
            localise(super().openapi())
        return super().openapi()


OpenPlatform = Callable[[Settings], AbstractAsyncContextManager[Platform]]

log = logging.getLogger(__name__)

_ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorBody, "description": "A value cannot be used"},
    401: {"description": "No or bad token; no body"},
    403: {"description": "None of the roles"},
    404: {"model": ErrorBody, "description": "Unknown"},
    409: {"model": ErrorBody, "description": "A migration of the type runs"},
    503: {"model": ErrorBody, "description": "Something that is needed is away"},
}


def build_app(
    settings: Settings,
    *,
    domains: Sequence[Domain] = DOMAINS,
    open_platform: OpenPlatform | None = None,
    launcher: Launcher | None = None,
    wire: Wire | None = None,
) -> FastAPI:
    """The control API. `open_platform`, `launcher` and `wire` stand in for the real ones in tests."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with AsyncExitStack() as stack:
            app.state.context = await _connect(stack, settings, domains, open_platform or _platform, launcher, wire)
            log.info("control API of %s", ", ".join(domain.name for domain in domains))
            yield

    app = ControlApi(
        title="NOMIS pipelines control API",
        version="1",
        lifespan=lifespan,
        openapi_url="/v3/api-docs",
        docs_url="/swagger-ui.html",
        swagger_ui_oauth2_redirect_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
    )
    install(app)
    secured: dict[str, Any] = {"dependencies": [Depends(HTTPBearer(auto_error=False))], "responses": _ERRORS}
    app.include_router(health_routes(settings))
    # before the paths with variables, which would take `/migrate/visits/rooms/usage` and the like for theirs
    app.include_router(repair_routes(domains), **secured)
    app.include_router(start_routes(domains), **secured)
    app.include_router(migration_routes(domains), **secured)
    app.include_router(routes_2024(domains), **secured)
    app.include_router(queue_routes(settings), **secured)

    def is_open(method: str, path: str) -> bool:
        retry_all = settings.retry_all_dlqs_unprotected and (method, path) == ("PUT", RETRY_ALL)
        return retry_all or open_to_all(method, path)

    app.add_middleware(BodyLimit)
    app.add_middleware(Authentication, tokens=lambda: app.state.context.tokens, is_open=is_open)
    app.add_middleware(Guard)
    return app


async def _connect(
    stack: AsyncExitStack,
    settings: Settings,
    domains: Sequence[Domain],
    open_platform: OpenPlatform,
    launcher: Launcher | None,
    wire: Wire | None,
) -> ApiContext:
    if wire is None:
        wire = ReqwestWire()
        stack.push_async_callback(wire.aclose)
    platform = await stack.enter_async_context(open_platform(settings))
    queue_ids = list(dict.fromkeys(queue for domain in domains for queue in domain.queues))
    has_queues = any(settings.has_queue(queue_id) for queue_id in queue_ids)
    sqs = await stack.enter_async_context(Sqs.open(settings)) if has_queues else None
    launcher = launcher or DagsterLauncher(settings.dagster_server, wire)
    return ApiContext(
        platform=platform,
        launcher=launcher,
        domains=domains,
        letters=DeadLetters(sqs or Sqs(None), settings, platform.telemetry, queue_ids),
        tokens=Tokens(KeySet(settings.auth_url, wire)),
        health=build_health(platform, domains, wire=wire, sqs=sqs, launcher=launcher),
    )


def _platform(settings: Settings) -> AbstractAsyncContextManager[Platform]:
    # a breaker that opens stays open, to end a run; this process lives on and must try again
    patient = settings.model_copy(update={"breaker_seconds": math.inf})
    return Platform.open(patient, patience_seconds=PATIENCE_SECONDS)
