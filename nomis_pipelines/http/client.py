"""`ServiceClient`: typed calls to one remote service, with tokens, retries, limit and circuit breaker."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import TypedDict, TypeVar, Unpack, overload

from pydantic import ValidationError

from nomis_pipelines.http.auth import TokenSource
from nomis_pipelines.http.breaker import CircuitBreaker
from nomis_pipelines.http.encode import Body, Query, header_list, json_bytes, parser, path_template, query_string
from nomis_pipelines.http.errors import InvalidAnswer, NotFound, Unavailable
from nomis_pipelines.http.exchange import Call, Exchange
from nomis_pipelines.http.limit import AdaptiveLimit
from nomis_pipelines.http.reserve import Reservation
from nomis_pipelines.http.retry import RetryPolicy
from nomis_pipelines.http.wire import Wire, WireError, WireRequest, WireResponse
from nomis_pipelines.settings import ServiceConfig

T = TypeVar("T")

PING_PATH = "/health/ping"
PING_TIMEOUT_SECONDS = 2.0
_NOTHING: Mapping[str, object] = {}
_NO_HEADERS: Mapping[str, str] = {}
_SHOWN_PROBLEMS = 3


class WriteOptions(TypedDict, total=False):
    """What `post`, `put` and `patch` take besides template, body and answer.

    `idempotent`: the call may be repeated (default: only PUT). `keep_nulls`: write nulls into the body. `headers`: what
    the service asks for besides those that every call has. `timeout_seconds`: instead of the service's own.
    """

    path: Mapping[str, object]
    query: Query
    idempotent: bool
    content_type: str
    keep_nulls: bool
    headers: Mapping[str, str]
    timeout_seconds: float


@dataclass(frozen=True, kw_only=True)
class ClientStats:
    """What one client has done: `retries` and `failures` count attempts, latency is the mean of answered ones."""

    calls: int
    retries: int
    failures: int
    limit: int
    in_flight: int
    mean_latency_seconds: float


class ServiceClient:
    """Calls one service. Every call may raise the errors of `nomis_pipelines.http.errors`.

    Paths are templates (`/visits/{visitId}`) filled from `path`, whose values are percent-encoded; what `query` takes
    is said in `encode.query_string`. `answer` is a pydantic model, `str` for the body as text, or any type pydantic
    can read, such as `list[Model]`. Calls that may be repeated (GET, PUT, DELETE, or `idempotent=True`) are tried again
    after transport errors; others only if nothing was sent or the service said that it did nothing (429, 503).
    """

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
        self.name = config.name
        self._base = config.base_url
        self._wire = wire
        self._exchange = Exchange(config, tokens=tokens, wire=wire, limit=limit, breaker=breaker, retry=retry)

    async def get(
        self,
        template: str,
        answer: type[T],
        *,
        path: Mapping[str, object] = _NOTHING,
        query: Query = (),
        headers: Mapping[str, str] = _NO_HEADERS,
    ) -> T:
        """GET; raises `NotFound` on 404."""
        url = self._base + path_template(template).fill(path) + (query_string(query) if query else "")
        call = Call("GET", template, url, None, None, True, header_list(headers) if headers else ())
        return self._read(call, await self._exchange.run(call), answer)

    async def find(
        self,
        template: str,
        answer: type[T],
        *,
        path: Mapping[str, object] = _NOTHING,
        query: Query = (),
        headers: Mapping[str, str] = _NO_HEADERS,
    ) -> T | None:
        """GET where 404 means that there is none: None."""
        try:
            return await self.get(template, answer, path=path, query=query, headers=headers)
        except NotFound:
            return None

    @overload
    async def post(self, template: str, body: Body, answer: type[T], **options: Unpack[WriteOptions]) -> T: ...

    @overload
    async def post(self, template: str, body: Body, answer: None = None, **options: Unpack[WriteOptions]) -> None: ...

    async def post(
        self, template: str, body: Body, answer: type[T] | None = None, **options: Unpack[WriteOptions]
    ) -> T | None:
        """POST `body` as JSON. Without `answer` what comes back is not read."""
        call = self._write("POST", template, body, options, idempotent=False)
        response = await self._exchange.run(call)
        return None if answer is None else self._read(call, response, answer)

    @overload
    async def put(self, template: str, body: Body, answer: type[T], **options: Unpack[WriteOptions]) -> T: ...

    @overload
    async def put(self, template: str, body: Body, answer: None = None, **options: Unpack[WriteOptions]) -> None: ...

    async def put(
        self, template: str, body: Body, answer: type[T] | None = None, **options: Unpack[WriteOptions]
    ) -> T | None:
        """PUT, as `post`; may be repeated unless told otherwise."""
        call = self._write("PUT", template, body, options, idempotent=True)
        response = await self._exchange.run(call)
        return None if answer is None else self._read(call, response, answer)

    @overload
    async def patch(self, template: str, body: Body, answer: type[T], **options: Unpack[WriteOptions]) -> T: ...

    @overload
    async def patch(self, template: str, body: Body, answer: None = None, **options: Unpack[WriteOptions]) -> None: ...

    async def patch(
        self, template: str, body: Body, answer: type[T] | None = None, **options: Unpack[WriteOptions]
    ) -> T | None:
        """PATCH, as `post`."""
        call = self._write("PATCH", template, body, options, idempotent=False)
        response = await self._exchange.run(call)
        return None if answer is None else self._read(call, response, answer)

    async def delete(
        self,
        template: str,
        *,
        path: Mapping[str, object] = _NOTHING,
        query: Query = (),
        body: Body = None,
        content_type: str | None = None,
        missing_ok: bool = False,
        idempotent: bool = True,
        headers: Mapping[str, str] = _NO_HEADERS,
        timeout_seconds: float | None = None,
    ) -> bool:
        """DELETE; whether it was there. 404 raises `NotFound` unless `missing_ok`. A `body` is sent with its nulls."""
        url = self._base + path_template(template).fill(path) + query_string(query)
        sent = None
        if body is not None:
            sent, content_type = json_bytes(body, keep_nulls=True), content_type or "application/json"
        call = Call("DELETE", template, url, sent, content_type, idempotent, header_list(headers), timeout_seconds)
        try:
            await self._exchange.run(call)
        except NotFound:
            if not missing_ok:
                raise
            return False
        return True

    async def ping(self) -> int:
        """The status of `/health/ping`, asked once without token, limit or retry. Raises `Unavailable`."""
        try:
            request = WireRequest("GET", self._base + PING_PATH, [], None, PING_TIMEOUT_SECONDS)
            return (await self._wire.send(request)).status
        except WireError as caught:
            failure = Unavailable(self.name, "GET", PING_PATH, reason=caught.reason)
        raise failure

    def reserved(self) -> AbstractAsyncContextManager[None]:
        """`async with`: hold one permit of the concurrency limit from now to the end of the block.

        Calls of this client inside the block, also in tasks started there, use it one after another instead of taking
        another, and keep it while they wait for a retry. Nested use does nothing. Raises `CircuitOpen` at entry.
        """
        return Reservation(self._exchange.limit, partial(self._exchange.check, "*", "reserved"))

    def stats(self) -> ClientStats:
        """Numbers for logs and metadata."""
        counts, limit = self._exchange.counts, self._exchange.limit
        return ClientStats(
            calls=counts.calls,
            retries=counts.retries,
            failures=counts.failures,
            limit=limit.limit,
            in_flight=limit.in_flight,
            mean_latency_seconds=counts.seconds / counts.answers if counts.answers else 0.0,
        )

    def _write(self, method: str, template: str, body: Body, options: WriteOptions, *, idempotent: bool) -> Call:
        path = path_template(template).fill(options.get("path", _NOTHING))
        return Call(
            method,
            template,
            self._base + path + query_string(options.get("query", ())),
            None if body is None else json_bytes(body, keep_nulls=options.get("keep_nulls", False)),
            None if body is None else options.get("content_type", "application/json"),
            options.get("idempotent", idempotent),
            header_list(options.get("headers", _NO_HEADERS)),
            options.get("timeout_seconds"),
        )

    def _read(self, call: Call, response: WireResponse, answer: type[T]) -> T:
        try:
            return parser(answer)(response.body)
        except ValidationError as caught:
            problems = caught.errors(include_url=False, include_context=False, include_input=False)
            shown = [f"{'.'.join(map(str, problem['loc'])) or 'body'}: {problem['type']}" for problem in problems]
            reason = ", ".join(shown[:_SHOWN_PROBLEMS])
            if len(shown) > _SHOWN_PROBLEMS:
                reason += f" and {len(shown) - _SHOWN_PROBLEMS} more"
        except UnicodeDecodeError:
            reason = "body: not UTF-8"
        # raised out here so that pydantic's error, whose text holds values, is not its context
        raise InvalidAnswer(self.name, call.method, call.template, response.status, reason=reason)
