"""Faults on demand: what may go wrong, for which requests, how often. Every rule draws from its own seeded source."""

import random
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from nomis_pipelines.sandbox.names import ServiceName


class _Fault(BaseModel):
    """Which requests are hit. `path` is a path template, or a beginning followed by `*`; absent means every path."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    service: ServiceName
    method: str | None = None
    path: str | None = None
    probability: float = Field(1.0, ge=0, le=1)
    limit: int | None = Field(None, ge=1, description="how many requests are hit before the rule is spent")
    seed: int = 0

    def covers(self, method: str, template: str, path: str) -> bool:
        """Whether a request of this method and path is one of those meant."""
        if self.method is not None and self.method.upper() != method:
            return False
        if self.path is None or self.path == template:
            return True
        return self.path.endswith("*") and (template.startswith(self.path[:-1]) or path.startswith(self.path[:-1]))


class Latency(_Fault):
    """Wait before or after the work: `fixed`, `uniform` up to `to_milliseconds`, or `lognormal` around a median."""

    kind: Literal["latency"] = "latency"
    distribution: Literal["fixed", "uniform", "lognormal"] = "fixed"
    milliseconds: float = Field(ge=0)
    to_milliseconds: float = Field(0.0, ge=0)
    sigma: float = Field(0.5, ge=0)
    when: Literal["before", "after"] = "before"

    def draw(self, source: random.Random) -> float:
        """A waiting time in seconds."""
        match self.distribution:
            case "fixed":
                milliseconds = self.milliseconds
            case "uniform":
                milliseconds = source.uniform(self.milliseconds, max(self.milliseconds, self.to_milliseconds))
            case "lognormal":
                milliseconds = self.milliseconds * source.lognormvariate(0, self.sigma)
        return milliseconds / 1000


class Status(_Fault):
    """Answer with another status, `before` the work (nothing is done) or `after` it (all is done, and denied)."""

    kind: Literal["status"] = "status"
    code: int = Field(ge=300, le=599)
    body: str | None = None
    retry_after: int | float | str | None = Field(None, description="seconds, or an HTTP date")
    when: Literal["before", "after"] = "before"


class Drop(_Fault):
    """Break the connection without an answer: before anything was done, or after everything was."""

    kind: Literal["drop_before", "drop_after"]


class MalformedBody(_Fault):
    """A good status with a body that cannot be read: cut in half, a web page, empty, or JSON of another shape."""

    kind: Literal["malformed_body"] = "malformed_body"
    style: Literal["truncated", "html", "empty", "wrong_shape"] = "truncated"


class Drip(_Fault):
    """Send the body a few bytes at a time."""

    kind: Literal["drip"] = "drip"
    bytes_per_second: float = Field(gt=0)


class Hang(_Fault):
    """Say nothing for this long, then break the connection; nothing is done."""

    kind: Literal["hang"] = "hang"
    seconds: float = Field(gt=0)


class RefuseTokens(_Fault):
    """401 whatever the token."""

    kind: Literal["refuse_tokens"] = "refuse_tokens"


class TokenSeconds(_Fault):
    """Tokens given while this stands expire after so many seconds (service `auth`)."""

    kind: Literal["token_seconds"] = "token_seconds"
    seconds: float = Field(gt=0)


class Collision(_Fault):
    """A mapping POST answers 409 with `existing` null, as when two inserts collide; nothing is stored."""

    kind: Literal["collision"] = "collision"


class Outage(_Fault):
    """The whole service is gone for this long: its connections are cut, new ones are refused."""

    kind: Literal["outage"] = "outage"
    seconds: float = Field(gt=0)


Fault = Annotated[
    Latency | Status | Drop | MalformedBody | Drip | Hang | RefuseTokens | TokenSeconds | Collision | Outage,
    Field(discriminator="kind"),
]
FAULT: TypeAdapter[Fault] = TypeAdapter(Fault)


class ActiveFault:
    """A fault that has been set, with how often it has struck."""

    __slots__ = ("fault", "hits", "id", "source")

    def __init__(self, fault_id: int, fault: Fault) -> None:
        self.id = fault_id
        self.fault = fault
        self.hits = 0
        self.source = random.Random(fault.seed)  # noqa: S311 - repeatable on purpose

    def strikes(self, method: str, template: str, path: str) -> bool:
        """Whether the fault hits this request; counts it when it does."""
        fault = self.fault
        if fault.limit is not None and self.hits >= fault.limit:
            return False
        if not fault.covers(method, template, path):
            return False
        if fault.probability < 1 and self.source.random() >= fault.probability:
            return False
        self.hits += 1
        return True

    def as_json(self) -> dict[str, object]:
        """The rule as it was set, with its id and the number of requests hit."""
        return {"id": self.id, "hits": self.hits, **self.fault.model_dump(exclude_none=True)}


def strikes(faults: Sequence[ActiveFault], method: str, template: str, path: str) -> list[ActiveFault]:
    """The faults that hit this request, in the order in which they were set."""
    return [fault for fault in faults if fault.strikes(method, template, path)]
