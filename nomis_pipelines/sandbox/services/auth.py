"""HMPPS Auth: tokens by client credentials, and the key set to check them with (platform card, section 1)."""

import base64
import binascii
from urllib.parse import parse_qs, unquote

from nomis_pipelines.sandbox.answers import Answer, json_answer
from nomis_pipelines.sandbox.routing import Request, Router
from nomis_pipelines.sandbox.services import add_health
from nomis_pipelines.sandbox.tokens import CLIENTS, Client, TokenIssuer

BASE_PATH = "/auth"


def build(issuer: TokenIssuer) -> Router:
    """The routing table of the auth service."""
    router = Router(BASE_PATH)
    add_health(router)

    def give_token(request: Request) -> Answer:
        form = {name: values[-1] for name, values in parse_qs(request.body.decode("latin-1")).items()}
        client = _client(request.authorization, form)
        if client is None:
            return json_answer({"error": "invalid_client", "error_description": "Bad credentials"}, 401)
        if form.get("grant_type") != "client_credentials":
            return json_answer({"error": "unsupported_grant_type"}, 400)
        seconds = issuer.seconds if request.token_seconds is None else request.token_seconds
        token = issuer.issue(client, issuer="sandbox/auth/issuer", seconds=seconds, username=form.get("username"))
        return json_answer({"access_token": token, "token_type": "bearer", "expires_in": int(seconds)})

    def give_keys(_request: Request) -> Answer:
        return json_answer(issuer.key_set())

    router.add("POST", "/oauth/token", give_token, content_type="application/x-www-form-urlencoded")
    router.add("GET", "/.well-known/jwks.json", give_keys)
    return router


def _client(authorization: bytes, form: dict[str, str]) -> Client | None:
    scheme, _, encoded = authorization.partition(b" ")
    client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
    if scheme.lower() == b"basic":
        try:
            client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        client_id, secret = unquote(client_id), unquote(secret)
    client = CLIENTS.get(client_id)
    return client if client is not None and client.secret == secret else None
