"""The newest quality samples of each device, read from the ledger without a look at its history."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, select

from ...telemetry import quality_metrics
from ...telemetry.catalogue import Metric
from ..tables import ledger_quality

_METRICS: Mapping[str, Metric] = {metric.name: metric for metric in quality_metrics.MEASURED}
_OVERLAP = 256
"""Numbers that are read again: where several processes write, a lower one may be committed after a higher."""
_COLUMNS = ledger_quality.c


@dataclass(frozen=True, slots=True)
class Reading:
    """One sample; ``at`` in Unix seconds, ``uncertainty`` one standard deviation or None."""

    metric: Metric
    labels: Mapping[str, str]
    at: float
    source: str
    value: float
    uncertainty: float | None


class LatestQuality:
    """Keeps the newest sample of each device, metric and labels, and the newest time of each source.

    The first update reads what is not older than ``max_age`` and the newest row of each metric, by the index;
    the others read only the rows that were appended since.
    """

    def __init__(self, max_ages: Mapping[str, float]) -> None:
        self._max_ages = dict(max_ages)
        self._highest: int | None = None
        self._readings: dict[str, dict[tuple[str, str], Reading]] = {name: {} for name in max_ages}
        self._sources: dict[str, dict[str, float]] = {name: {} for name in max_ages}

    def update(self, connection: Connection) -> None:
        """Read what is new."""
        if self._highest is None:
            highest = connection.execute(select(func.max(_COLUMNS.id))).scalar_one()
            self._begin(connection)
            self._highest = highest or 0
            return
        rows = connection.execute(
            select(ledger_quality).where(_COLUMNS.id > self._highest - _OVERLAP).order_by(_COLUMNS.id)
        )
        for row in rows:
            self._take(row)
            self._highest = max(self._highest, row.id)

    def readings(self, qpu_id: str) -> Iterator[Reading]:
        """Return the newest sample of each metric and labels of a device, however old it is."""
        return iter(self._readings[qpu_id].values())

    def sources(self, qpu_id: str) -> Mapping[str, float]:
        """Return when each source told something of a device last, in Unix seconds."""
        return self._sources[qpu_id]

    def _begin(self, connection: Connection) -> None:
        now = time.time()
        for name, max_age in self._max_ages.items():
            for metric in _METRICS:
                of_metric = select(ledger_quality).where(_COLUMNS.qpu_id == name, _COLUMNS.metric == metric)
                newest = of_metric.order_by(_COLUMNS.at.desc(), _COLUMNS.id.desc()).limit(1)
                recent = of_metric.where(_COLUMNS.at >= now - max_age).order_by(_COLUMNS.at, _COLUMNS.id)
                for query in (newest, recent):
                    for row in connection.execute(query):
                        self._take(row)

    def _take(self, row: Row[Any]) -> None:
        metric = _METRICS.get(row.metric)
        readings = self._readings.get(row.qpu_id)
        if metric is None or readings is None:
            return
        sources = self._sources[row.qpu_id]
        sources[row.source] = max(row.at, sources.get(row.source, row.at))
        key = (row.metric, row.labels)
        if key not in readings or row.at >= readings[key].at:
            readings[key] = Reading(
                metric, json.loads(row.labels), row.at, row.source, row.value, row.uncertainty
            )


def newest_by_series(
    connection: Connection, qpu_id: str, source: str, since: float
) -> dict[tuple[str, str], float]:
    """Return when ``source`` last told each metric and labels (as JSON) of a device, since ``since``."""
    rows = connection.execute(
        select(_COLUMNS.metric, _COLUMNS.labels, func.max(_COLUMNS.at))
        .where(
            _COLUMNS.qpu_id == qpu_id,
            _COLUMNS.metric.in_(list(_METRICS)),
            _COLUMNS.at >= since,
            _COLUMNS.source == source,
        )
        .group_by(_COLUMNS.metric, _COLUMNS.labels)
    )
    return {(row[0], row[1]): row[2] for row in rows}
