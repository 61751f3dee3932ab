"""The last hour of a device as a bar: how much of it the device executed, idled, was in maintenance."""

from __future__ import annotations

from collections.abc import Mapping

from rich.text import Text

from .glyphs import ACTIVITY_STYLES, Glyphs
from .lines import styled
from .words import share


def partition_bar(seconds: Mapping[str, float], width: int, glyphs: Glyphs) -> Text:
    """Return the shares of a time in ``width`` cells; an activity that occurred has a cell if there is room."""
    cells = _cells({name: value for name, value in _ordered(seconds).items() if value > 0}, width)
    bar = Text()
    for name, number in cells.items():
        bar.append(glyphs.activity.get(name, "?") * number, ACTIVITY_STYLES.get(name, "dim"))
    return bar if bar else styled(glyphs.dash * width, "dim")


def partition_legend(seconds: Mapping[str, float], glyphs: Glyphs, *, shares: bool) -> list[Text]:
    """Return the name of each activity that occurred behind its sign, with its share if wanted."""
    total = sum(seconds.values())
    parts = []
    for name, value in _ordered(seconds).items():
        if value <= 0:
            continue
        part = styled(glyphs.activity.get(name, "?"), ACTIVITY_STYLES.get(name, "dim"))
        part.append(f" {name}", "")
        if shares:
            part.append(f" {share(value, total)}", "bold")
        parts.append(part)
    return parts


def _ordered(seconds: Mapping[str, float]) -> dict[str, float]:
    known = {name: seconds[name] for name in ACTIVITY_STYLES if name in seconds}
    return known | {name: value for name, value in seconds.items() if name not in known}


def _cells(seconds: Mapping[str, float], width: int) -> dict[str, int]:
    """Share ``width`` cells out by largest remainder, after one for each where they suffice."""
    total = sum(seconds.values())
    if total <= 0 or width <= 0:
        return {}
    least = 1 if len(seconds) <= width else 0
    room = width - least * len(seconds)
    exact = {name: max(value / total * width - least, 0.0) for name, value in seconds.items()}
    scale = room / sum(exact.values()) if sum(exact.values()) > 0 else 0.0
    scaled = {name: value * scale for name, value in exact.items()}
    cells = {name: least + int(value) for name, value in scaled.items()}
    by_remainder = sorted(scaled, key=lambda name: scaled[name] - int(scaled[name]), reverse=True)
    for name in by_remainder[: width - sum(cells.values())]:
        cells[name] += 1
    return cells
