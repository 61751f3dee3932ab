"""Alerts about qwatch itself: alerting, scheduler, collectors, exporters, store, API, disk."""

from __future__ import annotations

from dataclasses import replace

from ..telemetry import device_metrics as device
from ..telemetry import host_metrics as host
from ..telemetry import job_metrics as job
from ..telemetry import own_metrics as own
from ..telemetry.promql import matchers, none_of, select
from .configuration import Configuration
from .rule import AlertingRule, Severity, Team, counted, latest, without


def watchdog(_configuration: Configuration) -> AlertingRule:
    """Return the alert that always fires: its absence proves that alerting is broken."""
    return AlertingRule(
        name="Watchdog",
        severity=Severity.INFO,
        team=Team.MIDDLEWARE,
        summary="Alerting works.",
        description="This alert always fires. Send it to a dead man's switch that calls when it stops.",
        expression="vector(1)",
    )


def scheduler_stalled(configuration: Configuration) -> AlertingRule:
    """Return the alert for a dispatch loop that hangs while no job runs."""
    return AlertingRule(
        name="QwatchSchedulerStalled",
        severity=Severity.CRITICAL,
        team=Team.MIDDLEWARE,
        summary="The dispatch loop of a QPU hangs.",
        description="The loop that sends jobs to {{ $labels.qpu_id }} has not turned for "
        "{{ $value | humanizeDuration }}, and no job runs.",
        expression=f"""time() - {latest(configuration, own.LAST_LOOP)} > {configuration.loop_age.seconds:g}
unless
  {latest(configuration, job.RUNNING_START)}""",
    )


def collector_failing(configuration: Configuration) -> AlertingRule:
    """Return the alert for a collector whose metrics are missing."""
    return AlertingRule(
        name="QwatchCollectorFailing",
        severity=Severity.WARNING,
        team=Team.MIDDLEWARE,
        summary="A collector fails, and its metrics are missing.",
        description="The collector {{ $labels.collector }} has failed at every scrape for "
        f"{configuration.collector_for}; the log says why.",
        expression=f"{latest(configuration, own.COLLECTOR_SUCCESS)} == 0",
        lasting=configuration.collector_for,
    )


def telemetry_dropped(configuration: Configuration) -> AlertingRule:
    """Return the alert for telemetry that is lost on its way to a backend."""
    return AlertingRule(
        name="QwatchTelemetryDropped",
        severity=Severity.WARNING,
        team=Team.MIDDLEWARE,
        summary="Telemetry is lost on its way to its backend.",
        description="{{ $value }} {{ $labels.signal }} were dropped within "
        f"{configuration.dropped_window} (reason: {{{{ $labels.reason }}}}). Jobs are not affected.",
        expression=f"round({counted(configuration, own.TELEMETRY_DROPPED, configuration.dropped_window)}) > 0",
        lasting=configuration.dropped_for,
    )


def store_slow(configuration: Configuration) -> AlertingRule:
    """Return the alert for a database that commits slowly: submissions and dispatch wait for it."""
    name = f"{own.STORE_DURATION.prometheus_name}_bucket"
    chosen = matchers(own.STORE_DURATION, {"operation": "write"})
    buckets = (
        f"sum {without(*configuration.replaced_labels)} (rate({name}{chosen}[{configuration.store_window}]))"
    )
    return AlertingRule(
        name="QwatchStoreSlow",
        severity=Severity.WARNING,
        team=Team.MIDDLEWARE,
        summary="The store commits slowly.",
        description="One of ten writes to the store takes more than {{ $value | humanizeDuration }}; "
        f"{configuration.store_write_seconds:g} s are expected at most. Submissions and dispatch wait for it.",
        expression=f"histogram_quantile(0.9, {buckets}) > {configuration.store_write_seconds:g}",
        lasting=configuration.store_for,
    )


def api_failing(configuration: Configuration) -> AlertingRule:
    """Return the alert for an API that cannot serve: MUNGE, the store, or a fault of its own.

    Only of requests that read: a closed device refuses sessions and jobs with 503, and should.
    """
    name = f"{own.HTTP_DURATION.prometheus_name}_count"
    window, dropped = configuration.api_window, (*configuration.replaced_labels, "route", "method", "status")

    def requests(**matched: str) -> str:
        chosen = matchers(own.HTTP_DURATION, {"method": "GET", **matched})
        return f"sum {without(*dropped)} (increase({name}{chosen}[{window}]))"

    return AlertingRule(
        name="QwatchAPIFailing",
        severity=Severity.CRITICAL,
        team=Team.MIDDLEWARE,
        summary="The job API cannot serve its users.",
        description=f"{{{{ $value | humanizePercentage }}}} of the requests that read got a 5xx in "
        f"the last {window}: MUNGE does not answer, the store does not, or qwatch fails.",
        expression=f"""{requests(status="5xx")}
/
{requests()}
> {configuration.api_error_share:g}
and
  {requests(status="5xx")} >= {configuration.api_errors}""",
        lasting=configuration.api_for,
    )


def disk_filling(configuration: Configuration) -> AlertingRule:
    """Return the alert for the file system of the store, which is full or soon will be."""
    replaced = without(*configuration.replaced_labels, "kind")
    window, ahead = configuration.disk_window, configuration.disk_ahead
    free = f"min {replaced} ({select(host.DISK, {'kind': 'free'})})"
    total = f"max {replaced} ({select(host.DISK, {'kind': 'total'})})"
    seen = select(host.DISK, {"kind": "free"}, str(window))
    predicted = f"min {replaced} (predict_linear({seen}, {ahead.seconds:g}))"
    return AlertingRule(
        name="QwatchDiskFilling",
        severity=Severity.WARNING,
        team=Team.MIDDLEWARE,
        summary="The disk of the store is filling up.",
        description="{{ $value | humanizePercentage }} of the store's file system are free; at the pace of the "
        f"last {window} it is full within {ahead}, or less than {configuration.disk_free_share:.0%} are left.",
        expression=f"""{free} / {total}
and
(
  {free} / {total} < {configuration.disk_free_share:g}
or
  ({predicted} < 0 and {free} / {total} < 0.5)
)""",
        lasting=configuration.disk_for,
    )


def ledger_mismatch(configuration: Configuration) -> AlertingRule:
    """Return the alert for counters and ledger that tell different times: one of them is wrong."""
    known = matchers(own.LEDGER_DIFFERENCE, {**configuration.selector, "activity": none_of("unknown")})
    replaced = without(*configuration.replaced_labels)
    grown = counted(configuration, device.TIME, configuration.ledger_window)
    return AlertingRule(
        name="LedgerMismatch",
        severity=Severity.WARNING,
        team=Team.MIDDLEWARE,
        summary="Metrics and ledger tell different times of a QPU.",
        description="The {{ $labels.activity }} time of {{ $labels.qpu_id }} differs by "
        "{{ $value | humanizeDuration }} between metrics and ledger: boards and reports disagree.",
        expression=f"""max {replaced} (abs({own.LEDGER_DIFFERENCE.prometheus_name}{known}))
> clamp_min({configuration.ledger_share:g} * {grown}, {configuration.ledger_seconds:g})""",
        lasting=configuration.ledger_for,
    )


def alerts(configuration: Configuration) -> list[AlertingRule]:
    """Return the alerts about qwatch itself."""
    made = (
        watchdog,
        scheduler_stalled,
        collector_failing,
        telemetry_dropped,
        store_slow,
        api_failing,
        disk_filling,
        ledger_mismatch,
    )
    return [replace(make(configuration), board="qwatch-internals") for make in made]
