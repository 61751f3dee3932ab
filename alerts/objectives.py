"""Objectives: what share of jobs is to go well, how much of the budget is left, and how fast it burns.

Multi-window, multi-burn-rate, after "The Site Reliability Workbook", chapter 5: a fast burn pages, a slow one
opens a ticket; a short window besides each long one makes the alert end soon after the cause has. Few jobs
make no rate: an alert also needs a number of jobs, and of bad ones, in its long window.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from ..telemetry import job_metrics as job
from ..telemetry.promql import matchers, one_of
from ..telemetry.recorded_series import (
    JOB_SUCCESS,
    LONG_WINDOWS,
    PERIOD,
    QUEUE_WAIT,
    SHORT_WINDOWS,
    STEP,
    ObjectiveSeries,
)
from .configuration import TEST_SCALE, Configuration
from .durations import Duration
from .jobs import BLAMELESS_REASONS
from .rule import DOWN, MAINTENANCE, AlertingRule, RecordingRule, Severity, Team, counted, without


@dataclass(frozen=True, slots=True)
class Burn:
    """A pace at which a budget is used up, and the windows over which it is seen."""

    severity: Severity
    long: str
    short: str
    rate: float


BURNS = (
    Burn(Severity.CRITICAL, "1h", "5m", 14.4),  # 2 % of the budget of 30 days in an hour
    Burn(Severity.CRITICAL, "6h", "30m", 6.0),  # 5 % in 6 hours
    Burn(Severity.WARNING, "1d", "2h", 3.0),  # 10 % in a day
    Burn(Severity.WARNING, "3d", "6h", 1.0),  # 10 % in 3 days
)


@dataclass(frozen=True, slots=True)
class Objective:
    """One objective: its series, the alert's words, and how jobs are counted over a window."""

    series: ObjectiveSeries
    alert: str
    summary: str
    targets: Mapping[str, float]
    jobs: Callable[[Duration], str]
    bad: Callable[[Duration], str]


def objectives(configuration: Configuration) -> list[Objective]:
    """Return every objective.

    Raises:
        ValueError: a target is out of reach of an alert, or a promised wait is no bound of a bucket.
    """
    for name, targets in (
        ("job_success", configuration.job_success),
        ("queue_wait", configuration.queue_wait),
    ):
        for job_class, target in targets.items():
            if not 1 - 1 / BURNS[0].rate < target < 1:
                raise ValueError(
                    f"{name} of {job_class}: {target} is not between {1 - 1 / BURNS[0].rate:.3f} and 1; "
                    "below, no burn rate could page"
                )
    return [
        Objective(
            JOB_SUCCESS,
            "QPUJobSuccessBudgetBurning",
            "Jobs fail so often that the objective for job success is at risk.",
            configuration.job_success,
            lambda window: _ended(configuration, window, ("none", *BLAMELESS_REASONS)),
            lambda window: _ended(configuration, window, BLAMELESS_REASONS),
        ),
        Objective(
            QUEUE_WAIT,
            "QPUQueueWaitBudgetBurning",
            "Jobs wait so long that the objective for queue wait is at risk.",
            configuration.queue_wait,
            lambda window: _started(configuration, window),
            lambda window: _started_late(configuration, window),
        ),
    ]


def _ended(configuration: Configuration, window: Duration, reasons: tuple[str, ...]) -> str:
    return counted(configuration, job.FINISHED, window, {"reason": one_of(*reasons)}, ("state", "reason"))


def _started(configuration: Configuration, window: Duration) -> str:
    chosen = matchers(job.WAIT, configuration.selector)
    name = f"{job.WAIT.prometheus_name}_count"
    return f"sum {without(*configuration.replaced_labels)} (increase({name}{chosen}[{window}]))"


def _started_late(configuration: Configuration, window: Duration) -> str:
    return f"{_started(configuration, window)}\n-\n(\n{_started_in_time(configuration, window)}\n)"


def _started_in_time(configuration: Configuration, window: Duration) -> str:
    """Return how many jobs started in time, each class within its own promise."""
    name = f"{job.WAIT.prometheus_name}_bucket"
    terms = []
    for job_class, within in configuration.queue_wait_within.items():
        for seconds in (within.nominal_seconds, within.nominal_seconds * TEST_SCALE):
            if seconds not in job.WAIT.buckets:
                raise ValueError(
                    f"queue_wait_within of {job_class}: {seconds:g} s is no bound of a bucket of "
                    f"{job.WAIT.prometheus_name}; choose one of {', '.join(map(str, job.WAIT.buckets))} "
                    "of which a sixtieth is one too"
                )
        inner = matchers(job.WAIT, {**configuration.selector, "job_class": job_class})[1:-1]
        # prometheus-client writes 3600.0 where others write 3600.
        bound = f'le=~"{within.seconds:.0f}(\\\\.0)?"'
        clause = without(*configuration.replaced_labels, "le")
        terms.append(f"sum {clause} (increase({name}{{{inner},{bound}}}[{window}]))")
    return "\nor\n".join(terms)


def step_rules(configuration: Configuration) -> list[RecordingRule]:
    """Return the rules for the steps of time; their group is evaluated once a step."""
    step = configuration.window(STEP)
    return [
        rule
        for objective in objectives(configuration)
        for rule in (
            RecordingRule(objective.series.jobs_step(), objective.jobs(step)),
            RecordingRule(objective.series.bad_step(), objective.bad(step)),
        )
    ]


def recording_rules(configuration: Configuration) -> list[RecordingRule]:
    """Return the rules for counts, burn rates, targets and budgets, each after those that it reads."""
    return [rule for objective in objectives(configuration) for rule in _of(objective, configuration)]


def _of(objective: Objective, configuration: Configuration) -> list[RecordingRule]:
    series = objective.series
    rules = []
    for window in SHORT_WINDOWS:
        scaled = configuration.window(window)
        rules.append(RecordingRule(series.jobs(window), objective.jobs(scaled)))
        rules.append(RecordingRule(series.bad(window), objective.bad(scaled)))
    rules.append(RecordingRule(series.target, _targets(objective)))
    for window in (*LONG_WINDOWS, PERIOD):
        scaled = configuration.window(window)
        rules.append(RecordingRule(series.jobs(window), f"sum_over_time({series.jobs_step()}[{scaled}])"))
        rules.append(RecordingRule(series.bad(window), f"sum_over_time({series.bad_step()}[{scaled}])"))
    for window in (*SHORT_WINDOWS, *LONG_WINDOWS):
        rules.append(RecordingRule(series.burn_rate(window), _burn_rate(series, window)))
    rules.append(RecordingRule(series.budget_left, f"1 - {_burn_rate(series, PERIOD)}"))
    return rules


def _burn_rate(series: ObjectiveSeries, window: str) -> str:
    return f"{series.bad(window)} / ({series.jobs(window)} > 0) / (1 - {series.target})"


def _targets(objective: Objective) -> str:
    """Return the targets as series of the classes that ever had a job."""
    by_target: dict[float, list[str]] = {}
    for job_class, target in objective.targets.items():
        by_target.setdefault(target, []).append(job_class)
    terms = []
    for target, classes in by_target.items():
        chosen = matchers(job.SUBMITTED, {"job_class": one_of(*classes)})
        terms.append(f"{target:g} * group without () ({objective.series.jobs(SHORT_WINDOWS[-1])}{chosen})")
    return "\nor\n".join(terms)


def alerts(configuration: Configuration) -> list[AlertingRule]:
    """Return an alert a severity for each objective, under one name: the critical one inhibits the other."""
    return [
        replace(_alert(objective, severity, configuration), board="qwatch-objectives")
        for objective in objectives(configuration)
        for severity in (Severity.CRITICAL, Severity.WARNING)
    ]


def _alert(objective: Objective, severity: Severity, configuration: Configuration) -> AlertingRule:
    series = objective.series
    terms = [
        f"""(
  {series.burn_rate(burn.long)} > {burn.rate:g}
and
  {series.burn_rate(burn.short)} > {burn.rate:g}
and
  {series.jobs(burn.long)} >= {configuration.objective_jobs}
and
  {series.bad(burn.long)} >= {configuration.objective_bad}
)"""
        for burn in BURNS
        if burn.severity is severity
    ]
    return AlertingRule(
        name=objective.alert,
        severity=severity,
        team=Team.OPERATIONS,
        summary=objective.summary,
        description="{{ $labels.job_class }} jobs on {{ $labels.qpu_id }} use up the error budget of "
        f"{configuration.window(PERIOD)} {{{{ $value | printf `%.1f` }}}} times as fast as it lasts.",
        expression="\nor\n".join(terms),
        follows=(DOWN, MAINTENANCE),
    )
