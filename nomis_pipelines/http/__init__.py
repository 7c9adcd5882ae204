"""The one way out to other services: tokens, retries, limits, errors, typed bodies.

`HttpClients` gives a `ServiceClient` a service; what its calls raise is in `errors`. `HttpxWire` is imported when it
is first used: httpx costs a quarter of a second, and the usual wire does without it.
"""

from typing import TYPE_CHECKING, Any

from nomis_pipelines.http.auth import TokenSource
from nomis_pipelines.http.breaker import CircuitBreaker
from nomis_pipelines.http.client import ClientStats, ServiceClient
from nomis_pipelines.http.clients import HttpClients
from nomis_pipelines.http.direct_wire import DirectWire
from nomis_pipelines.http.encode import Body, Query
from nomis_pipelines.http.errors import (
    AuthError,
    CircuitOpen,
    Conflict,
    InvalidAnswer,
    NotFound,
    OutcomeUnknown,
    Rejected,
    ServiceError,
    Unavailable,
)
from nomis_pipelines.http.limit import AdaptiveLimit
from nomis_pipelines.http.retry import RetryPolicy
from nomis_pipelines.http.wire import (
    AnswerTooLarge,
    MaybeArrived,
    NeverSent,
    ReqwestWire,
    Wire,
    WireError,
    WireRequest,
    WireResponse,
)

if TYPE_CHECKING:
    from nomis_pipelines.http.httpx_wire import HttpxWire

__all__ = [
    "AdaptiveLimit",
    "AnswerTooLarge",
    "AuthError",
    "Body",
    "CircuitBreaker",
    "CircuitOpen",
    "ClientStats",
    "Conflict",
    "DirectWire",
    "HttpClients",
    "HttpxWire",
    "InvalidAnswer",
    "MaybeArrived",
    "NeverSent",
    "NotFound",
    "OutcomeUnknown",
    "Query",
    "Rejected",
    "ReqwestWire",
    "RetryPolicy",
    "ServiceClient",
    "ServiceError",
    "TokenSource",
    "Unavailable",
    "Wire",
    "WireError",
    "WireRequest",
    "WireResponse",
]


def __getattr__(name: str) -> Any:
    if name != "HttpxWire":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from nomis_pipelines.http.httpx_wire import HttpxWire

    return HttpxWire
