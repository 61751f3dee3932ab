"""What is marked on the time axes of every board: alerts, maintenance, calibrations, deployments."""

from __future__ import annotations

from ..telemetry import device_metrics as device
from ..telemetry import labels
from ..telemetry import own_metrics as own
from ..telemetry.promql import ALERTS, CLUSTER, Match, Matches, one_of, recorded, select
from .grafana import Json, reference

STEP = "60s"
SEVERE = {"severity": one_of("warning", "critical")}
"""Alerts that somebody is told of."""


def firing(of: Matches, of_none: bool = True) -> str:
    """Return the series of the alerts that fire about these devices, and (``of_none``) about no device."""
    chosen = {name: variable_or_none(match) for name, match in of.items()} if of_none else of
    return recorded(ALERTS, {"alertstate": "firing", **SEVERE, **chosen})


def variable_or_none(match: str | Match) -> Match:
    """Return the match that a series without the label passes too."""
    values = (match,) if isinstance(match, str) else match.values
    return Match("=~", (*values, ""), verbatim=True)


def _annotation(name: str, expression: str, title: str, colour: str, tags: str = labels.QPU_ID.name) -> Json:
    return {
        "datasource": reference("prometheus"),
        "enable": True,
        "expr": expression,
        "hide": False,
        "iconColor": colour,
        "name": name,
        "step": STEP,
        "tagKeys": tags,
        "titleFormat": title,
    }


def marks(site: Matches, devices: Matches) -> list[Json]:
    """Return the annotations of a board about ``devices``; deployments are of the whole ``site``."""
    every = {**site, **devices}

    def during(activity: str) -> str:
        return (
            f"max by ({labels.QPU_ID.name}) ({select(device.ACTIVITY, {**every, 'activity': activity})}) == 1"
        )

    told = ", ".join((CLUSTER, *(label for label in own.BUILD_INFO.label_names)))
    build = f"group by ({told}) ({select(own.BUILD_INFO, site)})"
    # Not for an hour before: a restart of the same version is no deployment.
    before = f"group by ({told}) (last_over_time({select(own.BUILD_INFO, site, '1h')} offset {STEP}))"
    known = f"group by ({CLUSTER}) (last_over_time({select(own.BUILD_INFO, site, '1h')} offset {STEP}))"
    return [
        _annotation("Alerts", firing(every), "{{alertname}}", "red", "severity"),
        _annotation("Maintenance", during("maintenance"), "maintenance of {{qpu_id}}", "blue"),
        _annotation("Calibration", during("calibration"), "calibration of {{qpu_id}}", "yellow"),
        _annotation(
            "Deployments",
            f"{build} unless {before} and on ({CLUSTER}) {known}",
            "qwatch {{version}} {{revision}}",
            "purple",
            "version",
        ),
    ]
