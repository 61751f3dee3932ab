"""A batch of spans behind a gate: bounded, counted, and without credentials."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Callable, Sequence

from opentelemetry import context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from .span_redaction import redacted_span

DropCounter = Callable[[str, int], None]
"""Called with a reason of ``qwatch_telemetry_dropped_total`` and the number of spans."""


def ignore_drop(reason: str, count: int) -> None:
    """Drop without counting: a user's process has nowhere to expose the count."""


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
        self._dropped = dropped
        self._limit = limit
        self._waiting = 0
        self._lost = 0
        self._closed = False
        self._abandoned = False
        self._lock = threading.Lock()
        self._batch = BatchSpanProcessor(
            _CountedExporter(exporter, self._settle),
            max_queue_size=limit,
            max_export_batch_size=min(512, limit),
            schedule_delay_millis=1000,
        )
        reset = weakref.WeakMethod(self._after_fork)
        os.register_at_fork(after_in_child=lambda: (method := reset()) and method())

    @property
    def waiting(self) -> int:
        """The number of spans that were neither exported nor dropped yet."""
        return self._waiting

    @property
    def lost(self) -> int:
        """The number of spans that were dropped."""
        return self._lost

    def on_start(self, span: Span, parent_context: context.Context | None = None) -> None:
        """Nothing happens at the start of a span."""

    def on_end(self, span: ReadableSpan) -> None:
        """Queue the span, or drop it if the queue is full."""
        if not (span.context and span.context.trace_flags.sampled):
            return
        with self._lock:
            if self._closed:
                refused = "shutdown"
            elif self._waiting >= self._limit:
                refused = "queue_full"
            else:
                refused = ""
                self._waiting += 1
        if refused:
            self._drop(refused, 1)
        else:
            self._batch.on_end(span)

    def shutdown(self) -> None:
        """Export what waits and stop; what is left then is counted as dropped."""
        with self._lock:
            self._closed = True
        self._batch.shutdown()  # type: ignore[no-untyped-call]
        self.abandon()

    def abandon(self) -> None:
        """Give up what waits: count it as dropped, whatever an export that still runs achieves."""
        with self._lock:
            self._closed = self._abandoned = True
            left, self._waiting = self._waiting, 0
        if left:
            self._drop("shutdown", left)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Export what waits now; return whether nothing was lost meanwhile."""
        lost_before = self._lost
        return self._batch.force_flush(timeout_millis) and self._lost == lost_before

    def _settle(self, count: int, reason: str) -> None:
        with self._lock:
            if self._abandoned:
                return
            self._waiting -= count
        if reason:
            self._drop(reason, count)

    def _drop(self, reason: str, count: int) -> None:
        with self._lock:
            self._lost += count
        # Counting is the caller's code: its errors must not reach the program that ends a span.
        with contextlib.suppress(Exception):
            self._dropped(reason, count)

    def _after_fork(self) -> None:
        """Start from zero in a child: what waits is the parent's to send."""
        self._lock = threading.Lock()
        self._waiting = 0
