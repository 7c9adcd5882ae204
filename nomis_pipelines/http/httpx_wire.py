"""The plain wire over httpx, with any transport: for tests at the HTTP edge, and beside the fast one in benchmarks."""

import asyncio
import ssl
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from nomis_pipelines.http import wire
from nomis_pipelines.http.wire import (
    BODY_LIMIT_BYTES,
    HEADERS,
    AnswerTooLarge,
    MaybeArrived,
    NeverSent,
    WireError,
    WireRequest,
    WireResponse,
)


class HttpxWire:
    """The plain wire over `httpx.AsyncClient`, with any transport."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._client = httpx.AsyncClient(
            transport=transport,
            headers=HEADERS,
            trust_env=False,
            follow_redirects=False,
            cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
            timeout=httpx.Timeout(None, connect=wire.CONNECT_TIMEOUT_SECONDS),
            limits=httpx.Limits(max_connections=None, keepalive_expiry=wire.IDLE_SECONDS),
        )

    async def send(self, request: WireRequest) -> WireResponse:
        """One attempt; see `Wire`."""
        try:
            async with (
                asyncio.timeout(request.timeout_seconds),
                self._client.stream(
                    request.method, request.url, headers=request.headers, content=request.body
                ) as response,
            ):
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > BODY_LIMIT_BYTES:
                        raise AnswerTooLarge(response.status_code)
                return WireResponse(response.status_code, bytes(body), response.headers.get("retry-after"))
        except TimeoutError:
            failure: WireError = MaybeArrived("operation timed out", timed_out=True)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as caught:
            failure = NeverSent(_kind(caught), timed_out=isinstance(caught, httpx.TimeoutException))
        except (httpx.HTTPError, httpx.StreamError, ssl.SSLError) as caught:
            failure = MaybeArrived(_kind(caught), timed_out=isinstance(caught, httpx.TimeoutException))
        raise failure

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()


def _kind(error: Exception) -> str:
    return type(error).__name__
