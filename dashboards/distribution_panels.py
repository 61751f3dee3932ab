"""Kinds of panels that compare: heatmaps and bars, which grafanalib has as of Grafana's past, and a matrix."""

from __future__ import annotations

from collections.abc import Sequence

from grafanalib.core import Table

from .grafana import MINIMUM_INTERVAL, Json, Panel, PlainPanel, PrometheusTarget, reference
from .grafana import with_reference_ids as lettered
from .palette import NEUTRAL
from .panel_types import NO_LIMITS, NONE_OR_NOT_TOLD, NOT_TOLD, Thresholds, steps


def heatmap(
    title: str,
    description: str,
    unit: str,
    target: PrometheusTarget,
    *,
    scheme: str = "Oranges",
    none: str = NONE_OR_NOT_TOLD,
) -> PlainPanel:
    """Return the buckets of a histogram over time: the darker, the more; ``unit`` is that of the buckets."""
    return PlainPanel(
        type="heatmap",
        # Shorter steps would mostly hold no job.
        interval="2m",
        title=title,
        description=description,
        targets=lettered([target]),
        unit="short",
        decimals=0,
        thresholds=steps(NO_LIMITS),
        none=none,
        color={"mode": "thresholds"},
        custom={
            "hideFrom": {"legend": False, "tooltip": False, "viz": False},
            "scaleDistribution": {"type": "linear"},
        },
        options={
            "calculate": False,
            "cellGap": 1,
            "cellValues": {"decimals": 0, "unit": "short"},
            "color": {
                "exponent": 0.5,
                "fill": "dark-orange",
                "mode": "scheme",
                "reverse": False,
                "scale": "exponential",
                "scheme": scheme,
                "steps": 64,
            },
            "exemplars": {"color": "rgba(255,0,255,0.7)"},
            # Cells without a job stay empty.
            "filterValues": {"le": 1e-9},
            "legend": {"show": True},
            "rowsFrame": {"layout": "auto"},
            "showValue": "never",
            "tooltip": {"mode": "single", "showColorScale": True, "yHistogram": True},
            "yAxis": {"axisPlacement": "left", "decimals": 1, "reverse": False, "unit": unit},
        },
    )


def bars(
    title: str,
    description: str,
    unit: str,
    *targets: PrometheusTarget,
    label: str = "",
    decimals: int = 1,
    limits: Thresholds = NO_LIMITS,
    minimum: float | None = 0,
    maximum: float | None = None,
    overrides: Sequence[Json] = (),
    none: str = NOT_TOLD,
) -> PlainPanel:
    """Return a bar with its number for each series: what is compared now, not over time.

    Where there may be one series only it needs the ``label`` that names it.
    """
    return PlainPanel(
        type="bargauge",
        title=title,
        description=description,
        targets=lettered(targets),
        unit=unit,
        decimals=decimals,
        thresholds=steps(limits),
        none=none,
        color={"mode": "thresholds" if limits is not NO_LIMITS else "fixed", "fixedColor": NEUTRAL},
        # The name of the only series would be left out.
        name=f"${{__field.labels.{label}}}" if label else None,
        minimum=minimum,
        maximum=maximum,
        overrides=list(overrides),
        options={
            "displayMode": "basic",
            "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": False},
            "maxVizHeight": 40,
            "minVizHeight": 12,
            "minVizWidth": 8,
            "namePlacement": "left",
            "orientation": "horizontal",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "showUnfilled": True,
            "sizing": "auto",
            # As large as the bars are high, numbers would be read as what matters most.
            "text": {"titleSize": 12, "valueSize": 16},
            "valueMode": "text",
        },
    )


def coloured_matrix(
    title: str,
    description: str,
    target: PrometheusTarget,
    *,
    rows: tuple[str, Sequence[str]],
    column: str,
    none: str = NOT_TOLD,
) -> Panel:
    """Return shares as a table of coloured cells: a row for each value of one label, a column for another's.

    ``rows`` is the label whose values are numbered from 1, and the names of the numbers.
    """
    label, names = rows
    words = {str(i): {"text": name, "index": i} for i, name in enumerate(names, start=1)}
    corner = f"{label}\\{column}"
    return Table(
        title=title,
        description=description,
        dataSource=reference("prometheus"),
        targets=lettered([target]),
        interval=MINIMUM_INTERVAL,
        transformations=[
            {"id": "sortBy", "options": {"fields": {}, "sort": [{"field": column, "desc": False}]}},
            {
                "id": "groupingToMatrix",
                "options": {
                    "columnField": column,
                    "rowField": label,
                    "valueField": "Value",
                    "emptyValue": "null",
                },
            },
            {"id": "sortBy", "options": {"fields": {}, "sort": [{"field": corner, "desc": False}]}},
        ],
        overrides=[
            {
                "matcher": {"id": "byName", "options": corner},
                "properties": [
                    {"id": "displayName", "value": " "},
                    {"id": "unit", "value": "string"},
                    {"id": "mappings", "value": [{"type": "value", "options": words}]},
                    {"id": "custom.cellOptions", "value": {"type": "auto"}},
                    {"id": "custom.width", "value": 60},
                ],
            }
        ],
        extraJson={
            "fieldConfig": {
                "defaults": {
                    "color": {"mode": "continuous-greens"},
                    "custom": {
                        "align": "center",
                        "cellOptions": {"type": "color-background", "mode": "basic"},
                        "displayMode": None,
                        "filterable": False,
                        "minWidth": 40,
                    },
                    "decimals": 0,
                    "max": 1,
                    "min": 0,
                    "noValue": none,
                    "thresholds": steps(NO_LIMITS),
                    "unit": "percentunit",
                }
            },
            "options": {"cellHeight": "sm"},
        },
    )
