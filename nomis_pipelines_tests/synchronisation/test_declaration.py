"""Nonsense is refused when a class is made, with a message that names it."""

import pytest

from nomis_pipelines.synchronisation import DeclarationError, Delivery, EventBody, Synchronisation, on, on_internal
from nomis_pipelines.synchronisation.declaration import HandlerSet
from nomis_pipelines_tests.synchronisation.examples import Bookings, context


class Body(EventBody):
    """Some body."""

    booking_id: int


def key(body: Body) -> int:
    return body.booking_id


def test_handlers_are_collected_with_their_models():
    kinds = {(handler.kind, handler.type): handler for handler in Bookings.handlers}
    assert set(kinds) == {
        ("event", "BOOKING-INSERTED"),
        ("event", "BOOKING-UPDATED"),
        ("event", "BOOKING-DELETED"),
        ("internal", "RETRY_SYNCHRONISATION_MAPPING"),
    }
    assert kinds["event", "BOOKING-DELETED"].takes_delivery


def test_a_missing_queue_is_refused():
    with pytest.raises(DeclarationError, match="Homeless does not say its queue"):

        class Homeless(Synchronisation):
            switch_domain = "x"

            @on("A", key=key)
            async def a(self, event: Body) -> None: ...


def test_two_handlers_of_one_event_are_refused():
    with pytest.raises(DeclarationError, match="Twice: a and b both handle A"):

        class Twice(Synchronisation):
            queue = "q"
            switch_domain = "x"

            @on("A", key=key)
            async def a(self, event: Body) -> None: ...

            @on("A", "B", key=key)
            async def b(self, event: Body) -> None: ...


def test_a_handler_without_a_model_is_refused():
    with pytest.raises(DeclarationError, match=r"Untyped\.a does not say the model"):

        class Untyped(Synchronisation):
            queue = "q"
            switch_domain = "x"

            @on("A", key=key)
            async def a(self, event) -> None: ...


def test_a_handler_that_is_not_async_is_refused():
    with pytest.raises(DeclarationError, match=r"Blocking\.a must be an async method"):

        class Blocking(Synchronisation):
            queue = "q"
            switch_domain = "x"

            @on("A", key=key)  # pyright: ignore
            def a(self, event: Body) -> None: ...


def test_a_handler_with_other_arguments_is_refused():
    with pytest.raises(DeclarationError, match=r"Curious\.a may take a body and a Delivery"):

        class Curious(Synchronisation):
            queue = "q"
            switch_domain = "x"

            @on("A", key=key)
            async def a(self, event: Body, other: str) -> None: ...


def test_an_event_type_must_be_named():
    with pytest.raises(DeclarationError, match=r"Nameless\.a does not say which messages"):

        class Nameless(Synchronisation):
            queue = "q"
            switch_domain = "x"

            @on(key=key)
            async def a(self, event: Body) -> None: ...


@pytest.mark.parametrize("seconds", [(), (-1,), (43_201,)])
def test_impossible_redelivery_seconds_are_refused(seconds):
    with pytest.raises(DeclarationError, match="Late: redelivery_seconds"):

        class Late(Synchronisation):
            queue = "q"
            switch_domain = "x"
            redelivery_seconds = seconds

            @on("A", key=key)
            async def a(self, event: Body) -> None: ...


class First(Synchronisation):
    """One half of a queue's handlers."""

    queue = "q"
    switch_domain = "x"

    @on("A", key=key)
    async def a(self, event: Body) -> None: ...


class Second(Synchronisation):
    """The other half."""

    queue = "q"
    switch_domain = "x"

    @on("B", key=key)
    async def b(self, event: Body, delivery: Delivery) -> None: ...

    @on_internal("A", key=key)
    async def internal_a(self, body: Body) -> None: ...


def test_several_classes_serve_one_queue():
    handlers = HandlerSet.of([First, Second], context())
    assert (set(handlers.events), set(handlers.internals)) == ({"A", "B"}, {"A"})


def test_classes_of_one_queue_must_not_share_an_event():
    class Third(First):
        pass

    with pytest.raises(DeclarationError, match="First and Third both handle A of queue q"):
        HandlerSet.of([First, Third], context())


def test_classes_of_one_queue_must_agree():
    class Hasty(Second):
        redelivery_seconds = (1,)

    with pytest.raises(DeclarationError, match="First and Hasty do not agree on redelivery_seconds"):
        HandlerSet.of([First, Hasty], context())
