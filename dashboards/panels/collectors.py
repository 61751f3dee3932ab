"""What is read at each scrape: whether collectors and an observer's sources tell."""

from __future__ import annotations

from ...telemetry import observer_metrics as observer
from ...telemetry import own_metrics as own
from ...telemetry.promql import Matches, select
from .. import palette
from ..grafana import Panel, PrometheusTarget
from ..panel_types import stat, state_timeline, time_series
from .fleet import BAD_IF_ANY


def failing(site: Matches) -> Panel:
    """Say how many collectors fail."""
    success = select(own.COLLECTOR_SUCCESS, site)
    return stat(
        "Collectors failing",
        "Collectors whose last update failed; which ones is drawn below. What they tell is missing or old.",
        "short",
        PrometheusTarget(f"count({success} == 0) or 0 * count({success})", instant=True),
        decimals=0,
        limits=BAD_IF_ANY,
    )


def success(site: Matches) -> Panel:
    """Draw whether each collector succeeded."""
    return state_timeline(
        "Collectors",
        "Whether each collector's last update succeeded, in any process. A failed one keeps its last values or "
        "leaves them out; it never fails the scrape.",
        PrometheusTarget(
            f"min by (collector) ({select(own.COLLECTOR_SUCCESS, site)})",
            "{{collector}}",
        ),
        words=palette.yes_or_no("succeeds", "fails"),
    )


def durations(site: Matches) -> Panel:
    """Draw how long collectors take."""
    return time_series(
        "Time of collectors",
        "How long each collector's last update took; those at scrape time add up to the length of the scrape.",
        "s",
        PrometheusTarget(f"max by (collector) ({select(own.COLLECTOR_DURATION, site)})", "{{collector}}"),
        decimals=1,
        fill=0,
        logarithmic=True,
    )


def ages(site: Matches) -> Panel:
    """Draw how long ago each collector succeeded."""
    return time_series(
        "Last success of collectors",
        "How long ago each collector last succeeded. A line that climbs: what it tells is of the past.",
        "s",
        PrometheusTarget(
            f"time() - max by (collector) ({select(own.COLLECTOR_LAST_SUCCESS, site)})", "{{collector}}"
        ),
        decimals=0,
        fill=0,
    )


def observed_sources(site: Matches) -> Panel:
    """Draw whether an observer's sources tell."""
    return state_timeline(
        "Sources of the observer",
        "Whether each source tells that an observer reads: the other scheduler's API and database, the QPU's "
        "API, QRMI. What a silent source would tell is unknown meanwhile, and its counters stand still.",
        PrometheusTarget(
            f"min by (qpu_id, source) ({select(observer.SOURCE_UP, site)})", "{{qpu_id}} {{source}}"
        ),
        words=palette.yes_or_no("tells", "silent"),
        none="no observer here",
    )
