"""What a request suffers when faults hit it."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic_core import from_json

from nomis_pipelines.sandbox.answers import JSON, UNAUTHORISED, Answer, duplicate_mapping, error
from nomis_pipelines.sandbox.faults import (
    ActiveFault,
    Collision,
    Drip,
    Drop,
    Fault,
    Hang,
    Latency,
    MalformedBody,
    RefuseTokens,
    Status,
    TokenSeconds,
)
from nomis_pipelines.sandbox.routing import Request, Route

if TYPE_CHECKING:
    from nomis_pipelines.sandbox.wire import Service


@dataclass(frozen=True, kw_only=True)
class Mishap:
    """How it ended: an answer, perhaps sent slowly, or none (the connection breaks). `outcome` is what is counted."""

    answer: Answer | None
    outcome: str
    bytes_per_second: float | None = None


async def suffer(hits: list[ActiveFault], service: "Service", route: Route, request: Request) -> Mishap:
    """Let the faults have their way: those before the work in their order, the work, then those after it."""
    for hit in hits:
        early = await _before(hit, request)
        if early is not None:
            return early
    answer = service.answer(route, request)
    bytes_per_second: float | None = None
    for hit in hits:
        fault = hit.fault
        if isinstance(fault, Drip):
            bytes_per_second = fault.bytes_per_second
        elif isinstance(fault, Drop) and fault.kind == "drop_after":
            return Mishap(answer=None, outcome=f"dropped after {answer.status}")
        elif isinstance(fault, Latency) and fault.when == "after":
            await asyncio.sleep(fault.draw(hit.source))
        else:
            answer = _after(fault, answer)
    return Mishap(answer=answer, outcome=str(answer.status), bytes_per_second=bytes_per_second)


async def _before(hit: ActiveFault, request: Request) -> Mishap | None:
    fault = hit.fault
    answer: Answer | None = None
    if isinstance(fault, Latency) and fault.when == "before":
        await asyncio.sleep(fault.draw(hit.source))
    elif isinstance(fault, Hang):
        await asyncio.sleep(fault.seconds)
        return Mishap(answer=None, outcome="hung")
    elif isinstance(fault, Drop) and fault.kind == "drop_before":
        return Mishap(answer=None, outcome="dropped before")
    elif isinstance(fault, Status) and fault.when == "before":
        answer = _status(fault)
    elif isinstance(fault, RefuseTokens):
        answer = UNAUTHORISED
    elif isinstance(fault, TokenSeconds):
        request.token_seconds = fault.seconds
    elif isinstance(fault, Collision):
        answer = duplicate_mapping(None, from_json(request.body or b"{}"))
    return None if answer is None else Mishap(answer=answer, outcome=str(answer.status))


def _after(fault: Fault, answer: Answer) -> Answer:
    if isinstance(fault, Status) and fault.when == "after":
        return _status(fault)
    if isinstance(fault, MalformedBody):
        return Answer(answer.status, _malformed(fault, answer.body), answer.content_type, answer.headers)
    return answer


def _status(fault: Status) -> Answer:
    headers = b"" if fault.retry_after is None else f"Retry-After: {fault.retry_after}\r\n".encode()
    if fault.body is None:
        return Answer(fault.code, error(fault.code, "Fault", "ordered from the sandbox").body, headers=headers)
    return Answer(fault.code, fault.body.encode(), JSON, headers)


def _malformed(fault: MalformedBody, body: bytes) -> bytes:
    match fault.style:
        case "truncated":
            return body[: len(body) // 2]
        case "html":
            return b"<html><body><h1>Service unavailable</h1></body></html>"
        case "empty":
            return b""
        case "wrong_shape":
            return b'{"unexpected":[true]}'
