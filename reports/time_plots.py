"""Plots of a device's time: its partition, its days, its utilization, its week."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from ..telemetry.labels import ACTIVITIES
from .model import Day, DevicePart
from .number_format import NOT_KNOWN, percent
from .page_colours import EDGES, HEAT
from .svg_drawing import Plot, axes, colour, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 900.0
_MOST_NAMED_DAYS = 31
_LEAST_LABELLED = 0.05
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_Box = tuple[float, float, float, float]
"""Left, bottom, width and height."""
UTILIZATIONS = (
    ("of all time", "execute"),
    ("of the available time", "series"),
    ("dispatch efficiency", "series-soft"),
)
"""The three ratios, each with the role of its colour."""


def partition_plot(devices: Sequence[DevicePart]) -> Plot | None:
    """Draw the time of each device by activity as one bar; None if no device was there for any time."""
    shown = [device for device in devices if device.time.wall_seconds > 0]
    if not shown:
        return None

    def paint(figure: Figure) -> None:
        plot = axes(figure, name_margin([device.qpu_id for device in shown]), 4, 22, 30)
        for row, device in enumerate(shown):
            _stack(plot, row, device)
        _rows(plot, [device.qpu_id for device in shown])
        _percent_axis(plot)

    told = "; ".join(f"{device.qpu_id}: {_in_words(device)}" for device in shown)
    return draw(
        "time-partition",
        "Time of each device by activity",
        f"One bar for each device, of all its time. {told}.",
        (WIDTH, 30 + 40 * len(shown)),
        paint,
    )


def days_plot(device: DevicePart, number: int) -> Plot | None:
    """Draw the hours of each day by activity, stacked; None if there is no day."""
    days = device.days
    if not any(sum(day.seconds.values()) > 0 for day in days):
        return None
    named = _named_days(days)
    many = len(days) > 2 * _MOST_NAMED_DAYS

    def paint(figure: Figure) -> None:
        plot = axes(figure, 46, 10, 18, 42)
        below = [0.0] * len(days)
        for activity in ACTIVITIES:
            heights = [day.seconds.get(activity, 0.0) / 3600 for day in days]
            _boxes(
                plot,
                [
                    (i - 0.5, below[i], 1.0, height) if many else (i - 0.41, below[i], 0.82, height)
                    for i, height in enumerate(heights)
                    if height > 0
                ],
                **(_fill(activity) | ({"linewidth": 0} if many else {})),
            )
            below = [low + high for low, high in zip(below, heights, strict=True)]
        plot.set_xticks(list(named), list(named.values()))
        plot.tick_params(axis="x", length=0)
        # A short period has bars no wider than those of a week, a long one some room for its first name.
        plot.set_xlim(-0.6 - (len(days) * 0.02 if many else 0), max(len(days), 7) - 0.4)
        plot.set_ylim(0, max(24.0, *below))
        plot.set_yticks(range(0, 25, 6), [f"{hour} h" if hour else "0" for hour in range(0, 25, 6)])
        plot.grid(axis="y")

    busiest = max(days, key=lambda day: day.seconds.get("execute", 0.0))
    return draw(
        f"days-{number}",
        f"{device.qpu_id}: hours of each day by activity",
        f"One stacked bar for each of {len(days)} days from {days[0].date} to {days[-1].date}. The busiest is "
        f"{busiest.date} with {busiest.seconds.get('execute', 0.0) / 3600:.1f} hours of execution. "
        "The table below has all numbers.",
        (WIDTH, 230),
        paint,
    )


def utilization_plot(devices: Sequence[DevicePart]) -> Plot | None:
    """Draw the three ratios of each device with its target; None if none is known."""
    known = [device for device in devices if any(value is not None for value in utilizations(device))]
    if not known:
        return None

    def paint(figure: Figure) -> None:
        plot = axes(figure, name_margin([device.qpu_id for device in known]), 4, 64, 30)
        for row, device in enumerate(known):
            for kind, value in enumerate(utilizations(device)):
                at = row + (kind - 1) * 0.25
                if value is None:
                    plot.text(0.004, at, NOT_KNOWN, va="center", fontsize=12, color=colour("quiet"))
                    continue
                plot.barh(at, value, height=0.2, color=colour(UTILIZATIONS[kind][1]))
                plot.text(value + 0.006, at, percent(value), va="center", fontsize=12)
            if device.utilization_target is not None:
                target = device.utilization_target
                plot.plot([target, target], [row - 0.42, row - 0.08], color=colour("target"), linewidth=2)
        _rows(plot, [device.qpu_id for device in known])
        _percent_axis(plot)
        plot.grid(axis="x")

    told = "; ".join(
        f"{device.qpu_id}: "
        + ", ".join(
            f"{kind} {NOT_KNOWN if value is None else percent(value)}"
            for (kind, _), value in zip(UTILIZATIONS, utilizations(device), strict=True)
        )
        + ("" if device.utilization_target is None else f", target {percent(device.utilization_target)}")
        for device in known
    )
    return draw(
        "utilization",
        "Utilization of each device, with its target",
        f"{told}.",
        (WIDTH, 30 + 66 * len(known)),
        paint,
    )


def utilizations(device: DevicePart) -> tuple[float | None, float | None, float | None]:
    """Return the three ratios in the order of ``UTILIZATIONS``."""
    return device.time.utilization, device.time.utilization_of_available, device.time.dispatch_efficiency


def heatmap_plot(device: DevicePart, number: int) -> Plot | None:
    """Draw the utilization by weekday and hour; None if no hour is known."""
    cells = [
        (weekday, hour, value)
        for weekday, row in enumerate(device.heatmap)
        for hour, value in enumerate(row)
        if value is not None
    ]
    if not cells:
        return None

    def paint(figure: Figure) -> None:
        plot = axes(figure, 96, 4, 22, 30)
        roles: dict[str, list[_Box]] = {}
        for weekday, row in enumerate(device.heatmap):
            for hour, value in enumerate(row):
                role = "unknown" if value is None else heat_role(value)
                roles.setdefault(role, []).append((hour + 0.03, weekday + 0.04, 0.94, 0.92))
        for role, boxes in roles.items():
            _boxes(plot, boxes, **(_fill(role) | {"linewidth": 0}))
        plot.set_xlim(0, 24)
        plot.set_ylim(7, 0)
        plot.set_xticks(range(0, 25, 3), [f"{hour}:00" for hour in range(0, 25, 3)])
        plot.set_yticks([day + 0.5 for day in range(7)], _WEEKDAYS)
        plot.tick_params(length=0)
        plot.spines[["left", "bottom"]].set_visible(False)

    most, least = max(cells, key=lambda cell: cell[2]), min(cells, key=lambda cell: cell[2])
    return draw(
        f"week-{number}",
        f"{device.qpu_id}: utilization by weekday and hour",
        f"Seven rows of 24 cells. Most used: {_WEEKDAYS[most[0]]} {most[1]}:00 with "
        f"{percent(most[2])}; least: {_WEEKDAYS[least[0]]} {least[1]}:00 with {percent(least[2])}. "
        "The table below has all numbers.",
        (WIDTH, 216),
        paint,
    )


def heat_role(value: float) -> str:
    """Return the role of the colour of a utilization."""
    return HEAT[min(int(value * len(HEAT)), len(HEAT) - 1)]


def name_margin(names: Sequence[str]) -> float:
    """Return the margin that names at the left need, in CSS pixels."""
    return min(max(len(shortened(name)) for name in names) * 8.6 + 14, 220)


def shortened(name: str) -> str:
    """Return a name that fits beside a plot."""
    return name if len(name) <= 24 else f"{name[:23]}…"


def _boxes(plot: Axes, boxes: Sequence[_Box], **style: Any) -> None:
    """Draw boxes of one style; much quicker than one artist for each."""
    from matplotlib.collections import PolyCollection

    corners = [((x, y), (x + w, y), (x + w, y + h), (x, y + h)) for x, y, w, h in boxes]
    plot.add_collection(PolyCollection(corners, **style), autolim=False)


def _stack(plot: Axes, row: int, device: DevicePart) -> None:
    left = 0.0
    for activity in ACTIVITIES:
        share = device.time.seconds.get(activity, 0.0) / device.time.wall_seconds
        if share <= 0:
            continue
        plot.barh(row, share, left=left, height=0.68, **_fill(activity))
        if share >= _LEAST_LABELLED:
            plot.text(
                left + share / 2,
                row,
                percent(share),
                ha="center",
                va="center",
                color=colour(f"on-{activity}"),
                **(
                    {"bbox": {"facecolor": colour("unknown"), "edgecolor": "none", "pad": 2}}
                    if activity == "unknown"
                    else {}
                ),
            )
        left += share


def _rows(plot: Axes, names: Sequence[str]) -> None:
    plot.set_yticks(range(len(names)), [shortened(name) for name in names], color=colour("ink"))
    plot.set_ylim(len(names) - 0.45, -0.55)
    plot.tick_params(axis="y", length=0)
    plot.spines["left"].set_visible(False)


def _percent_axis(plot: Axes) -> None:
    plot.set_xlim(0, 1)
    plot.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", *(percent(share, 0) for share in (0.25, 0.5, 0.75, 1))])


def _fill(role: str) -> dict[str, Any]:
    style: dict[str, Any] = {
        "facecolor": colour(role),
        "edgecolor": colour(EDGES.get(role, "page")),
        "linewidth": 0.7,
    }
    return style | {"hatch": "////"} if role == "unknown" else style


def _named_days(days: Sequence[Day]) -> dict[int, str]:
    """Return what stands below the bars: each day, or the first of each month."""
    dates = [date.fromisoformat(day.date) for day in days]
    if len(days) <= _MOST_NAMED_DAYS:
        return {
            index: f"{day.day}\n{f'{day:%a}'[: 2 if len(days) > 14 else 3]}" for index, day in enumerate(dates)
        }
    firsts = [(index, day) for index, day in enumerate(dates) if day.day == 1]
    firsts = firsts[:: math.ceil(len(firsts) / 13)] or [(0, dates[0])]
    return {
        index: f"{day:%b}\n{day.year if number == 0 or day.month == 1 else ''}".rstrip()
        for number, (index, day) in enumerate(firsts)
    }


def _in_words(device: DevicePart) -> str:
    wall = device.time.wall_seconds
    shares = ((activity, device.time.seconds.get(activity, 0.0) / wall) for activity in ACTIVITIES)
    return ", ".join(f"{activity} {percent(share)}" for activity, share in shares if share > 0)
