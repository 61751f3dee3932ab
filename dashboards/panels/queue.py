"""For whom work waits, for how long, and how jobs end."""

from __future__ import annotations

from collections.abc import Sequence

from ...telemetry import job_metrics as jobs
from ...telemetry.catalogue import Metric
from ...telemetry.promql import Matches, age, quantile, rate, select, summed
from .. import palette
from ..grafana import Panel, PrometheusTarget
from ..panel_types import NONE_OR_NOT_TOLD, Thresholds, stat, time_series

WAIT_LIMITS: Thresholds = (
    (None, palette.NEUTRAL),
    (0, palette.GOOD),
    (600, palette.WARNING),
    (3600, palette.BAD),
)
"""Ten minutes of waiting is noticed, an hour is complained about."""
SECONDS_AN_HOUR = 3600


def waiting_now(of: Matches) -> Panel:
    """Say how many jobs wait."""
    return stat(
        "Waiting",
        "Jobs that are accepted and not yet started, in the chosen job classes.",
        "short",
        PrometheusTarget(summed(select(jobs.QUEUE, {**of, "state": "pending"})), instant=True),
        decimals=0,
    )


def age_of_oldest(of: Matches, by: Sequence[str] = ()) -> str:
    """Return the age of the oldest waiting job: 0 if none waits, and nothing if that is not known."""
    return f"{age(jobs.OLDEST, of, by)} or {summed(select(jobs.QUEUE, {**of, 'state': 'pending'}), by)} == 0"


def oldest_now(of: Matches) -> Panel:
    """Say how long the oldest job waits."""
    return stat(
        "Oldest waiting job",
        "How long ago the oldest job that still waits was created, in the chosen job classes.",
        "s",
        PrometheusTarget(age_of_oldest(of), instant=True),
        decimals=1,
        limits=WAIT_LIMITS,
        words=[{"type": "value", "options": {"0": {"text": "none", "color": palette.GOOD, "index": 0}}}],
    )


def queue(of: Matches) -> Panel:
    """Draw the jobs that have not ended, by class and state."""
    return time_series(
        "Queue by class and state",
        "Jobs that have not ended, stacked. Users and accounts are not in metrics: see the log lines and "
        "traces below, or qwatch jobs.",
        "short",
        PrometheusTarget(
            summed(select(jobs.QUEUE, {**of, "state": "pending"}), ("job_class",)), "{{job_class}} waits"
        ),
        PrometheusTarget(
            summed(select(jobs.QUEUE, {**of, "state": "running"}), ("job_class",)), "{{job_class}} runs"
        ),
        decimals=0,
        stacked=True,
        step=True,
        overrides=[
            *(palette.coloured(f"{name} waits", colour) for name, colour in palette.JOB_CLASS_COLOURS.items()),
            *(
                palette.coloured(f"{name} runs", f"super-light-{colour}")
                for name, colour in palette.JOB_CLASS_COLOURS.items()
            ),
        ],
        legend="right",
        legend_values=("lastNotNull", "max"),
    )


def oldest(of: Matches) -> Panel:
    """Draw the age of the oldest waiting job of each class."""
    return time_series(
        "Oldest waiting job",
        "Age of the oldest job that still waits, by class. A line that climbs for hours beside an empty one: "
        "a class starves.",
        "s",
        PrometheusTarget(age_of_oldest(of, ("job_class",)), "{{job_class}}"),
        decimals=1,
        limits=[limit for limit in WAIT_LIMITS if limit[0] != 0],
        show_limits=True,
        fill=0,
        overrides=palette.coloured_as(palette.JOB_CLASS_COLOURS),
    )


def _quantiles(title: str, description: str, metric: Metric, of: Matches, window: str) -> Panel:
    return time_series(
        title,
        f"{description} Over the window; a point opens the trace of one job.",
        "s",
        *(
            PrometheusTarget(quantile(share, metric, of, window), name, exemplar=share == 0.5)
            for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))
        ),
        decimals=1,
        fill=0,
        logarithmic=True,
        overrides=palette.coloured_as(palette.QUANTILE_COLOURS),
        none=NONE_OR_NOT_TOLD,
    )


def wait(of: Matches, window: str) -> Panel:
    """Draw how long jobs waited that have started."""
    return _quantiles(
        "Wait of started jobs", "From the creation of a job to its first start.", jobs.WAIT, of, window
    )


def run(of: Matches, window: str) -> Panel:
    """Draw how long jobs ran that have ended."""
    return _quantiles(
        "Run time of ended jobs", "From the first start of a job to its end.", jobs.RUN, of, window
    )


def _by_class(title: str, description: str, metric: Metric, of: Matches, window: str) -> Panel:
    dashed = [
        {
            "matcher": {"id": "byRegexp", "options": "/ p90$/"},
            "properties": [{"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [8, 8]}}],
        }
    ]
    return time_series(
        title,
        f"{description} Half (p50, with the traces of single jobs as points) and nine tenths (p90, dashed) of "
        "everybody's jobs of a class took less, over the window.",
        "s",
        *(
            PrometheusTarget(
                quantile(share, metric, of, window, ("job_class",)),
                f"{{{{job_class}}}} {name}",
                exemplar=share == 0.5,
            )
            for name, share in (("p50", 0.5), ("p90", 0.9))
        ),
        decimals=1,
        fill=0,
        logarithmic=True,
        overrides=[
            *(
                palette.coloured(f"^{name} p", colour, pattern=True)
                for name, colour in palette.JOB_CLASS_COLOURS.items()
            ),
            *dashed,
        ],
        none=NONE_OR_NOT_TOLD,
    )


def wait_by_class(of: Matches, window: str) -> Panel:
    """Draw how long jobs of each class waited that have started."""
    least = min(jobs.WAIT.buckets)
    meaning = f"From the creation of a job to its first start; below {least:g} s waits are not told apart."
    return _by_class("Wait by class", meaning, jobs.WAIT, of, window)


def run_by_class(of: Matches, window: str) -> Panel:
    """Draw how long jobs of each class ran that have ended."""
    return _by_class("Run by class", "From the first start of a job to its end.", jobs.RUN, of, window)


def ended(of: Matches, window: str) -> Panel:
    """Draw how many jobs end an hour, and how."""
    done, canceled = (rate(jobs.FINISHED, {**of, "state": state}, window) for state in ("done", "canceled"))
    errors = rate(jobs.FINISHED, {**of, "state": "error"}, window, ("reason",))
    return time_series(
        "Jobs ended",
        "Jobs that end an hour, averaged over the window: done, canceled, and errors by reason. user_error "
        "is the program's fault; device_error and middleware_error are ours to look into.",
        "suffix:jobs/h",
        PrometheusTarget(f"{SECONDS_AN_HOUR} * {done}", "done"),
        PrometheusTarget(f"{SECONDS_AN_HOUR} * {canceled}", "canceled"),
        PrometheusTarget(f"{SECONDS_AN_HOUR} * {errors} > 0", "error: {{reason}}"),
        decimals=0,
        stacked=True,
        overrides=[
            *palette.coloured_as({"done": "green", "canceled": "yellow", "error: user_error": "light-purple"}),
            *palette.coloured_as({"error: device_error": "red", "error: middleware_error": "dark-red"}),
        ],
    )
