"""Alerts about devices: reachable, told of, paused, in maintenance, flapping, used, and on time."""

from __future__ import annotations

from ..telemetry import device_metrics as device
from ..telemetry import labels
from ..telemetry.promql import AVAILABLE_UTILIZATION, Match, matchers, select
from .configuration import Configuration
from .rule import (
    ACTIVITY,
    DOWN,
    MAINTENANCE,
    STATE,
    AlertingRule,
    Severity,
    Team,
    counted,
    in_maintenance,
    latest,
    without,
)


def qpu_down(configuration: Configuration) -> AlertingRule:
    """Return the alert for a device that cannot run jobs, outside maintenance."""
    return AlertingRule(
        name=DOWN,
        severity=Severity.CRITICAL,
        team=Team.OPERATIONS,
        summary="A QPU cannot run jobs.",
        description="{{ $labels.qpu_id }} has not answered, or has been offline or in a fault, for "
        f"{configuration.down_for}: {STATE}, {ACTIVITY}.",
        expression=f"""(
  {latest(configuration, device.UP)} == 0
or
  {latest(configuration, device.STATE, {"state": "offline"})} == 1
or
  {latest(configuration, device.ACTIVITY, {"activity": "fault"})} == 1
)
unless
  {in_maintenance(configuration)}""",
        lasting=configuration.down_for,
    )


def qpu_telemetry_absent(configuration: Configuration) -> AlertingRule:
    """Return the alert for devices of which nothing is heard: no other alert can fire for them."""
    given, clause = configuration.selector, without(*configuration.replaced_labels)
    up = select(device.UP, given)
    seen = select(device.UP, given, str(configuration.absence_lookback))
    return AlertingRule(
        name="QPUTelemetryAbsent",
        severity=Severity.CRITICAL,
        team=Team.MIDDLEWARE,
        summary="Nothing is known about a QPU.",
        description="{{ with $labels.qpu_id }}The metrics of {{ . }} have been absent for "
        f"{configuration.absence_for}; they were there within the last {configuration.absence_lookback}."
        f"{{{{ else }}}}No QPU has had metrics in the last {configuration.absence_lookback}."
        "{{ end }} Whether jobs run is not known, and no other alert can fire.",
        expression=f"""(
  group {clause} (last_over_time({seen}))
unless
  group {clause} ({up})
)
or
absent_over_time({seen})""",
        lasting=configuration.absence_for,
    )


def qpu_paused_too_long(configuration: Configuration) -> AlertingRule:
    """Return the alert for a device that an administrator closed and perhaps forgot."""
    return AlertingRule(
        name="QPUPausedTooLong",
        severity=Severity.WARNING,
        team=Team.OPERATIONS,
        summary="A QPU has been closed for long without a maintenance window.",
        description=f"{{{{ $labels.qpu_id }}}} has been paused for more than {configuration.paused_for}, and "
        f"no maintenance is announced: {ACTIVITY}.",
        expression=f"""{latest(configuration, device.STATE, {"state": "paused"})} == 1
unless
  {in_maintenance(configuration)}""",
        lasting=configuration.paused_for,
    )


def qpu_in_maintenance(configuration: Configuration) -> AlertingRule:
    """Return the alert that is there to silence others: nobody is told of it."""
    return AlertingRule(
        name=MAINTENANCE,
        severity=Severity.INFO,
        team=Team.OPERATIONS,
        summary="A QPU is in maintenance.",
        description="{{ $labels.qpu_id }} is in maintenance; alerts about quality and queue are inhibited.",
        expression=in_maintenance(configuration),
    )


def qpu_maintenance_overrun(configuration: Configuration) -> AlertingRule:
    """Return the alert for maintenance that goes on beyond its announced end."""
    return AlertingRule(
        name="QPUMaintenanceOverrun",
        severity=Severity.WARNING,
        team=Team.OPERATIONS,
        summary="Maintenance of a QPU goes on beyond its announced end.",
        description="The maintenance of {{ $labels.qpu_id }} was to end {{ $value | humanizeDuration }} ago.",
        expression=f"time() - {latest(configuration, device.MAINTENANCE_END)}"
        f" > {configuration.maintenance_overrun.seconds:g}",
    )


def qpu_flapping(configuration: Configuration) -> AlertingRule:
    """Return the alert for a device that goes away and comes back all the time."""
    online = select(
        device.STATE, {**configuration.selector, "state": "online"}, str(configuration.flapping_window)
    )
    return AlertingRule(
        name="QPUFlapping",
        severity=Severity.WARNING,
        team=Team.OPERATIONS,
        summary="A QPU goes away and comes back again and again.",
        description="{{ $labels.qpu_id }} went between online and not online {{ $value }} times within "
        f"{configuration.flapping_window}; now: {STATE}.",
        expression=f"""max {without(*configuration.replaced_labels, "state")} (changes({online})) >= {
            configuration.flapping_changes
        }
unless
  {in_maintenance(configuration)}""",
    )


def qpu_utilization_low(configuration: Configuration) -> AlertingRule:
    """Return the alert for a device that the site uses less than it means to."""
    window = configuration.utilization_window

    def increase(of: dict[str, str | Match]) -> str:
        return counted(configuration, device.TIME, window, of, (labels.ACTIVITY.name,))

    available = increase(dict(AVAILABLE_UTILIZATION.whole))
    return AlertingRule(
        name="QPUUtilizationLow",
        severity=Severity.INFO,
        team=Team.OPERATIONS,
        summary="A QPU is used less than the site's target.",
        description="{{ $labels.qpu_id }} was used for {{ $value | humanizePercentage }} of its available time "
        f"in the last {window}; the target is {configuration.utilization_target:.0%}.",
        expression=f"""{increase(dict(AVAILABLE_UTILIZATION.part))}
/
({available} > {configuration.utilization_known * window.seconds:g})
< {configuration.utilization_target:g}""",
        lasting=configuration.utilization_for,
        follows=(DOWN, MAINTENANCE),
    )


def qpu_clock_skew(configuration: Configuration) -> AlertingRule:
    """Return the alert for a device whose time stamps cannot be believed."""
    offset = f"{device.CLOCK_OFFSET.prometheus_name}{matchers(device.CLOCK_OFFSET, configuration.selector)}"
    replaced = without(*configuration.replaced_labels)
    return AlertingRule(
        name="QPUClockSkew",
        severity=Severity.WARNING,
        team=Team.OPERATIONS,
        summary="A QPU's clock differs from the daemon's.",
        description="The clock of {{ $labels.qpu_id }} is off by at least {{ $value | humanizeDuration }}. Its "
        "own start and end times are not used meanwhile: busy time and gaps are less exact.",
        expression=f"max {replaced} (abs({offset})) > {configuration.clock_offset:g}",
        lasting=configuration.clock_for,
    )


def alerts(configuration: Configuration) -> list[AlertingRule]:
    """Return the alerts about devices."""
    made = (
        qpu_down,
        qpu_telemetry_absent,
        qpu_paused_too_long,
        qpu_in_maintenance,
        qpu_maintenance_overrun,
        qpu_flapping,
        qpu_utilization_low,
        qpu_clock_skew,
    )
    return [make(configuration) for make in made]
