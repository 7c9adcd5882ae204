"""The one way out to other services: tokens, retries, limits, errors, typed bodies.

`HttpClients` gives a `ServiceClient` a service; what its calls raise is in `errors`.
"""

from nomis_pipelines.http.auth import TokenSource
from nomis_pipelines.http.breaker import CircuitBreaker
from nomis_pipelines.http.client import ClientStats, ServiceClient
from nomis_pipelines.http.clients import HttpClients
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
    HttpxWire,
    MaybeArrived,
    NeverSent,
    ReqwestWire,
    Wire,
    WireError,
    WireRequest,
    WireResponse,
)

__all__ = [
    "AdaptiveLimit",
    "AnswerTooLarge",
    "AuthError",
    "Body",
    "CircuitBreaker",
    "CircuitOpen",
    "ClientStats",
    "Conflict",
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
