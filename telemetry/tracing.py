"""Set-up of the OpenTelemetry SDK from the standard ``OTEL_*`` variables.

A program that has set up its own SDK keeps it. Without an endpoint nothing is exported over the network:
``OTEL_EXPORTER_OTLP_ENDPOINT`` (or ``…_TRACES_ENDPOINT``, ``…_METRICS_ENDPOINT``) switches OTLP on, over HTTP
or what ``OTEL_EXPORTER_OTLP_PROTOCOL`` says, ``QWATCH_TRACE_DIRECTORY`` writes spans and a program's metrics
to files, ``OTEL_TRACES_EXPORTER=none`` and ``OTEL_SDK_DISABLED=true`` switch off.
"""

from __future__ import annotations

import atexit
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from opentelemetry import metrics, trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter

from .bounded_gate import DropCounter, ignore_drop
from .bounded_spans import BoundedSpanProcessor
from .bounded_work import finish_within
from .otlp import OtlpTarget, metric_exporter, span_exporter
from .trace_context import TRACE_DIRECTORY

__all__ = [
    "DEFAULT_FLUSH_SECONDS",
    "TRACE_DIRECTORY",
    "BoundedSpanProcessor",
    "DropCounter",
    "Tracing",
    "configure_tracing",
]

logger = logging.getLogger(__name__)

DEFAULT_FLUSH_SECONDS = 3.0


@dataclass(slots=True)
class Tracing:
    """What was set up, to be flushed and shut down with a bound."""

    processors: list[BoundedSpanProcessor] = field(default_factory=list)
    meter_provider_shutdown: Callable[[], object] | None = None
    owned: bool = False

    def flush(self, seconds: float = DEFAULT_FLUSH_SECONDS) -> bool:
        """Export what waits, for at most ``seconds``; return whether all of it was handed on."""
        return finish_within(seconds, [processor.force_flush for processor in self.processors])

    def shutdown(self, seconds: float = DEFAULT_FLUSH_SECONDS) -> bool:
        """Flush and stop, for at most ``seconds``; return whether all of it was handed on."""
        processors, self.processors = self.processors, []
        lost_before = sum(processor.lost for processor in processors)
        shutdown_metrics, self.meter_provider_shutdown = self.meter_provider_shutdown, None
        work: list[Callable[[], object]] = [processor.shutdown for processor in processors]
        if shutdown_metrics is not None:
            work.append(shutdown_metrics)
        finished = finish_within(seconds, work)
        for processor in processors:
            processor.abandon()
        return finished and sum(processor.lost for processor in processors) == lost_before


def configure_tracing(
    service_name: str,
    *,
    resource_attributes: Mapping[str, str] | None = None,
    otlp: OtlpTarget | None = None,
    otlp_endpoint: str | None = None,
    trace_directory: Path | None = None,
    dropped: DropCounter = ignore_drop,
    export_metrics: bool = False,
    limit: int = 4096,
) -> Tracing:
    """Set up the SDK of this process, unless it is disabled or the program has set up its own.

    ``otlp`` (or only its base URL, ``otlp_endpoint``) and ``trace_directory`` add to what the environment says.
    ``export_metrics`` also sends metrics there, for short-lived programs that cannot be scraped.
    """
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return Tracing()
    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return Tracing()
    target = otlp or OtlpTarget(otlp_endpoint)
    directory = trace_directory or _directory_in_environment()
    exporters = _span_exporters(service_name, target, directory)
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
        tracing.meter_provider_shutdown = _configure_metrics(resource, target, service_name, directory)
    # A backend that is down is counted, not reported batch by batch.
    for noisy in (
        "opentelemetry.exporter",
        "opentelemetry.sdk._shared_internal",
        "opentelemetry.sdk.metrics",
    ):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    atexit.register(tracing.shutdown)
    return tracing


def _span_exporters(service_name: str, target: OtlpTarget, directory: Path | None) -> list[SpanExporter]:
    chosen = {name.strip() for name in os.environ.get("OTEL_TRACES_EXPORTER", "").split(",")}
    if "none" in chosen:
        return []
    exporters: list[SpanExporter] = []
    if "console" in chosen:
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter

        exporters.append(ConsoleSpanExporter())
    wanted = "console" not in chosen and target.names("traces")
    if "otlp" in chosen or wanted:
        try:
            exporters.append(span_exporter(target))
        except Exception as error:  # a malformed OTEL_ variable must not break the program
            logger.warning("spans are not sent by OTLP: %s: %s", type(error).__name__, error)
    if directory is not None:
        from .trace_file import TraceFileExporter

        exporters.append(TraceFileExporter(directory, service_name))
    return exporters


def _configure_metrics(
    resource: Resource, target: OtlpTarget, service_name: str, directory: Path | None
) -> Callable[[], object] | None:
    if os.environ.get("OTEL_METRICS_EXPORTER", "") == "none":
        return None
    if not target.names("metrics") and directory is None:
        return None
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import MetricExporter, PeriodicExportingMetricReader

    if isinstance(metrics.get_meter_provider(), MeterProvider):
        return None
    exporters: list[MetricExporter] = []
    if target.names("metrics"):
        try:
            exporters.append(metric_exporter(target))
        except Exception as error:
            logger.warning("metrics are not sent by OTLP: %s: %s", type(error).__name__, error)
    if directory is not None:
        from .metric_file import MetricFileExporter

        exporters.append(MetricFileExporter(directory, service_name))
    readers = [PeriodicExportingMetricReader(exporter) for exporter in exporters]
    provider = MeterProvider(readers, resource=resource, shutdown_on_exit=False)
    metrics.set_meter_provider(provider)
    return provider.shutdown


def _directory_in_environment() -> Path | None:
    value = os.environ.get(TRACE_DIRECTORY)
    return Path(value) if value else None
