"""A TCP proxy that loses things: what stands between us and PostgreSQL when the network fails."""

import asyncio
import contextlib
from typing import Self


class Proxy:
    """Passes bytes on to a port of this machine until told otherwise."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.port = 0
        self.lose_next_answer = False
        self.lost = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        if self._serving:
            await asyncio.wait(self._serving)

    def cut(self) -> None:
        """Break all connections."""
        for writer in list(self._writers):
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving = asyncio.current_task()
        assert serving is not None
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)
        with contextlib.suppress(OSError):
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.target)
            pair = {writer, server_writer}
            self._writers |= pair
            try:
                there = asyncio.create_task(self._pass(reader, server_writer, answers=False))
                back = asyncio.create_task(self._pass(server_reader, writer, answers=True))
                await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
                there.cancel()
                back.cancel()
            finally:
                self._writers -= pair
                for each in pair:
                    each.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if answers and self.lose_next_answer:
                    self.lose_next_answer = False
                    self.lost += 1
                    return
                writer.write(data)
                await writer.drain()
