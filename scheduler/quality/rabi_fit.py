"""The Rabi frequency and the readout errors from a scan of resonant pulses, by maximum likelihood.

A resonant pulse of area θ excites an atom with the probability (1 - cos θ) / 2 (I. I. Rabi, Phys. Rev. 51
(1937) 652). Fluctuations from shot to shot and decoherence damp the oscillation; readout takes a 0 for a 1 with
the probability ε and a 1 for a 0 with ε' (S. de Léséleuc et al., Phys. Rev. A 97 (2018) 053803). So a pulse of
nominal area θ and duration t is read as 1 with the probability

    p = ε + (1 - ε - ε') (1 - exp(-γ t) cos(θ (1 + d))) / 2

in which d is the deviation of the Rabi frequency. Counts are binomial; the four parameters maximise their
likelihood, and the inverse of the Fisher information is their covariance. Where the counts scatter more than
binomially, as they do when the atoms of a shot see the same fluctuation, the uncertainties are multiplied by
the Birge ratio sqrt(χ²/ν) (R. T. Birge, Phys. Rev. 40 (1932) 207).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .proportion import Estimate

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Array = NDArray[numpy.float64]

LARGEST_DEVIATION = 0.5
_PARAMETERS = 4
_GRID = 201
_LARGEST_READOUT_ERROR = 0.5
_LARGEST_DAMPING = 5.0  # 1/µs
_SMALLEST_PROBABILITY = 1e-9


class FitError(Exception):
    """The points do not determine the parameters; the message is one line."""


@dataclass(frozen=True, slots=True)
class Point:
    """A pulse of ``area`` (rad) and ``duration`` (µs): of ``trials`` atoms ``ones`` were read as 1."""

    area: float
    duration: float
    ones: int
    trials: int


@dataclass(frozen=True, slots=True)
class RabiFit:
    """What a scan tells: measured / nominal - 1 of the Rabi frequency, and the readout errors."""

    deviation: Estimate
    false_positive: Estimate
    false_negative: Estimate


def fit_rabi_scan(points: Sequence[Point]) -> RabiFit:
    """Fit a scan; deviations up to ±50 % are found.

    Raises:
        FitError: there are too few points, or they do not tell the parameters apart.
    """
    import numpy
    from scipy.optimize import minimize

    if len({point.area for point in points}) <= _PARAMETERS:
        raise FitError(f"a scan needs more than {_PARAMETERS} different pulses, these are {len(points)}")
    scan = _Scan(points)
    bounds = (
        (-LARGEST_DEVIATION, LARGEST_DEVIATION),
        (0.0, _LARGEST_READOUT_ERROR),
        (0.0, _LARGEST_READOUT_ERROR),
        (0.0, _LARGEST_DAMPING),
    )
    found = minimize(
        scan.loss,
        scan.start(),
        jac=True,
        method="SLSQP",
        bounds=bounds,
        options={"ftol": 1e-10, "maxiter": 200},
    )
    parameters = numpy.asarray(found.x, dtype=float)
    if not abs(parameters[0]) < LARGEST_DEVIATION or not math.isfinite(float(found.fun)):
        raise FitError(f"no Rabi frequency within ±{LARGEST_DEVIATION:.0%} of the nominal one fits the scan")
    try:
        covariance = numpy.linalg.inv(scan.information(parameters))
    except numpy.linalg.LinAlgError as error:
        raise FitError("the scan does not tell the Rabi frequency and the readout errors apart") from error
    variances = numpy.diag(covariance)
    if not bool(numpy.all(variances > 0)):
        raise FitError("the scan does not tell the Rabi frequency and the readout errors apart")
    deviations = numpy.sqrt(variances) * scan.birge_ratio(parameters)
    deviation, false_positive, false_negative = (
        Estimate(float(parameters[index]), float(deviations[index])) for index in range(3)
    )
    return RabiFit(deviation, false_positive, false_negative)


class _Scan:
    """The likelihood of a scan as a function of (d, ε, ε', γ)."""

    def __init__(self, points: Sequence[Point]) -> None:
        import numpy

        self.area: Array = numpy.array([point.area for point in points])
        self.duration: Array = numpy.array([point.duration for point in points])
        self.ones: Array = numpy.array([point.ones for point in points], dtype=float)
        self.trials: Array = numpy.array([point.trials for point in points], dtype=float)

    def start(self) -> Array:
        """Return where to begin: the deviation on a grid, since the likelihood has many maxima along it."""
        import numpy

        grid = numpy.linspace(-LARGEST_DEVIATION, LARGEST_DEVIATION, _GRID)[1:-1]
        deviation, error, damping = (
            axis.reshape(-1, 1) for axis in numpy.meshgrid(grid, (0.01, 0.1), (0.01, 0.3), indexing="ij")
        )
        decay = numpy.exp(-damping * self.duration)
        excited = (1 - decay * numpy.cos(self.area * (1 + deviation))) / 2
        best = int(numpy.argmin(self._loss(error + (1 - 2 * error) * excited)))
        found: Array = numpy.array([float(axis[best, 0]) for axis in (deviation, error, error, damping)])
        return found

    def loss(self, parameters: Array) -> tuple[float, Array]:
        """Return the negative logarithm of the likelihood and its gradient."""
        import numpy

        probability, gradient = self._model(parameters)
        limited = numpy.clip(probability, _SMALLEST_PROBABILITY, 1 - _SMALLEST_PROBABILITY)
        slope = -gradient @ (self.ones / limited - (self.trials - self.ones) / (1 - limited))
        return float(self._loss(probability)), slope

    def _loss(self, probability: Array) -> Array:
        """Return the negative logarithm of the likelihood of probabilities, along the last axis."""
        import numpy

        limited = numpy.clip(probability, _SMALLEST_PROBABILITY, 1 - _SMALLEST_PROBABILITY)
        zeros = self.trials - self.ones
        value: Array = -(self.ones * numpy.log(limited) + zeros * numpy.log1p(-limited)).sum(axis=-1)
        return value

    def information(self, parameters: Array) -> Array:
        """Return the Fisher information, with probabilities kept half a count away from 0 and 1."""
        probability, gradient = self._model(parameters)
        weights: Array = self.trials / self._variance(probability)
        return (gradient * weights) @ gradient.T

    def birge_ratio(self, parameters: Array) -> float:
        """Return by how much the points scatter more than binomially, at least 1."""
        import numpy

        probability, _ = self._model(parameters)
        residuals = self.ones / self.trials - probability
        chi_squared = float(numpy.sum(residuals**2 * self.trials / self._variance(probability)))
        freedom = len(self.area) - _PARAMETERS
        return max(math.sqrt(chi_squared / freedom), 1.0) if freedom > 0 else 1.0

    def _variance(self, probability: Array) -> Array:
        import numpy

        limited = numpy.clip(probability, 0.5 / self.trials, 1 - 0.5 / self.trials)
        variance: Array = limited * (1 - limited)
        return variance

    def _model(self, parameters: Array) -> tuple[Array, Array]:
        """Return the probabilities, and their derivatives by each parameter."""
        import numpy

        deviation, positive, negative, damping = (float(value) for value in parameters)
        angle = self.area * (1 + deviation)
        decay = numpy.exp(-damping * self.duration)
        excited = (1 - decay * numpy.cos(angle)) / 2
        contrast = 1 - positive - negative
        probability: Array = positive + contrast * excited
        gradient: Array = numpy.array(
            [
                contrast * decay * numpy.sin(angle) * self.area / 2,
                1 - excited,
                -excited,
                contrast * self.duration * decay * numpy.cos(angle) / 2,
            ]
        )
        return probability, gradient
