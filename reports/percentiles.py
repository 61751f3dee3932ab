"""Exact percentiles of wait, run and turnaround by job class, computed where the rows are read.

The p-th percentile of n values is the one at the (zero-based) place ``ceil(p * n) - 1`` of their order (nearest
rank, SQL's ``percentile_disc``): always a value that occurred. PostgreSQL has that aggregate; SQLite is given
one which does it in one pass over the rows, with 8 bytes a value.
"""

from __future__ import annotations

import json
import math
import sqlite3
from array import array
from collections.abc import Sequence
from typing import Any

import numpy
from sqlalchemy import ColumnElement, Connection, Double, FromClause, case, cast, func, literal_column, select

from .model import Quantiles

PARTS = (0.5, 0.9, 0.99)
_AGGREGATE = "qwatch_quantiles"
NONE_AT_ALL = Quantiles(count=0, p50=None, p90=None, p99=None, mean=None, greatest=None)


def place(part: float, count: int) -> int:
    """Return the zero-based place of a percentile among ``count`` values in order."""
    # As PostgreSQL has it, without what rounding adds to a whole number.
    return max(math.ceil(part * count - 1e-9) - 1, 0)


def of_values(values: Sequence[float] | array[float]) -> Quantiles:
    """Return the distribution of ``values``."""
    if not len(values):
        return NONE_AT_ALL
    found = numpy.asarray(values, dtype=float)
    count = len(found)
    places = [place(part, count) for part in PARTS]
    ordered = numpy.partition(found, places)
    p50, p90, p99 = (float(ordered[number]) for number in places)
    return Quantiles(
        count=count,
        p50=p50,
        p90=p90,
        p99=p99,
        mean=float(found.mean()),
        greatest=float(found.max()),
    )


def by_class(
    connection: Connection, table: FromClause, where: ColumnElement[bool], measures: Sequence[str]
) -> dict[tuple[str, str], Quantiles]:
    """Return the distributions by job class and measure of the rows of ``table`` that meet ``where``.

    ``measures`` are wait, run or turnaround: lengths between two columns, not below 0; rows without one of the
    two do not count.
    """
    values = [length(table, measure) for measure in measures]
    if connection.dialect.name == "sqlite":
        aggregate = getattr(func, _AGGREGATE)(table.c.job_class, *values)
        told = connection.execute(select(aggregate).select_from(table).where(where)).scalar()
        return {
            (job_class, measures[int(number)]): Quantiles(**quantiles)
            for job_class, number, quantiles in json.loads(told or "[]")
        }
    columns: list[ColumnElement[Any]] = []
    for value in values:
        columns += [func.count(value)]
        columns += [func.percentile_disc(part).within_group(value) for part in PARTS]
        columns += [func.avg(value), func.max(value)]
    found: dict[tuple[str, str], Quantiles] = {}
    for row in connection.execute(select(table.c.job_class, *columns).where(where).group_by(table.c.job_class)):
        for number, measure in enumerate(measures):
            count, *told = row[1 + number * 6 : 7 + number * 6]
            if count:
                p50, p90, p99, mean, greatest = (float(value) for value in told)
                found[row.job_class, measure] = Quantiles(
                    count=count, p50=p50, p90=p90, p99=p99, mean=mean, greatest=greatest
                )
    return found


def length(table: FromClause, measure: str) -> ColumnElement[float]:
    """Return the length of time that ``measure`` names, in seconds: wait, run or turnaround."""
    begin, end = {
        "wait": (table.c.created_at, table.c.started_at),
        "run": (table.c.started_at, table.c.ended_at),
        "turnaround": (table.c.created_at, table.c.ended_at),
    }[measure]
    # A clock that was set back makes no length of time negative.
    zero = cast(literal_column("0.0"), Double)
    return case((end < begin, zero), else_=end - begin)


def register(connection: sqlite3.Connection) -> None:
    """Give an SQLite connection the aggregate."""
    # typeshed knows no aggregate of any number of arguments by several parameters.
    connection.create_aggregate(_AGGREGATE, -1, _QuantilesByClass)  # type: ignore[arg-type]


class _QuantilesByClass:
    """SQLite's aggregate: of a class and values, the distribution of each value by class, as JSON."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[array[float], ...]] = {}

    def step(self, job_class: str, *values: float | None) -> None:
        kept = self._values.get(job_class)
        if kept is None:
            kept = self._values[job_class] = tuple(array("d") for _ in values)
        for values_of_one, value in zip(kept, values):  # noqa: B905 - as many, and this is asked a million times
            if value is not None:
                values_of_one.append(value)

    def finalize(self) -> str:
        return json.dumps(
            [
                (job_class, number, {name: getattr(found, name) for name in Quantiles.__slots__})
                for job_class, kept in self._values.items()
                for number, values in enumerate(kept)
                if len(values)
                for found in (of_values(values),)
            ]
        )
