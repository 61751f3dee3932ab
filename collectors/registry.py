"""The collectors of a process as one collector of prometheus-client, in which each fails alone."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable

from prometheus_client import Metric as PrometheusFamily
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector as PrometheusCollector

from ..telemetry import log_fields, own_metrics
from ..telemetry.bounded_work import finish_within
from ..telemetry.catalogue import Kind, Metric
from ..telemetry.series_guard import SeriesGuard
from .foreign import FamiliesTogether
from .interface import Background, Collector, ForeignCollector
from .series_limit import SeriesLimit, Values
from .update import SeriesKey, Update, UpdateRunner, one_line

logger = logging.getLogger(__name__)

DEFAULT_TIMEOUT = 5.0
_STOP_SECONDS = 2.0
_HEALTH = (own_metrics.COLLECTOR_SUCCESS, own_metrics.COLLECTOR_DURATION, own_metrics.COLLECTOR_LAST_SUCCESS)
Family = CounterMetricFamily | GaugeMetricFamily


class CollectorSet(PrometheusCollector):
    """Runs each collector at every scrape and merges what they return into metric families.

    A collector that raises, takes longer than ``timeout`` seconds, emits a metric that it did not declare or
    a series that was there already fails alone: its samples are left out, its
    ``qwatch_collector_success`` is 0, and one line is logged when its failures begin and one when they end.
    Scrapes may come at the same time: those that meet a running update share its result.

    What a metric has beyond the ``guard``'s limit is left out and told to ``dropped``. ``foreign`` collectors
    bring families of their own, which stand behind ours and never take a name that is declared here.
    """

    def __init__(
        self,
        collectors: Iterable[Collector],
        foreign: Iterable[ForeignCollector] = (),
        *,
        disabled: Collection[str] = (),
        timeout: float = DEFAULT_TIMEOUT,
        guard: SeriesGuard | None = None,
        dropped: Callable[[Metric, int], None] = lambda metric, count: None,
    ) -> None:
        ours, theirs = tuple(collectors), tuple(foreign)
        given: tuple[Collector | ForeignCollector, ...] = (*ours, *theirs)
        names = [collector.name for collector in given]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two collectors are named {name!r}: each needs a name of its own")
        for name in sorted(set(disabled) - set(names)):
            logger.warning("collector %s is switched off, but there is none of that name here", name)
        self._runners = [UpdateRunner(collector) for collector in ours if collector.name not in disabled]
        self._foreign = [collector for collector in theirs if collector.name not in disabled]
        self._background = {
            collector.name: collector
            for collector in given
            if collector.name not in disabled and isinstance(collector, Background)
        }
        self._health = {name: _Health() for name in self.names}
        self._timeout = timeout
        self._limit = SeriesLimit(guard or SeriesGuard(), dropped)
        self._lock = threading.Lock()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the collectors that are switched on."""
        return (*(runner.name for runner in self._runners), *(collector.name for collector in self._foreign))

    def start(self) -> None:
        """Begin what reads in the background."""
        for collector in self._background.values():
            collector.start()

    def stop(self) -> None:
        """End what reads in the background."""
        finish_within(_STOP_SECONDS, [collector.stop for collector in self._background.values()])

    def describe(self) -> list[Family]:
        """Return every family of ours that a scrape may have, empty, so that a registry can refuse a clash."""
        return [_family(metric) for metric in (*self._declared().values(), *_HEALTH)]

    def collect(self) -> list[PrometheusFamily]:
        """Update every collector and return the families of what succeeded."""
        deadline = time.monotonic() + self._timeout
        updates = [(runner, runner.begin()) for runner in self._runners]
        series: dict[str, dict[Values, float]] = {}
        owners: dict[SeriesKey, str] = {}
        seconds: dict[str, float] = {}
        for runner, update in updates:
            error = self._error_of(update, deadline) or _clash(update, owners)
            if error is None:
                for (name, values), value in update.series.items():
                    series.setdefault(name, {})[values] = value
                owners |= dict.fromkeys(update.series, runner.name)
            seconds[runner.name] = update.seconds
            self._note(runner.name, error)
        declared = self._declared()
        families = [self._family_of(declared[name], values) for name, values in series.items()]
        return [*families, *self._foreign_families(declared, seconds), *self._health_families(seconds)]

    def _declared(self) -> dict[str, Metric]:
        return {name: metric for runner in self._runners for name, metric in runner.declared.items()}

    def _family_of(self, metric: Metric, series: dict[Values, float]) -> Family:
        family = _family(metric)
        for values, value in self._limit.within(metric, series).items():
            family.add_metric(values, value)
        return family

    def _foreign_families(
        self, declared: dict[str, Metric], seconds: dict[str, float]
    ) -> list[PrometheusFamily]:
        """Each source adds what it has, or nothing: one that clashes with what is there already fails."""
        taken = {metric.prometheus_name.removesuffix("_total") for metric in declared.values()}
        together = FamiliesTogether(taken)
        for collector in self._foreign:
            begun = time.monotonic()
            error = None
            try:
                together.add(collector.families())
            except Exception as failure:
                error = one_line(failure)
            seconds[collector.name] = time.monotonic() - begun
            self._note(collector.name, error)
        return together.families

    def _error_of(self, update: Update, deadline: float) -> str | None:
        if not update.finished.wait(max(0.0, deadline - time.monotonic())):
            return f"still running after {update.seconds:.1f} s"
        return update.error

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

    def _health_families(self, seconds: dict[str, float]) -> list[Family]:
        success, duration, last_success = (_family(metric) for metric in _HEALTH)
        for name, took in seconds.items():
            background = self._background.get(name)
            reading = None if background is None else background.last_reading
            with self._lock:
                failures, succeeded = self._health[name].failures, self._health[name].last_success
            success.add_metric([name], 0.0 if failures else 1.0)
            duration.add_metric([name], took if reading is None else reading.seconds)
            if (at := succeeded if reading is None else reading.at) is not None:
                last_success.add_metric([name], at)
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
