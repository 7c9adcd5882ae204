"""A small fast HTTP/1.1 server for benchmarks: every request gets the same JSON answer.

Run as `python -m benchmarks.fast_server [--delay SECONDS] [--spin SECONDS]`; it binds a free local port, prints it,
and stops when its standard input closes. `--delay` waits before each answer (a distant server), `--spin` burns CPU (a
busy one).
"""

import argparse
import asyncio
import sys
import time
from functools import partial
from typing import cast

import httptools
import uvloop

BODY = (
    b'{"visitId": 10309617, "offenderNo": "A1234BC", "prisonId": "MDI", "startDateTime": "2024-05-01T14:00:00",'
    b' "endDateTime": "2024-05-01T15:00:00", "visitType": {"code": "SCON", "description": "Social"},'
    b' "visitStatus": {"code": "SCH", "description": "Scheduled"}, "agencyInternalLocation": {"code": "MDI-VISITS"},'
    b' "visitors": [{"personId": 4729570, "leadVisitor": true}, {"personId": 4729571, "leadVisitor": false}]}'
)
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)
TOKEN = b'{"access_token": "benchmark", "token_type": "bearer", "expires_in": 3600}'
TOKEN_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(TOKEN),
    TOKEN,
)


class FastProtocol(asyncio.Protocol):
    """One connection; httptools parses, a constant answers."""

    def __init__(self, delay: float, spin: float) -> None:
        self._delay = delay
        self._spin = spin
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._answer = ANSWER

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not derive from asyncio.Transport
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        """Called by httptools: choose the answer."""
        self._answer = TOKEN_ANSWER if url.endswith(b"/oauth/token") else ANSWER

    def on_message_complete(self) -> None:
        """Called by httptools: the request is complete."""
        if self._delay:
            asyncio.get_running_loop().call_later(self._delay, self._write, self._answer)
            return
        if self._spin:
            end = time.perf_counter() + self._spin
            while time.perf_counter() < end:
                pass
        self._write(self._answer)

    def _write(self, answer: bytes) -> None:
        assert self._transport is not None
        if not self._transport.is_closing():
            self._transport.write(answer)


async def serve(delay: float, spin: float) -> None:
    """Serve until standard input closes."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(partial(FastProtocol, delay, spin), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.buffer.read)
    server.close()


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--spin", type=float, default=0.0, help="seconds of CPU burnt for each answer")
    options = parser.parse_args()
    uvloop.run(serve(options.delay, options.spin))


if __name__ == "__main__":
    main()
