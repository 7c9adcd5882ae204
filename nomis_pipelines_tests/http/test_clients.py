"""One set of clients a run: built from the settings when asked for, sharing wire and tokens, closed together.

Over the fast wire, against the misbehaving server: what is promised about single calls holds for the whole stack.
"""

import asyncio

import pytest

from nomis_pipelines.http import DirectWire, HttpClients, HttpxWire, OutcomeUnknown, ReqwestWire, Unavailable
from nomis_pipelines.settings import SettingError, Settings
from nomis_pipelines_tests.http.faulty_server import Behaviour, FaultyServer
from nomis_pipelines_tests.http.support import ScriptedWire


def settings(url: str = "http://visits.test", **others: str) -> Settings:
    return Settings.load(
        {
            "API_BASE_URL_HMPPS_AUTH": "http://auth.test/auth",
            "API_BASE_URL_VISITS": url,
            "VISITS_CLIENT_ID": "visits-id",
            "VISITS_CLIENT_SECRET": "visits-secret",
            "API_BASE_URL_ALERTS": "http://alerts.test",
            "ALERTS_CLIENT_ID": "alerts-id",
            "ALERTS_CLIENT_SECRET": "alerts-secret",
            "API_TIMEOUT": "300ms",
            **others,
        }
    )


class HalfScripted(ReqwestWire):
    """The fast wire, but for tokens, which are scripted."""

    def __init__(self) -> None:
        super().__init__()
        self.script = ScriptedWire()

    async def send(self, request):
        return await (self.script if request.url.endswith("/oauth/token") else super()).send(request)


async def test_a_client_is_built_once():
    async with HttpClients(settings(), wire=ScriptedWire()) as clients:
        assert clients.client("visits") is clients.client("visits")
        assert clients.client("visits") is not clients.client("alerts")


async def test_a_missing_setting_is_named_when_the_client_is_asked_for():
    async with HttpClients(settings()) as clients:
        with pytest.raises(SettingError, match="API_BASE_URL_LOCATIONS"):
            clients.client("locations")


async def test_the_wire_is_chosen_by_setting():
    for name, kind in (("direct", DirectWire), ("reqwest", ReqwestWire), ("httpx", HttpxWire)):
        async with HttpClients(settings(NOMIS_PIPELINES_HTTP_WIRE=name)) as clients:
            assert isinstance(clients._wire, kind)


async def test_each_service_has_its_own_registration_limit_and_numbers():
    wire = ScriptedWire()
    async with HttpClients(settings(NOMIS_PIPELINES_HTTP_START_CONCURRENCY="7"), wire=wire) as clients:
        await clients.client("visits").get("/a", str)
        await clients.client("visits").get("/a", str)
        await clients.client("alerts").get("/a", str)
        assert len(wire.asked_tokens) == 2
        assert {name: (stats.calls, stats.limit) for name, stats in clients.stats().items()} == {
            "visits": (2, 7),
            "alerts": (1, 7),
        }


@pytest.mark.parametrize("behaviour", [Behaviour.DROP_AFTER_READING, Behaviour.HANG, Behaviour.HALF_BODY])
async def test_work_that_was_done_is_not_done_twice(behaviour: Behaviour):
    async with FaultyServer([behaviour]) as server, HttpClients(settings(server.url), wire=HalfScripted()) as clients:
        with pytest.raises(OutcomeUnknown):
            await clients.client("visits").post("/migrate-visits", {"a": 1}, str)
        await asyncio.sleep(0.2)
        assert server.seen == ["POST /migrate-visits"]


async def test_the_same_trouble_does_not_disturb_a_read():
    troubles = [Behaviour.DROP_AFTER_READING, Behaviour.CLOSE_ON_ACCEPT, Behaviour.TOO_MANY, Behaviour.ANSWER]
    async with FaultyServer(troubles) as server, HttpClients(settings(server.url), wire=HalfScripted()) as clients:
        assert await clients.client("visits").get("/visits/{id}", dict[str, int], path={"id": 1}) == {"id": 1}
        assert server.seen == ["GET /visits/1"] * 3


async def test_a_whole_answer_time_is_what_the_timeout_covers():
    async with FaultyServer([Behaviour.DRIP]) as server:
        once = settings(server.url, NOMIS_PIPELINES_HTTP_ATTEMPTS="1")
        async with HttpClients(once, wire=HalfScripted()) as clients:
            with pytest.raises(Unavailable, match="operation timed out, attempt 1"):
                await clients.client("visits").get("/visits", str)


async def test_a_cancelled_post_ends_as_cancelled_and_gives_its_permit_back():
    async with FaultyServer([Behaviour.HANG]) as server, HttpClients(settings(server.url), wire=HalfScripted()) as all_:
        task = asyncio.create_task(all_.client("visits").post("/migrate-visits", {}))
        await server.arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert all_.client("visits").stats().in_flight == 0
