"""When to look at a running slice: predicted from shots and shot rate, then tightening.

The device cannot call back, so the end of a slice is seen up to one poll late, and that delay is idle time of
a scarce machine. Nothing is asked while the prediction says that it cannot have ended; near the predicted end
the interval is a small fraction of the predicted duration, and it widens when the prediction was wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, field

_EARLY = 0.99
"""Fraction of the prediction at which tight polling begins, when predictions are perfect."""

_TIGHTEST, _TIGHT = 0.002, 0.005
"""Interval near the predicted end, as a fraction of the predicted duration: when predictions are good and so
the time of tight polling is short, and at most."""

_TIGHT_BY_ERROR = 0.1
"""The same fraction as a part of the predictions' relative error."""

_LATE = 0.05
"""Interval after the predicted end, as a fraction of the time by which it is overdue."""

_BLIND = 0.05
"""Interval when nothing can be predicted, as a fraction of the time that has passed."""

_MEMORY = 0.3
"""Weight of the newest observation in the moving averages."""


@dataclass(slots=True)
class DurationModel:
    """Predicts how long a slice runs, in seconds, from what earlier ones took.

    ``seconds_per_shot`` and ``overhead`` are moving estimates; ``error`` is the moving relative error of the
    prediction, which says how early to begin looking.
    """

    seconds_per_shot: float | None = None
    overhead: float = 0.0
    error: float = 0.1
    _observed: int = field(default=0)
    _mean_shots: float = field(default=0.0)
    _mean_seconds: float = field(default=0.0)
    _variance: float = field(default=0.0)
    _covariance: float = field(default=0.0)

    def predict(self, shots: int) -> float | None:
        """Return the expected duration of a slice of ``shots``, or None before anything was observed."""
        if self.seconds_per_shot is None:
            return None
        return max(self.overhead + shots * self.seconds_per_shot, 0.0)

    def observe(self, shots: int, seconds: float) -> None:
        """Learn from a slice that ran: exponentially weighted linear regression of seconds on shots."""
        expected = self.predict(shots)
        if expected is not None and seconds > 0:
            miss = min(abs(expected - seconds) / seconds, 1.0)
            self.error += _MEMORY * (miss - self.error)
        weight = 1.0 if self._observed == 0 else _MEMORY
        self._observed += 1
        shots_off = shots - self._mean_shots
        seconds_off = seconds - self._mean_seconds
        self._mean_shots += weight * shots_off
        self._mean_seconds += weight * seconds_off
        self._variance = (1 - weight) * (self._variance + weight * shots_off * shots_off)
        self._covariance = (1 - weight) * (self._covariance + weight * shots_off * seconds_off)
        if self._variance > 1e-3 * max(self._mean_shots, 1.0) ** 2 and self._covariance > 0:
            self.seconds_per_shot = self._covariance / self._variance
            self.overhead = self._mean_seconds - self.seconds_per_shot * self._mean_shots
        else:
            # All slices were alike: their mean is the whole truth known.
            self.seconds_per_shot = self._mean_seconds / max(self._mean_shots, 1.0)
            self.overhead = 0.0


@dataclass(frozen=True, slots=True)
class PollSchedule:
    """The delays between looks at one slice, in seconds."""

    predicted: float | None
    error: float
    shortest: float
    longest: float

    def next_delay(self, elapsed: float) -> float:
        """Return how long to wait before the next look, ``elapsed`` seconds after the slice was posted."""
        if self.predicted is None:
            return self._clamped(_BLIND * elapsed)
        tight = self._clamped(min(max(_TIGHT_BY_ERROR * self.error, _TIGHTEST), _TIGHT) * self.predicted)
        begin = self.predicted * max(_EARLY - 1.5 * self.error, 0.0) - 2 * self.shortest
        if elapsed < begin:
            # At most the longest interval, so that a cancellation or a fault is seen in time.
            return min(max(begin - elapsed, self.shortest), self.longest)
        overdue = elapsed - self.predicted
        if overdue <= 0:
            return tight
        return min(max(tight, _LATE * overdue), self.longest)

    def _clamped(self, seconds: float) -> float:
        return min(max(seconds, self.shortest), self.longest)
