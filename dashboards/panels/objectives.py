"""Objectives: what was promised, what is kept, and how fast the budget of errors is used up."""

from __future__ import annotations

from ...telemetry import labels
from ...telemetry.promql import CLUSTER, Matches, recorded
from ...telemetry.recorded_series import PERIOD, ObjectiveSeries
from .. import palette
from ..grafana import Json, Panel, PrometheusTarget
from ..panel_types import Column, Thresholds, stat, table, time_series

EACH = (CLUSTER, labels.QPU_ID.name, labels.JOB_CLASS.name)
NO_JOBS = "no jobs yet, or rules not loaded"
BUDGET_LIMITS: Thresholds = (
    (None, palette.NEUTRAL),
    (-1000, palette.BAD),
    (0, palette.WARNING),
    (0.25, palette.GOOD),
)
"""Below 0 the budget is overdrawn; a quarter left is a reason to be careful."""
PAGE, URGENT, TICKET = 14.4, 6.0, 1.0
"""Burn rates of the alerts: 2 % of 30 days in an hour pages, 5 % in 6 hours too, 10 % in 3 days is a ticket."""
BURN_LIMITS: Thresholds = (
    (None, palette.NEUTRAL),
    (0, palette.GOOD),
    (TICKET, palette.WARNING),
    (URGENT, palette.BAD),
)
_BURN_WINDOWS = ("1h", "6h", "1d", "3d")
_EACH = ", ".join(EACH)
_STEPS = 30 * 24 * 12
"""Steps of five minutes in the period."""


def worst_budget(objective: ObjectiveSeries, of: Matches) -> Panel:
    """Say how much budget is left where least is."""
    return stat(
        f"{objective.title}: budget",
        f"{objective.meaning} Shown is the share of the error budget of {PERIOD} that is left for the device "
        "and class that has least; below 0 % the objective is missed.",
        "percentunit",
        PrometheusTarget(f"min({recorded(objective.budget_left, of)})", instant=True),
        decimals=1,
        limits=BUDGET_LIMITS,
        none=NO_JOBS,
    )


def fastest_burn(objective: ObjectiveSeries, of: Matches) -> Panel:
    """Say how fast the budget burns where it burns fastest."""
    return stat(
        f"{objective.title}: burn 1h",
        "How many times as fast as it lasts the budget was used up in the last hour, where it was fastest. "
        f"1 uses it up in just {PERIOD}; {PAGE:g} pages.",
        "suffix:×",
        PrometheusTarget(f"max({recorded(objective.burn_rate('1h'), of)})", instant=True),
        decimals=1,
        limits=BURN_LIMITS,
        none="no jobs in 1 h",
    )


def jobs_counted(objective: ObjectiveSeries, of: Matches) -> Panel:
    """Say how many jobs the objective is judged by."""
    return stat(
        f"{objective.title}: jobs in {PERIOD}",
        "Jobs that count for the objective. With few of them a single one moves the budget a lot.",
        "short",
        PrometheusTarget(f"sum({recorded(objective.jobs(PERIOD), of)})", instant=True),
        decimals=0,
        none=NO_JOBS,
    )


def standing(objective: ObjectiveSeries, of: Matches) -> Panel:
    """Say of each device and class what was promised and what is kept."""
    bad, counted = (
        f"sum by ({_EACH}) ({recorded(series(PERIOD), of)})" for series in (objective.bad, objective.jobs)
    )
    asked = (
        f"max by ({_EACH}) ({recorded(objective.target, of)})",
        f"1 - {bad} / ({counted} > 0)",
        f"min by ({_EACH}) ({recorded(objective.budget_left, of)})",
        *(f"max by ({_EACH}) ({recorded(objective.burn_rate(window), of)})" for window in _BURN_WINDOWS),
        counted,
        bad,
    )
    kept: list[Json] = [{"id": "merge", "options": {}}]
    return table(
        objective.title,
        f"{objective.meaning} Target and what was reached over {PERIOD}; the budget is what may be missed. "
        "Burn: how many times as fast as it lasts the budget was used up, over the window named.",
        *(PrometheusTarget(expression, instant=True, table=True) for expression in asked),
        prepared=kept,
        columns=(
            Column(CLUSTER, "Cluster", width=90),
            Column(labels.QPU_ID.name, "QPU"),
            Column(labels.JOB_CLASS.name, "Class", width=100),
            Column("Value #A", "Target", "percentunit", 1, width=65),
            Column("Value #B", "Reached", "percentunit", 2, width=75),
            Column("Value #C", "Budget", "percentunit", 1, limits=BUDGET_LIMITS, width=72),
            *(
                Column(f"Value #{letter}", f"Burn {window}", "none", 1, limits=BURN_LIMITS, width=66)
                for letter, window in zip("DEFG", _BURN_WINDOWS, strict=True)
            ),
            Column("Value #H", "Jobs", "short", 0, width=55),
            Column("Value #I", "Missed", "short", 0, width=62),
        ),
        none=NO_JOBS,
    )


def budget(objective: ObjectiveSeries, of: Matches) -> Panel:
    """Draw how much of the budget was left over time."""
    return time_series(
        f"{objective.title}: budget left",
        f"Share of the error budget of {PERIOD} that is left, by class, on the device that has least. A cliff: "
        "an incident; a slope: something is always a little wrong. Below 0 the objective is missed.",
        "percentunit",
        PrometheusTarget(f"min by (job_class) ({recorded(objective.budget_left, of)})", "{{job_class}}"),
        decimals=0,
        minimum=None,
        maximum=1,
        fill=0,
        limits=((None, palette.NEUTRAL), (0, palette.BAD)),
        show_limits=True,
        overrides=palette.coloured_as(palette.JOB_CLASS_COLOURS),
        legend="right",
        legend_values=("min", "lastNotNull"),
        none=NO_JOBS,
    )


def burn(objective: ObjectiveSeries, of: Matches) -> Panel:
    """Draw how fast the budget burned over time."""
    return time_series(
        f"{objective.title}: burn rate",
        "How many times as fast as it lasts the budget is used up, where it is fastest, over windows from "
        f"1 h to 3 d. Dashed: a page above {URGENT:g} (6 h) and {PAGE:g} (1 h), a ticket above {TICKET:g}.",
        "suffix:×",
        *(
            PrometheusTarget(f"max({recorded(objective.burn_rate(window), of)})", window)
            for window in _BURN_WINDOWS
        ),
        decimals=1,
        fill=0,
        limits=((None, palette.NEUTRAL), (TICKET, palette.WARNING), (URGENT, palette.BAD), (PAGE, palette.BAD)),
        show_limits=True,
        overrides=palette.coloured_as({"1h": "red", "6h": "orange", "1d": "yellow", "3d": "blue"}),
        legend="right",
        legend_values=("max", "lastNotNull"),
        none=NO_JOBS,
    )


def missed(objective: ObjectiveSeries, of: Matches) -> Panel:
    """Draw the jobs that missed the objective."""
    return time_series(
        f"{objective.title}: jobs that missed it",
        "Jobs within an hour that missed the objective, by device and class: where the budget goes.",
        "short",
        PrometheusTarget(
            f"sum by ({labels.QPU_ID.name}, job_class) ({recorded(objective.bad('1h'), of)})",
            "{{qpu_id}} {{job_class}}",
        ),
        decimals=0,
        stacked=True,
        legend="right",
        legend_values=("max",),
        none=NO_JOBS,
    )


def period_covered(objective: ObjectiveSeries, of: Matches) -> Panel:
    """Say how much of the period has been recorded."""
    steps = f"count_over_time({recorded(objective.jobs_step(), of)}[{PERIOD}])"
    return stat(
        "Period recorded",
        f"Share of the {PERIOD} of the objectives for which jobs were counted, of the device with the longest "
        "record. A budget of a shorter time looks better or worse than it is.",
        "percentunit",
        PrometheusTarget(f"clamp_max(max({steps}) / {_STEPS}, 1)", instant=True),
        decimals=1,
        limits=((None, palette.NEUTRAL), (0, palette.WARNING), (0.9, palette.GOOD)),
        none=NO_JOBS,
    )


def rules_age(objective: ObjectiveSeries, of: Matches) -> Panel:
    """Say how old the newest recorded value is."""
    newest = f"timestamp({recorded(objective.jobs('1h'), of)})"
    return stat(
        "Newest record",
        "How long ago Prometheus last recorded an objective's series. Older than a few minutes: the rules are "
        "not evaluated, or nothing is scraped.",
        "s",
        PrometheusTarget(
            f"time() - max({newest} or max_over_time({newest}[$__range:1m]))",
            instant=True,
        ),
        decimals=0,
        limits=((None, palette.NEUTRAL), (0, palette.GOOD), (180, palette.WARNING), (600, palette.BAD)),
        none=NO_JOBS,
    )
