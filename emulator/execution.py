"""Execution of one sequence by pulser-simulation: the same in the server's worker and in a user's process."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .miscalibration import miscalibrated
from .noise import NoiseSettings
from .sequence_text import InvalidSequenceError, read_sequence

if TYPE_CHECKING:
    from pulser import Sequence
    from pulser.sampler.samples import SequenceSamples

__all__ = ["InvalidSequenceError", "NoiseSettings", "execute"]

# pulser-simulation draws from numpy's global random state, which one execution at a time may own.
_RANDOM_STATE = threading.Lock()


def execute(
    sequence: str,
    shots: int,
    *,
    noise: NoiseSettings | None = None,
    amplitude_scale: float = 1.0,
    detuning_offset: float = 0.0,
    seed: int | None = None,
) -> dict[str, int]:
    """Simulate ``sequence`` and measure it ``shots`` times.

    The same arguments with the same ``seed`` give the same counts. Executions in one process take turns.

    Args:
        sequence: the sequence in Pulser's abstract representation.
        shots: how many measurements to draw, at least 1.
        noise: the hardware's noise; none if not given.
        amplitude_scale: factor on every amplitude, above 0: a miscalibrated laser power.
        detuning_offset: added to every detuning, in rad/µs: a miscalibrated laser frequency.
        seed: seed of the random draws, not negative; from the operating system's entropy if not given.

    Returns:
        How often each bitstring was measured; the counts sum to ``shots``.

    Raises:
        InvalidSequenceError: the sequence cannot be executed; the message is one line.
        ValueError: another argument is out of range.
    """
    if shots < 1:
        raise InvalidSequenceError(f"the number of shots must be at least 1, not {shots}")
    if not (math.isfinite(amplitude_scale) and amplitude_scale > 0 and math.isfinite(detuning_offset)):
        raise ValueError(
            f"the amplitude scale must be above 0 and the detuning offset finite, "
            f"not {amplitude_scale} and {detuning_offset}"
        )
    noise = noise or NoiseSettings()
    built = read_sequence(sequence)
    samples = miscalibrated(_samples(built), amplitude_scale, detuning_offset)
    with _random_state(seed):
        counts = _measured(built, samples, shots, noise)
        return _drawn(counts, shots)


def _samples(built: Sequence[Any]) -> SequenceSamples:
    from pulser.sampler import sample

    return sample(built, extended_duration=built.get_duration())


def _measured(built: Sequence[Any], samples: SequenceSamples, shots: int, noise: NoiseSettings) -> Counter[str]:
    """Simulate and return at least ``shots`` measurements, evenly over the trajectories."""
    from pulser.backend import BitStrings
    from pulser_simulation import QutipBackendV2, QutipConfig

    trajectories = min(shots, noise.trajectories) if noise.fluctuates else 1
    observable = BitStrings(
        evaluation_times=[1.0],
        num_shots=math.ceil(shots / trajectories),
        one_state=_one_state(built),
    )
    options: dict[str, Any] = {"n_trajectories": trajectories} if noise.fluctuates else {}
    config = QutipConfig(
        observables=[observable], default_evaluation_times=[1.0], noise_model=noise.to_pulser(), **options
    )
    results = QutipBackendV2.run_from_sequence_samples(samples, built.register, built.device, config=config)
    counts: Counter[str] = results.get_result("bitstrings", 1.0)
    return counts


def _one_state(built: Sequence[Any]) -> Any:
    """The eigenstate that is read as 1, where the addressed bases leave it open."""
    if len(built.get_addressed_bases()) < 2:
        return None
    return {"ground-rydberg": "r", "digital": "h"}[built.get_measurement_basis()]


def _drawn(counts: Counter[str], shots: int) -> dict[str, int]:
    """Draw ``shots`` of the measurements without replacement: trajectories round up to whole shots."""
    import numpy

    bitstrings = sorted(counts)
    amounts = [counts[bitstring] for bitstring in bitstrings]
    if sum(amounts) > shots:
        generator = numpy.random.default_rng(int(numpy.random.randint(2**31)))
        amounts = generator.multivariate_hypergeometric(amounts, shots, method="marginals").tolist()
    return {bitstring: int(amount) for bitstring, amount in zip(bitstrings, amounts, strict=True) if amount}


@contextmanager
def _random_state(seed: int | None) -> Iterator[None]:
    """Own numpy's global random state, seeded, and give it back as it was."""
    import numpy

    with _RANDOM_STATE:
        if seed is None:
            yield
            return
        before = numpy.random.get_state()
        numpy.random.seed(seed % 2**32)
        try:
            yield
        finally:
            numpy.random.set_state(before)
