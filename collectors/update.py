"""One update of one collector, in a thread of its own, so that a collector that hangs holds up nothing."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path

from ..telemetry.catalogue import Kind, Metric
from .interface import Collector

SeriesKey = tuple[str, tuple[str, ...]]
"""Name of a catalogue entry and its label values."""


class SampleError(Exception):
    """A collector emitted something that it must not emit."""


class Update:
    """An update that was begun: its series, or why it failed, once ``finished`` is set."""

    def __init__(self) -> None:
        self.finished = threading.Event()
        self.series: dict[SeriesKey, float] = {}
        self.error: str | None = None
        self._begun = time.monotonic()
        self._seconds: float | None = None

    @property
    def seconds(self) -> float:
        """How long it took, or has taken so far."""
        return time.monotonic() - self._begun if self._seconds is None else self._seconds

    def finish(self, series: dict[SeriesKey, float], error: str | None) -> None:
        """Set the result."""
        self._seconds = time.monotonic() - self._begun
        self.series = series
        self.error = error
        self.finished.set()


class UpdateRunner:
    """Begins the updates of one collector, one at a time."""

    def __init__(self, collector: Collector) -> None:
        self.name = collector.name
        self.declared = {metric.name: metric for metric in collector.metrics}
        for metric in self.declared.values():
            if metric.kind is Kind.HISTOGRAM:
                raise ValueError(f"collector {self.name} declares the histogram {metric.name}: not at a scrape")
        self._collector = collector
        self._lock = threading.Lock()
        self._current: Update | None = None

    def begin(self) -> Update:
        """Begin an update, or return the one that is running."""
        with self._lock:
            if self._current is not None and not self._current.finished.is_set():
                return self._current
            update = self._current = Update()
        thread = threading.Thread(
            target=self._run, args=(update,), name=f"qwatch-collect-{self.name}", daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:
            update.finish({}, str(error))
        return update

    def _run(self, update: Update) -> None:
        try:
            series = self._read()
        except SampleError as error:
            update.finish({}, str(error))
        except BaseException as error:
            update.finish({}, one_line(error))
        else:
            update.finish(series, None)

    def _read(self) -> dict[SeriesKey, float]:
        series: dict[SeriesKey, float] = {}
        given: set[SeriesKey] = set()
        for sample in self._collector.collect():
            metric = self.declared.get(sample.metric.name)
            if metric is None:
                raise SampleError(f"emits {sample.metric.prometheus_name}, which it does not declare")
            values = _clamped(metric, sample.labels)
            exact = (metric.name, tuple(sample.labels[name] for name in metric.label_names))
            if exact in given:
                raise SampleError(f"emits a series of {metric.prometheus_name} twice: {exact[1]}")
            given.add(exact)
            # Values outside an enumeration meet in `other`, where they add up.
            key = (metric.name, values)
            series[key] = series.get(key, 0.0) + float(sample.value)
        return series


def _clamped(metric: Metric, labels: Mapping[str, str]) -> tuple[str, ...]:
    if set(labels) != set(metric.label_names):
        raise SampleError(
            f"emits {metric.prometheus_name} with the labels {tuple(labels)} instead of {metric.label_names}"
        )
    for value in labels.values():
        if not isinstance(value, str):
            raise SampleError(f"emits {metric.prometheus_name} with a label value that is no text: {value!r}")
    # A name of the system that is not UTF-8 must not break the exposition of everything else.
    return tuple(value.encode("utf-8", "backslashreplace").decode() for value in metric.label_values(labels))


def one_line(error: BaseException) -> str:
    """Return what an exception says and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}{where}" if text else f"{type(error).__name__}{where}"
