"""One call to a service from first attempt to answer: permit, token, attempt, retry.

The one place that decides whether a call goes out again. Two questions are asked of each failed attempt: may the
request have arrived (`wire.py` knows), and does repeating it do harm (`Call.repeatable`).
"""

import asyncio
import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime

from nomis_pipelines.http.auth import TokenSource
from nomis_pipelines.http.breaker import CircuitBreaker
from nomis_pipelines.http.errors import (
    AuthError,
    CircuitOpen,
    InvalidAnswer,
    OutcomeUnknown,
    ServiceError,
    Unavailable,
    status_error,
)
from nomis_pipelines.http.limit import AdaptiveLimit
from nomis_pipelines.http.reserve import held
from nomis_pipelines.http.retry import Action, RetryPolicy, action_for, retry_after_seconds
from nomis_pipelines.http.trace import TraceHeader
from nomis_pipelines.http.wire import AnswerTooLarge, MaybeArrived, Wire, WireError, WireRequest, WireResponse
from nomis_pipelines.settings import ServiceConfig

_LOG = logging.getLogger(__name__)
# statuses that say that the service is ill, or does not let us in, rather than that this record is wrong
_UNHEALTHY = frozenset({401, 403})
_OVERLOADED = frozenset({429, 503, 504})


@dataclass(slots=True)
class Call:
    """What to send, and whether sending it twice is the same as sending it once."""

    method: str
    template: str
    url: str = field(repr=False)
    body: bytes | None = field(repr=False)
    content_type: str | None
    repeatable: bool
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    timeout_seconds: float | None = None


@dataclass(slots=True)
class Counts:
    """What has happened so far; `seconds` is the latency of `answers` together."""

    calls: int = 0
    retries: int = 0
    failures: int = 0
    answers: int = 0
    seconds: float = 0.0


class Exchange:
    """Carries the calls of one service. `run` raises the errors of `errors.py`."""

    def __init__(
        self,
        config: ServiceConfig,
        *,
        tokens: TokenSource,
        wire: Wire,
        limit: AdaptiveLimit,
        breaker: CircuitBreaker,
        retry: RetryPolicy,
    ) -> None:
        self.service = config.name
        self.limit = limit
        self.counts = Counts()
        self._timeout = config.timeout_seconds
        self._tokens = tokens
        self._registration = tokens.registration(config)
        self._wire = wire
        self._breaker = breaker
        self._retry = retry
        self._trace = TraceHeader()

    def check(self, method: str, template: str) -> None:
        """Raise `CircuitOpen` if the breaker is open."""
        if self._breaker.is_open:
            reason = f"most calls have failed for {self._breaker.patience_seconds:g} s and more, so no more are made"
            raise CircuitOpen(self.service, method, template, reason=reason)

    async def run(self, call: Call) -> WireResponse:
        """The answer with a 2xx status; anything else is raised."""
        self.counts.calls += 1
        attempt = 0
        while True:
            attempt += 1
            outcome = await self._with_permit(call)
            if isinstance(outcome, WireResponse) and 200 <= outcome.status < 300:
                return outcome
            error = self._final(call, outcome, attempt)
            if error is not None:
                raise error
            self.check(call.method, call.template)
            self.counts.retries += 1
            await asyncio.sleep(self._retry.delay(attempt))

    async def _with_permit(self, call: Call) -> WireResponse | WireError:
        self.check(call.method, call.template)
        reservation = held(self.limit)
        if reservation is not None and await reservation.use():
            give_back = reservation.done
        else:
            give_back = self.limit.release
            if not self.limit.try_acquire():
                await self.limit.acquire()
        try:
            if reservation is not None and (pause := self.limit.pause_left()):
                await asyncio.sleep(pause)
            self.check(call.method, call.template)
            return await self._attempt(call)
        finally:
            give_back()

    async def _attempt(self, call: Call) -> WireResponse | WireError:
        token = self._tokens.cached(self._registration) or await self._fresh_token()
        headers = [("authorization", token), ("traceparent", self._trace.value())]
        if call.content_type is not None:
            headers.append(("content-type", call.content_type))
        headers += call.headers
        started = self.limit.clock()
        try:
            timeout = call.timeout_seconds or self._timeout
            response = await self._wire.send(WireRequest(call.method, call.url, headers, call.body, timeout))
        except AnswerTooLarge as caught:
            if 200 <= caught.status < 300:
                return caught
            response = WireResponse(caught.status, b"")
        except WireError as caught:
            self._failed()
            if caught.timed_out:
                self._overloaded(started, caught.reason)
            return caught
        self._answered(response, started)
        return response

    async def _fresh_token(self) -> str:
        try:
            return await self._tokens.header(self._registration)
        except AuthError as caught:
            self._failed()
            failure = AuthError(self.service, caught.method, caught.template, caught.status, reason=caught.reason)
        raise failure

    def _failed(self) -> None:
        self.counts.failures += 1
        was_open = self._breaker.is_open
        self._breaker.record(ok=False)
        if self._breaker.is_open and not was_open:
            _LOG.error("%s: most calls have failed for too long, no more are made", self.service)

    def _overloaded(self, started: float, sign: str) -> None:
        if self.limit.overloaded(started):
            _LOG.info("%s: %s, at most %d calls at a time now", self.service, sign, self.limit.limit)

    def _answered(self, response: WireResponse, started: float) -> None:
        now = self.limit.clock()
        self.counts.answers += 1
        self.counts.seconds += now - started
        status = response.status
        if status < 400:
            self._breaker.record(ok=True)
            self.limit.answered(now)
            return
        if status >= 500 or status in _UNHEALTHY:
            self._failed()
        else:
            self._breaker.record(ok=True)
        if status in _OVERLOADED:
            self._overloaded(started, f"answer {status}")
            self.limit.pause(retry_after_seconds(response.retry_after, datetime.now(UTC)) or 0.0)
        elif status < 500:
            self.limit.answered(now)

    def _final(self, call: Call, outcome: WireResponse | WireError, attempt: int) -> ServiceError | None:
        """The error that ends the call, or None: try again."""
        place = (self.service, call.method, call.template)
        # while the breaker makes up its mind calls go on trying, so that a short outage fails no record
        again = attempt < self._retry.attempts or self._breaker.is_suspect
        if isinstance(outcome, AnswerTooLarge):
            return InvalidAnswer(*place, outcome.status, reason=outcome.reason)
        if isinstance(outcome, WireError):
            if isinstance(outcome, MaybeArrived) and not call.repeatable:
                return OutcomeUnknown(*place, reason=f"it may have arrived ({outcome.reason})")
            return None if again else Unavailable(*place, reason=f"{outcome.reason}, attempt {attempt}")
        action = action_for(outcome.status)
        if action is Action.RETRY_IF_REPEATABLE and not call.repeatable:
            return OutcomeUnknown(*place, outcome.status, body=outcome.body)
        if action is not Action.RAISE and again:
            return None
        return status_error(*place, outcome.status, outcome.body)
