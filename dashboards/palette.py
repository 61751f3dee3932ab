"""Colours that mean the same on every board, and the words shown for numbered states."""

from __future__ import annotations

from collections.abc import Mapping

from ..telemetry import labels
from .grafana import Json

NEUTRAL = "text"
GOOD = "green"
WARNING = "orange"
BAD = "red"
NOT_KNOWN = "#8e8e8e"

ACTIVITY_COLOURS = {
    "execute": "green",
    "dispatch": "orange",
    "idle": "super-light-blue",
    "held": "purple",
    "calibration": "yellow",
    "maintenance": "dark-blue",
    "fault": "red",
    "unknown": NOT_KNOWN,
}
STATE_COLOURS = {"online": "green", "paused": "yellow", "offline": "red", "unknown": NOT_KNOWN}
JOB_CLASS_COLOURS = {"production": "blue", "test": "yellow", "development": "purple", "qa": "green"}
JOB_STATE_COLOURS = {
    "PENDING": "blue",
    "RUNNING": "yellow",
    "DONE": "green",
    "CANCELED": "purple",
    "ERROR": "red",
}
QUANTILE_COLOURS = {"p50": "green", "p90": "orange", "p99": "red"}


def _numbered(values: tuple[str, ...], colours: Mapping[str, str]) -> list[Json]:
    options = {str(i): {"text": v, "color": colours[v], "index": i} for i, v in enumerate(values)}
    return [{"type": "value", "options": options}]


ACTIVITY_WORDS = _numbered(labels.ACTIVITIES, ACTIVITY_COLOURS)
STATE_WORDS = _numbered(labels.DEVICE_STATES, STATE_COLOURS)
JOB_STATE_WORDS = [
    {
        "type": "value",
        "options": {
            state: {"text": state, "color": colour, "index": i}
            for i, (state, colour) in enumerate(JOB_STATE_COLOURS.items())
        },
    }
]


def yes_or_no(yes: str, no: str) -> list[Json]:
    """Return the words for a series that is 1 when all is well and 0 when not."""
    options = {"1": {"text": yes, "color": GOOD, "index": 0}, "0": {"text": no, "color": BAD, "index": 1}}
    return [{"type": "value", "options": options}]


def coloured(name: str, colour: str, *, pattern: bool = False) -> Json:
    """Return the override that draws the series ``name`` (or all that match the pattern) in ``colour``."""
    return {
        "matcher": {"id": "byRegexp" if pattern else "byName", "options": f"/{name}/" if pattern else name},
        "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}],
    }


def coloured_as(colours: Mapping[str, str]) -> list[Json]:
    """Return the overrides for several series by name."""
    return [coloured(name, colour) for name, colour in colours.items()]
