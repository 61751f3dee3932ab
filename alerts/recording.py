"""Recording rules, named ``level:metric:operation``: rates and ratios that alerts and long queries share."""

from __future__ import annotations

from dataclasses import dataclass

from ..telemetry import device_metrics, job_metrics, quality_metrics
from ..telemetry.catalogue import Metric
from ..telemetry.promql import TIME_RATIOS, TimeRatio, matchers, select
from .configuration import Configuration

DRIFTING = (
    quality_metrics.RABI_DEVIATION,
    quality_metrics.READOUT_ERROR,
    quality_metrics.BENCHMARK_FIDELITY,
)
"""The qualities whose drift is recorded."""

PENDING = "qpu_id:qpu_queue_jobs:pending"
"""Jobs that wait for a device."""


@dataclass(frozen=True, slots=True)
class RecordingRule:
    """A series that Prometheus computes ahead."""

    record: str
    expression: str

    def as_yaml(self) -> dict[str, object]:
        """Return the rule as Prometheus reads it."""
        return {"record": self.record, "expr": self.expression}


def time_rate(configuration: Configuration) -> str:
    """Return the name of the recorded time partition: shares of wall time by activity."""
    return f"qpu_id_activity:qpu_time_seconds:rate{configuration.rate_window}"


def ratio_name(ratio: TimeRatio, configuration: Configuration) -> str:
    """Return the name of a recorded ratio of times."""
    return f"qpu_id:qpu_{ratio.name}:ratio_rate{configuration.rate_window}"


def drift_name(metric: Metric, configuration: Configuration) -> str:
    """Return the name of the recorded drift of a quality, in its own unit."""
    levels = "_".join(metric.label_names)
    return f"{levels}:{metric.prometheus_name}:drift{configuration.drift_window}_{configuration.drift_baseline}"


def without(*labels: str) -> str:
    """Return a ``without`` clause."""
    return f"without ({', '.join(labels)})"


def _ratio(ratio: TimeRatio, configuration: Configuration) -> RecordingRule:
    """Return the rule for a ratio; where there was no time to divide by, it is absent and not NaN."""
    shares = time_rate(configuration)
    part, whole = (
        f"sum without (activity) ({shares}{matchers(device_metrics.TIME, of)})"
        for of in (ratio.part, ratio.whole)
    )
    return RecordingRule(ratio_name(ratio, configuration), f"{part}\n/\n({whole} > 0)")


def _drift(metric: Metric, configuration: Configuration) -> RecordingRule:
    """Return the rule for the drift of a quality; it is absent where the quality is."""
    clause = without(*configuration.replaced_labels)
    lately, usually = (
        f"avg {clause} (avg_over_time({select(metric, configuration.selector, window)}))"
        for window in (configuration.drift_window, configuration.drift_baseline)
    )
    return RecordingRule(drift_name(metric, configuration), f"{lately}\n-\n{usually}")


def recording_rules(configuration: Configuration) -> list[RecordingRule]:
    """Return the recording rules, each after those that it reads."""
    replaced = configuration.replaced_labels
    time = select(device_metrics.TIME, configuration.selector, configuration.rate_window)
    pending = select(job_metrics.QUEUE, {**configuration.selector, "state": "pending"})
    return [
        RecordingRule(time_rate(configuration), f"sum {without(*replaced)} (rate({time}))"),
        *(_ratio(ratio, configuration) for ratio in TIME_RATIOS),
        RecordingRule(PENDING, f"sum without (job_class, state) (max {without(*replaced)} ({pending}))"),
    ]


def drift_rules(configuration: Configuration) -> list[RecordingRule]:
    """Return the rules that record drift: they read days, so that they are evaluated less often."""
    return [_drift(metric, configuration) for metric in DRIFTING]
