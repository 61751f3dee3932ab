"""The days of a time zone in a period: 24 hours long but for those on which clocks are changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

from sqlalchemy import ColumnElement, Integer, case, cast, func, literal

_DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Day:
    """A day, ``begin`` to before ``end`` in Unix seconds."""

    date: date
    begin: float
    end: float


def days_between(begin: float, end: float, zone: tzinfo) -> list[Day]:
    """Return the days of ``zone`` that overlap the time from ``begin`` to before ``end`` (Unix seconds)."""
    found: list[Day] = []
    day = datetime.fromtimestamp(begin, zone).date()
    first = _midnight(day, zone)
    while first < end:
        following = day + timedelta(days=1)
        last = _midnight(following, zone)
        found.append(Day(day, first, last))
        day, first = following, last
    return found


def place_of(moment: ColumnElement[float], days: Sequence[Day], dialect: str) -> ColumnElement[int]:
    """Return the expression for the place in ``days`` of the day that ``moment`` is in; it must be in one."""
    arms = []
    for first, last in _runs(days):
        past = (moment - days[first].begin) / _DAY_SECONDS
        # SQLite's cast cuts off, those of others round.
        whole = cast(past if dialect == "sqlite" else func.floor(past), Integer)
        within = literal(first, Integer) + whole if first < last else literal(first, Integer)
        arms.append((moment < days[last].end, within))
    return case(*arms, else_=literal(len(days) - 1, Integer))


def _runs(days: Sequence[Day]) -> list[tuple[int, int]]:
    """Return the first and last place of each run of days of 24 hours, and of each other day by itself."""
    found: list[tuple[int, int]] = []
    usual = False
    for place, day in enumerate(days):
        is_usual = day.end - day.begin == _DAY_SECONDS
        if is_usual and usual:
            found[-1] = (found[-1][0], place)
        else:
            found.append((place, place))
        usual = is_usual
    return found


def _midnight(day: date, zone: tzinfo) -> float:
    return datetime.combine(day, time(), zone).timestamp()
