"""A utilization report as one HTML file that needs nothing else: no request, no script."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from markupsafe import Markup

from ..telemetry.labels import ACTIVITIES
from . import number_format
from .job_plots import shares_plot, waits_plot
from .key_figures import agreement, agrees, covered_ratio, key_figures
from .model import Breakdown, DevicePart, QualitySeries, Report, Trend
from .page_colours import HEAT
from .page_templates import css_text, environment, words
from .quality_plots import quality_plot
from .svg_drawing import Plot
from .time_plots import UTILIZATIONS, days_plot, heatmap_plot, partition_plot, utilization_plot

_SECTIONS = (
    ("trust", "Coverage and trust", "coverage.html"),
    ("summary", "Summary", "summary.html"),
    ("time", "Where the time went", "partition.html"),
    ("utilization", "Utilization", "utilization.html"),
    ("availability", "Availability", "availability.html"),
    ("jobs", "Jobs", "jobs.html"),
    ("waits", "Waits", "waits.html"),
    ("shots", "Shots", "shots.html"),
    ("quality", "Quality", "quality.html"),
    ("usage", "Who used it", "usage.html"),
    ("sessions", "Sessions", "sessions.html"),
    ("week", "Weekdays and hours", "week.html"),
    ("trends", "Trends", "trends.html"),
    ("anomalies", "Anomalies", "anomalies.html"),
    ("statements", "Statements", "statements.html"),
    ("notes", "What cannot be known", "notes.html"),
    ("words", "Definitions", "words.html"),
)
"""Identifier, heading and template of each section, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plots:
    """The plots of a report; those of devices in the order of the devices, None where nothing is known."""

    partition: Plot | None
    utilization: Plot | None
    waits: Plot | None
    days: Sequence[Plot | None]
    week: Sequence[Plot | None]
    quality: Sequence[Sequence[tuple[str, Plot | None]]]


def render_html(report: Report) -> str:
    """Return the report as the text of an HTML file."""
    zone = ZoneInfo(report.period.timezone)
    running = f"{report.site} · {report.period.label}" if report.site else report.period.label
    statements = report.statements or ()
    agreements = {item.qpu_id: agreement(item) for item in report.coverage}
    return (
        environment(zone)
        .get_template("report.html")
        .render(
            report=report,
            version=report.version,
            sections=_SECTIONS,
            running_title=css_text(f"QPU utilization · {running}"),
            plots=_plots(report),
            key_figures=key_figures(report),
            covered=covered_ratio(report),
            agreeing=[name for name, agreed in agreements.items() if agreed is True],
            disagreeing=[name for name, agreed in agreements.items() if agreed is False],
            not_compared=[name for name, agreed in agreements.items() if agreed is None],
            compared=[
                (item, {part.activity: part for part in item.differences})
                for item in report.coverage
                if item.differences
            ],
            comparisons=_comparisons(report),
            agreement=agreement,
            agrees=agrees,
            devices_by_name={device.qpu_id: device for device in report.devices},
            activities=ACTIVITIES,
            utilizations=UTILIZATIONS,
            heat=HEAT,
            incidents=sorted(
                (item for device in report.devices for item in device.availability.incidents),
                key=lambda item: item.begin,
            ),
            windows=sorted(
                ((device.qpu_id, item) for device in report.devices for item in device.windows),
                key=lambda pair: pair[1].begin,
            ),
            quality_title=quality_title,
            quality_days=_days_of(zone),
            usage=list(_usage(report)),
            currency=statements[0].currency if statements else "",
            statement_totals=sorted(_totals(report).items()),
            trend_change=_trend_change,
        )
    )


def quality_title(series: QualitySeries) -> str:
    """Return the name of a quality for a person: its catalogue name and its labels in words."""
    name = words(series.metric.removeprefix("qpu."))
    return ", ".join((name, *(label.replace("_", " ") for label in series.labels.values())))


def _comparisons(report: Report) -> list[tuple[str, list[str]]]:
    """Return how counters and ledger were compared, each with its devices."""
    found: dict[str, list[str]] = defaultdict(list)
    for item in report.coverage:
        if item.comparison:
            found[item.comparison].append(item.qpu_id)
    return list(found.items())


def _plots(report: Report) -> _Plots:
    devices = list(enumerate(report.devices))
    return _Plots(
        partition=partition_plot(report.devices),
        utilization=utilization_plot(report.devices),
        waits=waits_plot(report.classes),
        days=[days_plot(device, number) for number, device in devices],
        week=[heatmap_plot(device, number) for number, device in devices],
        quality=[_quality_plots(report, number, device) for number, device in devices],
    )


def _quality_plots(report: Report, number: int, device: DevicePart) -> list[tuple[str, Plot | None]]:
    return [
        (
            quality_title(series),
            quality_plot(
                device,
                series,
                f"quality-{number}-{index}",
                f"{device.qpu_id}: {quality_title(series)} ({series.source.replace('_', ' ')})",
                report.period,
            ),
        )
        for index, series in enumerate(device.quality)
    ]


def _usage(report: Report) -> list[tuple[str, Breakdown, Plot | None]]:
    found: list[tuple[str, Breakdown, Plot | None]] = []
    if report.breakdown.by not in {"user", "account"}:
        by = words(report.breakdown.by)
        found.append((f"By {by if by.isupper() else by.lower()}", report.breakdown, None))
    for title, breakdown in (("Top accounts", report.top_accounts), ("Top users", report.top_users)):
        # What was asked for in full takes the place of the top of the same.
        asked = report.breakdown.by == breakdown.by
        shown = report.breakdown if asked else breakdown
        plot = shares_plot(shown.groups, shown.by)
        found.append((f"By {shown.by}" if asked else title, shown, plot))
    return found


def _days_of(zone: ZoneInfo) -> Callable[[DevicePart], list[tuple[str, list[float | None]]]]:
    """Return a function that gives the mean of each quality on each day on which one was measured."""

    def days(device: DevicePart) -> list[tuple[str, list[float | None]]]:
        found: dict[str, list[list[float]]] = defaultdict(lambda: [[] for _ in device.quality])
        for index, series in enumerate(device.quality):
            for point in series.points:
                found[f"{datetime.fromtimestamp(point.at, zone):%Y-%m-%d}"][index].append(point.value)
        return [
            (day, [sum(values) / len(values) if values else None for values in found[day]])
            for day in sorted(found)
        ]

    return days


def _totals(report: Report) -> dict[str, float]:
    totals: dict[str, float] = defaultdict(float)
    for statement in report.statements or ():
        totals[statement.currency] += statement.total
    return totals


def _trend_change(trend: Trend) -> str | Markup:
    if trend.now is None or trend.before is None:
        return number_format.unknown()
    if trend.now == trend.before:
        return "none"
    if trend.unit == "ratio":
        return number_format.points(trend.now - trend.before)
    return number_format.unknown() if trend.change is None else number_format.change(trend.change)
