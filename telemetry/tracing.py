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
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from opentelemetry import metrics, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter

from .bounded_spans import BoundedSpanProcessor, DropCounter, ignore_drop
from .bounded_work import finish_within
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
    otlp_endpoint: str | None = None,
    trace_directory: Path | None = None,
    dropped: DropCounter = ignore_drop,
    export_metrics: bool = False,
    limit: int = 4096,
) -> Tracing:
    """Set up the SDK of this process, unless it is disabled or the program has set up its own.

    ``otlp_endpoint`` (base URL) and ``trace_directory`` add to what the environment says.
    ``export_metrics`` also sends metrics by OTLP, for short-lived programs that cannot be scraped.
    """
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return Tracing()
    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
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
    chosen = {name.strip() for name in os.environ.get("OTEL_TRACES_EXPORTER", "").split(",")}
    if "none" in chosen:
        return []
    exporters: list[SpanExporter] = []
    if "console" in chosen:
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter

        exporters.append(ConsoleSpanExporter())
    wanted = "console" not in chosen and (otlp_endpoint or _endpoint_in_environment("TRACES"))
    if "otlp" in chosen or wanted:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        endpoint = f"{otlp_endpoint.rstrip('/')}/v1/traces" if otlp_endpoint else None
        try:
            exporters.append(OTLPSpanExporter(endpoint=endpoint))
        except Exception as error:  # a malformed OTEL_ variable must not break the program
            logger.warning("spans are not sent by OTLP: %s: %s", type(error).__name__, error)
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
