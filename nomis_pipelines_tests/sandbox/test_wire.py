"""Promise: the wire keeps the order of answers, and every fault does on it what its name says, and is counted."""

import asyncio
import time

import httpx
import pytest

from nomis_pipelines.sandbox.server import HOST
from nomis_pipelines_tests.sandbox.conftest import Running
from nomis_pipelines_tests.sandbox.test_services import MAPPING, migrate_body

FIND = "/mapping/visits/nomisId/{nomisId}"


async def raw(running: Running, service: str, *paths: str, end: str = "close") -> bytes:
    """What comes back for several requests sent in one go over one connection."""
    reader, writer = await asyncio.open_connection(HOST, running.server.ports[service])
    for number, path in enumerate(paths):
        keep = end if number == len(paths) - 1 else "keep-alive"
        token = running.token("nomis-prisoner-api")
        head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: {keep}\r\n\r\n"
        writer.write(head.encode())
    answer = await reader.read()
    writer.close()
    return answer


async def post_visit(running: Running, number: int = 11) -> httpx.Response:
    visit = running.server.stores.nomis_visits.get(number)
    assert visit
    return await running.call("visits", "POST", "/migrate-visits", json=migrate_body(visit))


async def test_pipelined_requests_are_answered_in_their_order(running: Running) -> None:
    answer = await raw(running, "nomis", *(f"/visits/{number}" for number in range(1, 30)))
    places = [answer.find(f'"visitId":{number},'.encode()) for number in range(1, 30)]
    assert -1 not in places
    assert places == sorted(places)


async def test_requests_behind_one_that_is_held_up_wait_for_it(running: Running) -> None:
    await running.fault("latency", "nomis", path="/visits/{visitId}", milliseconds=100, limit=1)
    answer = await raw(running, "nomis", "/visits/1", "/visits/2", "/visits/99999", "/visits/3")
    places = [answer.find(text) for text in (b'"visitId":1,', b'"visitId":2,', b" 404 ", b'"visitId":3,')]
    assert -1 not in places
    assert places == sorted(places)
    assert running.server.services["nomis"].in_flight == 0
    assert running.server.services["nomis"].max_in_flight == 4


async def test_a_request_in_pieces_is_read_whole(running: Running) -> None:
    reader, writer = await asyncio.open_connection(HOST, running.server.ports["nomis"])
    token = running.token("nomis-prisoner-api")
    for byte in f"GET /visits/77 HTTP/1.1\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n".encode():
        writer.write(bytes([byte]))
        if byte == ord("/"):
            await asyncio.sleep(0.001)
    assert b'"visitId":77' in await reader.read()
    writer.close()


async def test_what_is_not_http_is_400_and_the_end_of_the_connection(running: Running) -> None:
    reader, writer = await asyncio.open_connection(HOST, running.server.ports["nomis"])
    writer.write(b"what is this\r\n\r\n")
    assert b" 400 " in await reader.read()
    writer.close()


async def test_a_fault_of_the_sandbox_itself_is_500_and_in_its_log(
    running: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(number: int) -> None:
        raise KeyError(number)

    monkeypatch.setattr(running.server.stores.nomis_visits, "get", broken)
    assert (await running.call("nomis", "GET", "/visits/1")).status_code == 500
    assert "/visits/{visitId} failed" in caplog.text


async def test_a_connection_dropped_before_the_work_leaves_nothing_behind(running: Running) -> None:
    await running.fault("drop_before", "visits", method="POST", path="/migrate-visits", limit=1)
    with pytest.raises(httpx.TransportError):
        await post_visit(running)
    assert len(running.server.stores.scheduled) == 0
    assert running.count("visits", "/migrate-visits", "POST") == {"dropped before": 1}
    assert (await post_visit(running)).status_code == 201


async def test_a_connection_dropped_after_the_work_leaves_it_done(running: Running) -> None:
    await running.fault("drop_after", "visits", method="POST", limit=1)
    with pytest.raises(httpx.TransportError):
        await post_visit(running)
    assert len(running.server.stores.scheduled) == 1
    assert running.count("visits", "/migrate-visits", "POST") == {"dropped after 201": 1}


async def test_a_status_comes_before_the_work_or_after_it_with_retry_after(running: Running) -> None:
    await running.fault("status", "visits", code=429, retry_after="2", limit=1)
    answer = await post_visit(running)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "2")
    assert len(running.server.stores.scheduled) == 0
    await running.fault("status", "visits", code=502, when="after", body="<html>", limit=1)
    assert (await post_visit(running)).text == "<html>"
    assert len(running.server.stores.scheduled) == 1
    assert running.count("visits", "/migrate-visits", "POST") == {"429": 1, "502": 1}


async def test_error_rates_are_drawn_from_the_seed(running: Running) -> None:
    rounds: list[list[int]] = []
    for _ in range(2):
        await running.fault("status", "mapping", code=500, probability=0.3, seed=5, path="/mapping/*")
        answers = [await running.call("mapping", "GET", "/mapping/visits/nomisId/1") for _ in range(60)]
        rounds.append([answer.status_code for answer in answers])
        assert (await running.call("mapping", "GET", "/prison/HEI/room/nomis-room-id/x")).status_code == 404
        await running.call("admin", "DELETE", "/faults")
    assert rounds[0] == rounds[1]
    assert set(rounds[0]) == {404, 500}
    assert 8 <= rounds[0].count(500) <= 28


@pytest.mark.parametrize(
    ("style", "check"),
    [
        ("truncated", lambda body: body.startswith(b'{"visitId"') and not body.endswith(b"}")),
        ("html", lambda body: body.startswith(b"<html>")),
        ("empty", lambda body: body == b""),
        ("wrong_shape", lambda body: b"visitId" not in body),
    ],
)
async def test_a_malformed_body_has_a_good_status(running: Running, style: str, check: object) -> None:
    await running.fault("malformed_body", "nomis", style=style)
    answer = await running.call("nomis", "GET", "/visits/1")
    assert answer.status_code == 200
    assert check(answer.content)


@pytest.mark.parametrize(
    ("options", "least"),
    [
        ({"milliseconds": 60}, 0.055),
        ({"distribution": "uniform", "milliseconds": 40, "to_milliseconds": 60}, 0.035),
        ({"distribution": "lognormal", "milliseconds": 50, "sigma": 0.1}, 0.02),
        ({"milliseconds": 60, "when": "after"}, 0.055),
    ],
)
async def test_latency_delays_the_answer(running: Running, options: dict, least: float) -> None:
    await running.fault("latency", "nomis", **options)
    begun = time.perf_counter()
    assert (await running.call("nomis", "GET", "/visits/1")).status_code == 200
    assert time.perf_counter() - begun >= least


async def test_requests_in_flight_are_counted_while_they_wait(running: Running) -> None:
    await running.fault("latency", "nomis", milliseconds=2000)
    calls = [asyncio.create_task(running.call("nomis", "GET", f"/visits/{n}")) for n in range(1, 8)]
    while running.server.counts()["nomis"]["in_flight"] < 7:
        assert not any(call.done() for call in calls)
        await asyncio.sleep(0.01)
    await asyncio.gather(*calls)
    assert running.server.counts()["nomis"]["in_flight"] == 0
    assert running.server.counts()["nomis"]["max_in_flight"] == 7


async def test_a_dripping_body_arrives_whole_in_the_end(running: Running) -> None:
    whole = (await running.call("nomis", "GET", "/visits/1")).content
    await running.fault("drip", "nomis", bytes_per_second=4 * len(whole))
    begun = time.perf_counter()
    assert (await running.call("nomis", "GET", "/visits/1")).content == whole
    assert time.perf_counter() - begun > 0.2


async def test_a_hanging_service_says_nothing_and_breaks_off(running: Running) -> None:
    await running.fault("hang", "visits", seconds=0.1)
    with pytest.raises(httpx.TransportError):
        await post_visit(running)
    assert len(running.server.stores.scheduled) == 0


async def test_work_goes_on_when_the_client_has_gone_away(running: Running) -> None:
    await running.fault("latency", "visits", milliseconds=150)
    running.http.timeout = httpx.Timeout(0.05)
    with pytest.raises(httpx.ReadTimeout):
        await post_visit(running)
    await asyncio.sleep(0.2)
    assert len(running.server.stores.scheduled) == 1
    assert running.server.services["visits"].in_flight == 0


async def test_tokens_can_be_refused_or_made_to_end_soon(running: Running) -> None:
    await running.fault("refuse_tokens", "nomis", limit=1)
    assert (await running.call("nomis", "GET", "/visits/1")).status_code == 401
    await running.fault("token_seconds", "auth", seconds=0.3)
    form = {"grant_type": "client_credentials"}
    url = running.url("auth", "/auth/oauth/token")
    answer = await running.http.post(url, data=form, auth=("nomis-prisoner-api", "nomis-prisoner-api-secret"))
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert (await running.call("nomis", "GET", "/visits/1", headers=headers)).status_code == 200
    await asyncio.sleep(0.35)
    assert (await running.call("nomis", "GET", "/visits/1", headers=headers)).status_code == 401


async def test_colliding_inserts_are_409_without_the_existing_pair(running: Running) -> None:
    await running.fault("collision", "mapping", method="POST", limit=1)
    answer = await running.call("mapping", "POST", "/mapping/visits", json=MAPPING)
    assert answer.status_code == 409
    assert answer.json()["moreInfo"] == {"existing": None, "duplicate": MAPPING}
    assert len(running.server.stores.visit_mappings) == 0


async def test_an_outage_refuses_connections_until_it_is_over(running: Running) -> None:
    port = running.server.ports["mapping"]
    fault = await running.fault("outage", "mapping", seconds=30)
    with pytest.raises(httpx.ConnectError):
        await running.call("mapping", "GET", "/mapping/visits/nomisId/1")
    assert (await running.call("nomis", "GET", "/visits/1")).status_code == 200
    assert (await running.call("admin", "DELETE", f"/faults/{fault}")).status_code == 204
    await asyncio.sleep(0.05)
    assert (await running.call("mapping", "GET", "/mapping/visits/nomisId/1")).status_code == 404
    assert running.server.ports["mapping"] == port


async def test_an_outage_cuts_the_connections_there_are_and_ends_by_itself(running: Running) -> None:
    await running.fault("latency", "mapping", milliseconds=5000)
    call = asyncio.create_task(running.call("mapping", "GET", "/mapping/visits/nomisId/1"))
    await asyncio.sleep(0.1)
    await running.fault("outage", "mapping", seconds=0.2)
    with pytest.raises(httpx.TransportError):
        await call
    await running.call("admin", "DELETE", "/faults/1")
    await asyncio.sleep(0.3)
    assert (await running.call("mapping", "GET", "/mapping/visits/nomisId/1")).status_code == 404


async def test_a_fault_strikes_only_what_it_is_set_for(running: Running) -> None:
    await running.fault("status", "mapping", code=500, method="GET", path=FIND)
    assert (await running.call("mapping", "POST", "/mapping/visits", json=MAPPING)).status_code == 201
    assert (await running.call("mapping", "GET", "/mapping/visits/vsipId/aa-11")).status_code == 200
    assert (await running.call("mapping", "GET", "/mapping/visits/nomisId/1")).status_code == 500
    faults = (await running.call("admin", "GET", "/faults")).json()
    assert [(fault["kind"], fault["hits"]) for fault in faults] == [("status", 1)]


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "explode", "service": "nomis"},
        {"kind": "status", "service": "nomis"},
        {"kind": "status", "service": "nomis", "code": 200},
        {"kind": "latency", "service": "prison", "milliseconds": 1},
        {"kind": "drop_after", "service": "nomis", "colour": "red"},
    ],
)
async def test_a_fault_that_makes_no_sense_is_refused(running: Running, fault: dict) -> None:
    answer = await running.call("admin", "POST", "/faults", json=fault)
    assert answer.status_code == 400
    assert running.server.faults() == []


async def test_counts_are_by_path_template_and_outcome_and_can_be_reset(running: Running) -> None:
    for path in ("/visits/1", "/visits/2", "/visits/99999", "/nothing"):
        await running.call("nomis", "GET", path)
    assert running.count("nomis", "/visits/{visitId}") == {"200": 2, "404": 1}
    assert running.count("nomis", "(unknown path)", "*") == {"404": 1}
    await running.call("admin", "POST", "/reset?what=counts")
    assert running.count("nomis", "/visits/{visitId}") == {}


async def test_a_reset_forgets_data_and_faults(running: Running) -> None:
    await post_visit(running)
    await running.call("mapping", "POST", "/mapping/visits", json=MAPPING)
    await running.fault("status", "visits", code=500)
    await running.call("admin", "POST", "/reset")
    assert running.server.agreement()["visits"]["dps_records"] == 0
    assert running.server.agreement()["visits"]["mappings"] == 0
    assert (await post_visit(running)).status_code == 201
    assert (await running.call("admin", "POST", "/reset?what=everything")).status_code == 400
