"""All devices at a glance: the state of each, what it loses time to, and how it compares."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ...telemetry import device_metrics as device
from ...telemetry import job_metrics as jobs
from ...telemetry import labels
from ...telemetry.promql import (
    BUSY,
    CLUSTER,
    UTILIZATION,
    Matches,
    increase,
    rate,
    select,
    state_number,
    summed,
)
from .. import palette
from ..annotations import firing
from ..grafana import Json, Panel, PrometheusTarget
from ..panel_types import NONE_OR_NOT_TOLD, Column, Thresholds, stat, state_timeline, table, time_series
from .completeness import EACH
from .device import known_efficiency
from .queue import WAIT_LIMITS, age_of_oldest

RANGE = "$__range"
BAD_IF_ANY: Thresholds = ((None, palette.NEUTRAL), (0, palette.GOOD), (1, palette.BAD))
_EACH = ", ".join(EACH)
_MERGED: tuple[Json, ...] = ({"id": "merge", "options": {}},)
_FAILED: Thresholds = ((None, palette.NEUTRAL), (0, palette.GOOD), (0.05, palette.WARNING), (0.2, palette.BAD))
_SIMULATED: list[Json] = [
    {
        "type": "value",
        "options": {"true": {"text": "simulated", "index": 0}, "false": {"text": "real", "index": 1}},
    }
]
_SEVERITY: list[Json] = [
    {
        "type": "value",
        "options": {
            "critical": {"text": "critical", "color": palette.BAD, "index": 0},
            "warning": {"text": "warning", "color": palette.WARNING, "index": 1},
        },
    }
]
OPEN_QPU: Mapping[str, object] = MappingProxyType(
    {
        "title": "Open its board",
        "url": "/d/qwatch-qpu?var-qpu_id=${__value.text}&var-datasource=${datasource}&var-loki=${loki}"
        "&var-tempo=${tempo}&${cluster:queryparam}&${__url_time_range}",
        "targetBlank": False,
    }
)


def how_many(of: Matches) -> Panel:
    """Say how many devices there are."""
    return stat(
        "QPUs",
        "Devices that qwatch knows of, simulated ones included.",
        "short",
        PrometheusTarget(f"count(group by ({_EACH}) ({select(device.INFO, of)}))", instant=True),
        decimals=0,
    )


def not_online(of: Matches) -> Panel:
    """Say how many devices take no jobs."""
    online = f"max by ({_EACH}) ({select(device.STATE, {**of, 'state': 'online'})})"
    return stat(
        "Not online",
        "Devices that are paused, offline, or of unknown state. Which ones: the table below.",
        "short",
        PrometheusTarget(f"count({online} == 0) or 0 * count({online})", instant=True),
        decimals=0,
        limits=BAD_IF_ANY,
    )


def gone_silent(of: Matches) -> Panel:
    """Say how many devices nothing is heard of any more."""
    up = select(device.UP, of)
    seen = f"group by ({_EACH}) (last_over_time({select(device.UP, of, RANGE)}))"
    return stat(
        "Gone silent",
        "Devices that had metrics in the board's time range and have none now: nobody knows how they are.",
        "short",
        PrometheusTarget(
            f"count({seen} unless group by ({_EACH}) ({up})) or 0 * count({seen})",
            instant=True,
        ),
        decimals=0,
        limits=BAD_IF_ANY,
    )


def alerts_firing(of: Matches) -> Panel:
    """Say how many alerts fire."""
    return stat(
        "Alerts",
        "Alerts of severity warning and critical that fire for these devices or for qwatch. Nothing shown: no "
        "Watchdog fires either, so this Prometheus does not evaluate qwatch's rules.",
        "short",
        PrometheusTarget(
            f'count({firing(of)}) or 0 * count(ALERTS{{alertname="Watchdog",alertstate="firing"}})',
            instant=True,
        ),
        decimals=0,
        limits=BAD_IF_ANY,
        none="no rules here",
    )


def alerts_now(of: Matches) -> Panel:
    """List the alerts that fire."""
    return table(
        "Alerts that fire now",
        "Alerts of severity warning and critical for these devices or for qwatch itself; Alertmanager has "
        "their text and runbook.",
        PrometheusTarget(
            f"max by (alertname, severity, {_EACH}) ({firing(of)})",
            instant=True,
            table=True,
        ),
        columns=(
            Column("severity", "Severity", words=_SEVERITY, width=80),
            Column("alertname", "Alert"),
            Column(CLUSTER, "Cluster", width=100),
            Column(labels.QPU_ID.name, "QPU", width=120),
        ),
        none="none fires, or no rules are evaluated here",
    )


def every_device(of: Matches) -> Panel:
    """Say of each device what it is, does, and achieves; its name leads to its board."""
    errors, ended = (
        increase(jobs.FINISHED, {**of, **state}, RANGE, EACH)
        for state in ({"state": "error"}, dict[str, str]())
    )
    pending, running = (
        summed(select(jobs.QUEUE, {**of, "state": state}), EACH) for state in ("pending", "running")
    )
    up = select(device.UP, of)
    described = ", ".join((*EACH, "model", "simulator"))
    asked = (
        f"group by ({described}) ({select(device.INFO, of)})",
        state_number(device.STATE, "state", of, EACH),
        state_number(device.ACTIVITY, "activity", of, EACH),
        f"time() - max by ({_EACH}) ({select(device.STATE_LAST_CHANGE, of)})",
        UTILIZATION.over(RANGE, of, EACH),
        known_efficiency(of, EACH),
        pending,
        running,
        age_of_oldest(of, EACH),
        f"max by ({_EACH}) ({select(jobs.EXPECTED_WAIT, of)})",
        f"{errors} / ({ended} > 0)",
        f"max by ({_EACH}) ({up})",
        f"count by ({_EACH}) ({firing(of, of_none=False)})",
    )
    efficiency = ((None, palette.NEUTRAL), (0, palette.BAD), (0.9, palette.WARNING), (0.98, palette.GOOD))
    return table(
        "Every QPU",
        "State and activity now; shares, failures and efficiency over the board's time range; waits of the "
        "jobs that wait now. A name opens the board of its QPU. – : nothing in this time, or not told.",
        *(PrometheusTarget(expression, instant=True, table=True) for expression in asked),
        prepared=_MERGED,
        columns=(
            Column(CLUSTER, "Cluster", width=100),
            Column(labels.QPU_ID.name, "QPU", link=dict(OPEN_QPU)),
            Column("model", "Model"),
            Column("simulator", "Kind", words=_SIMULATED, width=85),
            Column("Value #B", "State", "none", 0, words=palette.STATE_WORDS, width=80),
            Column("Value #C", "Activity", "none", 0, words=palette.ACTIVITY_WORDS, width=105),
            Column("Value #D", "State since", "s", 0, width=95),
            Column("Value #E", "Utilization", "percentunit", 1, width=90),
            Column("Value #F", "Dispatch eff.", "percentunit", 1, limits=efficiency, width=100),
            Column("Value #G", "Waiting", "short", 0, width=75),
            Column("Value #H", "Running", "short", 0, width=75),
            Column("Value #I", "Oldest", "s", 0, limits=WAIT_LIMITS, width=80),
            Column("Value #J", "Exp. wait", "s", 0, limits=WAIT_LIMITS, width=85),
            Column("Value #K", "Errors", "percentunit", 1, limits=_FAILED, width=75),
            Column("Value #L", "Poll", "none", 0, words=palette.yes_or_no("answers", "fails"), width=80),
            Column("Value #M", "Alerts", "short", 0, limits=BAD_IF_ANY, width=65),
        ),
    )


def activities(of: Matches) -> Panel:
    """Draw what each device did over time."""
    return state_timeline(
        "Activity of each QPU",
        "What each device did at each scrape; what is shorter than a scrape interval may be missing. "
        "A gap: nothing was heard of it.",
        PrometheusTarget(state_number(device.ACTIVITY, "activity", of, EACH), "{{qpu_id}}"),
        words=palette.ACTIVITY_WORDS,
    )


def utilizations(of: Matches, window: str) -> Panel:
    """Draw how busy each device was."""
    return time_series(
        "Utilization of each QPU",
        f"{UTILIZATION.meaning} Averaged over the window.",
        "percentunit",
        PrometheusTarget(UTILIZATION.over(window, of, EACH), "{{qpu_id}}"),
        decimals=1,
        maximum=1,
        fill=0,
        legend="right",
        legend_values=("mean",),
    )


def waiting(of: Matches) -> Panel:
    """Draw how many jobs wait for each device."""
    return time_series(
        "Jobs waiting for each QPU",
        "Jobs that are accepted and not yet started. Long beside an idle neighbour: could they run there?",
        "short",
        PrometheusTarget(summed(select(jobs.QUEUE, {**of, "state": "pending"}), EACH), "{{qpu_id}}"),
        decimals=0,
        fill=0,
        step=True,
        legend="right",
        legend_values=("lastNotNull", "max"),
    )


def speeds(of: Matches, window: str) -> Panel:
    """Draw how fast each device executes shots, against what it is specified for."""
    shots, busy = (
        rate(metric, {**of, **matched}, window, EACH)
        for metric, matched in ((device.SHOTS, dict[str, str]()), (device.TIME, dict(BUSY)))
    )
    nominal = f"max by ({_EACH}) ({select(device.SHOT_RATE_NOMINAL, of)})"
    return time_series(
        "Speed against specification",
        "Shots a second of busy time / nominal shot rate, averaged over the window. Well below 100 %: the "
        "device is slower than specified, or its jobs are short.",
        "percentunit",
        PrometheusTarget(f"{shots} / ({busy} > 0) / ({nominal} > 0)", "{{qpu_id}}"),
        decimals=0,
        fill=0,
        none=NONE_OR_NOT_TOLD,
        legend="right",
        legend_values=("lastNotNull",),
    )


def failures(of: Matches, window: str) -> Panel:
    """Draw which share of jobs fails on each device."""
    errors = rate(jobs.FINISHED, {**of, "state": "error"}, window, EACH)
    ended = rate(jobs.FINISHED, of, window, EACH)
    return time_series(
        "Jobs that fail",
        "Share of the jobs that ended in ERROR, averaged over the window, errors of users' programs included. "
        "One device above the others: look at its board.",
        "percentunit",
        PrometheusTarget(f"{errors} / ({ended} > 0)", "{{qpu_id}}"),
        decimals=1,
        soft_maximum=0.01,
        fill=0,
        none=NONE_OR_NOT_TOLD,
        legend="right",
        legend_values=("mean", "max"),
    )


def time_of_each(of: Matches) -> Panel:
    """Say what each device spent its time on."""
    activities_of = (
        PrometheusTarget(
            f"{increase(device.TIME, {**of, 'activity': activity}, RANGE, EACH)}"
            f" / ({increase(device.TIME, of, RANGE, EACH)} > 0)",
            instant=True,
            table=True,
        )
        for activity in labels.ACTIVITIES
    )
    lost: Thresholds = ((None, palette.NEUTRAL), (0.01, palette.WARNING), (0.1, palette.BAD))
    columns = (
        Column(
            f"Value #{chr(ord('A') + number)}",
            activity,
            "percentunit",
            1,
            width=105,
            limits=lost if activity in ("dispatch", "fault", "unknown") else (),
        )
        for number, activity in enumerate(labels.ACTIVITIES)
    )
    return table(
        "Where the time of each QPU went",
        "Share of wall time by what the device did, over the board's time range. dispatch is lost between "
        "slices while work waits; fault and unknown are coloured from 1 % and 10 % on.",
        *activities_of,
        prepared=_MERGED,
        columns=(Column(CLUSTER, "Cluster", width=100), Column(labels.QPU_ID.name, "QPU"), *columns),
    )
