"""The kinds of panels that boards are made of, in the one style that all of them share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from grafanalib.core import Logs, Stat, StateTimeline, Table, TimeSeries

from .grafana import MINIMUM_INTERVAL, Json, LokiTarget, Panel, PrometheusTarget, TempoTarget, reference
from .grafana import with_reference_ids as lettered
from .palette import NEUTRAL, NOT_KNOWN

Numbers = PrometheusTarget | LokiTarget
"""A query that gives numbers; all of a panel ask one data source."""
Thresholds = Sequence[tuple[float | None, str]]
"""Limits in rising order, each with the colour from there on.

The first limit is None. Grafana gives its colour to a missing value too, so it is never that of a good one.
"""
NO_LIMITS: Thresholds = ((None, NEUTRAL),)
NOT_TOLD = "not told by this source"
"""What stands where there is no data: an observer, or a device with a small API, does not tell everything."""
NONE_OR_NOT_TOLD = "none in this time, or not told by this source"
"""The same where data only comes with events: a job that starts, a slice after another."""
FEW_WORDS = "none or not told"
"""The same in a panel of one number, which would shrink a sentence below reading."""
ONLY_WORDS: Thresholds = ((None, NOT_KNOWN),)
"""For panels whose words carry the colours."""


def steps(limits: Thresholds) -> Json:
    """Return limits as Grafana writes them."""
    return {"mode": "absolute", "steps": [{"value": value, "color": colour} for value, colour in limits]}


def stat(
    title: str,
    description: str,
    unit: str,
    *targets: Numbers,
    decimals: int | None = None,
    limits: Thresholds = NO_LIMITS,
    words: Sequence[Json] = (),
    filled: bool = False,
    show_name: bool = False,
    none: str = NOT_TOLD,
) -> Panel:
    """Return one number (or word) with its colour; ``filled`` colours the whole panel."""
    return Stat(
        title=title,
        description=description,
        dataSource=reference(targets[0].source),
        targets=lettered(targets),
        interval=MINIMUM_INTERVAL,
        format=unit,
        decimals=0 if words else decimals,
        mappings=list(words),
        noValue=none,
        reduceCalc="lastNotNull",
        graphMode="none",
        colorMode="background_solid" if filled else "value",
        textMode="name" if show_name else "value",
        extraJson={
            "fieldConfig": {"defaults": {"thresholds": steps(limits), "color": {"mode": "thresholds"}}},
            "options": {
                "showPercentChange": False,
                "wideLayout": True,
                # A name is as long as it is: sized to fit, it would shrink below reading.
                **({"text": {"valueSize": 18}} if show_name else {}),
            },
        },
    )


def time_series(
    title: str,
    description: str,
    unit: str,
    *targets: Numbers,
    decimals: int | None = None,
    limits: Thresholds = NO_LIMITS,
    show_limits: bool = False,
    stacked: bool = False,
    fill: int = 10,
    step: bool = False,
    bars: bool = False,
    points: bool = False,
    minimum: int | None = 0,
    maximum: int | None = None,
    soft_maximum: float | None = None,
    logarithmic: bool = False,
    overrides: Sequence[Json] = (),
    legend: Literal["right", "bottom"] = "bottom",
    legend_values: Sequence[str] = (),
    none: str = NOT_TOLD,
) -> Panel:
    """Return lines (or ``bars``) over time, with the numbers of ``legend_values`` in the legend.

    ``points`` is for what is told now and then: each is marked, and gaps are bridged.
    """
    return TimeSeries(
        title=title,
        description=description,
        dataSource=reference(targets[0].source),
        targets=lettered(targets),
        interval=MINIMUM_INTERVAL,
        unit=unit,
        valueDecimals=decimals,
        valueMin=None if logarithmic else minimum,
        valueMax=maximum,
        scaleDistributionType="log" if logarithmic else "linear",
        scaleDistributionLog=10,
        stacking={"mode": "normal" if stacked else "none", "group": "A"},
        fillOpacity=70 if stacked else fill,
        lineWidth=0 if stacked else 1,
        drawStyle="bars" if bars else "line",
        spanNulls=points,
        lineInterpolation="stepAfter" if step else "linear",
        showPoints="always" if points else "auto",
        thresholdsStyleMode="dashed" if show_limits else "off",
        overrides=list(overrides),
        legendDisplayMode="table" if legend_values else "list",
        legendPlacement=legend,
        legendCalcs=list(legend_values),
        tooltipMode="multi",
        tooltipSort="desc",
        extraJson={
            "fieldConfig": {
                "defaults": {
                    "custom": {"axisSoftMax": soft_maximum},
                    "thresholds": steps(limits),
                    "noValue": none,
                }
            },
            "maxDataPoints": None,
            "options": {"legend": {"showLegend": True}},
        },
    )


def state_timeline(
    title: str,
    description: str,
    *targets: PrometheusTarget,
    words: Sequence[Json] = (),
    overrides: Sequence[Json] = (),
    row_height: float = 0.9,
    none: str = NOT_TOLD,
) -> Panel:
    """Return one band a series, whose colour and word tell the state."""
    return StateTimeline(
        title=title,
        description=description,
        dataSource=reference("prometheus"),
        targets=lettered(targets),
        interval=MINIMUM_INTERVAL,
        mappings=list(words),
        overrides=list(overrides),
        rowHeight=row_height,
        fillOpacity=85,
        tooltipMode="single",
        extraJson={
            "fieldConfig": {
                "defaults": {"thresholds": steps(NO_LIMITS), "unit": "none", "decimals": 0, "noValue": none}
            },
            "maxDataPoints": None,
            "options": {"legend": {"showLegend": False}},
        },
    )


def banded(name: str, words: Sequence[Json]) -> Json:
    """Return the override that gives the band ``name`` words of its own."""
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": "mappings", "value": list(words)}],
    }


def logs(title: str, description: str, target: LokiTarget) -> Panel:
    """Return log lines, newest first."""
    return Logs(
        title=title,
        description=description,
        dataSource=reference("loki"),
        targets=lettered([target]),
        showTime=True,
        wrapLogMessages=True,
        enableLogDetails=True,
    )


def traces(title: str, description: str, target: TempoTarget) -> Panel:
    """Return a table of traces; each row links to its trace."""
    return Table(
        title=title,
        description=description,
        dataSource=reference("tempo"),
        targets=lettered([target]),
    )


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: the field it shows, its title, and how a value is written."""

    field: str
    title: str
    unit: str = "string"
    decimals: int | None = None
    width: int | None = None
    words: Sequence[Json] = ()
    limits: Thresholds = ()
    link: Json | None = None

    def override(self) -> Json:
        """Return the override that gives the column its look."""
        # The text for an empty table is not that of an empty cell.
        properties: list[tuple[str, Any]] = [("unit", self.unit), ("noValue", "–")]
        if self.decimals is not None:
            properties.append(("decimals", self.decimals))
        if self.width is not None:
            properties.append(("custom.width", self.width))
        if self.words:
            properties.append(("mappings", list(self.words)))
        if self.limits:
            properties.append(("thresholds", steps(self.limits)))
        if (self.words or self.limits) and not self.link:
            properties.append(("custom.cellOptions", {"type": "color-text"}))
        if self.link:
            properties.append(("links", [self.link]))
        return {
            "matcher": {"id": "byName", "options": self.title},
            "properties": [{"id": name, "value": value} for name, value in properties],
        }


def table(
    title: str,
    description: str,
    *targets: Numbers,
    columns: Sequence[Column],
    prepared: Sequence[Json] = (),
    newest_first: str = "",
    none: str = NOT_TOLD,
) -> Panel:
    """Return a table with one row a device or job, and no columns but those that are named.

    ``prepared`` are the transformations that make rows of what the data source gives.
    """
    order = {column.field: number for number, column in enumerate(columns)}
    transformations = [
        *prepared,
        {"id": "filterFieldsByName", "options": {"include": {"names": list(order)}}},
        {
            "id": "organize",
            "options": {
                "excludeByName": {},
                "indexByName": order,
                "renameByName": {column.field: column.title for column in columns},
            },
        },
    ]
    return Table(
        title=title,
        description=description,
        dataSource=reference(targets[0].source),
        targets=lettered(targets),
        interval=MINIMUM_INTERVAL,
        transformations=transformations,
        overrides=[column.override() for column in columns],
        extraJson={
            "fieldConfig": {
                "defaults": {
                    "custom": {
                        "align": "left",
                        "cellOptions": {"type": "auto"},
                        "displayMode": None,
                        "filterable": False,
                        "minWidth": 50,
                    },
                    "decimals": 0,
                    "noValue": none,
                    "thresholds": steps(NO_LIMITS),
                    "unit": "string",
                }
            },
            "options": {
                "cellHeight": "sm",
                "sortBy": [{"displayName": newest_first, "desc": True}] if newest_first else [],
            },
        },
    )
