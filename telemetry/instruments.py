"""Prometheus instruments made from the catalogue's entries, for the daemon.

Label values outside their enumeration become ``other``; children are cached, so that an observation on the
hot path costs a dictionary look-up. What would make more series than the guard allows is left out and counted.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from .catalogue import Kind, Metric
from .own_metrics import SERIES_DROPPED
from .series_guard import SeriesGuard

disable_created_metrics()  # type: ignore[no-untyped-call]

_LEFT_OUT_COUNTER = Counter("left_out", "What no series was made for", registry=None)
_LEFT_OUT_HISTOGRAM = Histogram("left_out", "What no series was made for", registry=None, buckets=(1.0,))


class Instruments:
    """Counters and histograms of one registry, addressed by catalogue entry."""

    def __init__(self, registry: CollectorRegistry, guard: SeriesGuard | None = None) -> None:
        self.registry = registry
        self._guard = guard or SeriesGuard()
        self._series: dict[str, int] = {}
        self._lock = threading.Lock()
        self._families: dict[str, Counter | Histogram] = {}
        self._counters: dict[tuple[str, tuple[str, ...]], Counter] = {}
        self._histograms: dict[tuple[str, tuple[str, ...]], Histogram] = {}

    def add(self, metric: Metric, amount: float = 1.0, /, **labels: str) -> None:
        """Increase the counter ``metric`` by ``amount`` (0 creates the series)."""
        self._counter(metric, metric.label_values(labels)).inc(amount)

    def observe(
        self, metric: Metric, value: float, exemplar: Mapping[str, str] | None = None, /, **labels: str
    ) -> None:
        """Record ``value`` in the histogram ``metric``, with an exemplar where the entry has them."""
        child = self._histogram(metric, metric.label_values(labels))
        child.observe(value, dict(exemplar) if exemplar and metric.exemplars else None)

    def dropped(self, metric: Metric, count: int = 1) -> None:
        """Count samples of ``metric`` that were left out because it has as many series as it may have."""
        if metric.name != SERIES_DROPPED.name:
            self.add(SERIES_DROPPED, count, metric=metric.prometheus_name)

    def value(self, metric: Metric, /, **labels: str) -> float:
        """Return the present value of a counter."""
        return float(self._counter(metric, metric.label_values(labels))._value.get())

    def _counter(self, metric: Metric, values: tuple[str, ...]) -> Counter:
        child = self._counters.get((metric.name, values))
        return self._new_counter(metric, values) if child is None else child

    def _new_counter(self, metric: Metric, values: tuple[str, ...]) -> Counter:
        with self._lock:
            family = self._families.get(metric.name)
            if family is None:
                if metric.kind is not Kind.COUNTER:
                    raise TypeError(f"metric {metric.name} is a {metric.kind}, not a counter")
                family = Counter(
                    metric.prometheus_name, metric.help, metric.label_names, registry=self.registry
                )
                self._families[metric.name] = family
            assert isinstance(family, Counter)
            if self._may_have(metric, (metric.name, values) in self._counters):
                child = family.labels(*values) if values else family
                self._counters[(metric.name, values)] = child
                return child
        self.dropped(metric)
        return _LEFT_OUT_COUNTER

    def _histogram(self, metric: Metric, values: tuple[str, ...]) -> Histogram:
        child = self._histograms.get((metric.name, values))
        return self._new_histogram(metric, values) if child is None else child

    def _new_histogram(self, metric: Metric, values: tuple[str, ...]) -> Histogram:
        with self._lock:
            family = self._families.get(metric.name)
            if family is None:
                if metric.kind is not Kind.HISTOGRAM:
                    raise TypeError(f"metric {metric.name} is a {metric.kind}, not a histogram")
                family = Histogram(
                    metric.prometheus_name,
                    metric.help,
                    metric.label_names,
                    registry=self.registry,
                    buckets=metric.buckets,
                )
                self._families[metric.name] = family
            assert isinstance(family, Histogram)
            if self._may_have(metric, (metric.name, values) in self._histograms):
                child = family.labels(*values) if values else family
                self._histograms[(metric.name, values)] = child
                return child
        self.dropped(metric)
        return _LEFT_OUT_HISTOGRAM

    def _may_have(self, metric: Metric, has_already: bool) -> bool:
        """Take a place for one more series, unless another thread has just made it."""
        if has_already:
            return True
        count = self._series.get(metric.name, 0)
        if count >= self._guard.limit(metric):
            return False
        self._series[metric.name] = count + 1
        return True
