"""The one vocabulary: what a metric entry is, how it is spelled, and the list of all of them.

An entry is written once, with its OpenTelemetry name and unit; its Prometheus name is the standard
translation of it (OpenTelemetry specification, "Prometheus and OpenMetrics compatibility").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

OTHER = "other"
"""What a value outside a closed enumeration becomes."""

_UNIT_SUFFIX = {"s": "seconds", "By": "bytes", "Hz": "hertz", "1": "ratio", "Cel": "celsius", "": ""}


class Kind(StrEnum):
    """The kind of a metric's instrument."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Source(StrEnum):
    """Where a metric can be had from."""

    DAEMON = "daemon"
    """The daemon's /metrics."""
    PROGRAM = "program"
    """The user's process, by OTLP: the daemon never has it."""
    OBSERVER = "observer"
    """The /metrics of a daemon in the role of an observer."""


@dataclass(frozen=True, slots=True)
class Label:
    """A label and the values that it may take.

    ``values`` is a closed enumeration; ``None`` means that the site's configuration bounds it (a device's
    name, a disk), never what a user sends. The names of a program's own measures are bounded in its process,
    and no metric of the daemon carries them.
    """

    name: str
    values: tuple[str, ...] | None
    help: str

    def bounded(self, value: str) -> str:
        """Return ``value``, or ``other`` if it lies outside the enumeration."""
        if self.values is None or value in self.values:
            return value
        return OTHER


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its OpenTelemetry name, kind, unit (UCUM), help text, labels and buckets."""

    name: str
    kind: Kind
    unit: str
    help: str
    labels: tuple[Label, ...] = ()
    buckets: tuple[float, ...] = ()
    exemplars: bool = False
    source: Source = Source.DAEMON

    def __post_init__(self) -> None:
        if (self.kind is Kind.HISTOGRAM) != bool(self.buckets):
            raise ValueError(f"metric {self.name}: a histogram has buckets and nothing else has")
        if self.unit not in _UNIT_SUFFIX and not self.unit.startswith("{"):
            raise ValueError(f"metric {self.name}: unit {self.unit!r} is not a base unit")

    @property
    def prometheus_name(self) -> str:
        """The name in a Prometheus exposition, unit and ``_total`` included."""
        name = self.name.replace(".", "_")
        suffix = "" if self.unit.startswith("{") else _UNIT_SUFFIX[self.unit]
        if suffix and not name.endswith(f"_{suffix}"):
            name = f"{name}_{suffix}"
        return f"{name}_total" if self.kind is Kind.COUNTER else name

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of the labels, in the order of declaration."""
        return tuple(label.name for label in self.labels)

    def label_values(self, given: Mapping[str, str]) -> tuple[str, ...]:
        """Return the values in declaration order, each within its enumeration.

        Raises:
            KeyError: a declared label was not given, or one was given that is not declared.
        """
        if len(given) != len(self.labels):
            raise KeyError(f"metric {self.name} has the labels {self.label_names}, got {tuple(given)}")
        return tuple(label.bounded(given[label.name]) for label in self.labels)


def groups() -> tuple[tuple[str, tuple[Metric, ...]], ...]:
    """Return what each file of metrics is about, and its metrics, in the order of the reference."""
    from . import (
        calibration_metrics,
        client_metrics,
        device_metrics,
        host_metrics,
        job_metrics,
        observer_metrics,
        own_metrics,
        quality_metrics,
        slurm_metrics,
    )

    modules = (
        device_metrics,
        quality_metrics,
        calibration_metrics,
        job_metrics,
        client_metrics,
        slurm_metrics,
        host_metrics,
        own_metrics,
        observer_metrics,
    )
    return tuple((str(module.__doc__), module.METRICS) for module in modules)


def catalogue() -> tuple[Metric, ...]:
    """Return every metric that qwatch can expose, in the order of the reference."""
    return tuple(entry for _, metrics in groups() for entry in metrics)


def by_prometheus_name() -> dict[str, Metric]:
    """Return the catalogue keyed by Prometheus name."""
    return {entry.prometheus_name: entry for entry in catalogue()}
