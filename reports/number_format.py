"""Numbers as people read them: hours, minutes, percent, thin spaces between thousands; None is "not known"."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from markupsafe import Markup

NOT_KNOWN = "not known"
THIN, SPACE = "\u202f", "\u00a0"
"""Between thousands, and before a unit; neither breaks."""
MINUS = "\u2212"
_LENGTHS = ((9.95, 1, 1, "s"), (99.5, 1, 0, "s"), (600, 60, 1, "min"), (3600, 60, 0, "min"))
"""Below each length of time: the seconds of its unit, the digits after the point, and the unit."""


def count(value: float) -> str:
    """Return a whole number: 1 234 567."""
    return _signed(f"{value:z,.0f}")


def decimal(value: float, digits: int = 1) -> str:
    """Return a number with so many digits after the point."""
    return _signed(f"{value:z,.{digits}f}")


def hours(seconds: float) -> str:
    """Return seconds as hours, with digits enough that a little is never nothing."""
    value = seconds / 3600
    if value and abs(value) < 0.0001:
        return f"<{SPACE}0.0001"
    return decimal(value, 2 if abs(value) >= 0.005 or value == 0 else 4)


def duration(seconds: float) -> str:
    """Return a length of time in the unit that suits it."""
    size = abs(seconds)
    if size == 0:
        return f"0{SPACE}s"
    if size < 0.0995:
        return f"{decimal(seconds * 1000, 0 if size >= 0.00995 else 1)}{SPACE}ms"
    for limit, factor, digits, unit in _LENGTHS:
        if size < limit:
            return f"{decimal(seconds / factor, digits)}{SPACE}{unit}"
    whole = seconds % 3600 == 0 or size >= 100 * 3600
    return f"{decimal(seconds / 3600, 0 if whole else 1)}{SPACE}h"


def offset(seconds: float, whole: float = 0.0) -> str:
    """Return a time after the begin of something that takes ``whole`` seconds: in one form for all its times.

    In seconds, or as hours:minutes:seconds.
    """
    if max(abs(seconds), whole) < 1000:
        return f"{decimal(seconds, 3)}{SPACE}s"
    tenths = round(abs(seconds) * 10)
    minutes, rest = divmod(tenths, 600)
    sign = MINUS if seconds < 0 and tenths else ""
    return f"{sign}{minutes // 60}:{minutes % 60:02}:{rest // 10:02}.{rest % 10}"


def percent(ratio: float, digits: int = 1) -> str:
    """Return a ratio in percent; what is not quite nothing or not quite all is not rounded to it."""
    least = 10.0**-digits
    value = ratio * 100
    if 0 < value < least / 2:
        return f"<{SPACE}{least:.{digits}f}{SPACE}%"
    if 100 - least / 2 <= value < 100:
        return f">{SPACE}{100 - least:.{digits}f}{SPACE}%"
    return f"{decimal(value, digits)}{SPACE}%"


def points(ratio: float) -> str:
    """Return the difference of two ratios in percentage points, with its sign."""
    value = round(ratio * 100, 1)
    return f"{_sign(value)}{decimal(value + 0.0)}{SPACE}points"


def change(ratio: float) -> str:
    """Return a relative change in percent, with its sign."""
    value = round(ratio * 100, 1)
    return f"{_sign(value)}{decimal(value + 0.0)}{SPACE}%"


def hertz(value: float) -> str:
    """Return a frequency or rate in the unit that suits it."""
    size = abs(value)
    for factor, unit in ((1e9, "GHz"), (1e6, "MHz"), (1e3, "kHz")):
        if size >= factor:
            return f"{significant(value / factor)}{SPACE}{unit}"
    return f"{significant(value)}{SPACE}Hz"


def significant(value: float, digits: int = 4) -> str:
    """Return a number with so many significant digits, and no exponent where it can be helped."""
    if value == 0 or not math.isfinite(value):
        return f"{value:zg}"
    places = digits - 1 - math.floor(math.log10(abs(value)))
    if places > 8:
        return _signed(f"{value:.{digits - 1}e}")
    return decimal(value, max(places, 0))


def in_unit(value: float, unit: str) -> str:
    """Return a value of the model's or the catalogue's unit."""
    match unit:
        case "ratio" | "1":
            return percent(value, 2) if abs(value) < 0.1 else percent(value)
        case "seconds" | "s":
            return (
                duration(value) if abs(value) >= 0.01 or value == 0 else f"{significant(value * 1e6)}{SPACE}µs"
            )
        case "hertz" | "Hz":
            return hertz(value)
        case "count":
            return count(value) if value == round(value) else decimal(value)
        case _:
            return f"{significant(value)}{SPACE}{unit}".rstrip()


def money(value: float, currency: str) -> str:
    """Return an amount with its currency."""
    return f"{decimal(value, 2)}{SPACE}{currency}"


def moment(at: float, zone: ZoneInfo, seconds: bool = False) -> str:
    """Return a date and time of day in ``zone``."""
    return f"{datetime.fromtimestamp(at, zone):{'%Y-%m-%d %H:%M:%S' if seconds else '%Y-%m-%d %H:%M'}}"


def iso(at: float, zone: ZoneInfo) -> str:
    """Return a moment as ISO 8601 with its offset, which tells the two 02:30 of a changing clock apart."""
    return datetime.fromtimestamp(at, zone).isoformat(timespec="milliseconds")


def raw(shown: Callable[[float], str]) -> Callable[[float | None], Markup]:
    """Return a filter that shows a number by ``shown``, and carries its raw value for readers and scripts."""

    def show(value: float | None) -> Markup:
        if value is None or not math.isfinite(value):
            return unknown()
        return Markup('<data value="{}">{}</data>').format(f"{value:.10g}", shown(value))

    return show


def unknown() -> Markup:
    """Return what stands where nothing is known."""
    return Markup('<span class="not-known">{}</span>').format(NOT_KNOWN)


def _sign(value: float) -> str:
    return "+" if value > 0 else "" if value < 0 else "±"


def _signed(text: str) -> str:
    return text.replace(",", THIN).replace("-", MINUS, 1) if "e" not in text else text.replace("-", MINUS)
