"""What lies in a message of an event queue: a NOMIS or domain event, or an internal message of ours.

Here: reading the envelope and the body (platform card, sections 4.5 and 4.6). What is done with them is the consumer's
business. Nothing here puts a value of a message into an error: bodies are about people in prison.
"""

import re
from dataclasses import dataclass, field
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import from_json, to_json

NOTIFICATION = "Notification"
MALFORMED = "malformed"

_EVENT_TYPE = re.compile(r"[A-Za-z0-9_.-]{1,100}")


class MalformedMessage(Exception):
    """A message that cannot be read. The reason tells places and types, never a value; `event_type` may be empty."""

    def __init__(self, reason: str, *, event_type: str = "") -> None:
        super().__init__(reason)
        self.event_type = event_type


class EventBody(BaseModel):
    """Base of event body models: camelCase in JSON, other fields ignored, numbers accepted as text."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )


@dataclass(frozen=True, slots=True)
class Notification:
    """An event: its type and its body as JSON text. `timestamp` is when SNS took it (ISO text, may be empty)."""

    event_type: str
    body: str
    timestamp: str = ""


@dataclass(frozen=True, slots=True)
class Internal:
    """A message that a service put on the queue itself. `body` is JSON text, freed of its wrapper if it had one."""

    type: str
    body: str
    telemetry_attributes: dict[str, str] = field(default_factory=dict[str, str])


def parse_envelope(text: str, *, reads_type: bool = True) -> Notification | Internal:
    """Read an SQS body. With `reads_type=False` any `Type` counts as a notification (visits card, section 7).

    Raises `MalformedMessage`.
    """
    try:
        envelope = from_json(text)
    except ValueError:
        raise MalformedMessage(f"the message is not JSON ({len(text)} characters)") from None
    if not isinstance(envelope, dict):
        raise MalformedMessage("the message is not a JSON object")
    fields = cast("dict[str, Any]", envelope)
    kind = fields.get("Type")
    if not isinstance(kind, str) or not kind:
        raise MalformedMessage("the message has no Type")
    if reads_type and kind != NOTIFICATION:
        return _internal(kind, fields.get("Message"))
    event_type = _attribute(fields.get("MessageAttributes"), "eventType")
    if not event_type:
        raise MalformedMessage("the notification has no MessageAttributes.eventType.Value")
    body = fields.get("Message")
    if not isinstance(body, str):
        raise MalformedMessage("the notification has no Message text", event_type=event_type)
    timestamp = fields.get("Timestamp")
    return Notification(event_type, body, timestamp if isinstance(timestamp, str) else "")


def parse_body(adapter: TypeAdapter[Any], body: str, event_type: str) -> Any:
    """The body as the handler's type. Raises `MalformedMessage` naming the fields at fault."""
    try:
        return adapter.validate_json(body)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False, include_context=False)
        places = ", ".join(f"{_place(problem['loc'])} {problem['type']}" for problem in problems[:5])
        more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise MalformedMessage(f"wrong body: {places}{more}", event_type=event_type) from None


def shown_event_type(event_type: str) -> str:
    """The event type if it looks like one, else `malformed`: what a broken message calls its type may be anything."""
    return event_type if _EVENT_TYPE.fullmatch(event_type) else MALFORMED


def internal_message(kind: str, body: Any, telemetry_attributes: dict[str, str]) -> str:
    """The text of an internal message with its wrapper (platform card, section 4.6)."""
    wrapped = to_json({"body": body, "telemetryAttributes": telemetry_attributes}, by_alias=True, exclude_none=True)
    return to_json({"Type": kind, "Message": wrapped.decode()}).decode()


def _internal(kind: str, message: object) -> Internal:
    if not isinstance(message, str):
        raise MalformedMessage("the internal message has no Message text", event_type=kind)
    try:
        content = from_json(message)
    except ValueError:
        raise MalformedMessage("the Message of the internal message is not JSON", event_type=kind) from None
    if not isinstance(content, dict):
        return Internal(kind, message)
    fields = cast("dict[str, Any]", content)
    # Other services put bare events on our queues; only ours have a wrapper, and nothing else has just these keys.
    if "body" not in fields or not fields.keys() <= {"body", "telemetryAttributes"}:
        return Internal(kind, message)
    return Internal(kind, to_json(fields["body"]).decode(), _texts(fields.get("telemetryAttributes")))


def _texts(attributes: object) -> dict[str, str]:
    if not isinstance(attributes, dict):
        return {}
    items = cast("dict[str, Any]", attributes).items()
    return {
        key: value if isinstance(value, str) else to_json(value).decode() for key, value in items if value is not None
    }


def _attribute(attributes: object, name: str) -> str:
    if not isinstance(attributes, dict):
        return ""
    attribute = cast("dict[str, Any]", attributes).get(name)
    value = cast("dict[str, Any]", attribute).get("Value") if isinstance(attribute, dict) else None
    return value if isinstance(value, str) else ""


def _place(location: tuple[int | str, ...]) -> str:
    # deeper parts may be keys of a map, which come from the message
    parts = ["[]" if isinstance(part, int) else str(part) for part in location[:1]]
    return ".".join(parts) + ("…" if len(location) > 1 else "") if parts else "body"
