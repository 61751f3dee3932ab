"""A probability estimated from a count, with an uncertainty that is right for none and for all, too."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and its standard deviation, in the value's unit."""

    value: float
    uncertainty: float


def proportion(count: int, trials: int) -> Estimate:
    """Return ``count / trials`` with the standard deviation of Jeffreys' posterior, Beta(k + 1/2, n - k + 1/2).

    The usual sqrt(p (1 - p) / n) is 0 for a count of 0 and far too small near it (L. D. Brown, T. T. Cai,
    A. DasGupta, "Interval Estimation for a Binomial Proportion", Statistical Science 16 (2001) 101).
    """
    if not 0 <= count <= trials or trials < 1:
        raise ValueError(f"{count} of {trials} is no proportion")
    first, second = count + 0.5, trials - count + 0.5
    both = first + second
    return Estimate(count / trials, math.sqrt(first * second / (both * both * (both + 1.0))))
