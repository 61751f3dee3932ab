"""How the time of devices was used over weeks: by day, by class, by cause, by hour of the week."""

from __future__ import annotations

from ...telemetry import device_metrics as device
from ...telemetry import job_metrics as jobs
from ...telemetry import labels
from ...telemetry.catalogue import Metric
from ...telemetry.promql import (
    AVAILABLE_UTILIZATION,
    BUSY,
    CLUSTER,
    UTILIZATION,
    Matches,
    increase,
    matchers,
    none_of,
    one_of,
    quantile,
)
from .. import palette
from ..distribution_panels import bars, coloured_matrix
from ..grafana import Json, Panel, PrometheusTarget
from ..panel_types import (
    Column,
    Thresholds,
    stat,
    table,
    time_series,
)
from .completeness import EACH

RANGE = "$__range"
DAY = "1d"
HOUR = 3600
CAUSES = ("fault", "maintenance", "unknown")
"""What makes a device unavailable."""
AVAILABLE = {labels.ACTIVITY.name: none_of(*CAUSES)}
_EACH = ", ".join(EACH)
_MERGED: tuple[Json, ...] = ({"id": "merge", "options": {}},)
_AVAILABILITY_LIMITS: Thresholds = (
    (None, palette.NEUTRAL),
    (0, palette.BAD),
    (0.9, palette.WARNING),
    (0.97, palette.GOOD),
)
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
DAYS_ONLY = "not told by this source, or the time range is shorter than a day"
REPORT = "no account is told in metrics (metrics.accounts): see the report, qwatch report"


def availability(of: Matches) -> Panel:
    """Say which share of the time the devices could be used."""
    return stat(
        "Availability",
        "(wall time - fault - maintenance - unknown) / wall time, over the board's time range.",
        "percentunit",
        PrometheusTarget(
            f"{increase(device.TIME, {**of, **AVAILABLE}, RANGE)} / ({increase(device.TIME, of, RANGE)} > 0)",
            instant=True,
        ),
        decimals=1,
        limits=_AVAILABILITY_LIMITS,
    )


def busy_time(of: Matches) -> Panel:
    """Say for how long the devices executed slices."""
    return stat(
        "Busy time",
        "Time in which the devices executed slices, over the board's time range, summed over devices.",
        "s",
        PrometheusTarget(increase(device.TIME, {**of, **BUSY}, RANGE), instant=True),
        decimals=1,
    )


def jobs_done(of: Matches) -> Panel:
    """Say how many jobs were done."""
    return stat(
        "Jobs done",
        "Jobs that ended as DONE in the board's time range, in all classes.",
        "short",
        PrometheusTarget(increase(jobs.FINISHED, {**of, "state": "done"}, RANGE), instant=True),
        decimals=1,
    )


def shots(of: Matches) -> Panel:
    """Say how many shots were executed."""
    return stat(
        "Shots",
        "Shots that counted, in the board's time range, in all classes.",
        "short",
        PrometheusTarget(increase(device.SHOTS, {**of, "outcome": "accepted"}, RANGE), instant=True),
        decimals=1,
    )


def days(of: Matches) -> Panel:
    """Draw what each day was used for."""
    panel = time_series(
        "What each day was used for",
        "Hours of the devices by what they did, in the 24 hours that end where a bar stands (at midnight UTC), "
        "summed over devices. Green is busy time.",
        "suffix: h",
        *(
            PrometheusTarget(
                f"{increase(device.TIME, {**of, **share}, DAY, ('activity',))} / {HOUR}", "{{activity}}"
            )
            for share in (BUSY, {labels.ACTIVITY.name: none_of(*BUSY.values())})
        ),
        decimals=1,
        stacked=True,
        bars=True,
        overrides=palette.coloured_as(palette.ACTIVITY_COLOURS),
        legend="right",
        legend_values=("sum",),
        none=DAYS_ONLY,
    )
    panel.interval = DAY
    return panel


def utilization_of_days(of: Matches) -> Panel:
    """Draw how well each day was used, for each device."""
    panel = time_series(
        "Utilization of the available time, by day",
        f"{AVAILABLE_UTILIZATION.meaning} In the 24 hours that end at a point, for each device.",
        "percentunit",
        PrometheusTarget(AVAILABLE_UTILIZATION.over(DAY, of, EACH), "{{qpu_id}}"),
        decimals=1,
        maximum=1,
        fill=0,
        points=True,
        legend="right",
        legend_values=("mean", "min"),
        none=DAYS_ONLY,
    )
    panel.interval = DAY
    return panel


def activities(of: Matches) -> Panel:
    """Compare what the time was used for."""
    return bars(
        "What the time was used for",
        "Share of wall time by what the devices did, over the board's time range. idle: nothing waited; "
        "dispatch: lost between slices while work waited.",
        "percentunit",
        PrometheusTarget(
            f"sort_desc({increase(device.TIME, of, RANGE, ('activity',))}"
            f" / on () group_left () ({increase(device.TIME, of, RANGE)} > 0))",
            "{{activity}}",
            instant=True,
        ),
        maximum=1,
        overrides=palette.coloured_as(palette.ACTIVITY_COLOURS),
    )


def _of_histogram(metric: Metric, suffix: str, of: Matches, by: str) -> str:
    return f"sum by ({by}) (increase({metric.prometheus_name}_{suffix}{matchers(metric, of)}[{RANGE}]))"


def classes(of: Matches) -> Panel:
    """Compare the classes of jobs."""
    by = labels.JOB_CLASS.name
    done, errors, canceled = (
        increase(jobs.FINISHED, {**of, "state": state}, RANGE, (by,)) for state in ("done", "error", "canceled")
    )
    runs = _of_histogram(jobs.RUN, "sum", of, by)
    every = f"sum(increase({jobs.RUN.prometheus_name}_sum{matchers(jobs.RUN, of)}[{RANGE}]))"
    asked = (
        done,
        errors,
        canceled,
        runs,
        f"{runs} / on () group_left () ({every} > 0)",
        f"{runs} / ({_of_histogram(jobs.RUN, 'count', of, by)} > 0)",
        quantile(0.5, jobs.WAIT, of, RANGE, (by,)),
        quantile(0.9, jobs.WAIT, of, RANGE, (by,)),
    )
    return table(
        "Classes of jobs",
        "Jobs of each class that ended in the board's time range; run time is from the first start of a job to "
        "its end, so preempted time counts. Waits are of the jobs that started in it.",
        *(PrometheusTarget(expression, instant=True, table=True) for expression in asked),
        prepared=_MERGED,
        columns=(
            Column(by, "Class"),
            Column("Value #A", "Done", "short", 0, width=75),
            Column("Value #B", "Errors", "short", 0, width=70),
            Column("Value #C", "Canceled", "short", 0, width=80),
            Column("Value #D", "Run time", "s", 1, width=95),
            Column("Value #E", "Share", "percentunit", 1, width=75),
            Column("Value #F", "Mean run", "s", 1, width=90),
            Column("Value #G", "Wait p50", "s", 1, width=85),
            Column("Value #H", "Wait p90", "s", 1, width=85),
        ),
    )


def availability_by_cause(of: Matches) -> Panel:
    """Say of each device for how long it could not be used, and why."""

    def spent(matched: Matches) -> str:
        return increase(device.TIME, {**of, **matched}, RANGE, EACH)

    wall = spent({})
    asked = (
        f"{spent(AVAILABLE)} / ({wall} > 0)",
        AVAILABLE_UTILIZATION.over(RANGE, of, EACH),
        *(spent({labels.ACTIVITY.name: cause}) for cause in CAUSES),
        *(spent({labels.ACTIVITY.name: one_of(taken)}) for taken in ("calibration", "held")),
        spent(BUSY),
    )
    return table(
        "Availability by cause",
        "Share of the board's time range in which each device could be used, how well that time was used, and "
        "how long fault, maintenance or not knowing kept it away. Calibration and holds are available time.",
        *(PrometheusTarget(expression, instant=True, table=True) for expression in asked),
        prepared=_MERGED,
        columns=(
            Column(CLUSTER, "Cluster", width=90),
            Column(labels.QPU_ID.name, "QPU"),
            Column("Value #A", "Available", "percentunit", 1, limits=_AVAILABILITY_LIMITS, width=85),
            Column("Value #B", "Used of it", "percentunit", 1, width=85),
            Column("Value #C", "Fault", "s", 1, width=85),
            Column("Value #D", "Maintenance", "s", 1, width=100),
            Column("Value #E", "Unknown", "s", 1, width=85),
            Column("Value #F", "Calibration", "s", 1, width=90),
            Column("Value #G", "Held", "s", 1, width=80),
            Column("Value #H", "Busy", "s", 1, width=85),
        ),
    )


def week(of: Matches, offset: str) -> Panel:
    """Show how busy the devices usually are in each hour of the week."""
    # Of the hour that ends at a step of the subquery; its weekday and hour become labels by counting them.
    local = f"vector(time() - 3600 + 3600 * ({offset}))"
    hour = f'label_replace(count_values("hour", hour({local})), "hour", "0$1", "hour", "(.)")'
    weekday = f'label_replace(count_values("weekday", day_of_week({local})), "weekday", "7", "weekday", "0")'
    busy = UTILIZATION.over("1h", of)
    labelled = f"{busy} * on () group_left (hour) {hour} * on () group_left (weekday) {weekday}"
    averaged = f"avg by (weekday, hour) (avg_over_time(({labelled})[{RANGE}:1h]))"
    return coloured_matrix(
        "Utilization by hour and weekday",
        f"{UTILIZATION.meaning} Averaged over the weeks of the board's time range, for each hour of the week "
        "in UTC plus the offset chosen above: when is there room, and when do jobs pile up?",
        PrometheusTarget(averaged, instant=True, table=True),
        rows=("weekday", _WEEKDAYS),
        column="hour",
    )


def accounts(of: Matches) -> Panel:
    """Compare the busy time of the accounts that the site lists."""
    panel = bars(
        "Busy time by account",
        "Busy time by account over the board's time range, counted when a job has ended, for the accounts that "
        "the site lists in metrics.accounts; all others are `other`. A site that lists none has them in the "
        "report: see the link of this panel.",
        "s",
        PrometheusTarget(
            f"sort_desc({increase(device.ACCOUNT_BUSY, of, RANGE, ('account',))})", "{{account}}", instant=True
        ),
        label="account",
        none="not told: see the report",
    )
    panel.links = [
        {
            "title": "Report of users and accounts",
            "url": "${report:raw}?from=${__from}&to=${__to}",
            "targetBlank": True,
        }
    ]
    return panel


def account_days(of: Matches) -> Panel:
    """Draw the busy time of the accounts by day."""
    panel = time_series(
        "Busy time by account and day",
        "Busy time of the listed accounts in the 24 hours that end at a bar, counted when a job ended.",
        "suffix: h",
        PrometheusTarget(f"{increase(device.ACCOUNT_BUSY, of, DAY, ('account',))} / {HOUR}", "{{account}}"),
        decimals=1,
        stacked=True,
        bars=True,
        legend="right",
        legend_values=("sum",),
        none=REPORT,
    )
    panel.interval = DAY
    return panel


def failed_by_reason(of: Matches) -> Panel:
    """Compare why jobs did not end well."""
    wanted = {**of, "state": "error"}
    return bars(
        "Why jobs failed",
        "Jobs that ended in ERROR in the board's time range, by reason; user_error is the program's fault.",
        "short",
        PrometheusTarget(
            f"sort_desc({increase(jobs.FINISHED, wanted, RANGE, ('reason',))} > 0)", "{{reason}}", instant=True
        ),
        label="reason",
        decimals=0,
        none="no errors, or not told",
    )
