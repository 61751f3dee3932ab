"""The measured quality of a device over the period, and the windows that were planned on it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, func, or_, select

from ..scheduler.tables import device_windows, ledger_quality
from ..telemetry.catalogue import Metric
from ..telemetry.quality_metrics import MEASURED
from .model import Period, PlannedWindow, QualityPoint, QualitySeries

_METRICS: Mapping[str, Metric] = {metric.name: metric for metric in MEASURED}
_MOST_POINTS = 400
"""Of a series with more every so manieth is told, the first and the last among them."""


def quality(connection: Connection, qpu_id: str, period: Period) -> list[QualitySeries]:
    """Return the quality samples of a device in the period, a series for each metric, labels and source."""
    columns = ledger_quality.c
    series = (columns.metric, columns.labels, columns.source)
    order = (columns.at, columns.id)
    placed = (
        select(
            *series,
            columns.at,
            columns.value,
            columns.uncertainty,
            func.row_number().over(partition_by=series, order_by=order).label("place"),
            func.count().over(partition_by=series).label("samples"),
            func.min(columns.value).over(partition_by=series).label("least"),
            func.max(columns.value).over(partition_by=series).label("greatest"),
            func.avg(columns.value).over(partition_by=series).label("mean"),
        )
        .where(columns.qpu_id == qpu_id, columns.at >= period.begin, columns.at < period.end)
        .subquery()
    )
    told = placed.c
    every = told.samples // _MOST_POINTS + 1
    rows = connection.execute(
        select(placed)
        .where(or_((told.place - 1) % every == 0, told.place == told.samples))
        .order_by(told.metric, told.labels, told.source, told.place)
    )
    points: defaultdict[tuple[str, str, str], list[QualityPoint]] = defaultdict(list)
    facts: dict[tuple[str, str, str], Row[Any]] = {}
    for row in rows:
        key = (row.metric, row.labels, row.source)
        facts[key] = row
        points[key].append(QualityPoint(at=row.at, value=row.value, uncertainty=row.uncertainty))
    return [_series(facts[key], found) for key, found in points.items()]


def _series(row: Row[Any], points: list[QualityPoint]) -> QualitySeries:
    metric = _METRICS.get(row.metric)
    return QualitySeries(
        metric=row.metric,
        unit="" if metric is None else metric.unit,
        labels=json.loads(row.labels),
        source=row.source,
        points=points,
        count=row.samples,
        first=points[0].value,
        last=points[-1].value,
        least=row.least,
        greatest=row.greatest,
        mean=row.mean,
    )


def planned_windows(connection: Connection, qpu_id: str, period: Period) -> list[PlannedWindow]:
    """Return the drains, maintenances and calibrations of a device that lie in the period at least in part."""
    columns = device_windows.c
    rows = connection.execute(
        select(device_windows)
        .where(
            columns.qpu_id == qpu_id,
            columns.opened_at < period.end,
            or_(columns.closed_at.is_(None), columns.closed_at > period.begin),
        )
        .order_by(columns.opened_at, columns.id)
    )
    return [
        PlannedWindow(
            kind=row.kind,
            begin=row.opened_at,
            end=row.closed_at if row.closed_at is not None and row.closed_at <= period.end else None,
            procedure=row.procedure,
            result=row.result,
            message=row.message,
        )
        for row in rows
    ]
