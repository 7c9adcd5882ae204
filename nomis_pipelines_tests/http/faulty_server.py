"""A tiny HTTP/1.1 server on a free local port that misbehaves on demand.

Each request takes the next planned `Behaviour` (the last one stays). The server counts what it *read*, so that a test
can say whether a request arrived, and how often.
"""

import asyncio
import socket
import struct
from collections.abc import Sequence
from enum import Enum, auto
from types import TracebackType
from typing import Self


class Behaviour(Enum):
    """What happens to the next connection or request."""

    ANSWER = auto()
    """Read it, answer 200 with a small JSON body, keep the connection."""
    ANSWER_THEN_CLOSE = auto()
    """Answer with keep-alive, then close the idle connection without having announced it."""
    CLOSE_ON_ACCEPT = auto()
    """Close the connection before reading anything."""
    RESET_ON_ACCEPT = auto()
    """Reset the connection before reading anything."""
    RESET_ON_DATA = auto()
    """Reset the connection when the first byte arrives."""
    DROP_AFTER_READING = auto()
    """Read the request (the work is done) and close without a word."""
    RESET_AFTER_READING = auto()
    """Read the request and reset the connection."""
    HANG = auto()
    """Read the request and never answer."""
    DRIP = auto()
    """Answer headers at once, then one byte of the body every 50 ms, for ever."""
    HALF_BODY = auto()
    """Announce 1000 bytes, send ten, close."""
    GARBAGE = auto()
    """Answer something that is not HTTP."""
    REDIRECT = auto()
    """Answer 307 to another path of this server."""
    TOO_MANY = auto()
    """Answer 429 with Retry-After: 0."""
    BAD_GATEWAY = auto()
    """Answer 502."""
    HUGE = auto()
    """Send eleven megabytes in chunks without announcing a length."""
    COOKIE = auto()
    """Answer 200 and set a cookie."""


def response(status: int, body: bytes, headers: str = "") -> bytes:
    """The bytes of an answer with a JSON content type."""
    return (
        f"HTTP/1.1 {status} Whatever\r\nContent-Type: application/json\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


_OK = b'{"id": 1}'
_ANSWERS = {
    Behaviour.ANSWER: response(200, _OK),
    Behaviour.ANSWER_THEN_CLOSE: response(200, _OK),
    Behaviour.REDIRECT: response(307, b"", "Location: /elsewhere\r\n"),
    Behaviour.TOO_MANY: response(429, b"{}", "Retry-After: 0\r\n"),
    Behaviour.BAD_GATEWAY: response(502, b"<html>bad gateway</html>"),
    Behaviour.COOKIE: response(200, _OK, "Set-Cookie: session=secret\r\n"),
}


class FaultyServer:
    """The server; an async context manager. `seen` lists "METHOD path" of every request read completely."""

    def __init__(self, behaviours: Sequence[Behaviour] = (Behaviour.ANSWER,)) -> None:
        self.behaviours = list(behaviours)
        self.seen: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.connections = 0
        self.url = ""
        self.arrived = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _next(self) -> Behaviour:
        return self.behaviours.pop(0) if len(self.behaviours) > 1 else self.behaviours[0]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.behaviours[0] in {Behaviour.CLOSE_ON_ACCEPT, Behaviour.RESET_ON_ACCEPT}:
            if self._next() is Behaviour.RESET_ON_ACCEPT:
                reset_on_close(writer)
            return
        while True:
            if self.behaviours[0] is Behaviour.RESET_ON_DATA:
                await reader.read(1)
                self._next()
                reset_on_close(writer)
                return
            await self._read(reader)
            if not await self._answer(self._next(), writer):
                return

    async def _read(self, reader: asyncio.StreamReader) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        self.bodies.append(await reader.readexactly(int(headers.get("content-length", "0"))))
        self.headers.append(headers)
        self.seen.append(" ".join(head[0].split(" ")[:2]))
        self.arrived.set()

    async def _answer(self, behaviour: Behaviour, writer: asyncio.StreamWriter) -> bool:
        """Misbehave; whether the connection goes on."""
        if behaviour in _ANSWERS:
            writer.write(_ANSWERS[behaviour])
            await writer.drain()
            return behaviour is not Behaviour.ANSWER_THEN_CLOSE
        match behaviour:
            case Behaviour.RESET_AFTER_READING:
                reset_on_close(writer)
                return False
            case Behaviour.HANG:
                await asyncio.sleep(3600)
            case Behaviour.DRIP:
                await self._drip(writer)
            case Behaviour.HALF_BODY:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n0123456789")
            case Behaviour.GARBAGE:
                writer.write(b"220 mail.example.org ESMTP ready\r\n")
            case Behaviour.HUGE:
                await self._huge(writer)
            case _:
                pass
        return False

    async def _drip(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            writer.write(b"1")
            await writer.drain()
            await asyncio.sleep(0.05)

    async def _huge(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(176):
            writer.write(b"10000\r\n" + b"1" * 0x10000 + b"\r\n")
            await writer.drain()
        writer.write(b"0\r\n\r\n")


def reset_on_close(writer: asyncio.StreamWriter) -> None:
    """Make closing the connection send RST instead of FIN."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
