"""Who calls: JWTs of HMPPS Auth, checked against its key set (platform card, section 1.2)."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt
from fastapi.responses import Response
from pydantic_core import from_json
from starlette.types import ASGIApp, Receive, Scope, Send

from nomis_pipelines.api.errors import ApiError, answer
from nomis_pipelines.http import Wire, WireError, WireRequest

REFRESH_SECONDS = 600.0
AT_MOST_EVERY_SECONDS = 5.0
TIMEOUT_SECONDS = 5.0
LEEWAY_SECONDS = 10.0

OPEN_PATHS = ("/health", "/info", "/v3/api-docs", "/swagger-ui", "/webjars")
"""Anyone may read these and what is below them."""
OPEN_FILES = frozenset({"/swagger-ui.html", "/favicon.ico"})

log = logging.getLogger(__name__)


class KeysUnavailable(Exception):
    """HMPPS Auth's key set cannot be read, and none is known yet."""


class BadToken(Exception):
    """A token that does not hold. Why is not told to its bearer."""


@dataclass(frozen=True, kw_only=True)
class Principal:
    """The caller: a name for the audit, and roles with their prefix `ROLE_`."""

    name: str
    roles: frozenset[str]


class KeySet:
    """The public keys of HMPPS Auth by key id.

    Read again every ten minutes, and when a token names a key that is not known (the keys were rotated), though never
    more often than every five seconds: tokens with made-up key ids must not make us ask for each of them.
    """

    def __init__(self, auth_url: str, wire: Wire, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = f"{auth_url}/.well-known/jwks.json"
        self._wire = wire
        self._clock = clock
        self._keys: dict[str | None, Any] = {}
        self._read_at: float | None = None
        self._tried_at: float | None = None
        self._lock = asyncio.Lock()

    async def key(self, key_id: str | None) -> Any | None:
        """The key of that id; None when HMPPS Auth has none. Raises `KeysUnavailable`."""
        if self._is_due(key_id):
            async with self._lock:
                if self._is_due(key_id):
                    await self._read()
        if self._read_at is None:
            raise KeysUnavailable
        return self._keys.get(key_id)

    def _is_due(self, key_id: str | None) -> bool:
        now = self._clock()
        if self._tried_at is not None and now - self._tried_at < AT_MOST_EVERY_SECONDS:
            return False
        return self._read_at is None or key_id not in self._keys or now - self._read_at >= REFRESH_SECONDS

    async def _read(self) -> None:
        self._tried_at = self._clock()
        try:
            response = await self._wire.send(WireRequest("GET", self._url, [], None, TIMEOUT_SECONDS))
            if response.status != 200:
                raise ValueError(f"status {response.status}")
            keys = jwt.PyJWKSet.from_dict(from_json(response.body)).keys
        except (WireError, ValueError, TypeError, AttributeError, jwt.PyJWTError) as error:
            log.warning("the key set of HMPPS Auth cannot be read (API_BASE_URL_HMPPS_AUTH): %s", error)
            return
        self._keys = {key.key_id: key.key for key in keys if key.key_type == "RSA"}
        self._read_at = self._clock()


class Tokens:
    """Checks bearer tokens."""

    def __init__(self, keys: KeySet) -> None:
        self._keys = keys

    async def principal(self, authorization: str) -> Principal:
        """Whose token is in an Authorization header. Raises `BadToken` or `KeysUnavailable`."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise BadToken
        try:
            header = jwt.get_unverified_header(token.strip())
            key = await self._keys.key(header.get("kid"))
            if key is None:
                raise BadToken
            claims: dict[str, Any] = jwt.decode(
                token.strip(),
                key,
                algorithms=["RS256"],
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp"], "verify_aud": False},
            )
        except (jwt.PyJWTError, ValueError, TypeError):
            raise BadToken from None
        authorities = claims.get("authorities")
        roles = [role for role in authorities if isinstance(role, str)] if isinstance(authorities, list) else []
        name = claims.get("user_name") or claims.get("client_id") or claims.get("sub") or "unknown"
        return Principal(name=str(name), roles=frozenset(roles))


class Authentication:
    """Middleware: lets through what is open and who has a good token; the principal is put into the request's state.

    Everything else ends here with 401 and no body, unknown paths too.
    """

    def __init__(self, app: ASGIApp, tokens: Callable[[], Tokens], *, is_open: Callable[[str, str], bool]) -> None:
        self._app = app
        self._tokens = tokens
        self._is_open = is_open

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._is_open(scope["method"], scope["path"]):
            await self._app(scope, receive, send)
            return
        headers = [value for name, value in scope["headers"] if name == b"authorization"]
        try:
            if len(headers) != 1:
                raise BadToken
            scope.setdefault("state", {})["principal"] = await self._tokens().principal(headers[0].decode("latin-1"))
        except BadToken:
            await Response(status_code=401, headers={"WWW-Authenticate": "Bearer"})(scope, receive, send)
        except KeysUnavailable:
            error = ApiError(503, "the key set of HMPPS Auth cannot be read, so no token can be checked")
            await answer(error)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def open_to_all(method: str, path: str) -> bool:
    """Whether no token is needed (platform card, section 1.2)."""
    return path in OPEN_FILES or any(path == root or path.startswith(f"{root}/") for root in OPEN_PATHS)
