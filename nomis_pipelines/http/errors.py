"""What a call to another service may raise, sorted by what the caller does next.

    ServiceError
    ├── NotFound         404: the caller knows what absence means
    ├── Conflict         409: it is there already
    ├── Rejected         other 4xx (but 429): this record will not pass as it is
    ├── Unavailable      no usable answer; nothing was written, or writing again does no harm
    ├── InvalidAnswer    an answer that breaks the contract; after an unsafe call the work may be done
    ├── OutcomeUnknown   an unsafe call may have arrived: never repeat it blindly
    ├── CircuitOpen      the service has been failing for too long: stop the run
    └── AuthError        no token to be had

No message holds a body, a URL or a value: services answer with personal data, and messages end in logs.
"""

from collections.abc import Mapping
from typing import Any, cast

from pydantic import SecretStr
from pydantic_core import from_json, to_json

REDACTED_CHARACTERS = 2_000
_MAPPING_EXISTS = 1409
_KEPT_NUMBERS = frozenset({"status", "errorCode"})
_SHOWN_ELEMENTS = 20


class ServiceError(Exception):
    """A call failed. `template` is the path with its placeholders, `status` the HTTP status if there was an answer.

    `redacted_body` is the shape of the answer's body, safe to store (see `redact`); empty when there was none.
    """

    def __init__(
        self,
        service: str,
        method: str,
        template: str,
        status: int | None = None,
        *,
        reason: str = "",
        body: bytes = b"",
    ) -> None:
        self.service = service
        self.method = method
        self.template = template
        self.status = status
        self.reason = reason
        self.redacted_body = redact(body)
        super().__init__(service, method, template, status)

    def __str__(self) -> str:
        """Service, method, template and status or reason: never a value."""
        call = f"{self.service} {self.method} {self.template}"
        if self.status is None:
            return f"{call}: {self.reason}" if self.reason else call
        return f"{call} answered {self.status}" + (f": {self.reason}" if self.reason else "")


class NotFound(ServiceError):
    """The service answered 404."""


class Conflict(ServiceError):
    """The service answered 409.

    `error_code` is the body's `errorCode`, if it has one. With 1409 (platform card, section 8) `duplicate` is the
    mapping just posted and `existing` the one in the table; either may be None. Both may hold personal data: never log
    them whole.
    """

    def __init__(self, service: str, method: str, template: str, status: int = 409, *, body: bytes = b"") -> None:
        super().__init__(service, method, template, status, body=body)
        answer = _answer(body)
        code = str(answer.get("errorCode"))
        self.error_code = int(code) if code.isascii() and code.isdigit() else None
        self.duplicate, self.existing = _mappings_of(answer) if self.error_code == _MAPPING_EXISTS else (None, None)


class Rejected(ServiceError):
    """The service answered another 4xx (but 429): asking again would not help.

    `user_message` is what the body says to people, None without one. It may hold personal data, so it shows itself to
    nobody who does not ask for its value: it is for whoever made the request, and never for a log.
    """

    def __init__(
        self, service: str, method: str, template: str, status: int | None = None, *, body: bytes = b""
    ) -> None:
        super().__init__(service, method, template, status, body=body)
        text = _user_message_of(body)
        self.user_message = SecretStr(text) if text is not None else None


class Unavailable(ServiceError):
    """No usable answer after all retries: broken connections, timeouts, 429 or 5xx."""


class InvalidAnswer(ServiceError):
    """The answer is not what the contract says; `reason` gives the place in it, never a value.

    After a call that is not idempotent this means that the service may well have done the work.
    """


class OutcomeUnknown(ServiceError):
    """A call that must not be repeated may have arrived: no answer after it was sent, or 502 or 504 from a proxy."""


class CircuitOpen(ServiceError):
    """Most recent calls of the service have failed for longer than NOMIS_PIPELINES_BREAKER_SECONDS."""


class AuthError(ServiceError):
    """HMPPS Auth gives no token for the service."""


def status_error(service: str, method: str, template: str, status: int, body: bytes) -> ServiceError:
    """The error for an answer outside 2xx which is not tried again (platform card, section 8)."""
    if status == 404:
        return NotFound(service, method, template, status, body=body)
    if status == 409:
        return Conflict(service, method, template, status, body=body)
    if 400 <= status < 500 and status != 429:
        return Rejected(service, method, template, status, body=body)
    if status >= 400:
        return Unavailable(service, method, template, status, body=body)
    return InvalidAnswer(service, method, template, status, reason="a redirect, which is not followed")


def redact(body: bytes) -> str:
    """The shape of a JSON body: keys stay, and numbers named status or errorCode; other values become their type.

    Anything that is not JSON becomes `<text of N characters>`. At most `REDACTED_CHARACTERS` characters.
    """
    if not body:
        return ""
    try:
        value = from_json(body)
    except ValueError:
        return f"<text of {len(body.decode('utf-8', 'replace'))} characters>"
    return to_json(_shape(value)).decode()[:REDACTED_CHARACTERS]


def _shape(value: Any, name: str = "") -> Any:
    match value:
        case dict():
            return {str(key): _shape(item, str(key)) for key, item in cast("dict[Any, Any]", value).items()}
        case list():
            return [_shape(item) for item in cast("list[Any]", value)[:_SHOWN_ELEMENTS]]
        case None:
            return None
        case bool():
            return "boolean"
        case int() | float():
            return value if name in _KEPT_NUMBERS else "number"
        case _:
            return "string"


def _answer(body: bytes) -> dict[str, Any]:
    try:
        return _mapping(from_json(body))
    except ValueError:
        return {}


def _mappings_of(answer: Mapping[str, Any]) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """`moreInfo.duplicate` and `moreInfo.existing` of a duplicate answer, forgiving of whatever is missing."""
    details = _mapping(answer.get("moreInfo"))
    return _mapping(details.get("duplicate")) or None, _mapping(details.get("existing")) or None


def _user_message_of(body: bytes) -> str | None:
    try:
        text = _mapping(from_json(body)).get("userMessage")
    except ValueError:
        return None
    return text if isinstance(text, str) and text else None


def _mapping(value: object) -> dict[str, Any]:
    return dict(cast("Mapping[str, Any]", value)) if isinstance(value, dict) else {}
