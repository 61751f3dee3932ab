"""What is usual, by statistics that a few outliers do not move: median and median absolute deviation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy

_NORMAL = 1.4826
"""Makes of the median absolute deviation the standard deviation, where values are normally distributed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """The past of a figure: its median, its scale, its greatest value, and how many values there are."""

    median: float
    spread: float
    greatest: float
    sample: int

    def score(self, value: float) -> float:
        """Return by how many spreads a value lies above the median."""
        return (value - self.median) / self.spread


def usual(values: Sequence[float], *, relative: float, least: float) -> Usual | None:
    """Return what is usual of ``values``; None if there are none.

    The spread is at least ``relative`` times the median, and at least ``least`` (above 0): a past in which
    nothing ever varied makes no anomaly of a trifle.
    """
    if not len(values):
        return None
    found = numpy.asarray(values, dtype=float)
    median = float(numpy.median(found))
    deviation = float(numpy.median(numpy.abs(found - median)))
    return Usual(
        median=median,
        spread=max(_NORMAL * deviation, relative * abs(median), least),
        greatest=float(found.max()),
        sample=len(found),
    )
