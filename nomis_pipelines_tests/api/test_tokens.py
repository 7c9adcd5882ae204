"""Promise: only tokens that HMPPS Auth signed and that hold are taken; its keys are cached and rotated."""

import base64
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from nomis_pipelines.api.auth import BadToken, KeySet, KeysUnavailable, Tokens
from nomis_pipelines_tests import world
from nomis_pipelines_tests.api.support import FakeAuth, new_key


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def auth() -> FakeAuth:
    return FakeAuth()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(auth: FakeAuth, clock: Clock) -> Tokens:
    return Tokens(KeySet(world.AUTH, auth, clock=clock))


async def test_roles_and_name_are_read(auth: FakeAuth, tokens: Tokens) -> None:
    principal = await tokens.principal(f"Bearer {auth.token('ROLE_A', 'ROLE_B', user_name='SOMEBODY')}")
    assert (principal.name, principal.roles) == ("SOMEBODY", {"ROLE_A", "ROLE_B"})


async def test_a_client_without_a_user_goes_by_its_own_name(auth: FakeAuth, tokens: Tokens) -> None:
    assert (await tokens.principal(f"bearer {auth.token()}")).name == "a-client"


@pytest.mark.parametrize("authorities", [None, "ROLE_A", {"ROLE_A": 1}, [1, None, ["ROLE_A"]]])
async def test_authorities_that_are_no_list_of_names_give_no_roles(
    auth: FakeAuth, tokens: Tokens, authorities: Any
) -> None:
    assert (await tokens.principal(f"Bearer {auth.token(authorities=authorities)}")).roles == set()


def unsigned(auth: FakeAuth) -> str:
    head, body, _ = auth.token("ROLE_A").split(".")
    header = {"alg": "none", "kid": "key-1"}
    head = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    return f"{head}.{body}."


def signed_with_the_public_key_as_a_secret(auth: FakeAuth) -> str:
    import hashlib
    import hmac

    public = auth.keys["key-1"].public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )  # fmt: skip
    parts = [{"alg": "HS256", "kid": "key-1"}, {"authorities": ["ROLE_A"], "exp": time.time() + 600}]
    text = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    signature = base64.urlsafe_b64encode(hmac.new(public, text, hashlib.sha256).digest()).rstrip(b"=")
    return b".".join([text, signature]).decode()


BAD = {
    "expired": lambda auth: auth.token("ROLE_A", exp=time.time() - 60),
    "without an end": lambda auth: auth.token("ROLE_A", exp=None),
    "not yet good": lambda auth: auth.token("ROLE_A", nbf=time.time() + 300),
    "signed by another": lambda auth: auth.token("ROLE_A", key=new_key()),
    "of an unknown key": lambda auth: auth.token("ROLE_A", key=new_key(), key_id="other"),
    "signed in another way": lambda auth: auth.token("ROLE_A", alg="RS512"),
    "unsigned": unsigned,
    "signed with the public key": signed_with_the_public_key_as_a_secret,
    "cut off": lambda auth: auth.token("ROLE_A")[:-20],
    "changed": lambda auth: auth.token("ROLE_A").replace(".", ".e30", 1),
    "no token": lambda _auth: "x",
    "three words": lambda _auth: "a.b.c",
    "empty": lambda _auth: "",
}


@pytest.mark.parametrize("make", BAD.values(), ids=BAD)
async def test_a_token_that_does_not_hold_is_refused(auth: FakeAuth, tokens: Tokens, make: Any) -> None:
    with pytest.raises(BadToken):
        await tokens.principal(f"Bearer {make(auth)}")


@pytest.mark.parametrize("scheme", ["Basic", "", "Token"])
async def test_another_scheme_is_refused(auth: FakeAuth, tokens: Tokens, scheme: str) -> None:
    with pytest.raises(BadToken):
        await tokens.principal(f"{scheme} {auth.token('ROLE_A')}")


async def test_the_keys_are_read_once_and_again_after_ten_minutes(auth: FakeAuth, tokens: Tokens, clock: Clock) -> None:
    for _ in range(3):
        await tokens.principal(f"Bearer {auth.token()}")
    assert auth.asked == 1
    clock.now += 601
    await tokens.principal(f"Bearer {auth.token()}")
    assert auth.asked == 2


async def test_a_rotated_key_is_fetched_when_its_first_token_comes(
    auth: FakeAuth, tokens: Tokens, clock: Clock
) -> None:
    await tokens.principal(f"Bearer {auth.token()}")
    auth.keys = {"key-2": new_key()}
    clock.now += 6
    await tokens.principal(f"Bearer {auth.token(key_id='key-2')}")
    assert auth.asked == 2


async def test_made_up_key_ids_do_not_make_us_ask_for_each(auth: FakeAuth, tokens: Tokens, clock: Clock) -> None:
    await tokens.principal(f"Bearer {auth.token()}")
    made_up = new_key()
    for number in range(20):
        with pytest.raises(BadToken):
            await tokens.principal(f"Bearer {auth.token(key=made_up, key_id=f'made-up-{number}')}")
    assert auth.asked == 1
    clock.now += 6
    for number in range(20):
        with pytest.raises(BadToken):
            await tokens.principal(f"Bearer {auth.token(key=made_up, key_id=f'made-up-{number}')}")
    assert auth.asked == 2


async def test_known_keys_serve_on_while_auth_is_away(auth: FakeAuth, tokens: Tokens, clock: Clock) -> None:
    await tokens.principal(f"Bearer {auth.token()}")
    auth.broken = True
    clock.now += 3600
    assert (await tokens.principal(f"Bearer {auth.token('ROLE_A')}")).roles == {"ROLE_A"}


async def test_without_any_key_it_is_said_so_and_later_asked_again(
    auth: FakeAuth, tokens: Tokens, clock: Clock
) -> None:
    auth.broken = True
    for _ in range(2):
        with pytest.raises(KeysUnavailable):
            await tokens.principal(f"Bearer {auth.token()}")
    auth.broken = False
    clock.now += 6
    await tokens.principal(f"Bearer {auth.token()}")


async def test_a_key_that_signs_otherwise_is_not_a_key_for_us(auth: FakeAuth, clock: Clock) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec

    from nomis_pipelines.http import WireRequest, WireResponse

    curve = ec.generate_private_key(ec.SECP256R1())
    entry = {**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(curve.public_key())), "kid": "curve", "alg": "ES256"}

    class Mixed(FakeAuth):
        async def send(self, request: WireRequest) -> WireResponse:
            return WireResponse(200, json.dumps({"keys": [entry]}).encode())

    token = jwt.encode({"exp": time.time() + 60}, curve, algorithm="ES256", headers={"kid": "curve"})
    with pytest.raises(BadToken):
        await Tokens(KeySet(world.AUTH, Mixed(), clock=clock)).principal(f"Bearer {token}")
