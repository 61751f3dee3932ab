"""Plots of jobs: their waits by class, and who used the busy time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .model import ClassPart, Group
from .number_format import duration, percent
from .svg_drawing import Plot, axes, colour, draw
from .time_plots import WIDTH, name_margin, shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_SHARES = 15
_LEAST_WAIT = 0.1
_TICKS = (0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 6 * 3600.0, 86400.0, 7 * 86400.0)
QUANTILES = (("p50", "o"), ("p90", "s"), ("p99", "D"))
"""Each with the shape of its mark."""


def waits_plot(classes: Sequence[ClassPart]) -> Plot | None:
    """Draw p50, p90 and p99 of the wait of each class, with its objective; None if none is known."""
    known = [part for part in classes if part.wait.p50 is not None]
    if not known:
        return None
    values = [
        max(value, _LEAST_WAIT)
        for part in known
        for value in (*_quantiles(part), part.objective_within)
        if value is not None
    ]

    def paint(figure: Figure) -> None:
        plot = axes(figure, name_margin([part.job_class for part in known]), 6, 26, 30)
        plot.set_xscale("log")
        for row, part in enumerate(known):
            found = [max(value, _LEAST_WAIT) for value in _quantiles(part) if value is not None]
            plot.plot(
                found, [row] * len(found), color=colour("series-soft"), linewidth=3, solid_capstyle="butt"
            )
            for value, (_, mark) in zip(_quantiles(part), QUANTILES, strict=True):
                if value is not None:
                    plot.plot(
                        max(value, _LEAST_WAIT),
                        row,
                        mark,
                        markersize=8,
                        color=colour("series"),
                        markeredgecolor=colour("page"),
                    )
            if part.objective_within is not None:
                within = max(part.objective_within, _LEAST_WAIT)
                plot.plot([within, within], [row - 0.36, row + 0.36], color=colour("target"), linewidth=2)
        low, high = min(values) / 1.6, max(values) * 1.6
        ticks = [tick for tick in _TICKS if low <= tick <= high]
        plot.set_xticks(ticks, [duration(tick) for tick in ticks])
        plot.minorticks_off()
        plot.set_xlim(low, high)
        plot.set_yticks(range(len(known)), [shortened(part.job_class) for part in known], color=colour("ink"))
        plot.set_ylim(len(known) - 0.45, -0.55)
        plot.tick_params(axis="y", length=0)
        plot.spines["left"].set_visible(False)
        plot.grid(axis="x")

    told = "; ".join(
        f"{part.job_class}: "
        + ", ".join(
            f"{name} {duration(value)}"
            for (name, _), value in zip(QUANTILES, _quantiles(part), strict=True)
            if value is not None
        )
        for part in known
    )
    return draw(
        "waits",
        "Wait of the jobs by class",
        f"On a logarithmic axis. {told}.",
        (WIDTH, 34 + 34 * len(known)),
        paint,
    )


def shares_plot(groups: Sequence[Group], what: str) -> Plot | None:
    """Draw the share of the busy time of the first groups, with their targets; None if none used any."""
    shown = [group for group in groups[:_MOST_SHARES] if group.share > 0 or group.target_share]
    if not shown:
        return None
    most = max(max(group.share, group.target_share or 0.0) for group in shown)

    def paint(figure: Figure) -> None:
        plot = axes(figure, name_margin([group.name for group in shown]), 2, 64, 4)
        for row, group in enumerate(shown):
            plot.barh(row, group.share, height=0.62, color=colour("series"))
            at = max(group.share, group.target_share or 0.0) if _hides(group, most) else group.share
            plot.text(at + most * 0.012, row, percent(group.share), va="center")
            if group.target_share is not None:
                target = group.target_share
                plot.plot([target, target], [row - 0.42, row + 0.42], color=colour("page"), linewidth=5)
                plot.plot([target, target], [row - 0.42, row + 0.42], color=colour("target"), linewidth=2)
        plot.set_yticks(range(len(shown)), [shortened(group.name) for group in shown], color=colour("ink"))
        plot.set_ylim(len(shown) - 0.45, -0.55)
        plot.set_xlim(0, most * 1.02)
        plot.set_xticks([])
        plot.tick_params(axis="y", length=0)
        plot.spines[["left", "bottom"]].set_visible(False)

    told = "; ".join(
        f"{group.name} {percent(group.share)}"
        + ("" if group.target_share is None else f", target {percent(group.target_share)}")
        for group in shown
    )
    return draw(
        f"shares-{what}", f"Share of the busy time by {what}", f"{told}.", (WIDTH, 10 + 25 * len(shown)), paint
    )


def _hides(group: Group, most: float) -> bool:
    """Whether the mark of the target would stand in the label of the share."""
    return group.target_share is not None and -0.01 * most < group.target_share - group.share < 0.09 * most


def _quantiles(part: ClassPart) -> tuple[float | None, float | None, float | None]:
    return part.wait.p50, part.wait.p90, part.wait.p99
