"""Recording rules: rates and ratios that alerts and long queries share."""

from __future__ import annotations

from ..telemetry import device_metrics, job_metrics, recorded_series
from ..telemetry.promql import TIME_RATIOS, TimeRatio, matchers, select
from ..telemetry.recorded_series import PENDING
from .configuration import Configuration
from .rule import RecordingRule, without


def time_rate(configuration: Configuration) -> str:
    """Return the name of the recorded time partition: shares of wall time by activity."""
    return recorded_series.time_rate(configuration.rate_window.name)


def ratio_name(ratio: TimeRatio, configuration: Configuration) -> str:
    """Return the name of a recorded ratio of times."""
    return recorded_series.time_ratio(ratio, configuration.rate_window.name)


def _ratio(ratio: TimeRatio, configuration: Configuration) -> RecordingRule:
    """Return the rule for a ratio; where there was no time to divide by, it is absent and not NaN."""
    shares = time_rate(configuration)
    part, whole = (
        f"sum without (activity) ({shares}{matchers(device_metrics.TIME, of)})"
        for of in (ratio.part, ratio.whole)
    )
    return RecordingRule(ratio_name(ratio, configuration), f"{part}\n/\n({whole} > 0)")


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
