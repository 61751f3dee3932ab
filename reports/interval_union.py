"""Sets of moments as the union of intervals: an ascending array of begin, end, begin, end, …"""

from __future__ import annotations

import numpy
from numpy.typing import NDArray

from .column_reader import Column


def union(begins: Column, ends: Column) -> Column:
    """Return the union of intervals in any order, each of which ends after it begins."""
    if not len(begins):
        return numpy.empty(0)
    if numpy.any(begins[1:] < begins[:-1]):
        order = numpy.argsort(begins, kind="stable")
        begins, ends = begins[order], ends[order]
    reached = numpy.maximum.accumulate(ends)
    is_apart = begins[1:] > reached[:-1]
    bounds = numpy.empty(2 * (1 + numpy.count_nonzero(is_apart)))
    bounds[0], bounds[2::2] = begins[0], begins[1:][is_apart]
    bounds[1:-1:2], bounds[-1] = reached[:-1][is_apart], reached[-1]
    return bounds


def between(moments: Column, begin: float, end: float) -> Column:
    """Return those of ascending moments that lie between two."""
    first, last = numpy.searchsorted(moments, [begin, end])
    return moments[first:last]


def contains(bounds: Column, moments: Column) -> NDArray[numpy.bool_]:
    """Tell of each of ascending moments whether it lies in the set; an interval's end does not."""
    if not len(moments):
        return numpy.zeros(0, dtype=bool)
    # Among those near the moments each is found in fewer steps.
    first, last = numpy.searchsorted(bounds, [moments[0], moments[-1]], side="right")
    places: NDArray[numpy.intp] = first + numpy.searchsorted(bounds[first:last], moments, side="right")
    return numpy.asarray(places % 2 == 1)
