"""The characters that bars are drawn with: one set for UTF-8, one for ASCII; none tells by its colour alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

STATE_STYLES = {"online": "green", "paused": "yellow", "offline": "bold red", "unknown": "magenta"}

JOB_STYLES = {"RUNNING": "cyan", "PENDING": "", "DONE": "green", "ERROR": "red", "CANCELED": "yellow"}

SEVERITY_STYLES = {"critical": "bold red", "warning": "yellow", "info": "cyan"}

ACTIVITY_STYLES = {
    "execute": "green",
    "dispatch": "yellow",
    "idle": "dim",
    "held": "reverse cyan",
    "calibration": "reverse blue",
    "maintenance": "reverse magenta",
    "fault": "reverse red",
    "unknown": "dim",
}
"""How a cell of an activity's time is drawn; the order is that of the legend."""


@dataclass(frozen=True, slots=True)
class Glyphs:
    """What is drawn for each activity's time, for progress, and for what is chosen."""

    activity: Mapping[str, str]
    done: str
    left: str
    chosen: str
    up: str
    down: str
    rule: str
    more: str
    dash: str
    dot: str


# What goes well is a shade, darker the more the device does; what does not is the first letter of its name.
_LETTERS = {"held": "H", "calibration": "C", "maintenance": "M", "fault": "F", "unknown": "?"}

UNICODE = Glyphs(
    {"execute": "█", "dispatch": "▒", "idle": "░"} | _LETTERS, "━", "─", "▸", "▲", "▼", "─", "…", "–", "·"
)
ASCII = Glyphs(
    {"execute": "#", "dispatch": "+", "idle": "."} | _LETTERS, "=", "-", ">", "^", "v", "-", "~", "-", "-"
)


def glyphs_for(environment: Mapping[str, str] | None = None) -> Glyphs:
    """Return the characters that a terminal of this locale shows.

    Python makes UTF-8 of the locale ``C`` and exports it as ``LC_CTYPE`` (PEP 538): a ``LANG`` that was set to
    another encoding is then what the user said.
    """
    variables = os.environ if environment is None else environment
    order = ("LC_ALL", "LC_CTYPE", "LANG")
    if variables.get("LC_CTYPE") == "C.UTF-8" and variables.get("LANG"):
        order = ("LC_ALL", "LANG", "LC_CTYPE")
    locale = next((variables[name] for name in order if variables.get(name)), "")
    return UNICODE if "utf8" in locale.lower().replace("-", "") else ASCII
