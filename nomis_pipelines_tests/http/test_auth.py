"""Tokens are asked for as HMPPS Auth wants it, once for all waiters, and kept until a minute before their end."""

import asyncio
import base64

import pytest
from pydantic import SecretStr

from nomis_pipelines.http import AuthError, MaybeArrived, NeverSent, TokenSource, WireRequest, WireResponse
from nomis_pipelines_tests.http.support import TOKEN, Clock, ScriptedWire, at_once, client, config


def token(text: str, expires_in: str = ', "expires_in": 599') -> WireResponse:
    return WireResponse(200, f'{{"access_token": "{text}", "token_type": "bearer"{expires_in}}}'.encode())


def source(wire: ScriptedWire, clock: Clock | None = None) -> TokenSource:
    return TokenSource("http://auth.test/auth", wire, at_once(), clock=clock or Clock())


async def test_the_request_is_client_credentials_with_basic_authorization():
    wire = ScriptedWire()
    tokens = source(wire)
    assert await tokens.header(tokens.registration(config())) == "Bearer token-1"
    request = wire.asked_tokens[0]
    assert (request.method, request.url) == ("POST", "http://auth.test/auth/oauth/token")
    assert request.body == b"grant_type=client_credentials"
    assert dict(request.headers) == {
        "authorization": "Basic " + base64.b64encode(b"the-id:the-secret").decode(),
        "content-type": "application/x-www-form-urlencoded",
    }
    assert request.timeout_seconds == 10


async def test_a_token_is_kept_until_a_minute_before_its_end():
    clock, wire = Clock(), ScriptedWire(tokens=[token("a"), token("b")])
    tokens = source(wire, clock)
    registration = tokens.registration(config())
    assert await tokens.header(registration) == "Bearer a"
    clock.now += 538.9
    assert await tokens.header(registration) == "Bearer a"
    clock.now += 0.2
    assert tokens.cached(registration) is None
    assert await tokens.header(registration) == "Bearer b"


@pytest.mark.parametrize("expires_in", ["", ', "expires_in": null', ', "expires_in": 30'])
async def test_a_token_without_much_time_serves_one_call(expires_in: str):
    wire = ScriptedWire(tokens=[token("a", expires_in), token("b", expires_in)])
    tokens = source(wire)
    registration = tokens.registration(config())
    assert [await tokens.header(registration) for _ in range(2)] == ["Bearer a", "Bearer b"]


async def test_one_request_serves_all_who_wait():
    wire = ScriptedWire(tokens=[token("a"), token("b")])
    tokens = source(wire)
    registration = tokens.registration(config())
    assert set(await asyncio.gather(*(tokens.header(registration) for _ in range(50)))) == {"Bearer a"}
    assert len(wire.asked_tokens) == 1


async def test_services_with_the_same_registration_share_a_token_and_others_do_not():
    wire = ScriptedWire()
    tokens = source(wire)
    other = config(name="other").__class__(
        name="other", base_url="http://o", client_id="another", client_secret=SecretStr("x"), timeout_seconds=1
    )
    assert tokens.registration(config()) is tokens.registration(config(name="again"))
    assert tokens.registration(config()) is not tokens.registration(other)


async def test_a_cancelled_caller_does_not_take_the_token_from_the_others():
    class SlowWire(ScriptedWire):
        async def send(self, request: WireRequest) -> WireResponse:
            await asyncio.sleep(0.01)
            return await super().send(request)

    wire = SlowWire()
    tokens = source(wire)
    registration = tokens.registration(config())
    first, second = (asyncio.create_task(tokens.header(registration)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == "Bearer token-1"
    assert first.cancelled()
    assert len(wire.asked_tokens) == 1


@pytest.mark.parametrize("trouble", [NeverSent("refused"), MaybeArrived("timed out"), WireResponse(503, b"")])
async def test_a_refresh_is_tried_again_after_trouble(trouble: NeverSent | MaybeArrived | WireResponse):
    wire = ScriptedWire(tokens=[trouble, trouble, token("a")])
    tokens = source(wire)
    assert await tokens.header(tokens.registration(config())) == "Bearer a"


async def test_a_failing_refresh_fails_all_who_wait_and_the_next_call_tries_again():
    wire = ScriptedWire(tokens=[WireResponse(401, b'{"error": "invalid_client"}'), token("a")])
    tokens = source(wire)
    registration = tokens.registration(config())
    results = await asyncio.gather(*(tokens.header(registration) for _ in range(10)), return_exceptions=True)
    assert all(isinstance(result, AuthError) for result in results)
    assert len(wire.asked_tokens) == 1
    assert await tokens.header(registration) == "Bearer a"


@pytest.mark.parametrize("body", [b"", b"{}", b"<html>", b'{"access_token": null}'])
async def test_an_answer_without_a_token_is_an_error_that_shows_nothing(body: bytes):
    tokens = source(ScriptedWire(tokens=[WireResponse(200, body)]))
    with pytest.raises(AuthError) as caught:
        await tokens.header(tokens.registration(config()))
    assert str(caught.value) == "visits POST /oauth/token answered 200: no access_token in the answer"


async def test_a_call_without_a_token_fails_with_its_own_service_named():
    wire = ScriptedWire(tokens=[WireResponse(401, b"")])
    with pytest.raises(AuthError, match=r"visits POST /oauth/token answered 401"):
        await client(wire).get("/visits", str)
    assert wire.asked == []


async def test_no_secret_shows_in_any_text():
    wire = ScriptedWire(tokens=[WireResponse(400, b"the-secret token-1")])
    tokens = source(wire)
    registration = tokens.registration(config())
    with pytest.raises(AuthError) as caught:
        await tokens.header(registration)
    wire.tokens = [TOKEN]
    await tokens.header(registration)
    basic = base64.b64encode(b"the-id:the-secret").decode()
    for text in (str(caught.value), repr(caught.value), repr(registration), repr(wire.asked_tokens[0])):
        assert not any(secret in text for secret in ("the-secret", "token-1", basic))
