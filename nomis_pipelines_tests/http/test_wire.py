"""Each wire says truly whether a failed request may have arrived, and sends it once and to nobody else.

The server misbehaves on purpose; what it read is the truth that the wires are held to.
"""

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress

import pytest

from nomis_pipelines.http import (
    AnswerTooLarge,
    DirectWire,
    HttpxWire,
    MaybeArrived,
    NeverSent,
    ReqwestWire,
    Wire,
    WireRequest,
    wire as wire_module,
)
from nomis_pipelines_tests.http.faulty_server import Behaviour, FaultyServer

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(params=[DirectWire, ReqwestWire, HttpxWire])
def make(request: pytest.FixtureRequest) -> type[Wire]:
    return request.param


@pytest.fixture
async def wire(make: type[Wire]) -> AsyncIterator[Wire]:
    made = make()
    yield made
    await made.aclose()


def post(url: str, timeout: float = 0.5) -> WireRequest:
    headers = [("content-type", "application/json"), ("authorization", "Bearer x")]
    return WireRequest("POST", url + "/migrate?name=Smith", headers, b'{"a": 1}', timeout)


async def test_an_answer_comes_back_whole(wire: Wire):
    async with FaultyServer() as server:
        answer = await wire.send(post(server.url))
        assert (answer.status, answer.body) == (200, b'{"id": 1}')
        assert server.seen == ["POST /migrate?name=Smith"]
        assert server.bodies == [b'{"a": 1}']
        sent = server.headers[0]
        assert sent["authorization"] == "Bearer x"
        assert sent["accept"] == "application/json"
        assert sent["user-agent"] == "nomis-pipelines"


async def test_a_connection_reset_at_once_ends_in_an_error_and_nothing_arrived(wire: Wire):
    """The reset may meet the client while it connects (never sent) or while it writes (may have arrived)."""
    async with FaultyServer([Behaviour.RESET_ON_ACCEPT]) as server:
        with pytest.raises((NeverSent, MaybeArrived)):
            await wire.send(post(server.url))
        await asyncio.sleep(0.05)
        assert server.seen == []


@pytest.mark.parametrize(
    ("behaviour", "arrives"),
    [
        (Behaviour.CLOSE_ON_ACCEPT, 0),
        (Behaviour.DROP_AFTER_READING, 1),
        (Behaviour.RESET_AFTER_READING, 1),
        (Behaviour.HANG, 1),
        (Behaviour.DRIP, 1),
        (Behaviour.HALF_BODY, 1),
        (Behaviour.GARBAGE, 1),
    ],
)
async def test_after_any_trouble_on_an_open_connection_a_post_may_have_arrived_and_went_once(
    wire: Wire, behaviour: Behaviour, arrives: int
):
    async with FaultyServer([behaviour]) as server:
        with pytest.raises(MaybeArrived) as caught:
            await wire.send(post(server.url))
        await asyncio.sleep(0.05)
        assert len(server.seen) == arrives
        assert server.connections == 1
        assert caught.value.timed_out == (behaviour in {Behaviour.HANG, Behaviour.DRIP})
        shown = str(caught.value) + repr(caught.value.__context__) + repr(caught.value.__cause__)
        assert "Smith" not in shown


@pytest.mark.parametrize(
    ("behaviour", "arrives"),
    [(Behaviour.DROP_AFTER_READING, 2), (Behaviour.RESET_AFTER_READING, 2), (Behaviour.RESET_ON_DATA, 1)],
)
async def test_trouble_on_a_connection_used_before_does_not_send_a_post_again(
    wire: Wire, behaviour: Behaviour, arrives: int
):
    async with FaultyServer([Behaviour.ANSWER, behaviour, Behaviour.ANSWER]) as server:
        await wire.send(post(server.url))
        with pytest.raises(MaybeArrived):
            await wire.send(post(server.url))
        await asyncio.sleep(0.05)
        assert (len(server.seen), server.connections) == (arrives, 1)


async def test_no_post_arrives_twice_however_connections_break(wire: Wire):
    dice = random.Random(7)
    kinds = [Behaviour.ANSWER, Behaviour.ANSWER_THEN_CLOSE, Behaviour.DROP_AFTER_READING, Behaviour.RESET_AFTER_READING]
    async with FaultyServer(dice.choices(kinds, weights=[6, 2, 1, 1], k=2000)) as server:

        async def send(number: int) -> bool:
            request = post(server.url, timeout=30)
            request.url = f"{server.url}/{number}"
            try:
                await wire.send(request)
            except MaybeArrived:
                return False
            return True

        answered = [
            all_ for batch in range(40) for all_ in await asyncio.gather(*map(send, range(batch * 20, batch * 20 + 20)))
        ]
        assert len(server.seen) == len(set(server.seen))
        assert len(server.seen) >= answered.count(True) > 500


async def test_a_refused_connection_means_never_sent(wire: Wire):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(NeverSent) as caught:
            await wire.send(post(f"http://127.0.0.1:{unused.getsockname()[1]}"))
    assert "127.0.0.1" not in str(caught.value)


async def test_an_unknown_host_means_never_sent(wire: Wire):
    with pytest.raises(NeverSent):
        await wire.send(post("http://no-such-host.invalid", timeout=5))


async def test_a_connection_that_does_not_open_in_time_means_never_sent(
    make: type[Wire], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(wire_module, "CONNECT_TIMEOUT_SECONDS", 0.3)
    wire = make()
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        crowd = [socket.socket() for _ in range(4)]  # fills the queue, so that the next one gets no answer
        for one in crowd:
            one.setblocking(False)
            one.connect_ex(listening.getsockname())
        with pytest.raises(NeverSent) as caught:
            await wire.send(post(f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=5))
        for one in crowd:
            one.close()
    assert caught.value.timed_out
    await wire.aclose()


async def test_a_failing_tls_handshake_means_never_sent(wire: Wire):
    async with FaultyServer([Behaviour.CLOSE_ON_ACCEPT]) as server:
        with pytest.raises(NeverSent):
            await wire.send(post(server.url.replace("http://", "https://"), timeout=5))


async def test_an_idle_connection_that_the_server_closed_is_not_used_again(wire: Wire):
    async with FaultyServer([Behaviour.ANSWER_THEN_CLOSE]) as server:
        for _ in range(5):
            assert (await wire.send(post(server.url))).status == 200
            await asyncio.sleep(0.02)
        assert len(server.seen) == 5


async def test_a_connection_is_kept_for_the_next_call(wire: Wire):
    async with FaultyServer() as server:
        for _ in range(3):
            await wire.send(post(server.url))
        assert server.connections == 1


async def test_an_idle_connection_is_dropped_before_servers_do_so(make: type[Wire], monkeypatch: pytest.MonkeyPatch):
    assert wire_module.IDLE_SECONDS < 5
    monkeypatch.setattr(wire_module, "IDLE_SECONDS", 0.05)
    wire = make()
    async with FaultyServer() as server:
        await wire.send(post(server.url))
        await asyncio.sleep(0.2)
        await wire.send(post(server.url))
        assert server.connections == 2
    await wire.aclose()


async def test_a_redirect_is_an_answer_and_not_followed(wire: Wire):
    async with FaultyServer([Behaviour.REDIRECT]) as server:
        assert (await wire.send(post(server.url))).status == 307
        assert len(server.seen) == 1


async def test_cookies_are_not_kept(wire: Wire):
    async with FaultyServer([Behaviour.COOKIE]) as server:
        for _ in range(2):
            await wire.send(post(server.url))
        assert all("cookie" not in headers for headers in server.headers)


async def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with FaultyServer() as server:
        for made in (DirectWire(), ReqwestWire(), HttpxWire()):
            assert (await made.send(post(server.url))).status == 200
            await made.aclose()


async def test_retry_after_is_handed_on(wire: Wire):
    async with FaultyServer([Behaviour.TOO_MANY]) as server:
        answer = await wire.send(post(server.url))
        assert (answer.status, answer.retry_after) == (429, "0")


async def test_an_answer_over_ten_megabytes_is_not_taken(wire: Wire):
    async with FaultyServer([Behaviour.HUGE]) as server:
        with pytest.raises(AnswerTooLarge) as caught:
            await wire.send(post(server.url, timeout=10))
        assert caught.value.status == 200


async def test_a_cancelled_call_is_cancelled_and_its_connection_is_not_used_again(wire: Wire):
    async with FaultyServer([Behaviour.HANG, Behaviour.ANSWER]) as server:
        task = asyncio.create_task(wire.send(post(server.url, timeout=30)))
        await server.arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await wire.send(post(server.url))).status == 200
        assert server.connections == 2


@pytest.mark.parametrize("make", [DirectWire, ReqwestWire])
async def test_closing_ends_calls_under_way_in_doubt_and_refuses_new_ones(make: type[Wire]):
    wire = make()
    async with FaultyServer([Behaviour.HANG]) as server:
        task = asyncio.create_task(wire.send(post(server.url, timeout=30)))
        await server.arrived.wait()
        await wire.aclose()
        with pytest.raises(MaybeArrived):
            await task
        with pytest.raises(NeverSent):
            await wire.send(post(server.url))


async def test_many_calls_go_side_by_side(wire: Wire):
    async with FaultyServer() as server:
        answers = await asyncio.gather(*(wire.send(post(server.url, timeout=30)) for _ in range(200)))
        assert {answer.status for answer in answers} == {200}
        assert len(server.seen) == 200


@pytest.mark.parametrize(
    ("url", "name", "value"),
    [
        ("/a\r\nx: y", "x", "y"),
        ("/a b", "x", "y"),
        ("/ä", "x", "y"),
        ("/a", "x", "y\r\nauthorization: Bearer other"),
        ("/a", "x", "y\n"),
        ("/a", "x\r", "y"),
        ("/a", "x", "\u2603"),
    ],
)
async def test_what_could_become_another_request_is_never_sent(url: str, name: str, value: str):
    wire = DirectWire()
    async with FaultyServer() as server:
        with pytest.raises(NeverSent) as caught:
            await wire.send(WireRequest("GET", server.url + url, [(name, value)], None, 1))
        assert server.connections == 0
    assert value not in str(caught.value)
    await wire.aclose()


@pytest.mark.parametrize("url", ["ftp://host/x", "http:///x", "http://user:word@host/x", "http://host:port/x", "x"])
async def test_a_base_url_that_cannot_be_called_means_never_sent(url: str):
    wire = DirectWire()
    with pytest.raises(NeverSent, match="base URL"):
        await wire.send(WireRequest("GET", url, [], None, 1))
    await wire.aclose()


ANSWERS = [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello", True),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", 200, b"hello", True),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx: y\r\n\r\n", 200, b"hello", True),
    (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", 201, b"", True),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello", 200, b"hello", False),
    (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello", False),
    (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello", 200, b"hello", False),
]


@asynccontextmanager
async def serving(
    answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """The address of a server that answers so; at the end its connections are closed and gone."""
    tasks: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    server = await asyncio.start_server(
        lambda reader, writer: tasks.append(asyncio.create_task(serve(reader, writer))), "127.0.0.1", 0
    )
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await asyncio.gather(*tasks)


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize(("raw", "status", "body", "kept"), ANSWERS, ids=range(len(ANSWERS)))
async def test_every_form_of_an_answer_is_read_in_pieces_of_any_size(
    raw: bytes, status: int, body: bytes, kept: bool, size: int
):
    connections = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while await reader.readline():
            while (await reader.readline()).strip():
                pass
            for start in range(0, len(raw), size):
                writer.write(raw[start : start + size])
                await writer.drain()
                await asyncio.sleep(0)
            if not kept:
                break

    async with serving(answer) as url, aclosing(DirectWire()) as wire:
        for _ in range(2):
            got = await wire.send(WireRequest("GET", url, [], None, 5))
            assert (got.status, got.body) == (status, body)
    assert connections == (1 if kept else 2)


async def test_a_connection_with_more_than_the_answer_is_not_used_again():
    connections = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while (await reader.readline()).strip():
            pass
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad")
        with suppress(ConnectionError):
            await reader.read()

    async with serving(answer) as url, aclosing(DirectWire()) as wire:
        for _ in range(2):
            assert (await wire.send(WireRequest("GET", f"{url}/", [], None, 5))).body == b"ok"
    assert connections == 2
