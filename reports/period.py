"""The period of a report: calendar months, weeks and years in the report's zone, or from one moment to another.

A period that has not ended yet ends now. The one before it is the calendar's own previous one; of a period that
has not ended the same length of time from the previous one's begin; of any other the same length right before.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ..telemetry.zone_names import zone_names
from .model import Period

_MONTH = re.compile(r"(\d{4})-(\d\d)")
_WEEK = re.compile(r"(\d{4})-W(\d\d)")
_YEAR = re.compile(r"\d{4}")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


class PeriodError(ValueError):
    """What was asked for is not a period that a report can be made of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The period as it was asked for; nothing at all is the month so far."""

    month: str | None = None
    week: str | None = None
    year: str | None = None
    begin: str | None = None
    end: str | None = None


def local_zone() -> ZoneInfo:
    """Return this host's time zone; UTC where it has no name."""
    for name in zone_names():
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            continue
    return ZoneInfo("UTC")


def periods(asked: Asked, zone: ZoneInfo, now: float) -> tuple[Period, Period]:
    """Return the period that is asked for and the one before it.

    Raises:
        PeriodError: it is not a period, two are asked for, or it has not begun.
    """
    given = [name for name in ("month", "week", "year") if getattr(asked, name) is not None]
    explicit = asked.begin is not None or asked.end is not None
    if len(given) + explicit > 1:
        raise PeriodError("ask for one of --month, --week, --year, and --from with --to")
    present = datetime.fromtimestamp(now, zone)
    if explicit:
        return _explicit(asked, zone, now)
    if asked.week is not None:
        return _calendar(_week_begin(asked.week), lambda begin, by: begin + timedelta(weeks=by), zone, now)
    if asked.year is not None:
        return _calendar(_year_begin(asked.year), _shift_year, zone, now)
    month = _month_begin(asked.month or f"{present:%Y-%m}")
    return _calendar(month, _shift_month, zone, now)


def earlier(period: Period, previous: Period, count: int) -> list[tuple[float, float]]:
    """Return begin and end of ``count`` periods before ``period``, the newest first, each like the previous."""
    zone = ZoneInfo(period.timezone)
    first = datetime.fromtimestamp(period.begin, zone).replace(tzinfo=None)
    before = datetime.fromtimestamp(previous.begin, zone).replace(tzinfo=None)
    length = previous.end - previous.begin
    months = first.day == 1 and before == _shift_month(first, -1)
    found = [(previous.begin, previous.end)]
    for number in range(2, count + 1):
        if months:
            begin = _at(_shift_month(first, -number), zone)
            whole = _at(_shift_month(first, 1 - number), zone) - begin
            is_whole = previous.end == period.begin
            found.append((begin, begin + (whole if is_whole else min(length, whole))))
        else:
            begin = previous.begin - (number - 1) * (period.begin - previous.begin)
            found.append((begin, begin + length))
    return found


def _calendar(
    begin: datetime, shift: Callable[[datetime, int], datetime], zone: ZoneInfo, now: float
) -> tuple[Period, Period]:
    """Return the period from ``begin``, a local time, to the next of its kind, and the one before."""
    first, last = _at(begin, zone), _at(shift(begin, 1), zone)
    if begin.year <= 1970:
        raise PeriodError(f"{begin.year} is before there were records of this kind")
    before = _at(shift(begin, -1), zone)
    if now >= last:
        return _period(first, last, zone), _period(before, first, zone)
    current = _until_now(first, last, zone, now)
    return current, _period(before, min(before + current.seconds, first), zone)


def _explicit(asked: Asked, zone: ZoneInfo, now: float) -> tuple[Period, Period]:
    if asked.begin is None:
        raise PeriodError("--to needs --from")
    first = _moment(asked.begin, zone)
    last = now if asked.end is None else _moment(asked.end, zone)
    if last <= first:
        raise PeriodError(f"the period ends ({asked.end or 'now'}) before it begins ({asked.begin})")
    current = _until_now(first, last, zone, now)
    return current, _period(first - current.seconds, first, zone)


def _until_now(first: float, last: float, zone: ZoneInfo, now: float) -> Period:
    if first >= now:
        raise PeriodError(f"the period begins in the future: {_text(first, zone)}")
    return _period(first, min(last, now), zone)


def _period(begin: float, end: float, zone: ZoneInfo) -> Period:
    return Period(begin=begin, end=end, timezone=zone.key, label=_label(begin, end, zone))


def _label(begin: float, end: float, zone: ZoneInfo) -> str:
    first, last = (datetime.fromtimestamp(moment, zone) for moment in (begin, end))
    local = first.replace(tzinfo=None)
    if local == datetime.combine(local.date(), datetime.min.time()):
        for shift, words in ((_shift_year, f"{first:%Y}"), (_shift_month, f"{first:%B %Y}")):
            is_first = local.day == 1 and (words != f"{first:%Y}" or local.month == 1)
            if is_first and _at(shift(local, 1), zone) == end:
                return words
        day_after = last.replace(tzinfo=None)
        if day_after == datetime.combine(day_after.date(), datetime.min.time()):
            final = day_after.date() - timedelta(days=1)
            if final == first.date():
                return f"{first:%Y-%m-%d}"
            return f"{first:%Y-%m-%d} to {final:%Y-%m-%d}"
    return f"{_text(begin, zone)} to {_text(end, zone)}"


def _text(moment: float, zone: ZoneInfo) -> str:
    return f"{datetime.fromtimestamp(moment, zone):%Y-%m-%d %H:%M}"


def _at(local: datetime, zone: ZoneInfo) -> float:
    """Return the moment of a local time; one that clocks skip is the moment at which they skip."""
    return local.replace(tzinfo=zone).timestamp()


def _moment(text: str, zone: ZoneInfo) -> float:
    """Return the moment that an ISO 8601 text names; a date is its begin, what has no zone is in ``zone``."""
    if _MONTH.fullmatch(text):
        return _at(_month_begin(text), zone)
    try:
        parsed = datetime.fromisoformat(text)
        return parsed.timestamp() if parsed.tzinfo is not None else _at(parsed, zone)
    except (ValueError, OverflowError, OSError):
        raise PeriodError(
            f"{text!r} is neither a date such as 2026-11-23 nor a moment as in ISO 8601"
        ) from None


def _month_begin(text: str) -> datetime:
    found = _MONTH.fullmatch(text)
    if found is None or not 1 <= int(found[2]) <= 12 or int(found[1]) < 1:
        raise PeriodError(f"{text!r} is not a month such as 2026-11")
    return datetime(int(found[1]), int(found[2]), 1)  # noqa: DTZ001 - local time


def _week_begin(text: str) -> datetime:
    if not _WEEK.fullmatch(text):
        raise PeriodError(f"{text!r} is not a week such as 2026-W47")
    try:
        return datetime.fromisoformat(f"{text}-1")
    except ValueError:
        raise PeriodError(f"{text!r}: the year has no such week") from None


def _year_begin(text: str) -> datetime:
    if not _YEAR.fullmatch(text) or int(text) < 1:
        raise PeriodError(f"{text!r} is not a year such as 2026")
    return datetime(int(text), 1, 1)  # noqa: DTZ001 - local time


def _shift_month(begin: datetime, by: int) -> datetime:
    months = begin.year * 12 + begin.month - 1 + by
    return begin.replace(year=months // 12, month=months % 12 + 1)


def _shift_year(begin: datetime, by: int) -> datetime:
    return begin.replace(year=begin.year + by)
