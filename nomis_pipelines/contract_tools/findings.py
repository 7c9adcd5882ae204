"""What a comparison can find: the kinds of difference, and one difference with its place."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

ACCEPTED = "x-accepted"
"""Extension of our contracts: kinds of difference known at this place, each with the reason why it does no harm."""


class Kind(StrEnum):
    """How a producer's document may break a contract: `answer-` is about what we read, the rest about what we send."""

    PATH_MISSING = "path-missing"
    METHOD_MISSING = "method-missing"
    PARAMETER_UNKNOWN = "parameter-unknown"
    PARAMETER_REQUIRED = "parameter-required"
    BODY_UNKNOWN = "body-unknown"
    BODY_REQUIRED = "body-required"
    CONTENT_TYPE_MISSING = "content-type-missing"
    STATUS_MISSING = "status-missing"
    FIELD_UNKNOWN = "field-unknown"
    FIELD_REQUIRED = "field-required"
    RETYPED = "retyped"
    NARROWED = "narrowed"
    VALUE_UNKNOWN = "value-unknown"
    NULL_REFUSED = "null-refused"
    ANSWER_FIELD_MISSING = "answer-field-missing"
    ANSWER_FIELD_OPTIONAL = "answer-field-optional"
    ANSWER_NULLABLE = "answer-nullable"
    ANSWER_RETYPED = "answer-retyped"
    ANSWER_VALUE_UNKNOWN = "answer-value-unknown"


@dataclass(frozen=True)
class Finding:
    """One difference: a break, unless the contract accepts it at that place for the reason in `accepted`."""

    kind: Kind
    operation: str
    place: str
    detail: str
    accepted: str | None = None

    def as_dict(self) -> dict[str, str]:
        """For JSON; `accepted` only where there is a reason."""
        fields = {"kind": self.kind.value, "operation": self.operation, "place": self.place, "detail": self.detail}
        return fields if self.accepted is None else {**fields, "accepted": self.accepted}


def reason(kind: Kind, *nodes: dict[str, Any]) -> str | None:
    """Why one of these nodes of the contract accepts a difference of this kind, if one does."""
    return next((str(node[ACCEPTED][kind]) for node in nodes if kind in node.get(ACCEPTED, {})), None)
