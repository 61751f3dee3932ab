"""What grafanalib lacks, so that boards stay declarative and their JSON is what Grafana 11 and 12 write.

References to data sources by variable, targets for Prometheus (exemplars), Loki and Tempo, a grid that
fills itself, and a last pass that drops the fields of Grafana's past.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import attrs
from grafanalib._gen import DashboardEncoder
from grafanalib.core import Annotations, Dashboard, DashboardLink, GridPos, RowPanel, Templating, Time

Json = dict[str, Any]
"""An object of a dashboard's JSON."""
Panel = Any
"""A grafanalib panel; the library has no types."""
Source = Literal["prometheus", "loki", "tempo"]

SCHEMA_VERSION = 39
PLUGIN_VERSION = "11.0.0"
"""Without it Grafana takes a panel for one of version 6 and migrates its units and limits."""
GRID_COLUMNS = 24
MINIMUM_INTERVAL = "15s"
"""Least step of a query: data is not scraped more often than this."""
TAG = "qwatch"

DATA_SOURCE_VARIABLES: dict[Source, str] = {"prometheus": "datasource", "loki": "loki", "tempo": "tempo"}
_DASHBOARD_FIELDS = {
    *("annotations", "description", "editable", "graphTooltip", "id", "links", "panels", "refresh"),
    *("schemaVersion", "tags", "templating", "time", "timezone", "title", "uid", "version"),
}
_PANEL_FIELDS = {
    *("datasource", "description", "fieldConfig", "gridPos", "id", "interval", "links", "options"),
    *("pluginVersion", "targets", "title", "transformations", "type"),
}
_ROW_FIELDS = {"collapsed", "gridPos", "id", "panels", "title", "type"}


def reference(source: Source) -> Json:
    """Return the reference to the data source that the reader chose in the board's variable."""
    return {"type": source, "uid": f"${{{DATA_SOURCE_VARIABLES[source]}}}"}


@dataclass(frozen=True, slots=True)
class PrometheusTarget:
    """A PromQL query: over the range, or at its end if ``instant``."""

    expression: str
    legend: str = ""
    instant: bool = False
    exemplar: bool = False
    table: bool = False
    """One row a series, with a column for each label."""
    heatmap: bool = False
    """The buckets of a histogram, one row each."""

    source: ClassVar[Source] = "prometheus"

    def to_json_data(self) -> Json:
        """Return the target as Grafana writes it."""
        return {
            "datasource": reference("prometheus"),
            "editorMode": "code",
            "exemplar": self.exemplar,
            "expr": self.expression,
            "format": "table" if self.table else "heatmap" if self.heatmap else "time_series",
            "instant": self.instant,
            "legendFormat": self.legend or "__auto",
            "range": not self.instant,
        }


@dataclass(frozen=True, slots=True)
class LokiTarget:
    """A LogQL query: for at most ``most_lines`` log lines, or for numbers with a ``legend``."""

    expression: str
    legend: str = ""
    instant: bool = False
    most_lines: int | None = None

    source: ClassVar[Source] = "loki"

    def to_json_data(self) -> Json:
        """Return the target as Grafana writes it."""
        target: Json = {
            "datasource": reference("loki"),
            "editorMode": "code",
            "expr": self.expression,
            "queryType": "instant" if self.instant else "range",
        }
        if self.legend:
            target["legendFormat"] = self.legend
        if self.most_lines:
            target["maxLines"] = self.most_lines
        return target


@dataclass(frozen=True, slots=True)
class TempoTarget:
    """A TraceQL search; each row is one trace."""

    expression: str
    limit: int = 20

    source: ClassVar[Source] = "tempo"

    def to_json_data(self) -> Json:
        """Return the target as Grafana writes it."""
        return {
            "datasource": reference("tempo"),
            "limit": self.limit,
            "query": self.expression,
            "queryType": "traceql",
            "tableType": "traces",
        }


Target = PrometheusTarget | LokiTarget | TempoTarget


def with_reference_ids(targets: Sequence[Target]) -> list[Json]:
    """Return the targets' JSON with the letters by which a panel addresses them."""
    return [{**target.to_json_data(), "refId": chr(ord("A") + i)} for i, target in enumerate(targets)]


@attrs.define(slots=False, kw_only=True)
class PlainPanel:
    """A panel of a type that grafanalib lacks, or has in a form of Grafana's past."""

    type: str
    title: str
    description: str
    targets: list[Json]
    unit: str
    decimals: int
    thresholds: Json
    options: Json
    none: str
    color: Json
    name: str | None = None
    custom: Json = attrs.field(factory=dict)
    overrides: list[Json] = attrs.field(factory=list)
    minimum: float | None = None
    maximum: float | None = None
    links: list[Json] = attrs.field(factory=list)
    interval: str = MINIMUM_INTERVAL
    # Named as in grafanalib, which numbers and places panels by them.
    gridPos: GridPos | None = None
    id: int | None = None

    def _map_panels(self, change: Callable[[PlainPanel], PlainPanel]) -> PlainPanel:
        return change(self)

    def to_json_data(self) -> Json:
        """Return the panel as Grafana writes it."""
        defaults = {
            "color": self.color,
            "custom": self.custom,
            "decimals": self.decimals,
            "displayName": self.name,
            "max": self.maximum,
            "min": self.minimum,
            "noValue": self.none,
            "thresholds": self.thresholds,
            "unit": self.unit,
        }
        return {
            "datasource": self.targets[0]["datasource"],
            "description": self.description,
            "fieldConfig": {"defaults": defaults, "overrides": self.overrides},
            "gridPos": self.gridPos,
            "id": self.id,
            "interval": self.interval,
            "links": self.links,
            "options": self.options,
            "targets": self.targets,
            "title": self.title,
            "type": self.type,
        }


@dataclass(frozen=True, slots=True)
class Line:
    """Panels side by side: each with its width in columns, all with one height (a unit is 30 px)."""

    height: int
    panels: tuple[tuple[int, Panel], ...]

    def __post_init__(self) -> None:
        if sum(width for width, _ in self.panels) != GRID_COLUMNS:
            raise ValueError(f"the panels of a line fill {GRID_COLUMNS} columns: {self.panels}")


@dataclass(frozen=True, slots=True)
class Section:
    """A row of the board: the question it answers, and the lines of panels that answer it."""

    question: str
    lines: tuple[Line, ...]
    collapsed: bool = False


def _placed(sections: Iterable[Section]) -> list[Panel]:
    placed: list[Panel] = []
    y = 0
    for section in sections:
        row = RowPanel(title=section.question, collapsed=section.collapsed)
        row.gridPos = GridPos(h=1, w=GRID_COLUMNS, x=0, y=y)
        placed.append(row)
        y += 1
        for line in section.lines:
            x = 0
            for width, panel in line.panels:
                panel.gridPos = GridPos(h=line.height, w=width, x=x, y=y)
                (row.panels if section.collapsed else placed).append(panel)
                x += width
            y += line.height
        if section.collapsed:
            y = row.gridPos.y + 1
    return placed


def dashboard(
    *,
    uid: str,
    title: str,
    description: str,
    variables: Sequence[Json],
    annotations: Sequence[Json],
    sections: Sequence[Section],
    tags: Sequence[str] = (),
    since: str = "now-6h",
    refresh: str = "30s",
) -> Json:
    """Return a board's JSON, as Grafana writes it and in a stable order."""
    board = Dashboard(
        uid=uid,
        title=title,
        description=description,
        tags=[TAG, *tags],
        annotations=Annotations(list(annotations)),
        editable=True,
        graphTooltip=1,
        links=[DashboardLink(title="Boards", tags=[TAG], asDropdown=True, includeVars=True, keepTime=True)],
        panels=_placed(sections),
        refresh=refresh,
        schemaVersion=SCHEMA_VERSION,
        templating=Templating(list(variables)),
        time=Time(since, "now"),
        timezone="browser",
    ).auto_panel_ids()
    data: Json = json.loads(json.dumps(board, cls=DashboardEncoder))
    modern = {name: value for name, value in data.items() if name in _DASHBOARD_FIELDS}
    modern |= {"fiscalYearStartMonth": 0, "timepicker": {}, "weekStart": ""}
    modern["panels"] = [_modern_panel(panel) for panel in data["panels"]]
    return modern


def _modern_panel(panel: Json) -> Json:
    if panel["type"] == "row":
        row = {name: value for name, value in panel.items() if name in _ROW_FIELDS}
        return {**row, "panels": [_modern_panel(inner) for inner in panel["panels"]]}
    modern = {name: value for name, value in panel.items() if name in _PANEL_FIELDS and value is not None}
    defaults = {name: value for name, value in modern["fieldConfig"]["defaults"].items() if value is not None}
    custom = {name: value for name, value in defaults.get("custom", {}).items() if value is not None}
    modern["fieldConfig"] = {
        "defaults": {**defaults, "custom": custom},
        "overrides": modern["fieldConfig"].get("overrides", []),
    }
    return {**modern, "pluginVersion": PLUGIN_VERSION}
