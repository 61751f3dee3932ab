"""How work goes through the queue: waits and runs as distributions, decisions, gaps, sessions."""

from __future__ import annotations

from ...telemetry import device_metrics as device
from ...telemetry import job_metrics as jobs
from ...telemetry import own_metrics as own
from ...telemetry import slurm_metrics as slurm
from ...telemetry.catalogue import Metric
from ...telemetry.promql import Matches, age, matchers, quantile, rate, select, summed
from .. import palette
from ..distribution_panels import heatmap
from ..grafana import Panel, PrometheusTarget
from ..panel_types import FEW_WORDS, NONE_OR_NOT_TOLD, NOT_TOLD, stat, time_series
from .queue import SECONDS_AN_HOUR, WAIT_LIMITS

RANGE = "$__range"
RATE_WINDOW = "$__rate_interval"
_QUANTILES = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))


def running_now(of: Matches) -> Panel:
    """Say how many jobs run."""
    return stat(
        "Running",
        "Jobs that have started and not ended, in the chosen job classes.",
        "short",
        PrometheusTarget(summed(select(jobs.QUEUE, {**of, "state": "running"})), instant=True),
        decimals=0,
    )


def expected_wait(of: Matches) -> Panel:
    """Say how long a job that is queued now would wait."""
    return stat(
        "Expected wait",
        "How long a job that is queued now would wait, from the shots before it; of several QPUs the shortest. "
        "Left out where it cannot be told.",
        "s",
        PrometheusTarget(f"min({select(jobs.EXPECTED_WAIT, of)})", instant=True),
        decimals=0,
        limits=WAIT_LIMITS,
    )


def usual_wait(of: Matches, share: float, title: str) -> Panel:
    """Say within which time most jobs started."""
    return stat(
        title,
        f"{share:.0%} of the jobs that started in the board's time range waited less, in the chosen classes.",
        "s",
        PrometheusTarget(quantile(share, jobs.WAIT, of, RANGE), instant=True),
        decimals=1,
        limits=WAIT_LIMITS,
        none=FEW_WORDS,
    )


def usual_gap(of: Matches) -> Panel:
    """Say within which time the device had its next slice."""
    return stat(
        "Dispatch gap, p90",
        "90% of the gaps between two slices while work waits were shorter, over the board's time range.",
        "s",
        PrometheusTarget(quantile(0.9, device.DISPATCH_GAP, of, RANGE), instant=True),
        decimals=1,
        limits=((None, palette.NEUTRAL), (0, palette.GOOD), (0.25, palette.WARNING), (2.5, palette.BAD)),
        none=FEW_WORDS,
    )


def in_and_out(of: Matches, window: str) -> Panel:
    """Draw how many jobs come and how many end."""
    return time_series(
        "Jobs in and out",
        "Jobs an hour that come and that end, averaged over the window. In above out: the queue grows.",
        "suffix:jobs/h",
        PrometheusTarget(f"{SECONDS_AN_HOUR} * {rate(jobs.SUBMITTED, of, window)}", "submitted"),
        PrometheusTarget(f"{SECONDS_AN_HOUR} * {rate(jobs.FINISHED, of, window)}", "ended"),
        decimals=0,
        overrides=palette.coloured_as({"submitted": "blue", "ended": "green"}),
    )


def _distribution(title: str, description: str, metric: Metric, of: Matches, scheme: str) -> Panel:
    buckets = f"{metric.prometheus_name}_bucket{matchers(metric, of)}"
    return heatmap(
        title,
        f"{description} The darker a cell, the more jobs; a diamond is one job and opens its trace.",
        "s",
        PrometheusTarget(
            f"sum by (le) (increase({buckets}[{RATE_WINDOW}]))", "{{le}}", exemplar=True, heatmap=True
        ),
        scheme=scheme,
    )


def waits(of: Matches) -> Panel:
    """Draw the distribution of waits over time."""
    return _distribution("Waits", "How long jobs had waited that started.", jobs.WAIT, of, "Oranges")


def runs(of: Matches) -> Panel:
    """Draw the distribution of runs over time."""
    return _distribution("Runs", "How long jobs had run that ended.", jobs.RUN, of, "Greens")


def turnarounds(of: Matches) -> Panel:
    """Draw the distribution of turnarounds over time."""
    return _distribution(
        "Turnarounds", "From creation to end, of jobs that ended.", jobs.TURNAROUND, of, "Blues"
    )


def gaps(of: Matches) -> Panel:
    """Draw the distribution of dispatch gaps over time."""
    buckets = f"{device.DISPATCH_GAP.prometheus_name}_bucket{matchers(device.DISPATCH_GAP, of)}"
    return heatmap(
        "Dispatch gaps",
        "How long the device stood idle between two slices while work waited. The darker a cell, the more "
        "gaps. A band that moves up with an unchanged device: look at the store and the loop.",
        "s",
        PrometheusTarget(f"sum by (le) (increase({buckets}[{RATE_WINDOW}]))", "{{le}}", heatmap=True),
        scheme="Purples",
    )


def decisions(of: Matches, window: str) -> Panel:
    """Draw what the scheduler decided, and why."""
    each = rate(own.DECISIONS, of, window, ("decision", "reason"))
    return time_series(
        "Decisions",
        "What the scheduler decided, an hour, averaged over the window: dispatch sends a slice; hold, requeue, "
        "preempt and reject say why not. Only of devices that qwatch itself schedules.",
        "suffix:/h",
        PrometheusTarget(f"{SECONDS_AN_HOUR} * {each} > 0", "{{decision}}: {{reason}}"),
        decimals=0,
        overrides=[
            palette.coloured("dispatch: none", "green"),
            palette.coloured("^reject", "red", pattern=True),
            palette.coloured("^requeue", "orange", pattern=True),
            palette.coloured("^preempt", "yellow", pattern=True),
            palette.coloured("^hold", "purple", pattern=True),
        ],
        legend="right",
        legend_values=("lastNotNull", "max"),
        none=NONE_OR_NOT_TOLD,
    )


def policies(of: Matches) -> Panel:
    """Say which policy decides."""
    return stat(
        "Policy",
        "The scheduling policy that decides. None: qwatch decided nothing in the board's time range, or "
        "another scheduler does.",
        "none",
        PrometheusTarget(
            f"group by (policy) (last_over_time({select(own.DECISIONS, of, RANGE)}))"
            ' or on () label_replace(vector(0), "policy", "none", "", "")',
            "{{policy}}",
            instant=True,
        ),
        decimals=0,
        show_name=True,
        none="none",
    )


def loops(of: Matches, window: str) -> Panel:
    """Draw how long a decision takes."""
    return time_series(
        "Time to decide",
        "Time to choose and claim the next slice, over the window. It is part of every dispatch gap.",
        "s",
        *(PrometheusTarget(quantile(share, own.LOOP_DURATION, of, window), name) for name, share in _QUANTILES),
        decimals=1,
        fill=0,
        logarithmic=True,
        overrides=palette.coloured_as(palette.QUANTILE_COLOURS),
        none=NONE_OR_NOT_TOLD,
    )


def loop_age(of: Matches) -> Panel:
    """Draw how long ago each dispatch loop turned."""
    return time_series(
        "Last turn of the dispatch loop",
        "How long ago the loop of each device last looked for work; it waits while a slice runs. A line that "
        "climbs while no job runs: it hangs, and QwatchSchedulerStalled fires after two minutes.",
        "s",
        PrometheusTarget(age(own.LAST_LOOP, of, ("qpu_id",)), "{{qpu_id}}"),
        decimals=0,
        fill=0,
    )


def running_for(of: Matches) -> Panel:
    """Draw how long the running job of each device has run."""
    return time_series(
        "The running job has run for",
        "Age of the job that runs now on each device: a tooth a job. A line that climbs on: the job is stuck.",
        "s",
        PrometheusTarget(age(jobs.RUNNING_START, of, ("qpu_id",)), "{{qpu_id}}"),
        decimals=0,
        fill=0,
        none=NONE_OR_NOT_TOLD,
    )


def sessions(of: Matches, window: str) -> Panel:
    """Draw the sessions that are held, and which share of their time is idle."""
    idle = rate(jobs.SESSION_IDLE, of, window)
    held = summed(f"avg_over_time({select(jobs.SESSIONS_ACTIVE, of, window)})")
    return time_series(
        "Sessions",
        "Sessions that are held, and how many of them were idle on average over the window: nothing of theirs "
        "queued or running. An idle session may keep others from the device.",
        "short",
        PrometheusTarget(held, "held"),
        PrometheusTarget(idle, "idle"),
        decimals=1,
        fill=0,
        overrides=palette.coloured_as({"held": "blue", "idle": "orange"}),
    )


def session_ends(of: Matches, window: str) -> Panel:
    """Draw how sessions end."""
    return time_series(
        "Sessions ended",
        "Sessions an hour by how they ended: released by their owner, expired, or revoked.",
        "suffix:/h",
        PrometheusTarget(f"{SECONDS_AN_HOUR} * {rate(jobs.SESSIONS, of, window, ('outcome',))}", "{{outcome}}"),
        decimals=1,
        stacked=True,
        overrides=palette.coloured_as({"released": "green", "expired": "orange", "revoked": "red"}),
    )


def session_durations(of: Matches, window: str) -> Panel:
    """Draw how long sessions last."""
    return time_series(
        "Length of sessions",
        "From the acquisition of a session to its end, over the window.",
        "s",
        *(
            PrometheusTarget(quantile(share, jobs.SESSION_DURATION, of, window), name)
            for name, share in _QUANTILES
        ),
        decimals=0,
        fill=0,
        logarithmic=True,
        overrides=palette.coloured_as(palette.QUANTILE_COLOURS),
        none=NONE_OR_NOT_TOLD,
    )


def sizes(of: Matches, window: str) -> Panel:
    """Draw how many shots jobs ask for."""
    return time_series(
        "Shots a job",
        "Shots that the accepted jobs ask for, over the window: large ones make the others wait.",
        "short",
        *(PrometheusTarget(quantile(share, jobs.SHOTS, of, window), name) for name, share in _QUANTILES),
        decimals=0,
        fill=0,
        logarithmic=True,
        overrides=palette.coloured_as(palette.QUANTILE_COLOURS),
        none=NONE_OR_NOT_TOLD,
    )


def slurm_jobs(site: Matches) -> Panel:
    """Draw the jobs that Slurm holds for QPUs: the queue before this queue."""
    return time_series(
        "Jobs in Slurm that ask for a QPU",
        "Slurm's jobs that have not ended and ask for a QPU's licence or GRES, by state. Pending there, "
        "nothing waiting here: Slurm holds the work back.",
        "short",
        PrometheusTarget(summed(select(slurm.JOBS, site), ("state",)), "{{state}}"),
        decimals=0,
        stacked=True,
        step=True,
        none=f"{NOT_TOLD} (slurm.enabled)",
    )


def slurm_rations(site: Matches) -> Panel:
    """Draw how much of Slurm's licences and GRES for QPUs is taken."""
    taken = (
        f"{summed(select(metric, {**site, 'kind': 'used'}), (label,))} / "
        f"({summed(select(metric, {**site, 'kind': 'total'}), (label,))} > 0)"
        for metric, label in ((slurm.LICENSE, "license"), (slurm.GRES, "gres"))
    )
    return time_series(
        "Slurm's licences and GRES in use",
        "Share of Slurm's licences and generic resources for QPUs that jobs hold. At 100 % Slurm lets no "
        "further job reach the queue.",
        "percentunit",
        *(
            PrometheusTarget(expression, legend)
            for expression, legend in zip(taken, ("licence {{license}}", "GRES {{gres}}"), strict=True)
        ),
        decimals=0,
        fill=0,
        maximum=1,
        none=f"{NOT_TOLD} (slurm.enabled)",
    )
