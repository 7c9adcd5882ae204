"""Health as operators' tools read it: components that are up or down, asked together, remembered for two seconds.

What is asked belongs to whoever asks: a check is any async function that gives details or raises.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

CACHE_SECONDS = 2.0
PATIENCE_SECONDS = 8.0

UP, DOWN, UNKNOWN = "UP", "DOWN", "UNKNOWN"


@dataclass(frozen=True, kw_only=True)
class Component:
    """One answer: `status` is UP, DOWN, or UNKNOWN for what the service can live without."""

    status: str = UP
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def as_json(self) -> dict[str, Any]:
        """As it is shown: no details, no field."""
        return {"status": self.status, **({"details": dict(self.details)} if self.details else {})}


Check = Callable[[], Awaitable[Component]]


class Health:
    """Asks every check at once, at most every two seconds, however many want to know."""

    def __init__(self, checks: Mapping[str, Check], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._checks = dict(checks)
        self._clock = clock
        self._lock = asyncio.Lock()
        self._known: dict[str, Component] = {}
        self._asked_at: float | None = None

    async def components(self) -> dict[str, Component]:
        """Every component by name. A check that raises or takes longer than eight seconds is DOWN."""
        async with self._lock:
            if self._asked_at is None or self._clock() - self._asked_at >= CACHE_SECONDS:
                found = await asyncio.gather(*map(_guarded, self._checks.values()))
                self._known = dict(zip(self._checks, found, strict=True))
                self._asked_at = self._clock()
            return self._known


def overall(components: Mapping[str, Component]) -> str:
    """DOWN when any component is."""
    return DOWN if any(component.status == DOWN for component in components.values()) else UP


async def _guarded(check: Check) -> Component:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await check()
    except TimeoutError:
        return Component(status=DOWN, details={"error": f"no answer within {PATIENCE_SECONDS:g} s"})
    except Exception as error:  # noqa: BLE001  # whatever is wrong with a component, the others are still shown
        return Component(status=DOWN, details={"error": f"{type(error).__name__}: {error}"})
