"""A batch of spans behind a gate: bounded, counted, and without credentials."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from opentelemetry import context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from .bounded_gate import DropCounter, Gate, ignore_drop
from .span_redaction import redacted_span


class _CountedExporter(SpanExporter):
    """Hands batches on, without credentials, and tells how many spans are done with and why."""

    def __init__(self, inner: SpanExporter, settled: Callable[[int, str], None]) -> None:
        self._inner = inner
        self._settled = settled

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            result = self._inner.export([redacted_span(span) for span in spans])
        except Exception:
            result = SpanExportResult.FAILURE
        self._settled(len(spans), "" if result is SpanExportResult.SUCCESS else "unreachable")
        return result

    def shutdown(self) -> None:
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._inner.force_flush(timeout_millis)


class BoundedSpanProcessor(SpanProcessor):
    """A batch processor behind a gate: at most ``limit`` spans wait, the rest is dropped and counted."""

    def __init__(self, exporter: SpanExporter, dropped: DropCounter = ignore_drop, limit: int = 4096) -> None:
        self._gate = Gate(dropped, limit)
        self._batch = BatchSpanProcessor(
            _CountedExporter(exporter, self._gate.settle),
            max_queue_size=limit,
            max_export_batch_size=min(512, limit),
            schedule_delay_millis=1000,
        )

    @property
    def waiting(self) -> int:
        """The number of spans that were neither exported nor dropped yet."""
        return self._gate.waiting

    @property
    def lost(self) -> int:
        """The number of spans that were dropped."""
        return self._gate.lost

    def on_start(self, span: Span, parent_context: context.Context | None = None) -> None:
        """Nothing happens at the start of a span."""

    def on_end(self, span: ReadableSpan) -> None:
        """Queue the span, or drop it if the queue is full."""
        if span.context and span.context.trace_flags.sampled and self._gate.enter():
            self._batch.on_end(span)

    def shutdown(self) -> None:
        """Export what waits and stop; what is left then is counted as dropped."""
        self._gate.close()
        self._batch.shutdown()  # type: ignore[no-untyped-call]
        self.abandon()

    def abandon(self) -> None:
        """Give up what waits: count it as dropped, whatever an export that still runs achieves."""
        self._gate.abandon()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Export what waits now; return whether nothing was lost meanwhile."""
        lost_before = self.lost
        return self._batch.force_flush(timeout_millis) and self.lost == lost_before
