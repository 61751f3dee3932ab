"""Time and jobs by day, and by weekday and hour of the day, in the report's zone."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, func, select

from ..scheduler.tables import ledger_jobs
from ..telemetry.labels import ACTIVITIES
from .expressions import number, whole
from .model import Day, Period
from .time_partition import UNKNOWN, TimeTable

WEEKDAYS, HOURS = 7, 24


def jobs_by_hour(connection: Connection, where: ColumnElement[bool], size: int) -> dict[str, dict[int, int]]:
    """Return how many jobs ended, by device and stretch of ``size`` seconds since 1970."""
    columns = ledger_jobs.c
    stretch = whole(columns.ended_at / number(float(size)))
    found: dict[str, dict[int, int]] = {}
    rows = connection.execute(
        select(stretch.label("stretch"), columns.qpu_id, func.count())
        .where(where)
        .group_by(stretch, columns.qpu_id)
    )
    for place, qpu_id, count in rows:
        found.setdefault(qpu_id, {})[place] = count
    return found


def midnights(period: Period) -> list[float]:
    """Return the begin of the period, every local midnight within it, and its end."""
    zone = ZoneInfo(period.timezone)
    day = datetime.fromtimestamp(period.begin, zone).date()
    found = [period.begin]
    while True:
        day += timedelta(days=1)
        midnight = datetime.combine(day, datetime.min.time(), zone).timestamp()
        if midnight >= period.end:
            return [*found, period.end]
        found.append(midnight)


def days(table: TimeTable, period: Period, jobs: Mapping[int, int]) -> list[Day]:
    """Return the days of the period with a device's time and the jobs that ended on it."""
    borders = midnights(period)
    zone = ZoneInfo(period.timezone)
    seconds = [dict.fromkeys(ACTIVITIES, 0.0) for _ in borders[1:]]
    for cell, spent in table.within(period.begin, period.end):
        day = seconds[bisect_right(borders, table.grid.bounds(cell)[0]) - 1]
        for activity, length in spent.items():
            day[activity] += max(length, 0.0)
    counts = [0] * len(seconds)
    for stretch, count in jobs.items():
        place = bisect_right(borders, max(float(stretch * table.grid.size), period.begin)) - 1
        counts[min(place, len(counts) - 1)] += count
    return [
        Day(
            date=f"{datetime.fromtimestamp(begin, zone):%Y-%m-%d}",
            begin=begin,
            end=end,
            seconds=seconds[number_of_it],
            jobs=counts[number_of_it],
        )
        for number_of_it, (begin, end) in enumerate(pairwise(borders))
    ]


def heatmap(table: TimeTable, period: Period) -> list[list[float | None]]:
    """Return busy time / wall time by weekday (Monday first) and hour; None where nothing at all is known."""
    zone = ZoneInfo(period.timezone)
    busy, wall, known = ([[0.0] * HOURS for _ in range(WEEKDAYS)] for _ in range(3))
    for cell, seconds in table.within(period.begin, period.end):
        moment = datetime.fromtimestamp(table.grid.bounds(cell)[0], zone)
        weekday, hour = moment.weekday(), moment.hour
        total = sum(seconds.values())
        busy[weekday][hour] += seconds["execute"]
        wall[weekday][hour] += total
        known[weekday][hour] += total - seconds[UNKNOWN]
    return [
        [
            min(max(busy[weekday][hour], 0.0) / wall[weekday][hour], 1.0) if known[weekday][hour] > 0 else None
            for hour in range(HOURS)
        ]
        for weekday in range(WEEKDAYS)
    ]
