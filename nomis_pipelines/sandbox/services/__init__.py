"""The services of the sandbox, each a routing table whose handlers are plain functions."""

from nomis_pipelines.sandbox.answers import Answer
from nomis_pipelines.sandbox.routing import Request, Router

_UP = Answer(200, b'{"status":"UP"}')


def add_health(router: Router) -> None:
    """`/health/ping` and its kin, which ask for no token (platform card, section 3.10)."""

    def up(_request: Request) -> Answer:
        return _UP

    for path in ("/health", "/health/ping", "/health/liveness", "/health/readiness"):
        router.add("GET", path, up)
