"""Lengths of time, moments and numbers as the screen tells them: short, of an even width, never a guess."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo

Clock = Callable[[float], datetime]
"""Makes the local moment of Unix seconds."""


def clock_in(zone: tzinfo | None) -> Clock:
    """Return the clock of a time zone, None for this host's."""

    def local(moment: float) -> datetime:
        return datetime.fromtimestamp(moment, UTC).astimezone(zone)

    return local


def length(seconds: float | None) -> str:
    """Return a length of time: ``-`` if unknown, ``42 s``, ``17 min``, ``3.2 h``, ``5.0 d``."""
    if seconds is None:
        return "-"
    seconds = max(seconds, 0.0)
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if seconds < 99.5 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} d"


def until(moment: float | None, now: float) -> str:
    """Return how far off a moment is: ``-`` if unknown, ``now``, ``in 14 min``."""
    if moment is None:
        return "-"
    return "now" if moment - now < 0.5 else f"in {length(moment - now)}"


def about(moment: float, now: float, clock: Clock) -> str:
    """Return a moment: the time if it is within half a day, else the date too."""
    form = "%H:%M" if abs(moment - now) < 43_200 else "%Y-%m-%d %H:%M"
    return f"{clock(moment):{form}}"


def count(number: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def share(part: float, whole: float) -> str:
    """Return a share in percent; a little is never nothing, and not quite all never all."""
    if whole <= 0 or part <= 0:
        return "0 %"
    percent = 100 * part / whole
    if percent < 1:
        return "<1 %"
    return f"{min(percent, 99) if part < whole else 100:.0f} %"
