"""What the tests of the HTTP edge share: a scripted wire, and clients with short patience."""

from collections.abc import Callable, Sequence

from pydantic import SecretStr

from nomis_pipelines.http import (
    AdaptiveLimit,
    CircuitBreaker,
    RetryPolicy,
    ServiceClient,
    TokenSource,
    Wire,
    WireError,
    WireRequest,
    WireResponse,
)
from nomis_pipelines.settings import ServiceConfig

TOKEN = WireResponse(200, b'{"access_token": "token-1", "token_type": "bearer", "expires_in": 3600}')
Answer = WireResponse | WireError


class ScriptedWire:
    """A wire that answers from a script (the last answer stays) and keeps what it was asked; tokens apart."""

    def __init__(self, answers: Sequence[Answer] = (), tokens: Sequence[Answer] = (TOKEN,)) -> None:
        self.answers = list(answers) or [WireResponse(200, b"{}")]
        self.tokens = list(tokens)
        self.asked: list[WireRequest] = []
        self.asked_tokens: list[WireRequest] = []
        self.at: dict[int, Callable[[], object]] = {}

    async def send(self, request: WireRequest) -> WireResponse:
        is_token = request.url.endswith("/oauth/token")
        (self.asked_tokens if is_token else self.asked).append(request)
        self.at.get(len(self.asked), int)()  # something happens while the call of this number is under way
        script = self.tokens if is_token else self.answers
        answer = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(answer, WireError):
            raise answer
        return answer

    async def aclose(self) -> None:
        pass


class Clock:
    """A clock that is set by hand; seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def config(url: str = "http://visits.test", *, name: str = "visits", timeout: float = 1.0) -> ServiceConfig:
    return ServiceConfig(
        name=name, base_url=url, client_id="the-id", client_secret=SecretStr("the-secret"), timeout_seconds=timeout
    )


def at_once(attempts: int = 5) -> RetryPolicy:
    """Retries without waiting."""
    return RetryPolicy(attempts=attempts, random=lambda: 0.0)


def client(
    wire: Wire,
    *,
    service: ServiceConfig | None = None,
    auth_url: str = "http://auth.test/auth",
    limit: AdaptiveLimit | None = None,
    breaker: CircuitBreaker | None = None,
    retry: RetryPolicy | None = None,
) -> ServiceClient:
    retry = retry or at_once()
    return ServiceClient(
        service or config(),
        tokens=TokenSource(auth_url, wire, retry),
        wire=wire,
        limit=limit or AdaptiveLimit(16, 128),
        breaker=breaker or CircuitBreaker(15.0),
        retry=retry,
    )
