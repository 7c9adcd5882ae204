"""Typed values out to URLs and JSON bytes, and JSON bytes in to typed values (platform card, section 8)."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from enum import Enum
from functools import lru_cache
from typing import Any, cast
from urllib.parse import quote

from pydantic import BaseModel, TypeAdapter
from pydantic_core import to_json

Query = Sequence[tuple[str, object]] | Mapping[str, object]
Body = BaseModel | Mapping[str, Any] | list[Any] | None


class PathTemplate:
    """A path such as `/visits/{visitId}`, taken apart once and filled for each call."""

    def __init__(self, template: str) -> None:
        self.template = template
        parts = re.split(r"\{([^{}]+)\}", template)
        self._first = parts[0]
        self._pairs = list(zip(parts[1::2], parts[2::2], strict=True))

    def fill(self, values: Mapping[str, object]) -> str:
        """The path, each value percent-encoded entirely.

        Raises `ValueError` for a missing value and for one that would change the path: empty, `.` or `..`.
        """
        path = self._first
        for name, literal in self._pairs:
            try:
                value = values[name]
            except KeyError:
                raise ValueError(f"{self.template}: no value for {name}") from None
            text = str(value) if type(value) is int else quote(_text(value), safe="")
            if text in {"", ".", ".."}:
                raise ValueError(f"{self.template}: {name} is empty or dots, which would be another path")
            path += text + literal
        return path


@lru_cache(maxsize=1024)
def path_template(template: str) -> PathTemplate:
    """The template taken apart, remembered."""
    return PathTemplate(template)


def query_string(query: Query) -> str:
    """`?a=1&b=2`, or nothing. None is left out, lists are repeated (left out when empty)."""
    pairs: list[str] = []
    for name, value in query.items() if isinstance(query, Mapping) else query:
        if isinstance(value, list | tuple):
            pairs += [_pair(name, item) for item in cast("Sequence[object]", value) if item is not None]
        elif value is not None:
            pairs.append(_pair(name, value))
    return "?" + "&".join(pairs) if pairs else ""


def _pair(name: str, value: object) -> str:
    return f"{quote(name, safe='')}={quote(_text(value), safe='')}"


def _text(value: object) -> str:
    match value:
        case str() if type(value) is str:
            return value
        case Enum():
            return _text(cast("object", value.value))
        case bool():
            return "true" if value else "false"
        case datetime():
            whole_minute = value.second == 0 and value.microsecond == 0
            return value.isoformat(timespec="minutes" if whole_minute else "auto")
        case date():
            return value.isoformat()
        case _:
            return str(value)


def header_list(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Headers in lower case. Raises `ValueError` for a value that no header can have, such as one with a line break."""
    for name, value in headers.items():
        if not value.isascii() or not value.isprintable():
            raise ValueError(f"header {name}: only printable ASCII can be sent")
    return tuple((name.lower(), value) for name, value in headers.items())


def json_bytes(body: Body, *, keep_nulls: bool) -> bytes:
    """The body as JSON by alias; nulls are left out, in models and plain mappings alike, unless `keep_nulls`."""
    if isinstance(body, BaseModel):
        return body.__pydantic_serializer__.to_json(body, by_alias=True, exclude_none=not keep_nulls)
    return to_json(body if keep_nulls else _without_nulls(body), by_alias=True, exclude_none=not keep_nulls)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        items = cast("Mapping[str, Any]", value).items()
        return {name: _without_nulls(item) for name, item in items if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in cast("list[Any]", value)]
    return value


@lru_cache(maxsize=1024)
def parser(answer: Any) -> Callable[[bytes], Any]:
    """What reads an answer of this type from bytes; it raises pydantic's `ValidationError` or `UnicodeDecodeError`."""
    if answer is str:
        return _utf8
    if isinstance(answer, type) and issubclass(answer, BaseModel):
        return answer.__pydantic_validator__.validate_json
    return TypeAdapter(answer).validator.validate_json


def _utf8(body: bytes) -> str:
    return body.decode("utf-8")
