"""All service clients of one process or run, sharing the wire and the tokens."""

from types import TracebackType
from typing import Self

from nomis_pipelines.http.auth import TokenSource
from nomis_pipelines.http.breaker import CircuitBreaker
from nomis_pipelines.http.client import ClientStats, ServiceClient
from nomis_pipelines.http.direct_wire import DirectWire
from nomis_pipelines.http.limit import AdaptiveLimit
from nomis_pipelines.http.retry import RetryPolicy
from nomis_pipelines.http.wire import ReqwestWire, Wire
from nomis_pipelines.settings import Settings


class HttpClients:
    """Builds each `ServiceClient` when it is first asked for. An async context manager; lives on one event loop.

    A missing setting shows when a client is first asked for: `SettingError` names the variable.
    """

    def __init__(self, settings: Settings, *, wire: Wire | None = None) -> None:
        self._settings = settings
        self._wire = wire or _wire(settings)
        self._retry = RetryPolicy(attempts=settings.http_attempts)
        self._tokens: TokenSource | None = None
        self._clients: dict[str, ServiceClient] = {}

    async def __aenter__(self) -> Self:
        """Itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        await self.aclose()

    def client(self, name: str) -> ServiceClient:
        """The client of service `name`, always the same one. Raises `SettingError`; `KeyError` for an unknown name."""
        if name not in self._clients:
            self._clients[name] = self._build(name)
        return self._clients[name]

    def _build(self, name: str) -> ServiceClient:
        settings = self._settings
        if self._tokens is None:
            self._tokens = TokenSource(settings.auth_url, self._wire, self._retry)
        return ServiceClient(
            settings.service(name),
            tokens=self._tokens,
            wire=self._wire,
            limit=AdaptiveLimit(settings.http_start_concurrency, settings.http_max_concurrency),
            breaker=CircuitBreaker(settings.breaker_seconds),
            retry=self._retry,
        )

    async def aclose(self) -> None:
        """Close all connections."""
        if self._tokens is not None:
            await self._tokens.aclose()
        await self._wire.aclose()

    def stats(self) -> dict[str, ClientStats]:
        """The numbers of each client built so far, by service."""
        return {name: client.stats() for name, client in self._clients.items()}


def _wire(settings: Settings) -> Wire:
    if settings.http_wire == "direct":
        return DirectWire()
    if settings.http_wire == "reqwest":
        return ReqwestWire()
    from nomis_pipelines.http.httpx_wire import HttpxWire

    return HttpxWire()
