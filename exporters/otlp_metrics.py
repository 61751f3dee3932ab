"""The daemon's metrics by OTLP: what ``/metrics`` shows, with the catalogue's OpenTelemetry names and units.

There is one truth, the registry that Prometheus scrapes. It is read at an interval and sent as data points of
OpenTelemetry's own model, so that both paths give the same values.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Iterable, Mapping

from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar as PrometheusExemplar
from prometheus_client.samples import Sample

from ..telemetry.bounded_gate import DropCounter, ignore_drop
from ..telemetry.catalogue import by_prometheus_name
from ..telemetry.identity import qwatch_version
from .paced_registry import PacedRegistry

logger = logging.getLogger(__name__)

SCOPE = "qwatch"
DROP_REASONS = ("unreachable", "shutdown")
_Attributes = tuple[tuple[str, str], ...]
_CUMULATIVE = AggregationTemporality.CUMULATIVE


class OtlpMetricsSender:
    """Sends the registry every ``interval`` seconds from a thread of its own, and once more when it stops.

    Nothing queues up: points that cannot be sent are counted and forgotten, and as all sums are cumulative the
    next points make up for them.
    """

    def __init__(
        self,
        registry: Collector,
        exporter: MetricExporter,
        resource: Resource,
        interval: float,
        dropped: DropCounter = ignore_drop,
    ) -> None:
        self._registry = PacedRegistry(registry)
        self._exporter = exporter
        self._resource = resource
        self._interval = interval
        self._dropped = dropped
        self._began = time.time_ns()
        self._sending = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="qwatch-otlp-metrics", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def flush(self) -> bool:
        """Send the present values now; return whether they were taken."""
        return self._send("unreachable")

    def shutdown(self) -> bool:
        """Send the last values and stop; return whether they were taken."""
        if self._stopped.is_set():
            return True
        self._stopped.set()
        done = self._send("shutdown")
        self._exporter.shutdown()
        return done

    def _work(self) -> None:
        while not self._stopped.wait(self._interval):
            self._send("unreachable")

    def _send(self, reason: str) -> bool:
        with self._sending:
            points = 0
            try:
                data = metrics_data(self._registry, self._resource, self._began)
                points = _count(data)
                sent = self._exporter.export(data) is MetricExportResult.SUCCESS
            except Exception as error:
                logger.error("the metrics could not be sent: %s: %s", type(error).__name__, error)
                sent = False
        if not sent:
            self._dropped(reason, max(points, 1))
        return sent


def metrics_data(registry: Collector, resource: Resource, began: int) -> MetricsData:
    """Return what ``registry`` holds now in OpenTelemetry's model; its sums began at ``began`` (Unix, ns)."""
    now = time.time_ns()
    found = [_metric(family, began, now) for family in registry.collect()]
    scope = ScopeMetrics(InstrumentationScope(SCOPE, qwatch_version()), [item for item in found if item], "")
    return MetricsData([ResourceMetrics(resource, [scope], "")])


def _metric(family: Family, began: int, now: int) -> Metric | None:
    if not family.samples:
        return None
    name, unit = _spelling(family)
    data: Sum | Gauge | Histogram
    if family.type == "histogram":
        data = Histogram(_histograms(family.samples, began, now), _CUMULATIVE)
    elif family.type == "counter":
        totals = [sample for sample in family.samples if not sample.name.endswith("_created")]
        data = Sum(_numbers(totals, began, now), _CUMULATIVE, is_monotonic=True)
    else:
        data = Gauge(_numbers(family.samples, began, now))
    return Metric(name, family.documentation, unit, data)


def _spelling(family: Family) -> tuple[str, str]:
    """Return name and unit by the catalogue; what a site's own collector made keeps its name."""
    exposed = f"{family.name}_total" if family.type == "counter" else family.name
    entry = by_prometheus_name().get(exposed)
    return (family.name, family.unit) if entry is None else (entry.name, entry.unit)


def _numbers(samples: Iterable[Sample], began: int, now: int) -> list[NumberDataPoint]:
    return [
        NumberDataPoint(dict(sample.labels), began, now, float(sample.value), _exemplars([sample.exemplar]))
        for sample in samples
    ]


def _histograms(samples: Iterable[Sample], began: int, now: int) -> list[HistogramDataPoint]:
    gathered: dict[_Attributes, _Gathered] = {}
    for sample in samples:
        labels = {name: value for name, value in sample.labels.items() if name != "le"}
        found = gathered.setdefault(tuple(labels.items()), _Gathered())
        if sample.name.endswith("_bucket"):
            found.buckets.append((float(sample.labels["le"]), sample.value))
            found.exemplars.append(sample.exemplar)
        elif sample.name.endswith("_sum"):
            found.sum = sample.value
    return [found.point(dict(labels), began, now) for labels, found in gathered.items()]


class _Gathered:
    """The samples of one histogram series."""

    def __init__(self) -> None:
        self.buckets: list[tuple[float, float]] = []
        self.exemplars: list[PrometheusExemplar | None] = []
        self.sum = 0.0

    def point(self, labels: Mapping[str, str], began: int, now: int) -> HistogramDataPoint:
        """Return the series as one data point; Prometheus counts buckets cumulatively, OTLP each by itself."""
        ordered = sorted(self.buckets)
        counts = [round(count) for _, count in ordered]
        return HistogramDataPoint(
            attributes=dict(labels),
            start_time_unix_nano=began,
            time_unix_nano=now,
            count=counts[-1] if counts else 0,
            sum=self.sum,
            bucket_counts=[count - before for count, before in zip(counts, [0, *counts], strict=False)],
            explicit_bounds=[bound for bound, _ in ordered if math.isfinite(bound)],
            min=None,  # type: ignore[arg-type]  # not known, and optional in the protocol
            max=None,  # type: ignore[arg-type]
            exemplars=_exemplars(self.exemplars),
        )


def _exemplars(given: Iterable[PrometheusExemplar | None]) -> list[Exemplar]:
    return [
        Exemplar(
            {name: value for name, value in item.labels.items() if name != "trace_id"},
            float(item.value),
            round(float(item.timestamp or time.time()) * 1e9),
            # The protocol's "no span": a job's observation belongs to its trace as a whole.
            span_id=0,
            trace_id=int(item.labels["trace_id"], 16),
        )
        for item in given
        if item is not None and "trace_id" in item.labels
    ]


def _count(data: MetricsData) -> int:
    return sum(
        len(metric.data.data_points)
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    )
