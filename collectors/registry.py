"""The collectors of a process as one collector of prometheus-client, in which each fails alone."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector as PrometheusCollector

from ..telemetry import log_fields, own_metrics
from ..telemetry.catalogue import Kind, Metric
from .interface import Collector
from .update import SeriesKey, Update, UpdateRunner

logger = logging.getLogger(__name__)

DEFAULT_TIMEOUT = 5.0
Family = CounterMetricFamily | GaugeMetricFamily


class CollectorSet(PrometheusCollector):
    """Runs each collector at every scrape and merges what they return into metric families.

    A collector that raises, takes longer than ``timeout`` seconds, emits a metric that it did not declare or
    a series that was there already fails alone: its samples are left out, its
    ``qwatch_collector_success`` is 0, and one line is logged when its failures begin and one when they end.
    Scrapes may come at the same time: those that meet a running update share its result.
    """

    def __init__(
        self,
        collectors: Iterable[Collector],
        *,
        disabled: Collection[str] = (),
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        given = tuple(collectors)
        names = [collector.name for collector in given]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two collectors are named {name!r}: each needs a name of its own")
        for name in sorted(set(disabled) - set(names)):
            logger.warning("collector %s is switched off, but there is none of that name here", name)
        self._runners = [UpdateRunner(collector) for collector in given if collector.name not in disabled]
        self._health = {runner.name: _Health() for runner in self._runners}
        self._timeout = timeout
        self._lock = threading.Lock()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the collectors that are switched on."""
        return tuple(runner.name for runner in self._runners)

    def describe(self) -> list[Family]:
        """Return every family that a scrape may have, empty, so that a registry can refuse a clash."""
        declared: dict[str, Metric] = {}
        for runner in self._runners:
            declared |= runner.declared
        own = (
            own_metrics.COLLECTOR_SUCCESS,
            own_metrics.COLLECTOR_DURATION,
            own_metrics.COLLECTOR_LAST_SUCCESS,
        )
        return [_family(metric) for metric in (*declared.values(), *own)]

    def collect(self) -> list[Family]:
        """Update every collector and return the families of what succeeded."""
        deadline = time.monotonic() + self._timeout
        updates = [(runner, runner.begin()) for runner in self._runners]
        families: dict[str, Family] = {}
        owners: dict[SeriesKey, str] = {}
        for runner, update in updates:
            error = self._error_of(update, deadline) or _clash(update, owners)
            if error is None:
                self._merge(runner, update, families, owners)
            self._note(runner.name, error)
        return [*families.values(), *self._health_families(updates)]

    def _error_of(self, update: Update, deadline: float) -> str | None:
        if not update.finished.wait(max(0.0, deadline - time.monotonic())):
            return f"still running after {update.seconds:.1f} s"
        return update.error

    @staticmethod
    def _merge(
        runner: UpdateRunner, update: Update, families: dict[str, Family], owners: dict[SeriesKey, str]
    ) -> None:
        for key, value in update.series.items():
            name, values = key
            family = families.get(name)
            if family is None:
                family = families[name] = _family(runner.declared[name])
            family.add_metric(values, value)
            owners[key] = runner.name

    def _note(self, name: str, error: str | None) -> None:
        with self._lock:
            health = self._health[name]
            failures_before = health.failures
            if error is None:
                health.failures = 0
                health.last_success = time.time()
            else:
                health.failures += 1
        fields = {log_fields.COLLECTOR: name}
        if error is not None and failures_before == 0:
            logger.error("collector %s failed: %s", name, error, extra=fields)
        elif error is None and failures_before:
            logger.info("collector %s works again after %d failures", name, failures_before, extra=fields)

    def _health_families(self, updates: list[tuple[UpdateRunner, Update]]) -> list[Family]:
        success = _family(own_metrics.COLLECTOR_SUCCESS)
        duration = _family(own_metrics.COLLECTOR_DURATION)
        last_success = _family(own_metrics.COLLECTOR_LAST_SUCCESS)
        for runner, update in updates:
            with self._lock:
                health = self._health[runner.name]
                failures, succeeded = health.failures, health.last_success
            success.add_metric([runner.name], 0.0 if failures else 1.0)
            duration.add_metric([runner.name], update.seconds)
            if succeeded is not None:
                last_success.add_metric([runner.name], succeeded)
        return [success, duration, last_success]


class _Health:
    """What is remembered of a collector between scrapes."""

    def __init__(self) -> None:
        self.failures = 0
        self.last_success: float | None = None


def _family(metric: Metric) -> Family:
    kind = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    return kind(metric.prometheus_name, metric.help, labels=metric.label_names)


def _clash(update: Update, owners: dict[SeriesKey, str]) -> str | None:
    for key in update.series:
        if key in owners:
            return f"emits a series of {key[0]} that the collector {owners[key]} emits too: {key[1]}"
    return None
