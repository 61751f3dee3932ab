"""The grid in which time is added up: hours of the clock (or less), cut where a period begins or ends."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement

from .expressions import number, one_if, whole

_REGIONS = 64
_HOUR = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Cells of ``size`` seconds since 1970, cut at ``cuts`` (ascending), the first and last of which bound it.

    A cell's number is that of its stretch of ``size`` seconds times 64, plus how many cuts within stretches are
    before it; a cut between two stretches needs no number.
    """

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

    @property
    def _odd_cuts(self) -> list[float]:
        return [cut for cut in self.cuts[1:-1] if cut % self.size]

    def expression(self, moment: ColumnElement[float]) -> ColumnElement[int]:
        """Return SQL for the number of the cell that a moment lies in."""
        cell: ColumnElement[Any] = whole(moment / float(self.size)) * _REGIONS
        for cut in self._odd_cuts:
            cell = cell + one_if(moment >= number(cut))
        return cell

    def bounds(self, cell: int) -> tuple[float, float]:
        """Return where a cell begins and ends."""
        stretch, before = divmod(cell, _REGIONS)
        begin, end = float(stretch * self.size), float((stretch + 1) * self.size)
        borders = [self.begin, *self._odd_cuts, self.end]
        return max(begin, borders[before]), min(end, borders[before + 1])

    def pieces(self, begin: float, end: float) -> Iterator[tuple[int, float]]:
        """Yield the cells that an interval lies in, with its seconds in each."""
        begin, end = max(begin, self.begin), min(end, self.end)
        odd = self._odd_cuts
        while begin < end:
            stretch, before = math.floor(begin / self.size), bisect_right(odd, begin)
            stop = min(float((stretch + 1) * self.size), end)
            if before < len(odd):
                stop = min(stop, odd[before])
            yield stretch * _REGIONS + before, stop - begin
            begin = stop


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
