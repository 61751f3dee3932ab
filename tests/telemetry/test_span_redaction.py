"""Credentials in spans are masked on their way out; clean spans pass as they are."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, Status, StatusCode

from qwatch.telemetry.bounded_spans import BoundedSpanProcessor
from qwatch.telemetry.span_redaction import redacted_span

TOKEN = "qws_0123456789abcdef"


def recorded(provider: TracerProvider) -> ReadableSpan:
    with provider.get_tracer("test").start_as_current_span("acquire FRESNEL", kind=SpanKind.CLIENT) as span:
        span.set_attribute("qpu.id", "FRESNEL")
        span.set_attribute("qpu.job.shots.requested", 100)
        span.set_attribute("detail", f"X-Warden-Session: {TOKEN}")
        span.set_attribute("list", ["fine", TOKEN])
        span.add_event("sent", {"header": f"Authorization: Bearer {TOKEN}"})
        try:
            raise RuntimeError(f"refused {TOKEN}")
        except RuntimeError as error:
            span.record_exception(error)
        span.set_status(Status(StatusCode.ERROR, f"refused {TOKEN}"))
    assert isinstance(span, ReadableSpan)
    return span


def test_no_part_of_a_span_keeps_a_credential() -> None:
    span = recorded(TracerProvider())
    assert TOKEN in span.to_json()
    clean = redacted_span(span)
    assert TOKEN not in clean.to_json()
    assert clean.name == "acquire FRESNEL"
    assert clean.kind is SpanKind.CLIENT
    assert clean.context == span.context
    assert clean.start_time == span.start_time
    assert clean.end_time == span.end_time
    assert clean.status.status_code is StatusCode.ERROR
    assert clean.attributes is not None
    assert clean.attributes["qpu.id"] == "FRESNEL"
    assert clean.attributes["qpu.job.shots.requested"] == 100
    assert clean.attributes["list"] == ("fine", "[redacted]")


def test_a_clean_span_is_not_copied() -> None:
    with TracerProvider().get_tracer("test").start_as_current_span("queue FRESNEL") as span:
        span.set_attribute("qpu.id", "FRESNEL")
        span.add_event("held", {"reason": "device_down"})
    assert isinstance(span, ReadableSpan)
    assert redacted_span(span) is span


@pytest.mark.parametrize("name", ["task FRESNEL", f"task {TOKEN}"])
def test_the_processor_hands_on_clean_spans(name: str) -> None:
    memory = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BoundedSpanProcessor(memory))
    with provider.get_tracer("test").start_as_current_span(name) as span:
        span.set_attribute("detail", TOKEN)
    provider.force_flush()
    (exported,) = memory.get_finished_spans()
    assert TOKEN not in exported.to_json()
    provider.shutdown()
