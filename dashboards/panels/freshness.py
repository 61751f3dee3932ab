"""How old and how complete the data is that the other panels show."""

from __future__ import annotations

from ...telemetry import device_metrics as device
from ...telemetry import labels
from ...telemetry import own_metrics as own
from ...telemetry.promql import SCRAPE_LABELS, SCRAPE_UP, Matches, age, increase, none_of, rate, select
from .. import palette
from ..grafana import Panel, PrometheusTarget
from ..panel_types import ONLY_WORDS, Thresholds, stat, state_timeline, time_series
from .device import how_many

AGE_LIMITS: Thresholds = (
    (None, palette.NEUTRAL),
    (0, palette.GOOD),
    (60, palette.WARNING),
    (300, palette.BAD),
)
SAME_PROCESS = f"and on ({', '.join(SCRAPE_LABELS)})"
"""Keeps the series of the processes that expose the device."""


def newest_sample(of: Matches) -> Panel:
    """Say how long ago Prometheus last heard of the device."""
    last = f"timestamp({select(device.UP, of)})"
    return stat(
        "Newest sample",
        "How long ago Prometheus last read this device's metrics. Above a minute every panel shows the past.",
        "s",
        PrometheusTarget(f"time() - max({last} or max_over_time({last}[$__range:1m]))", instant=True),
        decimals=0,
        limits=AGE_LIMITS,
        none="none in range",
    )


def scrape(of: Matches) -> Panel:
    """Say whether Prometheus reaches the process that exposes the device."""
    exposed = f"last_over_time({select(device.INFO, of, '$__range')})"
    return stat(
        "Scrape",
        "Whether the last scrape of the process that exposes this device succeeded (Prometheus's up).",
        "none",
        PrometheusTarget(f"max({SCRAPE_UP} {SAME_PROCESS} {exposed})", instant=True),
        words=palette.yes_or_no("up", "down"),
        limits=ONLY_WORDS,
        filled=True,
        none="no target",
    )


def device_poll(of: Matches) -> Panel:
    """Say whether the device itself answers."""
    return stat(
        "Device poll",
        "Whether the last poll of the device by qwatch succeeded. Failed: state and quality are of the past.",
        "none",
        PrometheusTarget(f"max({select(device.UP, of)})", instant=True),
        words=palette.yes_or_no("answers", "fails"),
        limits=ONLY_WORDS,
        filled=True,
        none="no data",
    )


def dispatch_loop(of: Matches) -> Panel:
    """Say when the dispatcher last turned."""
    return stat(
        "Last dispatch turn",
        "How long ago the dispatch loop of this device last looked for work. It waits for a slice that runs; "
        "older than the longest slice, it hangs. None where another scheduler dispatches.",
        "s",
        PrometheusTarget(age(own.LAST_LOOP, of), instant=True),
        decimals=0,
        none="another's",
    )


def accounted(of: Matches) -> Panel:
    """Say which share of the board's time range the time counters cover."""
    known = increase(device.TIME, {**of, labels.ACTIVITY.name: none_of("unknown")}, "$__range")
    return stat(
        "Time known",
        "Share of the board's time range in which it is known what the device did. Utilization is as "
        "trustworthy as this is high.",
        "percentunit",
        PrometheusTarget(f"clamp_max({known} / $__range_s / {how_many(of, '$__range')}, 1)", instant=True),
        decimals=1,
        limits=((None, palette.NEUTRAL), (0, palette.BAD), (0.9, palette.WARNING), (0.99, palette.GOOD)),
    )


def dropped_now(of: Matches) -> Panel:
    """Say how much telemetry was lost."""
    return stat(
        "Telemetry lost",
        "Spans, points and log records that did not reach their backend in the board's time range. "
        "Jobs are not affected; logs and traces have holes.",
        "short",
        PrometheusTarget(increase(own.TELEMETRY_DROPPED, of, "$__range"), instant=True),
        decimals=0,
        limits=((None, palette.NEUTRAL), (0, palette.GOOD), (1, palette.WARNING)),
    )


def collectors(of: Matches) -> Panel:
    """Draw whether each collector succeeded."""
    exposed = f"group by ({', '.join(SCRAPE_LABELS)}) ({select(device.INFO, of)})"
    success = f"min by (collector) ({select(own.COLLECTOR_SUCCESS, {})} {SAME_PROCESS} {exposed})"
    return state_timeline(
        "Collectors",
        "Whether each collector's last update succeeded. A failed one keeps its last values or leaves them "
        "out; it never fails the scrape.",
        PrometheusTarget(success, "{{collector}}"),
        words=palette.yes_or_no("succeeds", "fails"),
    )


def dropped(of: Matches, window: str) -> Panel:
    """Draw the telemetry that was lost."""
    return time_series(
        "Telemetry dropped",
        "Spans, points and log records a second that did not reach their backend, by signal. "
        "Flat at zero is right.",
        "suffix:/s",
        PrometheusTarget(rate(own.TELEMETRY_DROPPED, of, window, ("signal",)), "{{signal}}"),
        decimals=2,
        soft_maximum=1,
    )
