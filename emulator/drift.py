"""Slow drift of the Rabi frequency in emulated time."""

from __future__ import annotations

import time
from collections.abc import Callable

SECONDS_PER_HOUR = 3600.0
SMALLEST_SCALE = 0.01
"""A drifting laser gets weak, never dark."""


class RabiDrift:
    """The factor between the real and the nominal Rabi frequency, linear in emulated time.

    A change of the rate keeps the scale that was reached; only ``recalibrate`` sets it back to 1.
    """

    def __init__(
        self, rate_per_hour: float, time_factor: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._reached = 1.0
        self._since = clock()
        self._rate_per_second = rate_per_hour * time_factor / SECONDS_PER_HOUR

    def amplitude_scale(self) -> float:
        """Return the present factor on amplitudes, at least ``SMALLEST_SCALE``."""
        scale = self._reached + self._rate_per_second * (self._clock() - self._since)
        return max(scale, SMALLEST_SCALE)

    def change(self, rate_per_hour: float, time_factor: float) -> None:
        """Drift on from here by ``rate_per_hour`` an emulated hour, ``time_factor`` times as fast as real."""
        self._reached, self._since = self.amplitude_scale(), self._clock()
        self._rate_per_second = rate_per_hour * time_factor / SECONDS_PER_HOUR

    def recalibrate(self) -> None:
        """Set the Rabi frequency back to nominal; the drift goes on from there."""
        self._reached, self._since = 1.0, self._clock()
