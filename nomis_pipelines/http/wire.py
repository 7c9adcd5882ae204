"""What carries a request to a service and its answer back, and tells precisely whether a failed one may have arrived.

A wire makes one attempt: no retries, no redirects, no cookies, no proxies from the environment. Retrying is for
`ServiceClient`, which knows whether a call may be repeated.

pyreqwest's exception classes do not say enough: a connection that breaks after the request was read by the server is a
`ConnectError`, a server that never answers a `ConnectTimeoutError`. The chain of causes does say: only a failure while
connecting (name, TCP, TLS) holds "client error (Connect)". The tests pin this against a misbehaving server. Underneath,
hyper sends a request again by itself only if an idle connection proved closed before any byte was written, and reqwest
retries only refusals of HTTP/2, which is off here.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import Protocol

from pyreqwest.client import ClientBuilder
from pyreqwest.exceptions import (
    BuilderError,
    DetailedPyreqwestError,
    PoolTimeoutError,
    PyreqwestError,
    RequestTimeoutError,
)

BODY_LIMIT_BYTES = 10_000_000
# below the shortest timeout of a service (10 s): a call that ends while still connecting cannot be told from a sent one
CONNECT_TIMEOUT_SECONDS = 5.0
# Servers and load balancers drop idle connections after 60 s as a rule, some after 5 s: reusing one at that moment puts
# a POST in doubt. Under load connections are never idle for this long.
IDLE_SECONDS = 4.0
HEADERS = {"accept": "application/json", "user-agent": "nomis-pipelines"}


@dataclass(slots=True)
class WireRequest:
    """One attempt: an absolute URL, already encoded, and everything to send; `timeout_seconds` covers all of it."""

    method: str
    url: str = field(repr=False)
    headers: list[tuple[str, str]] = field(repr=False)
    body: bytes | None = field(repr=False)
    timeout_seconds: float


@dataclass(slots=True)
class WireResponse:
    """A complete answer. `retry_after` is the header of that name, read only where the status gives it a meaning."""

    status: int
    body: bytes = field(repr=False)
    retry_after: str | None = None


class WireError(Exception):
    """No complete answer. The message is safe to show: no URL, no body."""

    def __init__(self, reason: str, *, timed_out: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.timed_out = timed_out


class NeverSent(WireError):
    """No byte of the request left: it may be made again, whatever it does."""


class MaybeArrived(WireError):
    """The request, or a part of it, may have reached the service."""


class AnswerTooLarge(WireError):
    """The answer is larger than 10 MB; the service did its work."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the answer is larger than {BODY_LIMIT_BYTES // 1_000_000} MB")
        self.status = status


class Wire(Protocol):
    """Sends one request; raises a `WireError` when there is no complete answer. Lives on one event loop."""

    async def send(self, request: WireRequest) -> WireResponse:
        """One attempt."""
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


class ReqwestWire:
    """A general client's wire: pyreqwest's own, HTTP/1.1, with a thread beside the loop."""

    def __init__(self) -> None:
        self._client = (
            ClientBuilder()
            .no_proxy()
            .follow_redirects(False)
            .default_cookie_store(False)
            .referer(False)
            .http1_only()
            .default_headers(HEADERS)
            .connect_timeout(timedelta(seconds=CONNECT_TIMEOUT_SECONDS))
            .pool_idle_timeout(timedelta(seconds=IDLE_SECONDS))
            .build()
        )
        self._closed = False

    async def send(self, request: WireRequest) -> WireResponse:
        """One attempt; see `Wire`."""
        if self._closed:
            raise NeverSent("the client is closed")
        builder = self._client.request(request.method, request.url).headers(request.headers)
        if request.body is not None:
            builder = builder.body_bytes(request.body)
        try:
            async with builder.timeout(_duration(request.timeout_seconds)).build_streamed() as response:
                status = response.status
                retry_after = response.get_header("retry-after") if status in {429, 503} else None
                body = await response.body_reader.read(BODY_LIMIT_BYTES + 1)
        except PyreqwestError as caught:
            failure = _reqwest_failure(caught)
        else:
            if body is None:
                return WireResponse(status, b"", retry_after)
            if len(body) <= BODY_LIMIT_BYTES:
                return WireResponse(status, body.to_bytes(), retry_after)
            failure = AnswerTooLarge(status)
        # raised out here so that the library's error, whose text holds the URL, is not its context
        raise failure

    async def aclose(self) -> None:
        """Close all connections; calls under way end in `MaybeArrived`."""
        self._closed = True
        await self._client.close()


@lru_cache(maxsize=64)
def _duration(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def _reqwest_failure(error: PyreqwestError) -> WireError:
    details = error.details if isinstance(error, DetailedPyreqwestError) else None
    causes = [cause["message"] for cause in (details or {}).get("causes") or []]
    shown = [cause for cause in causes if "://" not in cause]
    reason = shown[-1] if shown else error.message if "://" not in error.message else type(error).__name__
    never = "client error (Connect)" in causes or isinstance(error, PoolTimeoutError | BuilderError)
    return (NeverSent if never else MaybeArrived)(reason, timed_out=isinstance(error, RequestTimeoutError))
