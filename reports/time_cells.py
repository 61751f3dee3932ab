"""The grid in which time is added up: hours of the clock (or less), cut where a period begins or ends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy

from .column_reader import Column

_HOUR = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Cells of ``size`` seconds since 1970, cut at ``cuts`` (ascending), of which the outermost bound it."""

    size: int
    cuts: tuple[float, ...]

    @property
    def begin(self) -> float:
        """Where the first cell begins."""
        return self.cuts[0]

    @property
    def end(self) -> float:
        """Where the last cell ends."""
        return self.cuts[-1]

    def borders(self) -> Column:
        """Return where the cells begin, in order, and where the last one ends."""
        first, last = math.ceil(self.begin / self.size), math.ceil(self.end / self.size)
        of_stretches = numpy.arange(first, last, dtype=numpy.float64) * self.size
        return numpy.unique(numpy.concatenate([of_stretches, self.cuts]))


def grid(cuts: Sequence[float], zone: ZoneInfo) -> Grid:
    """Return cells of which each lies in one hour of the day in ``zone``, cut at ``cuts``."""
    ordered = tuple(sorted(set(cuts)))
    return Grid(size=_step(zone, ordered[0], ordered[-1]), cuts=ordered)


def _step(zone: ZoneInfo, begin: float, end: float) -> int:
    """Return the greatest length that divides the hour and the zone's offsets from begin to end."""
    step = _HOUR
    day = datetime.fromtimestamp(begin, zone)
    last = datetime.fromtimestamp(end, zone) + timedelta(days=1)
    while day <= last:
        offset = day.utcoffset() or timedelta(0)
        step = math.gcd(step, int(offset.total_seconds()))
        # No zone changes twice within a fortnight by halves of an hour and back.
        day += timedelta(days=1)
    return step
