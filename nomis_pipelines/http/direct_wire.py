"""The fast wire: connections of the event loop, answers read by llhttp (httptools), and nothing in between.

A general client spends most of a small call on what a wire must not do anyway (redirects, cookies, proxies), or on a
thread of its own. Here one call is one write and, as a rule, one read on the loop.
"""

import asyncio
import ssl
import time
from collections import defaultdict
from functools import lru_cache
from typing import cast
from urllib.parse import urlsplit

import httptools

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

_DEFAULT_PORTS = {"http": 80, "https": 443}
_STANDARD = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())


class DirectWire:
    """HTTP/1.1 over the loop's own transports (fastest on uvloop). Certificates are those the system trusts."""

    def __init__(self) -> None:
        self._idle: defaultdict[_Origin, list[_Connection]] = defaultdict(list)
        self._open: set[_Connection] = set()
        self._closed = False

    async def send(self, request: WireRequest) -> WireResponse:
        """One attempt; see `Wire`."""
        if self._closed:
            raise NeverSent("the client is closed")
        ends = time.monotonic() + request.timeout_seconds
        start = _end_of_origin(request.url)
        origin = _origin(request.url[:start])
        head = _head(request, origin, start)
        connection = self._take(origin) or await self._connect(origin, request.timeout_seconds)
        try:
            answer = await connection.exchange(head, request.body, ends - time.monotonic())
        except BaseException:
            # also a call that is cancelled: what comes of it must not be taken for the next one's answer
            connection.abort()
            raise
        if connection.is_reusable:
            connection.idle_since = time.monotonic()
            self._idle[origin].append(connection)
        else:
            connection.abort()
        return answer

    async def aclose(self) -> None:
        """Close all connections; calls under way end in `MaybeArrived`."""
        self._closed = True
        self._idle.clear()
        for connection in list(self._open):
            connection.fail(MaybeArrived("the client was closed"))
            connection.abort()
        # the loop tells the connections in its next round that they are gone
        await asyncio.sleep(0)

    def _take(self, origin: "_Origin") -> "_Connection | None":
        idle, oldest = self._idle[origin], time.monotonic() - wire.IDLE_SECONDS
        while idle:
            connection = idle.pop()
            if connection.is_reusable and connection.idle_since > oldest:
                return connection
            connection.abort()
        return None

    async def _connect(self, origin: "_Origin", timeout: float) -> "_Connection":
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(min(timeout, wire.CONNECT_TIMEOUT_SECONDS)):
                context = _tls() if origin.scheme == "https" else None
                _, connection = await loop.create_connection(
                    lambda: _Connection(self._open), origin.host, origin.port, ssl=context
                )
        except TimeoutError:
            failure = NeverSent("connecting took too long", timed_out=True)
        except (OSError, ssl.SSLError, UnicodeError) as caught:
            failure = NeverSent(f"no connection: {type(caught).__name__}")
        else:
            if not self._closed:
                return connection
            connection.abort()
            failure = NeverSent("the client is closed")
        # raised out here so that the error, whose text holds the address, is not its context
        raise failure


class _Origin:
    """Scheme, host and port of a service; `header` is its `Host` header with the line's end."""

    def __init__(self, text: str) -> None:
        parts = urlsplit(text)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.username is not None:
            raise ValueError
        self.scheme = parts.scheme
        self.host = parts.hostname
        self.port = parts.port or _DEFAULT_PORTS[parts.scheme]
        self.header = f"host: {parts.netloc}\r\n"


class _Connection(asyncio.Protocol):
    """One connection: one call at a time, its answer gathered as it comes."""

    def __init__(self, registry: "set[_Connection]") -> None:
        self.idle_since = 0.0
        self._registry = registry
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[WireResponse] | None = None
        self._keeps_open = True
        self._expect_answer()

    def _expect_answer(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._body = bytearray()
        self._retry_after: str | None = None
        self._ends_with_connection = True
        self._head_is_complete = False

    @property
    def is_reusable(self) -> bool:
        """Whether another call may be made on it."""
        return self._keeps_open and self._transport is not None and not self._transport.is_closing()

    async def exchange(self, head: bytes, body: bytes | None, timeout: float) -> WireResponse:
        """Write a request and wait for its answer, `timeout` seconds at most. Raises `WireError`."""
        transport = self._transport
        if transport is None or transport.is_closing():
            raise NeverSent("the connection was closed")
        self._expect_answer()
        waiting = self._waiting = self._loop.create_future()
        timer = self._loop.call_later(timeout, self.fail, MaybeArrived("operation timed out", timed_out=True))
        try:
            transport.write(head if body is None else head + body)
            return await waiting
        finally:
            timer.cancel()
            self._waiting = None

    def fail(self, error: WireError) -> None:
        """End the call under way, if there is one, with this error."""
        self._keeps_open = False
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error)

    def abort(self) -> None:
        """Close at once."""
        self._keeps_open = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._registry.add(self)

    def data_received(self, data: bytes) -> None:
        if self._waiting is None or self._waiting.done():
            # nobody asked: an answer to a call that is over, or a server out of step
            self.abort()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as caught:
            self.fail(MaybeArrived(f"the answer is not HTTP: {type(caught).__name__}"))

    def eof_received(self) -> bool:
        self._keeps_open = False
        if self._head_is_complete and self._ends_with_connection:
            self.on_message_complete()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._registry.discard(self)
        reason = "the connection was closed" if exc is None else f"the connection broke: {type(exc).__name__}"
        self.fail(MaybeArrived(f"{reason} before the answer was complete"))

    def on_message_begin(self) -> None:
        if self._waiting is None or self._waiting.done():
            self._keeps_open = False

    def on_header(self, name: bytes, value: bytes) -> None:
        lower = name.lower()
        if lower in {b"content-length", b"transfer-encoding"}:
            self._ends_with_connection = False
        elif lower == b"retry-after":
            self._retry_after = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._head_is_complete = True

    def on_body(self, body: bytes) -> None:
        self._body += body
        if len(self._body) > BODY_LIMIT_BYTES:
            self.fail(AnswerTooLarge(self._parser.get_status_code()))
            self.abort()

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:  # only an announcement; the answer follows
            self._head_is_complete = False
            return
        self._keeps_open = self._keeps_open and self._parser.should_keep_alive()
        if self._waiting is not None and not self._waiting.done():
            retry_after = self._retry_after if status in {429, 503} else None
            self._waiting.set_result(WireResponse(status, bytes(self._body), retry_after))


def _end_of_origin(url: str) -> int:
    begins = url.find("://") + 3
    slash, question = url.find("/", begins), url.find("?", begins)
    return min(place for place in (slash, question, len(url)) if place >= 0)


@lru_cache(maxsize=64)
def _origin(text: str) -> _Origin:
    try:
        return _Origin(text)
    except ValueError:
        pass
    raise NeverSent("the base URL is not one that can be called")


def _head(request: WireRequest, origin: _Origin, start: int) -> bytes:
    target = request.url[start:] or "/"
    if target[0] == "?":
        target = "/" + target
    lines = "".join([f"{name}: {value}\r\n" for name, value in request.headers])
    length = "" if request.body is None else f"content-length: {len(request.body)}\r\n"
    # a line's end inside a value would begin another header, or another request
    sound = (
        target.isascii() and target.isprintable() and " " not in target and lines.count("\n") == len(request.headers)
    )
    if sound and lines.count("\r") == len(request.headers):
        try:
            return f"{request.method} {target} HTTP/1.1\r\n{origin.header}{_STANDARD}{lines}{length}\r\n".encode(
                "latin-1"
            )
        except UnicodeEncodeError:
            pass
    raise NeverSent("the URL or a header has characters that cannot be sent")


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
