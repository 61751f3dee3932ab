"""What a user's programs tell of themselves: figures of merit, and phases beside wait and run."""

from __future__ import annotations

from ...telemetry import client_metrics, labels, log_fields, logql
from ...telemetry.logql import Lines
from ...telemetry.promql import Matches, quantile, select
from .. import palette
from ..grafana import LokiTarget, Panel, PrometheusTarget
from ..panel_types import time_series
from .own_jobs import NOTHING, STEP, ended

# Phases take the classic palette's next colours, from blue on.
_QPU = {"QPU: wait": "yellow", "QPU: run": "green"}


def figures_of_merit(of: Lines) -> Panel:
    """Draw each figure of merit: whether the program converges."""
    return time_series(
        "My figures of merit",
        "What my programs recorded with annotate.record: the last value in each step of the time axis. Flat at "
        "the end: it has converged. Choose by name above where scales differ.",
        "short",
        LokiTarget(
            logql.last(of.having(log_fields.MEASURE), log_fields.VALUE, STEP, (log_fields.MEASURE,)),
            f"{{{{{log_fields.MEASURE}}}}}",
        ),
        fill=0,
        points=True,
        none=NOTHING,
        minimum=None,
        legend_values=("min", "max", "lastNotNull"),
    )


def where_the_time_went(jobs: Lines, phases: Lines) -> Panel:
    """Draw the seconds of phases beside those that jobs waited and ran."""
    lines = ended(jobs)
    return time_series(
        "Where the time of my programs went",
        "Seconds in the phases that my programs marked with annotate.phase, and those that their jobs waited "
        "and ran, by when they ended. A phase that waits for jobs contains their wait and run. In the legend: "
        "sums over the time range. One job in full: qwatch job ID --session.",
        "s",
        LokiTarget(logql.total(lines, log_fields.WAIT_SECONDS, STEP), "QPU: wait"),
        LokiTarget(logql.total(lines, log_fields.RUN_SECONDS, STEP), "QPU: run"),
        LokiTarget(
            logql.total(phases.having(log_fields.PHASE), log_fields.SECONDS, STEP, (log_fields.PHASE,)),
            f"{{{{{log_fields.PHASE}}}}}",
        ),
        decimals=1,
        bars=True,
        fill=70,
        none=NOTHING,
        overrides=palette.coloured_as(_QPU),
        legend="right",
        legend_values=("sum", "max"),
    )


def all_figures_of_merit(of: Matches) -> Panel:
    """Draw the figures of merit that programs send as metrics."""
    name = labels.PROGRAM_MEASURE.name
    return time_series(
        "Figures of merit of all programs, by OTLP",
        "The metric of annotate.record, from programs that send metrics (OTEL_EXPORTER_OTLP_ENDPOINT) to this "
        "Prometheus; the mean where several record the same name. Metrics do not tell the user.",
        "short",
        PrometheusTarget(f"avg by ({name}) ({select(client_metrics.PROGRAM_MEASURE, of)})", f"{{{{{name}}}}}"),
        fill=0,
        minimum=None,
        legend="right",
        legend_values=("min", "lastNotNull"),
    )


def all_phases(window: str) -> Panel:
    """Draw how long phases take that programs send as metrics."""
    name = labels.PROGRAM_PHASE.name
    return time_series(
        "Phases of all programs, by OTLP",
        "How long a phase takes, from programs that send metrics (OTEL_EXPORTER_OTLP_ENDPOINT) to this "
        "Prometheus: half and nine tenths of them take less, over the window.",
        "s",
        *(
            PrometheusTarget(
                quantile(share, client_metrics.PROGRAM_PHASE, {}, window, (name,)), f"{{{{{name}}}}} {called}"
            )
            for called, share in (("p50", 0.5), ("p90", 0.9))
        ),
        decimals=1,
        fill=0,
        logarithmic=True,
        legend="right",
    )
