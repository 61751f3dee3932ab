"""Time and jobs by day, and by weekday and hour of the day, in the report's zone."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, and_, func, select

from ..scheduler.local_days import days_between
from ..scheduler.tables import ledger_jobs
from ..telemetry.labels import ACTIVITIES
from .expressions import number, one_if, whole
from .job_cube import USER_ERROR, ended_within
from .ledger_intervals import UNKNOWN
from .model import Day, Period
from .time_partition import TimeTable

WEEKDAYS, HOURS = 7, 24


@dataclass(frozen=True, slots=True)
class HourlyJobs:
    """The jobs of one device that ended in a stretch of time of the clock, in the period or before it."""

    qpu_id: str
    stretch: int
    """Number of the stretch since 1970."""
    in_period: bool
    jobs: int
    failed: int


def jobs_by_hour(
    connection: Connection, begin: float, period: Period, devices: Sequence[str], size: int
) -> list[HourlyJobs]:
    """Return how many jobs ended from ``begin`` to the end of the period, by stretches of ``size`` seconds."""
    columns = ledger_jobs.c
    failed = one_if(and_(columns.state == "ERROR", columns.reason != USER_ERROR))
    keys = (
        whole(columns.ended_at / number(float(size))).label("stretch"),
        one_if(columns.ended_at >= number(period.begin)).label("in_period"),
        columns.qpu_id,
    )
    rows = connection.execute(
        select(*keys, func.count(), func.sum(failed))
        .where(ended_within(begin, period.end, devices))
        .group_by(*keys)
    )
    return [
        HourlyJobs(qpu_id, stretch, bool(in_period), jobs, int(failed))
        for stretch, in_period, qpu_id, jobs, failed in rows
    ]


def midnights(period: Period) -> list[float]:
    """Return the begin of the period, every local midnight within it, and its end."""
    local = days_between(period.begin, period.end, ZoneInfo(period.timezone))
    return [period.begin, *(day.begin for day in local[1:]), period.end]


def days(table: TimeTable, period: Period, jobs: Sequence[HourlyJobs]) -> list[Day]:
    """Return the days of the period with a device's time and the jobs that ended on it."""
    borders = midnights(period)
    zone = ZoneInfo(period.timezone)
    seconds = [dict.fromkeys(ACTIVITIES, 0.0) for _ in borders[1:]]
    for begin, spent in table.within(period.begin, period.end):
        day = seconds[bisect_right(borders, begin) - 1]
        for activity, length in spent.items():
            day[activity] += length
    counts = [0] * len(seconds)
    for of in jobs:
        if of.in_period and of.qpu_id == table.presence.qpu_id:
            place = bisect_right(borders, max(float(of.stretch * table.grid.size), period.begin)) - 1
            counts[min(place, len(counts) - 1)] += of.jobs
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
    for begin, seconds in table.within(period.begin, period.end):
        moment = datetime.fromtimestamp(begin, zone)
        weekday, hour = moment.weekday(), moment.hour
        total = sum(seconds.values())
        busy[weekday][hour] += seconds["execute"]
        wall[weekday][hour] += total
        known[weekday][hour] += total - seconds[UNKNOWN]
    return [
        [
            min(busy[weekday][hour] / wall[weekday][hour], 1.0) if known[weekday][hour] > 0 else None
            for hour in range(HOURS)
        ]
        for weekday in range(WEEKDAYS)
    ]
