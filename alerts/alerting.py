"""Alerting rules: when to call a human, how urgently, and what to tell them.

``critical`` pages, ``warning`` opens a ticket, ``info`` is shown on boards only. A summary is constant, so
that alerts group by it; values stand in the description.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ..telemetry import device_metrics as device
from ..telemetry import labels
from ..telemetry.catalogue import Metric
from ..telemetry.promql import matchers, one_of, select
from .configuration import Configuration
from .recording import PENDING, time_rate, without


class Severity(StrEnum):
    """How urgently a human is wanted."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class AlertingRule:
    """A condition that a human should know of."""

    name: str
    severity: Severity
    summary: str
    description: str
    expression: str
    lasting: str = ""

    def as_yaml(self, configuration: Configuration) -> dict[str, object]:
        """Return the rule as Prometheus reads it."""
        return {
            "alert": self.name,
            "expr": self.expression,
            **({"for": self.lasting} if self.lasting else {}),
            "labels": {"severity": self.severity.value},
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                "runbook_url": configuration.runbook(self.name),
            },
        }


def _state_of_device(metric: Metric, label: str) -> str:
    """Return the template that asks, when the alert fires, in which state the device is."""
    asked = f"max by ({label}) ({metric.prometheus_name}{{{labels.QPU_ID.name}=%q}} == 1)"
    return (
        f"{{{{ range query (printf `{asked}` $labels.qpu_id) }}}}{{{{ .Labels.{label} }}}}"
        "{{ else }}not told{{ end }}"
    )


STATE = f"state {_state_of_device(device.STATE, 'state')}"
ACTIVITY = f"activity {_state_of_device(device.ACTIVITY, 'activity')}"


def watchdog() -> AlertingRule:
    """Return the alert that always fires: its absence proves that alerting is broken."""
    return AlertingRule(
        "Watchdog",
        Severity.INFO,
        "Alerting works.",
        "This alert always fires. Send it to a dead man's switch that calls when it stops.",
        "vector(1)",
    )


def qpu_down(configuration: Configuration) -> AlertingRule:
    """Return the alert for a device that cannot run jobs, outside maintenance."""
    given, replaced = configuration.selector, configuration.replaced_labels
    up = select(device.UP, given)
    offline = select(device.STATE, {**given, "state": "offline"})
    fault = select(device.ACTIVITY, {**given, "activity": "fault"})
    maintenance = select(device.ACTIVITY, {**given, "activity": "maintenance"})
    return AlertingRule(
        "QPUDown",
        Severity.CRITICAL,
        "A QPU cannot run jobs.",
        "{{ $labels.qpu_id }} has not answered, or has been offline or in a fault, for "
        f"{configuration.down_for}: {STATE}, {ACTIVITY}.",
        f"""(
  max {without(*replaced)} ({up}) == 0
or
  max {without(*replaced, "state")} ({offline}) == 1
or
  max {without(*replaced, "activity")} ({fault}) == 1
)
unless
  max {without(*replaced, "activity")} ({maintenance}) == 1""",
        configuration.down_for,
    )


def qpu_metrics_absent(configuration: Configuration) -> AlertingRule:
    """Return the alert for devices of which nothing is heard: no other alert can fire for them."""
    given, clause = configuration.selector, without(*configuration.replaced_labels)
    up = select(device.UP, given)
    seen = select(device.UP, given, configuration.absence_lookback)
    return AlertingRule(
        "QPUMetricsAbsent",
        Severity.CRITICAL,
        "Nothing is known about a QPU.",
        "{{ with $labels.qpu_id }}The metrics of {{ . }} have been absent for "
        f"{configuration.absence_for}; they were there within the last {configuration.absence_lookback}."
        f"{{{{ else }}}}No QPU has had metrics in the last {configuration.absence_lookback}."
        "{{ end }} Whether jobs run is not known, and no other alert can fire.",
        f"""(
  group {clause} (last_over_time({seen}))
unless
  group {clause} ({up})
)
or
absent_over_time({seen})""",
        configuration.absence_for,
    )


def qpu_idle_while_jobs_wait(configuration: Configuration) -> AlertingRule:
    """Return the alert for a device that could work, has work, and does nothing."""
    window = configuration.starving_window
    # Not "idle or dispatch for most of the time": after a restart `unknown` grows by the whole outage at once.
    excused = one_of("execute", "held", "calibration", "maintenance", "fault")
    shares = f"{time_rate(configuration)}{matchers(device.TIME, {labels.ACTIVITY.name: excused})}"
    up = f"max {without(*configuration.replaced_labels)} ({select(device.UP, configuration.selector)})"
    return AlertingRule(
        "QPUIdleWhileJobsWait",
        Severity.CRITICAL,
        "A QPU does nothing although jobs wait for it.",
        f"At least {{{{ $value }}}} jobs have waited for {{{{ $labels.qpu_id }}}} throughout the last "
        f"{window}, of which it used less than {configuration.starving_share:.0%}: "
        f"{STATE}, {ACTIVITY}.",
        f"""min_over_time({PENDING}[{window}]) > 0
and
  sum without (activity) ({shares}) < {configuration.starving_share:g}
and
  {up} == 1""",
        configuration.starving_for,
    )


def alerting_rules(configuration: Configuration) -> list[AlertingRule]:
    """Return every alert."""
    return [
        watchdog(),
        qpu_down(configuration),
        qpu_metrics_absent(configuration),
        qpu_idle_while_jobs_wait(configuration),
    ]
