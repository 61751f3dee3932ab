"""W3C trace context, read as untrusted input."""

from __future__ import annotations

import os
import re

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

TRACEPARENT = "TRACEPARENT"
TRACE_DIRECTORY = "QWATCH_TRACE_DIRECTORY"
"""Names the folder that spans are written to, where there is no trace store."""

_FORM = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")


def parse_traceparent(text: str | None) -> SpanContext | None:
    """Return the remote span context in a ``traceparent`` header's value, or None if it is not one."""
    match = _FORM.fullmatch(text) if text else None
    if match is None:
        return None
    trace_id, span_id, flags = match.groups()
    return SpanContext(
        trace_id=int(trace_id, 16),
        span_id=int(span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(int(flags, 16) & TraceFlags.SAMPLED),
    )


def format_traceparent(span_context: SpanContext) -> str:
    """Return the ``traceparent`` header's value for a span context."""
    return (
        f"00-{trace.format_trace_id(span_context.trace_id)}-{trace.format_span_id(span_context.span_id)}"
        f"-{int(span_context.trace_flags):02x}"
    )


def context_of(span_context: SpanContext | None) -> Context:
    """Return a context whose current span is ``span_context``; an empty one for None."""
    if span_context is None:
        return Context()
    return trace.set_span_in_context(NonRecordingSpan(span_context), Context())


def parent_from_environment() -> Context | None:
    """Return the context that ``TRACEPARENT`` in the environment names, or None."""
    found = parse_traceparent(os.environ.get(TRACEPARENT))
    return None if found is None else context_of(found)
