"""The gate before the span exporter: bounded, counted, and never in the way of an exit."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from qwatch.telemetry.tracing import BoundedSpanProcessor, Tracing


class Backend(SpanExporter):
    """An exporter that succeeds, fails, raises, or hangs until it is let go."""

    def __init__(self, behaviour: str) -> None:
        self.behaviour = behaviour
        self.received: list[str] = []
        self.entered = threading.Event()
        self.let_go = threading.Event()
        self.exporting = threading.current_thread()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.entered.set()
        self.exporting = threading.current_thread()
        if self.behaviour == "hang":
            self.let_go.wait(60)
        if self.behaviour == "raise":
            raise OSError("no route")
        if self.behaviour == "fail":
            return SpanExportResult.FAILURE
        self.received += [span.name for span in spans]
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        pass


class Gate:
    """A provider, its processor and what was dropped."""

    def __init__(self, behaviour: str, limit: int = 4096) -> None:
        self.backend = Backend(behaviour)
        self.dropped: Counter[str] = Counter()
        self.processor = BoundedSpanProcessor(self.backend, self.count, limit)
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(self.processor)
        self.tracing = Tracing([self.processor], owned=True)

    def count(self, reason: str, number: int) -> None:
        self.dropped[reason] += number

    def spans(self, number: int) -> None:
        tracer = self.provider.get_tracer("test")
        for index in range(number):
            tracer.start_span(f"slice {index}").end()


@pytest.fixture
def gates() -> Iterator[list[Gate]]:
    made: list[Gate] = []
    yield made
    for gate in made:
        gate.backend.let_go.set()


def made(gates: list[Gate], behaviour: str, limit: int = 4096) -> Gate:
    gates.append(Gate(behaviour, limit))
    return gates[-1]


def test_a_healthy_backend_gets_everything(gates: list[Gate]) -> None:
    gate = made(gates, "succeed")
    gate.spans(1500)
    assert gate.tracing.flush(30)
    assert len(gate.backend.received) == 1500
    assert gate.processor.waiting == 0
    assert gate.tracing.shutdown(30)
    assert not gate.dropped


@pytest.mark.parametrize("behaviour", ["fail", "raise"])
def test_a_failing_backend_is_counted(gates: list[Gate], behaviour: str) -> None:
    gate = made(gates, behaviour)
    gate.spans(10)
    assert not gate.tracing.flush(30)
    assert gate.dropped == {"unreachable": 10}
    assert gate.processor.waiting == 0
    assert gate.processor.lost == 10


def test_a_full_queue_drops_and_counts(gates: list[Gate]) -> None:
    gate = made(gates, "hang", limit=16)
    gate.spans(16)
    assert gate.backend.entered.wait(30)
    gate.spans(5)
    assert gate.processor.waiting == 16
    assert gate.dropped == {"queue_full": 5}
    gate.backend.let_go.set()
    assert gate.tracing.flush(30)
    assert len(gate.backend.received) == 16


def test_flush_and_shutdown_end_though_the_backend_hangs(gates: list[Gate]) -> None:
    gate = made(gates, "hang")
    gate.spans(7)
    assert not gate.tracing.flush(0.2)
    assert not gate.tracing.shutdown(0.2)
    assert gate.dropped == {"shutdown": 7}
    # What the abandoned export achieves in the end is not counted a second time.
    gate.backend.behaviour = "fail"
    gate.backend.let_go.set()
    gate.backend.exporting.join(30)
    assert gate.dropped == {"shutdown": 7}


def test_a_hanging_backend_does_not_hold_up_another() -> None:
    hanging, healthy = Gate("hang"), Gate("succeed")
    try:
        hanging.spans(3)
        healthy.spans(3)
        both = Tracing([hanging.processor, healthy.processor], owned=True)
        assert not both.shutdown(2)
        assert len(healthy.backend.received) == 3
    finally:
        hanging.backend.let_go.set()


def test_spans_after_shutdown_are_counted(gates: list[Gate]) -> None:
    gate = made(gates, "succeed")
    assert gate.tracing.shutdown(30)
    gate.spans(2)
    assert gate.dropped == {"shutdown": 2}
    assert gate.processor.waiting == 0


def test_unsampled_spans_are_neither_sent_nor_counted(gates: list[Gate]) -> None:
    gate = made(gates, "succeed")
    unsampled = SpanContext(1, 1, is_remote=True, trace_flags=TraceFlags(0))
    parent = set_span_in_context(NonRecordingSpan(unsampled))
    gate.provider.get_tracer("test").start_span("queue", parent).end()
    assert gate.tracing.flush(30)
    assert not gate.backend.received
    assert not gate.dropped


def test_a_drop_counter_that_raises_does_not_reach_the_program() -> None:
    def count(reason: str, number: int) -> None:
        raise RuntimeError("no counter")

    backend = Backend("succeed")
    processor = BoundedSpanProcessor(backend, count, limit=1)
    processor.abandon()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    provider.get_tracer("test").start_span("queue").end()
    assert processor.lost == 1


def test_a_forked_child_starts_from_zero(gates: list[Gate]) -> None:
    gate = made(gates, "hang", limit=4)
    gate.spans(4)
    assert gate.backend.entered.wait(30)
    child = os.fork()
    if child == 0:
        os._exit(0 if gate.processor.waiting == 0 else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert gate.processor.waiting == 4
