"""The W3C `traceparent` header: the current OpenTelemetry span's, else one of our own making."""

import random

from opentelemetry import trace


class TraceHeader:
    """Gives each call its `traceparent`; without a current span all calls share one random trace id."""

    def __init__(self) -> None:
        self._prefix = f"00-{random.getrandbits(128) or 1:032x}-"

    def value(self) -> str:
        """The header's value for the next call."""
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
        return f"{self._prefix}{random.getrandbits(64) or 1:016x}-01"
