"""Recording rules: rates and ratios that alerts and long queries share."""

from __future__ import annotations

from ..telemetry import device_metrics, job_metrics, quality_metrics, recorded_series
from ..telemetry.catalogue import Metric
from ..telemetry.promql import TIME_RATIOS, TimeRatio, matchers, select
from ..telemetry.recorded_series import PENDING
from .configuration import Configuration
from .rule import RecordingRule, without

DRIFTING = (
    quality_metrics.RABI_DEVIATION,
    quality_metrics.READOUT_ERROR,
    quality_metrics.BENCHMARK_FIDELITY,
)
"""The qualities whose drift is recorded."""


def time_rate(configuration: Configuration) -> str:
    """Return the name of the recorded time partition: shares of wall time by activity."""
    return recorded_series.time_rate(configuration.rate_window.name)


def ratio_name(ratio: TimeRatio, configuration: Configuration) -> str:
    """Return the name of a recorded ratio of times."""
    return recorded_series.time_ratio(ratio, configuration.rate_window.name)


def drift_name(metric: Metric, configuration: Configuration) -> str:
    """Return the name of the recorded drift of a quality, in its own unit."""
    levels = "_".join(metric.label_names)
    windows = f"{configuration.drift_window.name}_{configuration.drift_baseline.name}"
    return f"{levels}:{metric.prometheus_name}:drift{windows}"


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
        f"avg {clause} (avg_over_time({select(metric, configuration.selector, str(window))}))"
        for window in (configuration.drift_window, configuration.drift_baseline)
    )
    return RecordingRule(drift_name(metric, configuration), f"{lately}\n-\n{usually}")


def recording_rules(configuration: Configuration) -> list[RecordingRule]:
    """Return the recording rules, each after those that it reads."""
    replaced = configuration.replaced_labels
    time = select(device_metrics.TIME, configuration.selector, str(configuration.rate_window))
    pending = select(job_metrics.QUEUE, {**configuration.selector, "state": "pending"})
    return [
        RecordingRule(time_rate(configuration), f"sum {without(*replaced)} (rate({time}))"),
        *(_ratio(ratio, configuration) for ratio in TIME_RATIOS),
        RecordingRule(PENDING, f"sum without (job_class, state) (max {without(*replaced)} ({pending}))"),
    ]


def drift_rules(configuration: Configuration) -> list[RecordingRule]:
    """Return the rules that record drift: they read days, so that they are evaluated less often."""
    return [_drift(metric, configuration) for metric in DRIFTING]
