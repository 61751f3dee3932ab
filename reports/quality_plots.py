"""Plots of a device's measured qualities over the period, with what happened to it meanwhile."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from .model import DevicePart, Period, QualityPoint, QualitySeries
from .number_format import MINUS, SPACE, in_unit
from .svg_drawing import Plot, axes, colour, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import Locator

WIDTH = 900.0
_MOST_POINTS = 250
_MARKED = 60
"""Single measurements have a mark of their own where there are not more."""


def quality_plot(
    device: DevicePart, series: QualitySeries, name: str, title: str, period: Period
) -> Plot | None:
    """Draw a quality with its uncertainty, calibrations and incidents; None without measurements."""
    points, width = averaged(series.points)
    if not points:
        return None
    if width > 1:
        title = f"{title}, means of {width} measurements each"
    factor, unit = _scale(series)

    def paint(figure: Figure) -> None:
        plot = axes(figure, 82, 14, 22, 28)
        _mark_incidents(plot, device, period)
        times, values = [point.at for point in points], [point.value * factor for point in points]
        if any(point.uncertainty is not None for point in points):
            widths = [(point.uncertainty or 0.0) * factor for point in points]
            low = [value - width for value, width in zip(values, widths, strict=True)]
            high = [value + width for value, width in zip(values, widths, strict=True)]
            plot.fill_between(times, low, high, color=colour("series-soft"), alpha=0.45, linewidth=0)
        plot.plot(
            times,
            values,
            color=colour("series"),
            linewidth=1.4,
            marker="o" if len(points) <= _MARKED else "",
            markersize=3.5,
        )
        if series.first == series.last and len({point.value for point in points}) == 1:
            plot.margins(y=0.5)
        _mark_calibrations(plot, device, period)
        _time_axis(plot, period)
        plot.yaxis.set_major_locator(_locator())
        plot.yaxis.set_major_formatter(_formatter(unit))
        plot.grid(axis="y")

    return draw(
        name,
        title,
        f"{series.count} measurements; first {in_unit(series.first, series.unit)}, last "
        f"{in_unit(series.last, series.unit)}, mean {in_unit(series.mean, series.unit)}, from "
        f"{in_unit(series.least, series.unit)} to {in_unit(series.greatest, series.unit)}. "
        f"{len(_calibrations(device, period))} calibrations and {len(device.availability.incidents)} incidents "
        "are marked. The table below has the mean of each day.",
        (WIDTH, 170),
        paint,
    )


def averaged(points: Sequence[QualityPoint]) -> tuple[Sequence[QualityPoint], int]:
    """Return as many points as a plot can show, and of how many measurements each is the mean."""
    width = math.ceil(len(points) / _MOST_POINTS)
    if width <= 1:
        return points, 1
    stretches = [points[begin : begin + width] for begin in range(0, len(points), width)]
    return [_mean(stretch) for stretch in stretches], width


def _mean(stretch: Sequence[QualityPoint]) -> QualityPoint:
    known = [point.uncertainty for point in stretch if point.uncertainty is not None]
    return QualityPoint(
        at=sum(point.at for point in stretch) / len(stretch),
        value=sum(point.value for point in stretch) / len(stretch),
        uncertainty=sum(known) / len(known) if known else None,
    )


def _scale(series: QualitySeries) -> tuple[float, str]:
    size = max(abs(series.least), abs(series.greatest))
    match series.unit:
        case "1" | "ratio":
            return 100.0, "%"
        case "Hz" | "hertz":
            for limit, unit in ((1e9, "GHz"), (1e6, "MHz"), (1e3, "kHz")):
                if size >= limit:
                    return 1 / limit, unit
            return 1.0, "Hz"
        case "s" | "seconds":
            return (1.0, "s") if size >= 1 else (1e3, "ms") if size >= 1e-3 else (1e6, "µs")
        case other:
            return 1.0, other


def _mark_incidents(plot: Axes, device: DevicePart, period: Period) -> None:
    for incident in device.availability.incidents:
        end = period.end if incident.end is None else incident.end
        least = period.seconds / 400
        plot.axvspan(
            incident.begin, max(end, incident.begin + least), color=colour("fault"), alpha=0.3, linewidth=0
        )


def _mark_calibrations(plot: Axes, device: DevicePart, period: Period) -> None:
    for at in _calibrations(device, period):
        plot.axvline(at, color=colour("axis"), linewidth=0.9, linestyle=(0, (2, 2)), zorder=1)
        plot.plot(
            at, 1.0, "v", transform=plot.get_xaxis_transform(), clip_on=False, markersize=6, color=colour("ink")
        )


def _calibrations(device: DevicePart, period: Period) -> list[float]:
    return [
        window.begin
        for window in device.windows
        if window.kind == "calibration" and period.begin <= window.begin < period.end
    ]


def _time_axis(plot: Axes, period: Period) -> None:
    zone = ZoneInfo(period.timezone)
    first, days = datetime.fromtimestamp(period.begin, zone), period.seconds / 86400
    if days <= 2:
        step = 3600 * max(round(days * 3), 1)
        ticks = [period.begin + index * step for index in range(int(period.seconds / step) + 1)]
        names = [f"{datetime.fromtimestamp(tick, zone):%H:%M}" for tick in ticks]
    else:
        step = max(round(days / 10), 1)
        midnight = first.replace(hour=0, minute=0, second=0, microsecond=0)
        dates = [midnight + timedelta(days=index * step) for index in range(math.ceil(days / step) + 1)]
        dates = [day for day in dates if period.begin <= day.timestamp() < period.end]
        ticks, names = [day.timestamp() for day in dates], [f"{day.day} {day:%b}" for day in dates]
    plot.set_xticks(ticks, names)
    plot.set_xlim(period.begin, period.end)


def _locator() -> Locator:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(4)


def _formatter(unit: str) -> Callable[[float, float], str]:
    def shown(value: float, _: float) -> str:
        return f"{f'{value:.6g}'.replace('-', MINUS)}{SPACE}{unit}"

    return shown
