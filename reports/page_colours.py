"""The colours of pages, by role, in a light and a dark theme; activities have the hues of the dashboards."""

from __future__ import annotations

from collections.abc import Mapping

from ..telemetry.labels import ACTIVITIES

_SURFACES = {
    "page": ("#ffffff", "#12151a"),
    "raised": ("#f5f7f9", "#1b2027"),
    "ink": ("#1a1f26", "#e8ebef"),
    "quiet": ("#525c69", "#a9b2bd"),
    "rule": ("#d5dae0", "#343b45"),
    "axis": ("#7b8591", "#7b8591"),
    "link": ("#0b57a8", "#82b6ff"),
    "accent": ("#14507f", "#7fb2e5"),
    "good": ("#1a6b32", "#73bf69"),
    "bad": ("#b3192d", "#ff7f8f"),
    "target": ("#1a1f26", "#e8ebef"),
}
_FILLS = {
    "execute": ("#1f7a3a", "#73bf69"),
    "dispatch": ("#e07b16", "#ff9830"),
    "idle": ("#c3d9f7", "#33496b"),
    "held": ("#8a4fc0", "#b877d9"),
    "calibration": ("#e3b80c", "#fade2a"),
    "maintenance": ("#1f60c4", "#5e9bf5"),
    "fault": ("#cc2036", "#f2495c"),
    "unknown": ("#c9cdd2", "#4a515b"),
    "idle-edge": ("#7fa6da", "#6f93c9"),
    "unknown-edge": ("#7d858f", "#9aa3ae"),
    "series": ("#14507f", "#7fb2e5"),
    "series-soft": ("#8fb4d3", "#3a5f85"),
    "queue": ("#1f60c4", "#5e9bf5"),
    "device": ("#1f7a3a", "#73bf69"),
    "fetch": ("#0f8a9c", "#4cc9d8"),
    "classical": ("#8a4fc0", "#b877d9"),
    "heat-0": ("#f0f4f1", "#1c2522"),
    "heat-1": ("#d5ebd9", "#1d3526"),
    "heat-2": ("#aed8b7", "#22502f"),
    "heat-3": ("#7fc08f", "#2f7040"),
    "heat-4": ("#4ba264", "#459757"),
    "heat-5": ("#1f7a3a", "#73bf69"),
    "heat-6": ("#0d4f21", "#b5e6a8"),
}
_INK_ON = {
    "execute": ("#ffffff", "#12151a"),
    "dispatch": ("#1a1f26", "#12151a"),
    "idle": ("#1a1f26", "#ffffff"),
    "held": ("#ffffff", "#12151a"),
    "calibration": ("#1a1f26", "#12151a"),
    "maintenance": ("#ffffff", "#12151a"),
    "fault": ("#ffffff", "#12151a"),
    "unknown": ("#1a1f26", "#ffffff"),
}
_ROLES = {**_SURFACES, **_FILLS, **{f"on-{role}": pair for role, pair in _INK_ON.items()}}

LIGHT: Mapping[str, str] = {role: pair[0] for role, pair in _ROLES.items()}
DARK: Mapping[str, str] = {role: pair[1] for role, pair in _ROLES.items()}
LABELLED = tuple(_INK_ON)
"""Roles that text is written on, in the colour of the role ``on-…``."""
EDGES = {"idle": "idle-edge", "unknown": "unknown-edge"}
"""Pale fills have an edge of their own."""
HEAT = tuple(role for role in _FILLS if role.startswith("heat-"))
"""From the least to the most."""

assert set(ACTIVITIES) <= set(_FILLS)


def css_variables(theme: Mapping[str, str]) -> str:
    """Return the declarations of a theme's colours."""
    return "".join(f"--{role}:{colour};" for role, colour in theme.items())


def variable(role: str) -> str:
    """Return what names the colour of a role in CSS; KeyError if there is no such role."""
    LIGHT[role]
    return f"var(--{role})"
