"""Set-up of the OpenTelemetry SDK from the standard ``OTEL_*`` variables.

A program that has set up its own SDK keeps it. Without an endpoint nothing is exported over the network:
``OTEL_EXPORTER_OTLP_ENDPOINT`` (or ``…_TRACES_ENDPOINT``, ``…_METRICS_ENDPOINT``) switches OTLP over HTTP
on, ``QWATCH_TRACE_DIRECTORY`` writes spans to files, ``OTEL_TRACES_EXPORTER=none`` and
``OTEL_SDK_DISABLED=true`` switch off.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from opentelemetry import context, metrics, trace
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

TRACE_DIRECTORY = "QWATCH_TRACE_DIRECTORY"
DEFAULT_FLUSH_SECONDS = 3.0

DropCounter = Callable[[str, int], None]
"""Called with a reason of ``qwatch_telemetry_dropped_total`` and the number of spans."""


def _ignore_drop(reason: str, count: int) -> None:
    """Drop without counting: a user's process has nowhere to expose the count."""


class _CountedExporter(SpanExporter):
    """Hands batches on and reports how many spans are done with, and how many were refused."""

    def __init__(self, inner: SpanExporter, done: Callable[[int], None], dropped: DropCounter) -> None:
        self._inner = inner
        self._done = done
        self._dropped = dropped

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            result = self._inner.export(spans)
        except Exception:
            result = SpanExportResult.FAILURE
        finally:
            self._done(len(spans))
        if result is not SpanExportResult.SUCCESS:
            self._dropped("unreachable", len(spans))
        return result

    def shutdown(self) -> None:
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._inner.force_flush(timeout_millis)


class BoundedSpanProcessor(SpanProcessor):
    """A batch processor behind a gate: at most ``limit`` spans wait, the rest is dropped and counted."""

    def __init__(
        self, exporter: SpanExporter, dropped: DropCounter = _ignore_drop, limit: int = 4096
    ) -> None:
        self._dropped = dropped
        self._limit = limit
        self._waiting = 0
        self._lock = threading.Lock()
        self._batch = BatchSpanProcessor(
            _CountedExporter(exporter, self._done, dropped),
            max_queue_size=limit,
            max_export_batch_size=min(512, limit),
            schedule_delay_millis=1000,
        )

    @property
    def waiting(self) -> int:
        """The number of spans that were neither exported nor dropped yet."""
        return self._waiting

    def on_start(self, span: Span, parent_context: context.Context | None = None) -> None:
        """Nothing happens at the start of a span."""

    def on_end(self, span: ReadableSpan) -> None:
        """Queue the span, or drop it if the queue is full."""
        if not span.context.trace_flags.sampled:
            return
        with self._lock:
            if full := self._waiting >= self._limit:
                pass
            else:
                self._waiting += 1
        if full:
            self._dropped("queue_full", 1)
        else:
            self._batch.on_end(span)

    def shutdown(self) -> None:
        """Export what waits and stop; what is left then is counted as dropped."""
        self._batch.shutdown()  # type: ignore[no-untyped-call]
        if self._waiting:
            self._dropped("shutdown", self._waiting)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Export what waits now."""
        return self._batch.force_flush(timeout_millis)

    def _done(self, count: int) -> None:
        with self._lock:
            self._waiting -= count


@dataclass(slots=True)
class Tracing:
    """What was set up, to be flushed and shut down with a bound."""

    processors: list[SpanProcessor] = field(default_factory=list)
    meter_provider_shutdown: Callable[[], object] | None = None
    owned: bool = False

    def flush(self, seconds: float = DEFAULT_FLUSH_SECONDS) -> bool:
        """Export what waits, for at most ``seconds``; return whether all of it was handed on."""
        return _bounded(lambda: [processor.force_flush() for processor in self.processors], seconds)

    def shutdown(self, seconds: float = DEFAULT_FLUSH_SECONDS) -> bool:
        """Flush and stop, for at most ``seconds``; return whether it finished."""
        processors, self.processors = self.processors, []
        shutdown_metrics, self.meter_provider_shutdown = self.meter_provider_shutdown, None

        def stop() -> None:
            for processor in processors:
                processor.shutdown()
            if shutdown_metrics is not None:
                shutdown_metrics()

        return _bounded(stop, seconds)


def configure_tracing(
    service_name: str,
    *,
    resource_attributes: Mapping[str, str] | None = None,
    otlp_endpoint: str | None = None,
    trace_directory: Path | None = None,
    dropped: DropCounter = _ignore_drop,
    export_metrics: bool = False,
    limit: int = 4096,
) -> Tracing:
    """Set up the SDK of this process, unless it is disabled or the program has set up its own.

    ``otlp_endpoint`` (base URL) and ``trace_directory`` add to what the environment says.
    ``export_metrics`` also sends metrics by OTLP, for short-lived programs that cannot be scraped.
    """
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return Tracing()
    if isinstance(trace.get_tracer_provider(), TracerProvider):
        return Tracing()
    exporters = _span_exporters(service_name, otlp_endpoint, trace_directory)
    from opentelemetry.sdk.resources import Resource

    resource = Resource.create(
        {"service.name": os.environ.get("OTEL_SERVICE_NAME", service_name), **(resource_attributes or {})}
    )
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    tracing = Tracing(owned=True)
    for exporter in exporters:
        processor = BoundedSpanProcessor(exporter, dropped, limit)
        provider.add_span_processor(processor)
        tracing.processors.append(processor)
    trace.set_tracer_provider(provider)
    if export_metrics:
        tracing.meter_provider_shutdown = _configure_metrics(resource, otlp_endpoint)
    # A backend that is down is counted, not reported batch by batch.
    for noisy in (
        "opentelemetry.exporter",
        "opentelemetry.sdk._shared_internal",
        "opentelemetry.sdk.metrics",
    ):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    atexit.register(tracing.shutdown)
    return tracing


def _span_exporters(
    service_name: str, otlp_endpoint: str | None, trace_directory: Path | None
) -> list[SpanExporter]:
    chosen = os.environ.get("OTEL_TRACES_EXPORTER", "")
    if chosen == "none":
        return []
    exporters: list[SpanExporter] = []
    if chosen == "console":
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter

        exporters.append(ConsoleSpanExporter())
    elif chosen == "otlp" or otlp_endpoint or _endpoint_in_environment("TRACES"):
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        endpoint = f"{otlp_endpoint.rstrip('/')}/v1/traces" if otlp_endpoint else None
        exporters.append(OTLPSpanExporter(endpoint=endpoint))
    directory = trace_directory or _directory_in_environment()
    if directory is not None:
        from .trace_file import TraceFileExporter

        exporters.append(TraceFileExporter(directory, service_name))
    return exporters


def _configure_metrics(resource: object, otlp_endpoint: str | None) -> Callable[[], object] | None:
    if os.environ.get("OTEL_METRICS_EXPORTER", "") == "none":
        return None
    if not (otlp_endpoint or _endpoint_in_environment("METRICS")):
        return None
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource

    if isinstance(metrics.get_meter_provider(), MeterProvider):
        return None
    assert isinstance(resource, Resource)
    endpoint = f"{otlp_endpoint.rstrip('/')}/v1/metrics" if otlp_endpoint else None
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=endpoint))
    provider = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
    metrics.set_meter_provider(provider)
    return provider.shutdown


def _endpoint_in_environment(signal: str) -> bool:
    return any(
        os.environ.get(name)
        for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")
    )


def _directory_in_environment() -> Path | None:
    value = os.environ.get(TRACE_DIRECTORY)
    return Path(value) if value else None


def _bounded(work: Callable[[], object], seconds: float) -> bool:
    """Run ``work`` in a daemon thread for at most ``seconds``: no backend can hold an exit."""
    thread = threading.Thread(target=work, name="qwatch-telemetry-flush", daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()
