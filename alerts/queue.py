"""Alerts about the queue: work that is not done, waits too long, or grows."""

from __future__ import annotations

from dataclasses import replace

from ..telemetry import device_metrics as device
from ..telemetry import job_metrics as job
from ..telemetry import labels
from ..telemetry.promql import matchers, one_of, select
from ..telemetry.recorded_series import PENDING
from .configuration import Configuration
from .recording import time_rate
from .rule import (
    ACTIVITY,
    DOWN,
    MAINTENANCE,
    STATE,
    AlertingRule,
    Severity,
    Team,
    latest,
    without,
)


def qpu_idle_with_backlog(configuration: Configuration) -> AlertingRule:
    """Return the alert for a device that could work, has work, and does nothing."""
    window = configuration.starving_window
    # Not "idle or dispatch for most of the time": after a restart `unknown` grows by the whole outage at once.
    excused = one_of("execute", "held", "calibration", "maintenance", "fault")
    shares = f"{time_rate(configuration)}{matchers(device.TIME, {labels.ACTIVITY.name: excused})}"
    return AlertingRule(
        name="QPUIdleWithBacklog",
        severity=Severity.CRITICAL,
        team=Team.OPERATIONS,
        summary="A QPU does nothing although jobs wait for it.",
        description=f"At least {{{{ $value }}}} jobs have waited for {{{{ $labels.qpu_id }}}} throughout the "
        f"last {window}, of which it used less than {configuration.starving_share:.0%}: "
        f"{STATE}, {ACTIVITY}.",
        expression=f"""min_over_time({PENDING}[{window}]) > 0
and
  sum without (activity) ({shares}) < {configuration.starving_share:g}
and
  {latest(configuration, device.UP)} == 1
unless
  {latest(configuration, device.ACTIVITY, {"activity": "unknown"})} == 1""",
        lasting=configuration.starving_for,
        follows=(DOWN,),
    )


def qpu_queue_oldest_job_too_old(configuration: Configuration) -> AlertingRule:
    """Return the alert for a job that has waited longer than its class should."""
    terms = []
    for job_class, most in configuration.oldest_job.items():
        # The class stays a label: each class has an alert, and a notification, of its own.
        created = matchers(job.OLDEST, {**configuration.selector, "job_class": job_class})
        replaced = ", ".join(configuration.replaced_labels)
        oldest = f"min without ({replaced}) ({job.OLDEST.prometheus_name}{created})"
        terms.append(f"time() - {oldest} > {most.seconds:g}")
    told = ", ".join(f"{most} for {job_class}" for job_class, most in configuration.oldest_job.items())
    return AlertingRule(
        name="QPUQueueOldestJobTooOld",
        severity=Severity.WARNING,
        team=Team.OPERATIONS,
        summary="A job has waited longer than its class should.",
        description="The oldest {{ $labels.job_class }} job for {{ $labels.qpu_id }} has waited for "
        f"{{{{ $value | humanizeDuration }}}} (expected at most: {told}).",
        expression="\nor\n".join(terms),
        lasting=configuration.oldest_job_for,
        follows=(DOWN, MAINTENANCE, "QPUIdleWithBacklog"),
    )


def qpu_queue_growing(configuration: Configuration) -> AlertingRule:
    """Return the alert for a queue that is filled faster than it is emptied."""
    window = configuration.growing_window
    return AlertingRule(
        name="QPUQueueGrowing",
        severity=Severity.WARNING,
        team=Team.OPERATIONS,
        summary="A queue grows faster than the QPU works it off.",
        description=f"{{{{ $value }}}} jobs wait for {{{{ $labels.qpu_id }}}}: at least "
        f"{configuration.growing_factor:g} times as many as {window} ago, and the trend is upward.",
        expression=f"""{PENDING} >= {configuration.growing_jobs}
and
  {PENDING} >= {configuration.growing_factor:g} * ({PENDING} offset {window})
and
  deriv({PENDING}[{window}]) > 0""",
        lasting=configuration.growing_for,
        follows=(DOWN, MAINTENANCE, "QPUIdleWithBacklog"),
    )


def qpu_session_idle_blocking(configuration: Configuration) -> AlertingRule:
    """Return the alert for sessions that keep an idle device from others, who wait outside of the queue."""
    window = configuration.session_idle_window
    idle = select(job.SESSION_IDLE, configuration.selector, str(window))
    held = f"({latest(configuration, job.SESSIONS_ACTIVE)} > 0)"
    still = select(device.TIME, {**configuration.selector, labels.ACTIVITY.name: "idle"}, str(window))
    replaced, share = without(*configuration.replaced_labels), configuration.session_idle_share
    return AlertingRule(
        name="QPUSessionIdleBlocking",
        severity=Severity.WARNING,
        team=Team.OPERATIONS,
        summary="Sessions are held for nothing, and may keep others from a QPU.",
        description="{{ $labels.qpu_id }} has stood still, and all of its sessions ({{ $value }}) have asked "
        "nothing of it, for more than "
        f"{configuration.session_idle_for}. Whoever needs a licence waits meanwhile.",
        expression=f"""{held}
and
  sum {replaced} (rate({idle})) >= {share:g} * {held}
and
  sum {without(*configuration.replaced_labels, "activity")} (rate({still})) >= {share:g}""",
        lasting=configuration.session_idle_for,
        follows=(DOWN, MAINTENANCE),
    )


def alerts(configuration: Configuration) -> list[AlertingRule]:
    """Return the alerts about the queue."""
    made = (
        qpu_idle_with_backlog,
        qpu_queue_oldest_job_too_old,
        qpu_queue_growing,
        qpu_session_idle_blocking,
    )
    return [replace(make(configuration), board="qwatch-queue") for make in made]
