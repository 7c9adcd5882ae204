"""What a sandbox service answers: JSON, text, the HMPPS error shape, pages (platform card, 3.9 and 8)."""

from collections.abc import Sequence
from http import HTTPStatus

from pydantic_core import to_json

JSON = b"application/json"
TEXT = b"text/plain;charset=UTF-8"


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


class Answer:
    """One HTTP answer, ready to be written."""

    __slots__ = ("body", "content_type", "headers", "status")

    def __init__(self, status: int, body: bytes = b"", content_type: bytes = JSON, headers: bytes = b"") -> None:
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = headers

    def head(self) -> bytes:
        """Status line and headers, with the blank line that ends them."""
        start = _HEADS.get((self.status, self.content_type)) or _start(self.status, self.content_type)
        return b"%s%s%d\r\n\r\n" % (start, self.headers + b"Content-Length: ", len(self.body))

    def encoded(self) -> bytes:
        """The whole answer as it goes over the wire."""
        return self.head() + self.body


def _start(status: int, content_type: bytes) -> bytes:
    start = f"HTTP/1.1 {status} {_reason(status)}\r\nContent-Type: {content_type.decode()}\r\n"
    return start.encode()


_HEADS = {
    (status, kind): _start(status, kind)
    for status in (200, 201, 204, 400, 401, 403, 404, 409, 422, 429, 500, 502, 503)
    for kind in (JSON, TEXT)
}

OK = Answer(200)
CREATED = Answer(201)
NO_CONTENT = Answer(204)
UNAUTHORISED = Answer(401, headers=b'WWW-Authenticate: Bearer error="invalid_token"\r\n')
FORBIDDEN = Answer(403, b'{"status":403,"userMessage":"Access Denied","developerMessage":"Access Denied"}')


class Refusal(Exception):
    """Raised by a handler to end its work with an error answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def json_answer(value: object, status: int = 200) -> Answer:
    """`value` as JSON; nulls are left out, as the real services do."""
    return Answer(status, to_json(value, exclude_none=True))


def error(status: int, prefix: str, message: str) -> Answer:
    """An error in the HMPPS shape: `userMessage` with the prefix, `developerMessage` without (platform card, 3.9)."""
    body = {
        "status": status,
        "errorCode": None,
        "userMessage": f"{prefix}: {message}",
        "developerMessage": message,
        "moreInfo": None,
    }
    return Answer(status, to_json(body))


def bad_request(message: str) -> Answer:
    """400 for a rule of the service's own, or a body that is not what the contract says."""
    return error(400, "Bad Request", message)


def bad_argument(message: str) -> Answer:
    """400 for a path or query value that cannot be read."""
    return error(400, "Invalid Argument", message)


def not_found(message: str) -> Answer:
    """404 in the HMPPS shape."""
    return error(404, "Not Found", message)


def duplicate_mapping(existing: object, duplicate: object) -> Answer:
    """The mapping service's 409 (platform card, section 8); `existing` is null when two inserts collided."""
    message = "Mapping already exists"
    body = {
        "status": "CONFLICT",
        "errorCode": 1409,
        "userMessage": f"Conflict: {message}",
        "developerMessage": message,
        "moreInfo": {"existing": existing, "duplicate": duplicate},
    }
    return Answer(409, to_json(body))


_SORT = '"sort":{"empty":false,"sorted":true,"unsorted":false}'


def classic_page(content: Sequence[bytes], *, total: int, number: int, size: int) -> Answer:
    """A Spring page of ready-made JSON elements (platform card, section 8: classic page)."""
    pages = -(-total // size)
    count = len(content)
    tail = (
        f'],"pageable":{{{_SORT},"offset":{number * size},'
        f'"pageNumber":{number},"pageSize":{size},"paged":true,"unpaged":false}},'
        f'"totalElements":{total},"totalPages":{pages},'
        f'"first":{_json(number == 0)},"last":{_json(number + 1 >= pages)},'
        f'"numberOfElements":{count},"size":{size},"number":{number},'
        f'{_SORT},"empty":{_json(count == 0)}}}'
    )
    return Answer(200, b'{"content":[' + b",".join(content) + tail.encode())


def _json(value: bool) -> str:
    return "true" if value else "false"
