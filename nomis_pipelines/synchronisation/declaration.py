"""How a domain says which messages it handles: a class with decorated methods.

    class AdjustmentsSynchronisation(Synchronisation):
        queue = "eventsentencing"
        switch_domain = "sentencing"

        @on("SENTENCE_ADJUSTMENT_UPSERTED", key=lambda e: e.booking_id)
        async def upserted(self, event: SentenceAdjustmentEvent) -> None: ...

        @on_internal("RETRY_SYNCHRONISATION_MAPPING", key=lambda m: m.nomis_adjustment_id)
        async def retry_mapping(self, mapping: AdjustmentMapping, delivery: Delivery) -> None: ...

Handlers are collected when the class is made, and nonsense is refused there, naming the class. A big domain splits its
handlers over several classes; one consumer serves all classes of a queue.
"""

import inspect
import typing
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import TypeAdapter

from nomis_pipelines.synchronisation.context import Delivery, SyncContext

DEFAULT_REDELIVERY_SECONDS = (1, 10, 60, 600)

_MARK = "__synchronisation_marks__"
_Method = TypeVar("_Method", bound=Callable[..., Awaitable[None]])

Kind = Literal["event", "internal"]
Key = Callable[[Any], object]


class DeclarationError(Exception):
    """A synchronisation class, or a set of them, cannot be served. The message names the class."""


@dataclass(frozen=True, slots=True)
class _Mark:
    kind: Kind
    types: tuple[str, ...]
    key: Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """One method, for one type of message, not yet bound to an instance. `body` reads the message's body."""

    kind: Kind
    type: str
    key: Key
    method: str
    body: TypeAdapter[Any]
    takes_delivery: bool


def on(*event_types: str, key: Key) -> Callable[[_Method], _Method]:
    """Handle events of these types. `key` gives, from the body, what to keep in order: equal keys go one at a time.

    Keys are compared as text, and are shared by all handlers of the queue: `1` and `"1"` are the same booking.
    """
    return _marker(_Mark("event", event_types, key))


def on_internal(*types: str, key: Key) -> Callable[[_Method], _Method]:
    """Handle internal messages of these `Type` values (platform card, section 4.6). They have no switch."""
    return _marker(_Mark("internal", types, key))


def _marker(mark: _Mark) -> Callable[[_Method], _Method]:
    def decorate(method: _Method) -> _Method:
        setattr(method, _MARK, (*getattr(method, _MARK, ()), mark))
        return method

    return decorate


class Synchronisation:
    """Base of a domain's handlers of one queue; an instance is made for each consumer.

    `queue` is the queue id, `switch_domain` the domain in `FEATURE_EVENT_<DOMAIN>_<EVENT>` (platform card, sections 4.2
    and 5.1). `redelivery_seconds`: before the 2nd, 3rd, … delivery of a failed message, the last repeating.
    `unknown_internal`: what becomes of internal messages that nobody handles. `reads_type` is false for the one queue
    whose messages are all taken as notifications (visits card, section 7).
    """

    queue: ClassVar[str]
    switch_domain: ClassVar[str]
    redelivery_seconds: ClassVar[tuple[int, ...]] = DEFAULT_REDELIVERY_SECONDS
    unknown_internal: ClassVar[Literal["drop", "fail"]] = "drop"
    reads_type: ClassVar[bool] = True
    handlers: ClassVar[tuple[Handler, ...]] = ()

    def __init__(self, context: SyncContext) -> None:
        self.context = context

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.handlers = tuple(_handlers_of(cls))
        if not cls.handlers:
            return  # a base that only shares helpers
        for name in ("queue", "switch_domain"):
            if not getattr(cls, name, ""):
                raise DeclarationError(f"{cls.__name__} does not say its {name}")
        seconds = cls.redelivery_seconds
        if not seconds or any(not 0 <= value <= 43_200 for value in seconds):
            raise DeclarationError(f"{cls.__name__}: redelivery_seconds must be one or more numbers from 0 to 43200")


@dataclass(frozen=True, slots=True)
class BoundHandler:
    """A handler with the instance it belongs to."""

    handler: Handler
    instance: Synchronisation

    async def __call__(self, body: Any, delivery: Delivery) -> None:
        """Handle one message."""
        method = getattr(self.instance, self.handler.method)
        await (method(body, delivery) if self.handler.takes_delivery else method(body))


@dataclass(frozen=True, kw_only=True)
class HandlerSet:
    """All handlers of one queue, with what their classes agree on."""

    queue: str
    switch_domain: str
    redelivery_seconds: tuple[int, ...]
    unknown_internal: Literal["drop", "fail"]
    reads_type: bool
    events: dict[str, BoundHandler]
    internals: dict[str, BoundHandler]

    @classmethod
    def of(cls, classes: Sequence[type[Synchronisation]], context: SyncContext) -> "HandlerSet":
        """Make an instance of each class. Raises `DeclarationError` when they do not fit together."""
        if not classes:
            raise DeclarationError("a consumer needs at least one synchronisation class")
        agreed = _agreed(classes)
        found: dict[Kind, dict[str, BoundHandler]] = {"event": {}, "internal": {}}
        for declared in classes:
            instance = declared(context)
            for handler in declared.handlers:
                other = found[handler.kind].setdefault(handler.type, BoundHandler(handler, instance))
                if other.instance is not instance:
                    names = f"{type(other.instance).__name__} and {declared.__name__}"
                    raise DeclarationError(f"{names} both handle {handler.type} of queue {agreed['queue']}")
        return cls(events=found["event"], internals=found["internal"], **agreed)


def _agreed(classes: Sequence[type[Synchronisation]]) -> dict[str, Any]:
    first = classes[0]
    agreed: dict[str, Any] = {}
    for name in ("queue", "switch_domain", "redelivery_seconds", "unknown_internal", "reads_type"):
        agreed[name] = getattr(first, name)
        for other in classes[1:]:
            if getattr(other, name) != agreed[name]:
                raise DeclarationError(f"{first.__name__} and {other.__name__} do not agree on {name}")
    return agreed


def _handlers_of(cls: type) -> list[Handler]:
    handlers: dict[tuple[Kind, str], Handler] = {}
    for name in dir(cls):
        method = inspect.getattr_static(cls, name)
        marks: tuple[_Mark, ...] = getattr(method, _MARK, ())
        if not marks:
            continue
        body, takes_delivery = _signature_of(cls, name, method)
        for mark in marks:
            if not mark.types or not all(mark.types):
                raise DeclarationError(f"{cls.__name__}.{name} does not say which messages it handles")
            for kind in mark.types:
                handler = Handler(
                    kind=mark.kind, type=kind, key=mark.key, method=name, body=body, takes_delivery=takes_delivery
                )
                other = handlers.setdefault((mark.kind, kind), handler)
                if other is not handler:
                    raise DeclarationError(f"{cls.__name__}: {other.method} and {name} both handle {kind}")
    return list(handlers.values())


def _signature_of(cls: type, name: str, method: Callable[..., object]) -> tuple[TypeAdapter[Any], bool]:
    where = f"{cls.__name__}.{name}"
    if not inspect.iscoroutinefunction(method):
        raise DeclarationError(f"{where} must be an async method")
    parameters = list(inspect.signature(method).parameters)[1:]
    hints = typing.get_type_hints(method)
    if not parameters or parameters[0] not in hints:
        raise DeclarationError(f"{where} does not say the model of its body: async def {name}(self, event: SomeEvent)")
    if len(parameters) > 2 or (len(parameters) == 2 and hints.get(parameters[1]) is not Delivery):
        raise DeclarationError(f"{where} may take a body and a Delivery, nothing else")
    return TypeAdapter(hints[parameters[0]]), len(parameters) == 2
