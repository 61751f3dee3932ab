"""A traceparent is untrusted input: what is not one is ignored, and what is one makes the round trip."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.trace import SpanContext, TraceFlags

from qwatch.telemetry.trace_context import (
    context_of,
    format_traceparent,
    parent_from_environment,
    parse_traceparent,
)


@given(st.text())
def test_any_text_is_read_without_an_error(text: str) -> None:
    parse_traceparent(text)


@given(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.sampled_from([TraceFlags(0), TraceFlags(1)]))
def test_round_trip(trace_id: int, span_id: int, flags: TraceFlags) -> None:
    given_context = SpanContext(trace_id, span_id, is_remote=True, trace_flags=flags)
    assert parse_traceparent(format_traceparent(given_context)) == given_context


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "00-" + "0" * 32 + "-" + "1" * 16 + "-01",
        "00-" + "1" * 32 + "-" + "0" * 16 + "-01",
        "01-" + "1" * 32 + "-" + "1" * 16 + "-01",
        "00-" + "A" * 32 + "-" + "1" * 16 + "-01",
        "00-" + "1" * 32 + "-" + "1" * 16 + "-01\n",
        "00-" + "1" * 32 + "-" + "1" * 16 + "-01-more",
    ],
)
def test_what_is_no_traceparent_is_ignored(text: str | None) -> None:
    assert parse_traceparent(text) is None


def test_only_the_sampled_flag_is_taken() -> None:
    found = parse_traceparent("00-" + "1" * 32 + "-" + "2" * 16 + "-ff")
    assert found is not None
    assert found.trace_flags == TraceFlags.SAMPLED


def test_parent_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRACEPARENT", raising=False)
    assert parent_from_environment() is None
    monkeypatch.setenv("TRACEPARENT", "00-" + "1" * 32 + "-" + "2" * 16 + "-01")
    parent = parent_from_environment()
    assert parent is not None
    assert trace.get_current_span(parent).get_span_context().trace_id == int("1" * 32, 16)
    assert not trace.get_current_span(context_of(None)).get_span_context().is_valid
