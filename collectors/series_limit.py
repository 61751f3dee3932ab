"""Holds what the collectors emit within the guard's limits, and counts what is left out."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ..telemetry.catalogue import Metric
from ..telemetry.series_guard import SeriesGuard

Values = tuple[str, ...]


class SeriesLimit:
    """Chooses the series of a metric that has too many: those that were told before, then the first ones.

    A series that is no longer emitted makes room, so the choice does not change from scrape to scrape and
    still follows what comes and goes.
    """

    def __init__(self, guard: SeriesGuard, dropped: Callable[[Metric, int], None]) -> None:
        self._guard = guard
        self._dropped = dropped
        self._lock = threading.Lock()
        self._told: dict[str, set[Values]] = {}

    def within(self, metric: Metric, series: dict[Values, float]) -> dict[Values, float]:
        """Return ``series`` or, if these are too many, as many of them as may be."""
        most = self._guard.limit(metric)
        with self._lock:
            if len(series) <= most:
                self._told[metric.name] = set(series)
                return series
            told = self._told.get(metric.name, set())
            chosen = [values for values in series if values in told]
            chosen += [values for values in series if values not in told]
            kept = self._told[metric.name] = set(chosen[:most])
        self._dropped(metric, len(series) - most)
        return {values: value for values, value in series.items() if values in kept}
