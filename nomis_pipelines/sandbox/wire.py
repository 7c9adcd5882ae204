"""HTTP/1.1 for the sandbox, on asyncio and httptools: keep-alive, pipelining, and full control of the connection.

The faults need the wire itself (to break it, to drip on it), and the services must answer thousands of requests a
second on one core, so a request without a fault is read, worked on and answered within one call of the event loop.
"""

import asyncio
import logging
import time
from collections import deque
from typing import cast

import httptools

from nomis_pipelines.sandbox.answers import FORBIDDEN, UNAUTHORISED, Answer, Refusal, bad_request, error, not_found
from nomis_pipelines.sandbox.faults import ActiveFault, strikes
from nomis_pipelines.sandbox.routing import Request, Route, Router
from nomis_pipelines.sandbox.tokens import TokenVerifier

_logger = logging.getLogger(__name__)

MAX_BODY = 10 * 1024 * 1024


class Service:
    """One of the sandbox's services: its routes, its port, its faults and what it has seen."""

    def __init__(self, name: str, router: Router, tokens: TokenVerifier | None) -> None:
        self.name = name
        self.router = router
        self.faults: list[ActiveFault] = []
        self.connections: set[Connection] = set()
        self.port = 0
        self.in_flight = 0
        self.max_in_flight = 0
        self._tokens = tokens
        self._unknown = Route("*", "(unknown path)", _unknown_path)
        self._wrong_method = Route("*", "(wrong method)", _wrong_method)
        self._server: asyncio.Server | None = None
        self._outage: asyncio.Task[None] | None = None

    @property
    def routes(self) -> list[Route]:
        """All operations, and the two that stand for what is not one."""
        return [*self.router.routes, self._unknown, self._wrong_method]

    def find(self, request: Request) -> Route:
        """The operation that `request` asks for."""
        route, known = self.router.find(request)
        return route or (self._wrong_method if known else self._unknown)

    def answer(self, route: Route, request: Request) -> Answer:
        """Check the token and the content type, then do the work."""
        if route.roles is not None and self._tokens is not None:
            roles = self._tokens.roles(request.authorization, time.time())
            if roles is None:
                return UNAUTHORISED
            if roles.isdisjoint(route.roles):
                return FORBIDDEN
        if (request.body or route.always_typed) and not request.content_type.startswith(route.content_type):
            return _unsupported(request)
        try:
            return route.handler(request)
        except Refusal as refusal:
            return refusal.answer
        except Exception:
            # a fault of the sandbox itself: say so where its owner looks, and answer as a real service would
            _logger.exception("%s %s %s failed", self.name, route.method, route.template)
            return error(500, "Unexpected error", "see the sandbox's log")

    async def listen(self, host: str, port: int) -> None:
        """Open the port; with port 0 a free one is taken and kept in `port`."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), host, port, backlog=4096)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and cut every connection."""
        if self._outage is not None:
            self._outage.cancel()
        self._stop_listening()

    def begin_outage(self, host: str, seconds: float) -> None:
        """Cut every connection and refuse new ones for `seconds`."""
        if self._outage is not None:
            self._outage.cancel()
        self._stop_listening()
        self._outage = asyncio.get_running_loop().create_task(self._come_back(host, seconds))

    def end_outage(self, host: str) -> None:
        """Listen again at once."""
        if self._outage is not None:
            self._outage.cancel()
            self._outage = None
            if self._server is None:
                self._outage = asyncio.get_running_loop().create_task(self._come_back(host, 0))

    async def _come_back(self, host: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.listen(host, self.port)

    def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self.connections):
            connection.abort()


def _unknown_path(request: Request) -> Answer:
    return not_found(f"No static resource {request.path.decode('latin-1')}")


def _wrong_method(request: Request) -> Answer:
    return error(405, "Method not allowed", f"Request method '{request.method}' is not supported")


def _unsupported(request: Request) -> Answer:
    kind = request.content_type.decode("latin-1") or "none"
    return error(415, "Unsupported media type", f"Content-Type '{kind}' is not supported")


class Connection(asyncio.Protocol):
    """One connection: requests are worked on in their order, and answered in it."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)
        self.parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._authorization = b""
        self._content_type = b""
        self._source = self._username = b""
        self._caseload = b""
        self._body = b""
        self._out: list[bytes] = []
        self._closing = False
        self._waiting: deque[Request] | None = None  # requests behind one that a fault holds up
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.service.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.service.connections.discard(self)
        if self._waiting:
            self.service.in_flight -= len(self._waiting)
            self._waiting.clear()

    def pause_writing(self) -> None:
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._out.append(bad_request("the request is not HTTP/1.1").encoded())
            self._closing = True
        if self._out:
            self._flush()

    def abort(self) -> None:
        """Break the connection at once, without a word."""
        self._out.clear()
        self.transport.abort()

    def on_message_begin(self) -> None:
        self._url = self._authorization = self._content_type = self._body = b""
        self._source = self._username = self._caseload = b""

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        length = len(name)
        if length == 13 and name.lower() == b"authorization":
            self._authorization = value
        elif length == 12 and name.lower() == b"content-type":
            self._content_type = value
        elif length == 6 and name.lower() == b"source":
            self._source = value
        elif length == 8 and name.lower() == b"username":
            self._username = value
        elif length == 15 and name.lower() == b"active-caseload":
            self._caseload = value
        elif length == 6 and name.lower() == b"expect":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body += body
        if len(self._body) > MAX_BODY:
            self.abort()

    def on_message_complete(self) -> None:
        path, _, query = self._url.partition(b"?")
        request = Request(
            self.parser.get_method().decode(),
            path,
            query,
            self._body,
            authorization=self._authorization,
            content_type=self._content_type,
            source=self._source,
            username=self._username,
            caseload=self._caseload,
            keep_alive=self.parser.should_keep_alive(),
        )
        service = self.service
        service.in_flight += 1
        service.max_in_flight = max(service.max_in_flight, service.in_flight)
        if self._waiting is None:
            self._serve(request)
        else:
            self._waiting.append(request)

    def _serve(self, request: Request) -> None:
        service = self.service
        route = service.find(request)
        if service.faults:
            hits = strikes(service.faults, request.method, route.template, request.path.decode("latin-1"))
            if hits:
                self._waiting = deque()
                self._task = asyncio.get_running_loop().create_task(self._serve_with(hits, route, request))
                return
        answer = service.answer(route, request)
        self._settle(route, str(answer.status))
        self._out.append(answer.encoded())
        if not request.keep_alive:
            self._closing = True

    def _settle(self, route: Route, outcome: str) -> None:
        self.service.in_flight -= 1
        route.count(outcome)

    def _flush(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(b"".join(self._out))
            if self._closing:
                self.transport.close()
        self._out.clear()

    async def _serve_with(self, hits: list[ActiveFault], route: Route, request: Request) -> None:
        from nomis_pipelines.sandbox.mishaps import suffer

        if self._out:
            self._flush()  # answers of earlier requests do not wait for this one
        mishap = await suffer(hits, self.service, route, request)
        self._settle(route, mishap.outcome)
        if mishap.answer is None:
            self.abort()
        elif not self.transport.is_closing():
            await self._send(mishap.answer, mishap.bytes_per_second)
            if not request.keep_alive:
                self.transport.close()
        self._resume()

    async def _send(self, answer: Answer, bytes_per_second: float | None) -> None:
        if bytes_per_second is None:
            self.transport.write(answer.encoded())
            return
        self.transport.write(answer.head())
        step = max(1, int(bytes_per_second / 20))
        for start in range(0, len(answer.body), step):
            await asyncio.sleep(step / bytes_per_second)
            if self.transport.is_closing():
                return
            self.transport.write(answer.body[start : start + step])

    def _resume(self) -> None:
        """Go on with the requests that waited, until one of them is held up in its turn."""
        waiting, self._waiting = self._waiting, None
        while waiting and not self.transport.is_closing():
            self._serve(waiting.popleft())
            if self._waiting is not None:
                self._waiting.extend(waiting)
                return
        self.service.in_flight -= len(waiting or ())
        if self._out:
            self._flush()
