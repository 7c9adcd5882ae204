"""Reading what a request brought: bodies by the contracts, queries by their declared types; what is wrong is a 400."""

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any, TypeVar
from urllib.parse import parse_qs

from pydantic import TypeAdapter, ValidationError

from nomis_pipelines.sandbox.answers import Answer, Refusal, bad_argument, error, json_answer
from nomis_pipelines.sandbox.routing import Request

T = TypeVar("T")

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
MOST_ROWS = 100_000


def read_body(adapter: TypeAdapter[T], request: Request) -> T:
    """The body as the contract's model; wrong types and unknown fields are refused with their places, never a value."""
    try:
        return adapter.validate_json(request.body, strict=True, extra="forbid", by_alias=True, by_name=False)
    except ValidationError as problem:
        reasons = "; ".join(
            f"{'.'.join(str(part) for part in item['loc']) or 'body'}: {item['msg']}"
            for item in problem.errors(include_url=False, include_input=False, include_context=False)[:10]
        )
        raise Refusal(error(400, "Validation failure", reasons)) from None


def check_length(name: str, text: str | None, most: int) -> None:
    """Refuse a text that does not fit into its column."""
    if text is not None and len(text) > most:
        raise Refusal(error(400, "Validation failure", f"{name}: size must be between 0 and {most}"))


class Query:
    """The query of a request. Unknown parameters are ignored, as Spring does; unreadable ones are a 400."""

    def __init__(self, request: Request) -> None:
        self._values = parse_qs(request.query.decode("latin-1"), keep_blank_values=True) if request.query else {}

    def texts(self, name: str) -> frozenset[str]:
        """All values of a repeated (or comma-separated) parameter."""
        return frozenset(part for value in self._values.get(name, ()) for part in value.split(",") if part)

    def codes(self, name: str, allowed: Sequence[str]) -> frozenset[str]:
        """All values of a repeated parameter, each of which must be one of those allowed."""
        values = self.texts(name)
        if not values.issubset(allowed):
            raise Refusal(bad_argument(f"{name}: must be one of {', '.join(allowed)}"))
        return values

    def integer(self, name: str, default: int, *, least: int, most: int = MOST_ROWS) -> int:
        """A whole number between two limits."""
        text = self._one(name)
        if text is None:
            return default
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise Refusal(bad_argument(f"{name}: must be a whole number from {least} to {most}"))
        return int(text)

    def flag(self, name: str, default: bool) -> bool:
        """`true` or `false`."""
        text = self._one(name)
        if text is None:
            return default
        if text not in {"true", "false"}:
            raise Refusal(bad_argument(f"{name}: must be true or false"))
        return text == "true"

    def moment(self, name: str) -> datetime | None:
        """A local date-time, with or without seconds."""
        text = self._one(name)
        if text is None:
            return None
        try:
            if not _MOMENT.fullmatch(text):
                raise ValueError
            return datetime.fromisoformat(text)
        except ValueError:
            raise Refusal(bad_argument(f"{name}: must be a local date-time such as 2024-05-01T00:00")) from None

    def day(self, name: str) -> date | None:
        """A date."""
        text = self._one(name)
        if text is None:
            return None
        try:
            if not _DAY.fullmatch(text):
                raise ValueError
            return date.fromisoformat(text)
        except ValueError:
            raise Refusal(bad_argument(f"{name}: must be a date such as 2024-05-01")) from None

    def page(self, default_size: int = 20) -> tuple[int, int]:
        """Page number (from 0) and page size."""
        return self.integer("page", 0, least=0, most=10**9), self.integer("size", default_size, least=1)

    def _one(self, name: str) -> str | None:
        values = self._values.get(name)
        return values[-1] if values and values[-1] else None


def path_integer(name: str, text: str) -> int:
    """A whole number from the path."""
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Refusal(bad_argument(f"{name}: must be a whole number"))
    return int(text)


def page_of(request: Request, total: int, row: Callable[[int], Any]) -> Answer:
    """One page of a dump: rows by their position."""
    number, size = Query(request).page(1000)
    start = min(number * size, total)
    return json_answer({"total": total, "content": [row(place) for place in range(start, min(start + size, total))]})
