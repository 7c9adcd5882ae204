"""Every call carries a W3C trace header, of the current span where there is one."""

import re

from opentelemetry.sdk.trace import TracerProvider

from nomis_pipelines.http.trace import TraceHeader


def test_without_a_span_calls_share_a_trace_and_have_their_own_ids():
    header = TraceHeader()
    first, second = header.value(), header.value()
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", first)
    assert first.split("-")[1] == second.split("-")[1]
    assert first.split("-")[2] != second.split("-")[2]


def test_the_current_span_is_the_parent():
    tracer = TracerProvider().get_tracer("test")
    with tracer.start_as_current_span("migrate") as span:
        context = span.get_span_context()
        assert TraceHeader().value() == f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
