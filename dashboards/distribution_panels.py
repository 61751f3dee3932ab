"""Kinds of panels that grafanalib has only in a form of Grafana's past: heatmaps and bars side by side."""

from __future__ import annotations

from collections.abc import Sequence

from .grafana import Json, PlainPanel, PrometheusTarget
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
