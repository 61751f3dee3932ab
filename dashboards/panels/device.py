"""What a device is, does and achieves."""

from __future__ import annotations

from collections.abc import Sequence

from ...telemetry import device_metrics as device
from ...telemetry import labels
from ...telemetry import own_metrics as own
from ...telemetry.promql import (
    AVAILABLE_UTILIZATION,
    BUSY,
    CLUSTER,
    DISPATCH_EFFICIENCY,
    UTILIZATION,
    Matches,
    TimeRatio,
    none_of,
    quantile,
    rate,
    select,
    state_number,
    summed,
)
from .. import palette
from ..grafana import Panel, PrometheusTarget
from ..panel_types import NONE_OR_NOT_TOLD, ONLY_WORDS, banded, stat, state_timeline, time_series

RANGE = "$__range"
RATE_WINDOW = "$__rate_interval"


def identity(of: Matches) -> Panel:
    """Say which device this is, and whether it is simulated."""
    described = ("vendor", "model")

    def now_or_last(simulated: str) -> str:
        # A device that was just found has no model yet: what it is now counts, and of a silent one the last.
        info = select(device.INFO, {**of, "simulator": simulated})
        last = select(device.INFO, {**of, "simulator": simulated}, RANGE)
        return f"{summed(info, described)} or on () {summed(f'last_over_time({last})', described)}"

    named, simulated = now_or_last("false"), now_or_last("true")
    return stat(
        "Device",
        "Maker and model as the device or the configuration tells them.",
        "none",
        PrometheusTarget(named, "{{vendor}} {{model}}", instant=True),
        PrometheusTarget(simulated, "{{vendor}} {{model}}, simulated", instant=True),
        decimals=0,
        show_name=True,
        none="not known",
    )


def state_now(of: Matches) -> Panel:
    """Say whether the device takes jobs."""
    return stat(
        "State",
        "Whether the device takes jobs: QRMI's online, paused and offline, or unknown. "
        "Offline for two minutes raises QPUDown.",
        "none",
        PrometheusTarget(state_number(device.STATE, "state", of), instant=True),
        words=palette.STATE_WORDS,
        limits=ONLY_WORDS,
        filled=True,
        none="no data",
    )


def activity_now(of: Matches) -> Panel:
    """Say what the device does."""
    return stat(
        "Activity",
        "What the device did when it was last asked. execute: runs a slice. dispatch: between two slices "
        "while work waits. idle: nothing waits. held: work waits and an administrator or a policy holds it.",
        "none",
        PrometheusTarget(state_number(device.ACTIVITY, "activity", of), instant=True),
        words=palette.ACTIVITY_WORDS,
        limits=ONLY_WORDS,
        filled=True,
        none="no data",
    )


def timeline(of: Matches) -> Panel:
    """Draw state and activity over time."""
    return state_timeline(
        "State and activity",
        "State and activity at each scrape. What lasts less than a scrape interval may be missing here; "
        "the time partition below counts every second. A gap: no data.",
        PrometheusTarget(state_number(device.STATE, "state", of), "state"),
        PrometheusTarget(state_number(device.ACTIVITY, "activity", of), "activity"),
        overrides=[banded("state", palette.STATE_WORDS), banded("activity", palette.ACTIVITY_WORDS)],
    )


def how_many(of: Matches, window: str = "") -> str:
    """Return how many devices tell what they do with their time, now or within ``window``."""
    told = select(device.TIME, of, window)
    each = f"group by ({CLUSTER}, {labels.QPU_ID.name})"
    return f"count({each} (last_over_time({told})))" if window else f"count({each} ({told}))"


def time_partition(of: Matches) -> Panel:
    """Draw how each second of the device was used."""
    return time_series(
        "Time partition",
        "Share of wall time by what the device did; they sum to 100 % (several: their mean). Orange is lost "
        "between slices while work waits, red is fault.",
        "percentunit",
        *(
            # The first target is drawn at the bottom, where its height can be read: busy time.
            PrometheusTarget(
                f"{rate(device.TIME, {**of, **share}, RATE_WINDOW, ('activity',))}"
                f" / on () group_left () {how_many(of)}",
                "{{activity}}",
            )
            for share in (BUSY, {labels.ACTIVITY.name: none_of(*BUSY.values())})
        ),
        decimals=1,
        stacked=True,
        maximum=1,
        overrides=palette.coloured_as(palette.ACTIVITY_COLOURS),
        legend="right",
        legend_values=("mean",),
    )


def _time_ratio(ratio: TimeRatio, of: Matches) -> Panel:
    return stat(
        ratio.title,
        f"{ratio.meaning} Over the time range of the board.",
        "percentunit",
        PrometheusTarget(ratio.over(RANGE, of), instant=True),
        decimals=1,
    )


def utilization(of: Matches) -> Panel:
    """Say which share of the wall time was busy."""
    return _time_ratio(UTILIZATION, of)


def available_utilization(of: Matches) -> Panel:
    """Say which share of the available time was busy."""
    return _time_ratio(AVAILABLE_UTILIZATION, of)


def known_efficiency(of: Matches, by: Sequence[str] = ()) -> str:
    """Return the dispatch efficiency over the range where dispatch is told at all.

    It is where qwatch itself dispatches, and where another source ever told time between slices.
    """
    each = f"on ({', '.join(by)})" if by else "on ()"
    group = f"group by ({', '.join(by)})" if by else "group"
    told = f"{summed(select(device.TIME, {**of, 'activity': 'dispatch'}), by)} > 0"
    own_loop = f"{group} (last_over_time({select(own.LAST_LOOP, of, RANGE)}))"
    return f"{DISPATCH_EFFICIENCY.over(RANGE, of, by)} and {each} ({told} or {own_loop})"


def dispatch_efficiency(of: Matches) -> Panel:
    """Say how little was lost between slices."""
    return stat(
        DISPATCH_EFFICIENCY.title,
        f"{DISPATCH_EFFICIENCY.meaning} Over the time range of the board; only where dispatch is told.",
        "percentunit",
        PrometheusTarget(known_efficiency(of), instant=True),
        decimals=1,
        limits=((None, palette.NEUTRAL), (0, palette.BAD), (0.9, palette.WARNING), (0.98, palette.GOOD)),
        none="nothing ran, or not told",
    )


def shot_rate(of: Matches, window: str) -> Panel:
    """Draw shots a second against the rate that the device is specified for."""
    shots = rate(device.SHOTS, of, window)
    busy = rate(device.TIME, {**of, **BUSY}, window)
    discarded = rate(device.SHOTS, {**of, "outcome": "discarded"}, window)
    nominal = f"max({select(device.SHOT_RATE_NOMINAL, of)})"
    dashed = {
        "matcher": {"id": "byName", "options": "nominal"},
        "properties": [
            {"id": "color", "value": {"mode": "fixed", "fixedColor": palette.NEUTRAL}},
            {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [8, 8]}},
            {"id": "custom.fillOpacity", "value": 0},
        ],
    }
    return time_series(
        "Shot rate",
        "Shots a second over all time and over busy time, averaged over the window. Busy time far below "
        "nominal: the device is slower than specified. All time below busy time: it was not kept busy.",
        "suffix:shots/s",
        PrometheusTarget(nominal, "nominal"),
        PrometheusTarget(f"{shots} / ({busy} > 0)", "in busy time"),
        PrometheusTarget(shots, "in all time"),
        PrometheusTarget(discarded, "discarded"),
        decimals=2,
        overrides=[
            dashed,
            *palette.coloured_as({"in busy time": "green", "in all time": "blue", "discarded": palette.BAD}),
        ],
    )


def dispatch_gap(of: Matches, window: str) -> Panel:
    """Draw the gap between two slices while work waits: the figure to drive to zero."""
    return time_series(
        "Dispatch gap",
        "Idle gap of the device between two slices while work waits, over the window: what the middleware "
        "and the network cost. A rise with an unchanged device points at the scheduler or its store.",
        "s",
        *(
            PrometheusTarget(quantile(share, device.DISPATCH_GAP, of, window), name)
            for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))
        ),
        decimals=1,
        fill=0,
        logarithmic=True,
        overrides=palette.coloured_as(palette.QUANTILE_COLOURS),
        none=NONE_OR_NOT_TOLD,
    )
