"""Periods as users write them, in the zone of this machine: a month, or from one moment to another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ..telemetry.zone_names import zone_names
from .moments import MomentError, moment

_MONTH = re.compile(r"(\d{4})-(\d\d)")
_USUAL = timedelta(days=30)


class PeriodError(ValueError):
    """What was written is no period."""


@dataclass(frozen=True, slots=True)
class Period:
    """From ``begin`` to before ``end``; ``zone`` names the zone of its days for the daemon."""

    begin: datetime
    end: datetime
    zone: str


def period(month: str | None, begin: str | None, end: str | None, now: datetime | None = None) -> Period:
    """Return a month, or from ``begin`` to ``end``; the last 30 days if nothing is given.

    ``begin`` and ``end`` are moments, or durations back from now such as ``7d``.

    Raises:
        PeriodError: it is neither, or ends before it begins.
    """
    now = (now or datetime.now(UTC)).astimezone()
    if month is not None:
        if begin is not None or end is not None:
            raise PeriodError("a month is a period by itself: leave --from and --to out")
        first, last = _month(month)
    else:
        last = now if end is None else _moment(end, now)
        first = last - _USUAL if begin is None else _moment(begin, now)
    if first >= last:
        raise PeriodError(f"the period ends ({last:%Y-%m-%d %H:%M}) before it begins ({first:%Y-%m-%d %H:%M})")
    return Period(first, last, local_zone(first, last))


def local_zone(*moments: datetime) -> str:
    """Return the name of this machine's zone, or its offset where no name tells the same of ``moments``."""
    for name in (*zone_names(), "UTC"):
        try:
            zone = ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            continue
        if all(item.astimezone(zone).utcoffset() == item.astimezone().utcoffset() for item in moments):
            return name
    minutes = int((moments[0].astimezone().utcoffset() or timedelta()).total_seconds()) // 60
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def _month(text: str) -> tuple[datetime, datetime]:
    found = _MONTH.fullmatch(text)
    if found is None or not 1 <= int(found[2]) <= 12 or not 1970 <= int(found[1]) < 9999:
        raise PeriodError(f"{text!r} is not a month such as 2026-11")
    year, month = int(found[1]), int(found[2])
    following = (year, month + 1) if month < 12 else (year + 1, 1)
    return _local(datetime(year, month, 1)), _local(datetime(*following, 1))  # noqa: DTZ001


def _moment(text: str, now: datetime) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        try:
            return moment(text, now, past=True)
        except MomentError as error:
            raise PeriodError(str(error)) from None
    return found if found.tzinfo is not None else _local(found)


def _local(naive: datetime) -> datetime:
    """Return a moment of this machine's clock, by the offset that holds then and not by that of today."""
    return naive.astimezone()
