"""How near a measured distribution is to the exact one: the classical fidelity, corrected for few shots.

F = (Σ sqrt(p q))², the square of Bhattacharyya's coefficient (A. Bhattacharyya, Sankhyā 7 (1946) 401; also
called Hellinger fidelity). With q from N shots it lies below 1 even where q comes from p itself, by about
(K - 1) / 4N for K outcomes. So what an ideal device would miss with as many shots is added. The uncertainty is
that of the bootstrap (B. Efron, Ann. Statist. 7 (1979) 1), or that of an ideal device where this is larger.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .proportion import Estimate

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

RESAMPLES = 1000
_SEED = 20250101


def classical_fidelity(counts: Mapping[str, int], exact: Mapping[str, float]) -> Estimate:
    """Return the fidelity of ``counts`` with the probabilities ``exact``, and its uncertainty.

    The same counts give the same numbers: the resampling has a fixed seed.

    Raises:
        ValueError: there are no counts, or no probabilities.
    """
    import numpy

    shots = sum(counts.values())
    if shots < 1 or not exact:
        raise ValueError("a fidelity needs counts and probabilities")
    outcomes = sorted({*counts, *exact})
    ideal = numpy.array([exact.get(outcome, 0.0) for outcome in outcomes])
    ideal /= ideal.sum()
    measured = numpy.array([counts.get(outcome, 0) for outcome in outcomes], dtype=float) / shots
    generator = numpy.random.default_rng(_SEED)
    of_ideal = _fidelities(generator.multinomial(shots, ideal, size=RESAMPLES) / shots, ideal)
    resampled = _fidelities(generator.multinomial(shots, measured, size=RESAMPLES) / shots, ideal)
    missing = 1.0 - float(of_ideal.mean())
    value = float(_fidelities(measured[numpy.newaxis, :], ideal)[0]) + missing
    return Estimate(min(value, 1.0), max(float(resampled.std()), float(of_ideal.std())))


def _fidelities(distributions: NDArray[numpy.float64], ideal: NDArray[numpy.float64]) -> NDArray[numpy.float64]:
    import numpy

    found: NDArray[numpy.float64] = numpy.sqrt(distributions * ideal).sum(axis=1) ** 2
    return found
