"""Every metric and label that boards, rules and runbooks name is in the catalogue or is recorded by a rule."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from qwatch.alerts.alerting import alerting_rules
from qwatch.alerts.configuration import Configuration
from qwatch.alerts.generate import rules
from qwatch.dashboards import generate
from qwatch.telemetry.catalogue import Kind, by_prometheus_name

RUNBOOKS = Path(__file__).parents[2] / "alerts" / "runbooks"
CONFIGURATION = Configuration()
GENERATED: list[dict[str, Any]] = [
    rule
    for group in rules(CONFIGURATION)["groups"]  # type: ignore[attr-defined]
    for rule in group["rules"]
]
RECORDED: dict[str, str] = {rule["record"]: rule["expr"] for rule in GENERATED if "record" in rule}
OF_PROMETHEUS = {
    "up": {"job", "instance"},
    "scrape_duration_seconds": {"job", "instance"},
    "ALERTS": {"alertname", "alertstate", "severity", "team", "qpu_id"},
}
EXTERNAL_LABELS = {"cluster"}
"""Every series may have them."""
MADE_BY_COUNT_VALUES = {"weekday", "hour"}
SCRAPE_LABELS = {"job", "instance"}
WORDS = {
    "and",
    "or",
    "unless",
    "bool",
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "inf",
    "offset",
}


@dataclass(frozen=True)
class Named:
    """The series that an expression names, with the labels matched on each, and the labels it groups by."""

    series: tuple[tuple[str, frozenset[str]], ...]
    grouping: frozenset[str]


def names_in(expression: str) -> Named:
    bare = re.sub(r'"[^"]*"', '""', expression)
    bare = re.sub(r"\[[^\]]*\]", "", bare)
    grouping: set[str] = set()

    def take_grouping(found: re.Match[str]) -> str:
        grouping.update(re.findall(r"\w+", found[1]))
        return " "

    bare = re.sub(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)", take_grouping, bare)
    series = []
    for found in re.finditer(r"(?<![\w:$.])([a-zA-Z_][\w:]*)(?![\w:])(?!\s*\()\s*(?:\{([^}]*)\})?", bare):
        if found[1] not in WORDS:
            series.append((found[1], frozenset(re.findall(r"(\w+)\s*[=!]", found[2] or ""))))
    return Named(tuple(series), frozenset(grouping))


def labels_of(series: str) -> set[str] | None:
    """Return the labels that a series may be matched on; None if there is no such series."""
    metrics = by_prometheus_name()
    if series in OF_PROMETHEUS:
        return OF_PROMETHEUS[series]
    if series in RECORDED:
        named = names_in(RECORDED[series])
        return set().union(*(labels_of(inner) or set() for inner, _ in named.series))
    if series in metrics and metrics[series].kind is not Kind.HISTOGRAM:
        return set(metrics[series].label_names)
    base, _, suffix = series.rpartition("_")
    if base in metrics and metrics[base].kind is Kind.HISTOGRAM and suffix in ("bucket", "sum", "count"):
        return {*metrics[base].label_names, *(["le"] if suffix == "bucket" else [])}
    return None


def board_expressions() -> Iterator[tuple[str, str]]:
    for name, make in generate.BOARDS.items():
        board = make()
        for annotation in board["annotations"]["list"]:
            yield f"{name}: annotation", annotation["expr"]
        for variable in board["templating"]["list"]:
            if found := re.fullmatch(r"label_values\((.+), (\w+)\)", variable.get("definition", "")):
                yield f"{name}: {variable['name']}", f"count by ({found[2]}) ({found[1]})"
        for panel in itertools.chain(board["panels"], *(p.get("panels", []) for p in board["panels"])):
            for target in panel.get("targets", []):
                if target["datasource"]["type"] == "prometheus":
                    yield f"{name}: {panel['title']} {target['refId']}", target["expr"]


def rule_expressions() -> Iterator[tuple[str, str]]:
    yield from RECORDED.items()
    for alerting in alerting_rules(CONFIGURATION):
        yield alerting.name, alerting.expression
        for number, asked in enumerate(re.findall(r"printf `([^`]+)`", alerting.description)):
            yield f"{alerting.name}: description {number}", asked.replace("%q", '""')


def runbook_expressions() -> Iterator[tuple[str, str]]:
    for page in sorted(RUNBOOKS.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        asked = re.findall(r"'query=([^']+)'|promtool query instant \S+ '([^']+)'", text)
        for number, query in enumerate(first or second for first, second in asked):
            yield f"{page.stem}: query {number}", query


def test_names_are_read_from_an_expression() -> None:
    named = names_in(
        'sum by (a, le) (rate(x_bucket{b=~"c|d",e!="f"}[5m])) / on (job) (y:z:w > bool 0.5) unless up'
    )
    assert named.series == (("x_bucket", frozenset({"b", "e"})), ("y:z:w", frozenset()), ("up", frozenset()))
    assert named.grouping == {"a", "le", "job"}


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param(expression, id=where)
        for where, expression in (*board_expressions(), *rule_expressions(), *runbook_expressions())
    ],
)
def test_metrics_and_labels_are_in_the_catalogue(expression: str) -> None:
    named = names_in(expression)
    known: set[str] = {*SCRAPE_LABELS, *EXTERNAL_LABELS, *MADE_BY_COUNT_VALUES}
    for series, matched in named.series:
        if series.startswith("prometheus_"):
            continue
        labels = labels_of(series)
        assert labels is not None, f"no metric {series}"
        assert matched <= labels | EXTERNAL_LABELS, f"{series} has no label {', '.join(matched - labels)}"
        known |= labels
    assert named.grouping <= known, f"nothing has the label {', '.join(named.grouping - known)}"


def test_every_metric_of_an_alert_is_on_a_board() -> None:
    def metrics(expression: str) -> set[str]:
        found = set()
        for series, _ in names_in(expression).series:
            found |= metrics(RECORDED[series]) if series in RECORDED else {metric_of(series)}
        return found

    def metric_of(series: str) -> str:
        base, _, suffix = series.rpartition("_")
        known = by_prometheus_name().get(base) if suffix in ("bucket", "sum", "count") else None
        return base if known is not None and known.kind is Kind.HISTOGRAM else series

    shown = set().union(*(metrics(expression) for _, expression in board_expressions()))
    for rule in alerting_rules(CONFIGURATION):
        assert metrics(rule.expression) <= shown, rule.name


def test_every_alert_links_to_a_board_that_exists() -> None:
    uids = {make()["uid"] for make in generate.BOARDS.values()}
    assert {rule.board for rule in alerting_rules(CONFIGURATION)} <= uids


def test_recording_rules_are_named_level_metric_operation() -> None:
    for record in RECORDED:
        level, metric, operation = record.split(":")
        assert level.startswith("qpu_id")
        assert metric
        assert operation
