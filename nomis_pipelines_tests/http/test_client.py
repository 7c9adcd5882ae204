"""Typed calls: what goes out, what comes back, and what each answer turns into.

At the edge stands respx, under the plain wire; scripted wires stand in where a test is about attempts, not bytes.
"""

import json
from collections.abc import AsyncIterator
from functools import partial

import httpx
import pytest
import respx
from pydantic import BaseModel, Field

from nomis_pipelines.http import (
    AdaptiveLimit,
    AnswerTooLarge,
    Conflict,
    HttpxWire,
    InvalidAnswer,
    MaybeArrived,
    NeverSent,
    NotFound,
    OutcomeUnknown,
    Rejected,
    ServiceClient,
    ServiceError,
    Unavailable,
    WireError,
    WireResponse,
)
from nomis_pipelines_tests.http.support import ScriptedWire, client

TOKEN_URL = "http://auth.test/auth/oauth/token"


class Visit(BaseModel):
    visit_id: int = Field(alias="visitId")
    offender_no: str = Field("A1234BC", alias="offenderNo")
    comment: str | None = None


@pytest.fixture
def edge() -> object:
    with respx.mock(assert_all_called=True) as router:
        router.post(TOKEN_URL).respond(json={"access_token": "abc", "expires_in": 3600})
        yield router


@pytest.fixture
async def visits(edge: respx.MockRouter) -> AsyncIterator[ServiceClient]:
    wire = HttpxWire()
    yield client(wire)
    await wire.aclose()


async def test_a_get_fills_path_and_query_and_reads_a_model(edge: respx.MockRouter, visits: ServiceClient):
    route = edge.get("http://visits.test/visits/7", params={"prisonIds": ["MDI", "LEI"]}).respond(json={"visitId": 7})
    visit = await visits.get("/visits/{visitId}", Visit, path={"visitId": 7}, query={"prisonIds": ["MDI", "LEI"]})
    assert visit == Visit(visitId=7)
    sent = route.calls.last.request.headers
    assert sent["authorization"] == "Bearer abc"
    assert sent["traceparent"].startswith("00-")
    assert "content-type" not in sent


async def test_lists_plain_types_and_text_are_read_too(edge: respx.MockRouter, visits: ServiceClient):
    edge.get("http://visits.test/list").respond(json=[{"visitId": 1}, {"visitId": 2}])
    edge.get("http://visits.test/ids").respond(json=[1, 2])
    edge.get("http://visits.test/text").respond(text="héllo")
    assert [visit.visit_id for visit in await visits.get("/list", list[Visit])] == [1, 2]
    assert await visits.get("/ids", list[int]) == [1, 2]
    assert await visits.get("/text", str) == "héllo"


async def test_find_takes_404_for_none_and_get_does_not(edge: respx.MockRouter, visits: ServiceClient):
    edge.get("http://visits.test/visits/7").respond(404, json={"userMessage": "no visit"})
    assert await visits.find("/visits/{visitId}", Visit, path={"visitId": 7}) is None
    with pytest.raises(NotFound, match=r"^visits GET /visits/\{visitId\} answered 404$"):
        await visits.get("/visits/{visitId}", Visit, path={"visitId": 7})


async def test_a_post_writes_json_without_nulls_and_reads_the_answer(edge: respx.MockRouter, visits: ServiceClient):
    route = edge.post("http://visits.test/migrate-visits").respond(201, text="ab-cd")
    assert await visits.post("/migrate-visits", Visit(visitId=1), str) == "ab-cd"
    request = route.calls.last.request
    assert json.loads(request.content) == {"visitId": 1, "offenderNo": "A1234BC"}
    assert request.headers["content-type"] == "application/json"


async def test_nulls_are_kept_and_content_types_set_on_demand(edge: respx.MockRouter, visits: ServiceClient):
    route = edge.put("http://visits.test/visits/1").respond(200)
    kind = "application/vnd.dps+json"
    await visits.put(
        "/visits/{id}", Visit(visitId=1), path={"id": 1}, query={"a": 1}, keep_nulls=True, content_type=kind
    )
    request = route.calls.last.request
    assert json.loads(request.content)["comment"] is None
    assert request.headers["content-type"] == kind
    assert request.url.query == b"a=1"


async def test_headers_that_a_service_asks_for_go_out_with_the_call(edge: respx.MockRouter, visits: ServiceClient):
    posted = edge.post("http://visits.test/visits").respond(201)
    deleted = edge.delete("http://visits.test/visits/7").respond(204)
    await visits.post("/visits", {"a": 1}, headers={"Source": "NOMIS", "Username": "AB_GEN"})
    await visits.delete("/visits/{visitId}", path={"visitId": 7}, headers={"Source": "NOMIS"})
    sent = posted.calls.last.request.headers
    assert (sent["source"], sent["username"], sent["authorization"]) == ("NOMIS", "AB_GEN", "Bearer abc")
    assert deleted.calls.last.request.headers["source"] == "NOMIS"
    assert "username" not in deleted.calls.last.request.headers


async def test_a_read_can_send_headers_too(edge: respx.MockRouter, visits: ServiceClient):
    found = edge.get("http://visits.test/visits/7").respond(404)
    assert await visits.find("/visits/{visitId}", str, path={"visitId": 7}, headers={"Active-Caseload": "MDI"}) is None
    assert found.calls.last.request.headers["active-caseload"] == "MDI"


async def test_without_an_answer_type_the_answer_is_not_read(edge: respx.MockRouter, visits: ServiceClient):
    edge.post("http://visits.test/mapping").respond(201, text="not json")
    edge.patch("http://visits.test/mapping").respond(204)
    assert await visits.post("/mapping", {"a": 1}) is None
    assert await visits.patch("/mapping", None) is None


async def test_delete_says_whether_it_was_there(edge: respx.MockRouter, visits: ServiceClient):
    edge.delete("http://visits.test/visits/1").respond(204)
    gone = edge.delete("http://visits.test/visits/2").respond(404)
    assert await visits.delete("/visits/{id}", path={"id": 1}) is True
    assert await visits.delete("/visits/{id}", path={"id": 2}, missing_ok=True, content_type="a/b") is False
    assert gone.calls.last.request.headers["content-type"] == "a/b"
    with pytest.raises(NotFound):
        await visits.delete("/visits/{id}", path={"id": 2})


async def test_a_delete_can_have_a_body_which_is_sent_with_its_nulls(edge: respx.MockRouter, visits: ServiceClient):
    deleted = edge.delete("http://visits.test/visits/1").respond(204)
    await visits.delete("/visits/{id}", path={"id": 1}, body={"by": None})
    request = deleted.calls.last.request
    assert (request.content, request.headers["content-type"]) == (b'{"by":null}', "application/json")
    await visits.delete("/visits/{id}", path={"id": 1})
    assert deleted.calls.last.request.content == b""


@pytest.mark.parametrize(
    ("status", "kind"), [(400, Rejected), (401, Rejected), (403, Rejected), (409, Conflict), (422, Rejected)]
)
async def test_a_refusal_is_raised_at_once_with_the_shape_of_its_body(
    edge: respx.MockRouter, visits: ServiceClient, status: int, kind: type[ServiceError]
):
    route = edge.post("http://visits.test/migrate-visits").respond(
        status, json={"status": status, "userMessage": "John Smith is not known"}
    )
    with pytest.raises(kind) as caught:
        await visits.post("/migrate-visits", {})
    assert caught.value.redacted_body == f'{{"status":{status},"userMessage":"string"}}'
    assert "Smith" not in str(caught.value) + str(vars(caught.value))
    assert route.call_count == 1


async def test_a_401_asks_for_no_new_token(edge: respx.MockRouter, visits: ServiceClient):
    edge.get("http://visits.test/visits").respond(401)
    for _ in range(3):
        with pytest.raises(Rejected):
            await visits.get("/visits", str)
    assert edge.routes[0].call_count == 1


async def test_an_answer_that_breaks_the_contract_is_named_by_place_only(edge: respx.MockRouter, visits: ServiceClient):
    edge.get("http://visits.test/visits").respond(json=[{"visitId": "Smith"}, {"offenderNo": 5}, {}, {}])
    with pytest.raises(InvalidAnswer) as caught:
        await visits.get("/visits", list[Visit])
    assert str(caught.value) == (
        "visits GET /visits answered 200: 0.visitId: int_parsing, 1.visitId: missing, 1.offenderNo: string_type"
        " and 2 more"
    )
    assert caught.value.__context__ is None


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"visitId": ', b"\xff"])
async def test_an_answer_that_is_not_json_breaks_the_contract(
    edge: respx.MockRouter, visits: ServiceClient, body: bytes
):
    edge.get("http://visits.test/visits").respond(content=body)
    with pytest.raises(InvalidAnswer, match="body: json_invalid"):
        await visits.get("/visits", Visit)


async def test_text_that_is_not_utf8_breaks_the_contract(edge: respx.MockRouter, visits: ServiceClient):
    edge.get("http://visits.test/visits").respond(content=b"\xff")
    with pytest.raises(InvalidAnswer, match="not UTF-8"):
        await visits.get("/visits", str)


async def test_a_redirect_breaks_the_contract(edge: respx.MockRouter, visits: ServiceClient):
    edge.get("http://visits.test/visits").respond(302, headers={"location": "http://elsewhere.test/"})
    with pytest.raises(InvalidAnswer, match="answered 302: a redirect"):
        await visits.get("/visits", str)


async def test_ping_asks_without_a_token():
    with respx.mock as router:
        route = router.get("http://visits.test/health/ping").respond(503)
        wire = HttpxWire()
        assert await client(wire).ping() == 503
        assert "authorization" not in route.calls.last.request.headers
        router.get("http://visits.test/health/ping").mock(side_effect=httpx.ConnectError("no"))
        with pytest.raises(Unavailable, match="visits GET /health/ping: ConnectError"):
            await client(wire).ping()
        await wire.aclose()


OK = WireResponse(200, b"{}")
REFUSED = NeverSent("Connection refused")
BROKEN = MaybeArrived("connection closed")
TIMEOUT = MaybeArrived("operation timed out", timed_out=True)
TOO_MANY, DOWN = WireResponse(429, b""), WireResponse(503, b"")
BAD_GATEWAY, GATEWAY_TIMEOUT = WireResponse(502, b""), WireResponse(504, b"")
BROKEN_INSIDE = WireResponse(500, b'{"status": 500, "userMessage": "Smith"}')


@pytest.mark.parametrize("trouble", [REFUSED, BROKEN, TIMEOUT, TOO_MANY, DOWN, BAD_GATEWAY, GATEWAY_TIMEOUT])
@pytest.mark.parametrize("method", ["get", "put", "delete", "idempotent post"])
async def test_a_call_that_may_be_repeated_is(trouble: WireResponse | WireError, method: str):
    wire = ScriptedWire([trouble, trouble, trouble, trouble, OK])
    visits = client(wire)
    match method:
        case "get":
            await visits.get("/visits", str)
        case "put":
            await visits.put("/visits", {})
        case "delete":
            await visits.delete("/visits")
        case _:
            await visits.post("/visits", {}, idempotent=True)
    assert len(wire.asked) == 5
    assert visits.stats().retries == 4


@pytest.mark.parametrize("trouble", [REFUSED, BROKEN, TIMEOUT, TOO_MANY, DOWN, BAD_GATEWAY])
async def test_after_the_last_attempt_the_service_counts_as_unavailable(trouble: WireResponse | WireError):
    wire = ScriptedWire([trouble])
    with pytest.raises(Unavailable) as caught:
        await client(wire).get("/visits", str)
    assert len(wire.asked) == 5
    assert caught.value.status == getattr(trouble, "status", None)


async def test_an_inner_error_is_not_tried_again():
    wire = ScriptedWire([BROKEN_INSIDE, OK])
    with pytest.raises(Unavailable) as caught:
        await client(wire).get("/visits", str)
    assert caught.value.redacted_body == '{"status":500,"userMessage":"string"}'
    assert len(wire.asked) == 1


@pytest.mark.parametrize("trouble", [REFUSED, TOO_MANY, DOWN])
async def test_a_post_that_was_not_processed_is_sent_again(trouble: WireResponse | WireError):
    wire = ScriptedWire([trouble, trouble, OK])
    await client(wire).post("/visits", {})
    assert len(wire.asked) == 3


@pytest.mark.parametrize("trouble", [BROKEN, TIMEOUT, BAD_GATEWAY, GATEWAY_TIMEOUT])
@pytest.mark.parametrize("method", ["post", "patch", "put once", "delete once"])
async def test_a_call_that_may_have_arrived_is_never_sent_again(trouble: WireResponse | WireError, method: str):
    wire = ScriptedWire([REFUSED, trouble, OK])
    visits = client(wire)
    calls = {
        "post": partial(visits.post, "/visits", {}),
        "patch": partial(visits.patch, "/visits", {}),
        "put once": partial(visits.put, "/visits", {}, idempotent=False),
        "delete once": partial(visits.delete, "/visits", idempotent=False),
    }
    with pytest.raises(OutcomeUnknown) as caught:
        await calls[method]()
    assert len(wire.asked) == 2
    assert caught.value.status == getattr(trouble, "status", None)


async def test_an_answer_too_large_is_neither_tried_again_nor_lost():
    wire = ScriptedWire([AnswerTooLarge(201), OK])
    with pytest.raises(InvalidAnswer, match="answered 201: the answer is larger than 10 MB"):
        await client(wire).post("/visits", {})
    assert len(wire.asked) == 1
    with pytest.raises(NotFound):
        await client(ScriptedWire([AnswerTooLarge(404)])).get("/visits", str)


async def test_overload_halves_the_limit_and_retry_after_pauses_everybody():
    limit = AdaptiveLimit(16, 16)
    wire = ScriptedWire([WireResponse(429, b"", "1"), OK])
    visits = client(wire, limit=limit)
    limit.pause = lambda seconds: paused.append(seconds)  # type: ignore[method-assign]
    paused: list[float] = []
    await visits.get("/visits", str)
    assert paused == [1.0]
    assert limit.limit == 8


async def test_a_permit_is_not_held_while_waiting_for_the_next_attempt(monkeypatch: pytest.MonkeyPatch):
    limit = AdaptiveLimit(1, 1)
    held: list[int] = []

    async def sleep(seconds: float) -> None:
        held.append(limit.in_flight)

    monkeypatch.setattr("nomis_pipelines.http.exchange.asyncio.sleep", sleep)
    visits = client(ScriptedWire([BROKEN, OK, BROKEN, OK]), limit=limit)
    await visits.get("/visits", str)
    async with visits.reserved():
        await visits.get("/visits", str)
    assert held == [0, 1]


async def test_numbers_are_kept():
    wire = ScriptedWire([OK, BROKEN, OK])
    visits = client(wire)
    for _ in range(2):
        await visits.get("/visits", str)
    stats = visits.stats()
    assert (stats.calls, stats.retries, stats.failures, stats.limit, stats.in_flight) == (2, 1, 1, 16, 0)
    assert stats.mean_latency_seconds >= 0
