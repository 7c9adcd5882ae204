"""Reference data that many records share, asked for once a run."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Once(Generic[P, T]):
    """`ask`, whose answers are kept by their arguments; callers at the same moment share one call.

    What failed is not kept: the next record asks again. Lives on one event loop.
    """

    def __init__(self, ask: Callable[P, Awaitable[T]]) -> None:
        self._ask = ask
        self._answers: dict[tuple[object, ...], asyncio.Future[T]] = {}

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """The answer for these arguments. Raises what `ask` raises."""
        key = (*args, *kwargs.items())
        if key not in self._answers:
            self._answers[key] = asyncio.ensure_future(self._ask(*args, **kwargs))
        try:
            return await asyncio.shield(self._answers[key])
        except Exception:
            self._answers.pop(key, None)
            raise
