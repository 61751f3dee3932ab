"""The exact distribution of a benchmark's outcomes on an ideal device, by pulser-simulation (QuTiP)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pulser import Sequence

_SMALLEST = 1e-12


def exact_distribution(sequence: Sequence[Any], *, modulated: bool) -> dict[str, float]:
    """Return the probability of each bitstring, from the state vector at the end of ``sequence``.

    The Schrödinger equation is integrated without noise (``qutip.sesolve``); a Rydberg atom is read as 1.
    With ``modulated`` the pulses have the shape that the channel's bandwidth leaves of them.
    """
    from pulser.backend import StateResult
    from pulser_simulation import QutipBackendV2, QutipConfig

    config = QutipConfig(
        observables=[StateResult(evaluation_times=[1.0])],
        default_evaluation_times=[1.0],
        with_modulation=modulated,
    )
    state = QutipBackendV2(sequence, config=config).run().get_result("state", 1.0)
    amplitudes = state.to_qobj().full().ravel()
    found: dict[str, float] = {}
    for index, amplitude in enumerate(amplitudes):
        probability = abs(complex(amplitude)) ** 2
        if probability > _SMALLEST:
            basis = state.get_basis_state_from_index(index)
            bits = "".join("1" if letter == "r" else "0" for letter in basis)
            found[bits] = found.get(bits, 0.0) + probability
    total = sum(found.values())
    return {bits: probability / total for bits, probability in found.items()}
