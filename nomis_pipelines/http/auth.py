"""OAuth2 client credentials against HMPPS Auth (platform card, section 1.1).

One token a client registration for the whole process, renewed 60 s before its end by one request, however many callers
wait for it. A token refused with 401 is not fetched again: that is an ordinary failure of the call. Nothing here is
logged, and no error holds an id, a secret or a token.
"""

import asyncio
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pydantic import BaseModel, ValidationError

from nomis_pipelines.http.errors import AuthError
from nomis_pipelines.http.retry import RetryPolicy, retry_after_seconds
from nomis_pipelines.http.wire import Wire, WireError, WireRequest, WireResponse
from nomis_pipelines.settings import ServiceConfig

AUTH_TIMEOUT_SECONDS = 10.0
RENEW_BEFORE_SECONDS = 60.0
TOKEN_PATH = "/oauth/token"  # noqa: S105 - an address


class _TokenAnswer(BaseModel):
    access_token: str
    expires_in: float | None = None


@dataclass(slots=True)
class Registration:
    """One client registration and its present token, as the Authorization header's value."""

    service: str
    basic: str = field(repr=False)
    header: str = field(default="", repr=False)
    good_until: float = float("-inf")
    refresh: "asyncio.Task[str] | None" = field(default=None, repr=False)


class TokenSource:
    """The tokens of all services of one process. Belongs to one event loop."""

    def __init__(
        self,
        auth_url: str,
        wire: Wire,
        retry: RetryPolicy,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = auth_url + TOKEN_PATH
        self._wire = wire
        self._retry = retry
        self._clock = clock
        self._registrations: dict[tuple[str, str], Registration] = {}

    def registration(self, config: ServiceConfig) -> Registration:
        """The registration of a service; services with the same client id and secret share one, and so its token."""
        secret = config.client_secret.get_secret_value()
        key = (config.client_id, secret)
        if key not in self._registrations:
            basic = b64encode(f"{config.client_id}:{secret}".encode()).decode()
            self._registrations[key] = Registration(config.name, f"Basic {basic}")
        return self._registrations[key]

    def cached(self, registration: Registration) -> str | None:
        """The Authorization header's value if the token is good for another minute, else None."""
        return registration.header if self._clock() < registration.good_until else None

    async def header(self, registration: Registration) -> str:
        """The Authorization header's value, renewed if need be. Raises `AuthError` when there is no token to be had."""
        header = self.cached(registration)
        if header is not None:
            return header
        if registration.refresh is None or registration.refresh.done():
            registration.refresh = asyncio.create_task(self._refresh(registration))
            registration.refresh.add_done_callback(lambda task: _settle(registration, task))
        # shielded: a cancelled caller must not take the token away from the others
        return await asyncio.shield(registration.refresh)

    async def aclose(self) -> None:
        """Stop refreshes under way."""
        tasks = [known.refresh for known in self._registrations.values() if known.refresh is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _refresh(self, registration: Registration) -> str:
        asked = self._clock()
        response = await self._ask(registration)
        try:
            answer = _TokenAnswer.model_validate_json(response.body)
        except ValidationError:
            answer = None
        if answer is None:
            raise _error(registration, response.status, "no access_token in the answer")
        registration.header = f"Bearer {answer.access_token}"
        registration.good_until = asked + (answer.expires_in or 0.0) - RENEW_BEFORE_SECONDS
        return registration.header

    async def _ask(self, registration: Registration) -> WireResponse:
        headers = [("authorization", registration.basic), ("content-type", "application/x-www-form-urlencoded")]
        request = WireRequest("POST", self._url, headers, b"grant_type=client_credentials", AUTH_TIMEOUT_SECONDS)
        attempt = 0
        while True:
            attempt += 1
            wait = self._retry.delay(attempt)
            again = attempt < self._retry.attempts
            try:
                response = await self._wire.send(request)
            except WireError as caught:
                failure = _error(registration, None, caught.reason)
            else:
                if 200 <= response.status < 300:
                    return response
                failure = _error(registration, response.status, "")
                again = again and (response.status == 429 or response.status >= 500)
                wait = max(wait, retry_after_seconds(response.retry_after, datetime.now(UTC)) or 0.0)
            if not again:
                raise failure
            await asyncio.sleep(wait)


def _settle(registration: Registration, task: "asyncio.Task[str]") -> None:
    if registration.refresh is task:
        registration.refresh = None
    if not task.cancelled():
        task.exception()  # looked at, so that a failure nobody waits for any more makes no noise


def _error(registration: Registration, status: int | None, reason: str) -> AuthError:
    return AuthError(registration.service, "POST", TOKEN_PATH, status, reason=reason)
