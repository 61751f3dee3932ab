"""Prepares an antiferromagnet on a ring of atoms and measures its order.

    qwatch run --qpu EMU -- python -m qwatch.examples.antiferromagnet --atoms 8
    python -m qwatch.examples.antiferromagnet --qpu emulator

The detuning is swept slowly from below to above resonance while the laser drives all atoms. Two neighbours
cannot both be excited (Rydberg blockade), so that every other atom ends in the Rydberg state. The program
prints the connected correlation g(k) between atoms k places apart, which alternates in sign, and the staggered
magnetisation, which is 1 for perfect order and about 1/sqrt(N) for none.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pulser
from qrmi.pulser import PulserQRMIConnection

from qwatch.qrmi.open_resource import ResourceNotAvailableError, open_resource
from qwatch.qrmi.session import session

INTERACTION = 2 * math.pi
"""Interaction of two neighbours, in rad/µs."""

DRIVE = 0.5 * INTERACTION
FIRST_DETUNING = -2.0 * INTERACTION
LAST_DETUNING = 1.0 * INTERACTION
RISE, SWEEP, FALL = 400, 3200, 1000
"""Durations of the three parts, in ns."""


def ring(atoms: int, device: Any) -> pulser.Register:
    """Return ``atoms`` atoms on a circle, neighbours as far apart as ``INTERACTION`` asks for."""
    spacing = device.rydberg_blockade_radius(INTERACTION)
    radius = spacing / (2 * math.sin(math.pi / atoms))
    angles = [2 * math.pi * number / atoms for number in range(atoms)]
    register = pulser.Register(
        {
            f"q{number}": (radius * math.cos(angle), radius * math.sin(angle))
            for number, angle in enumerate(angles)
        }
    )
    return register.with_automatic_layout(device) if device.requires_layout else register


def adiabatic_sequence(register: pulser.Register, device: Any) -> pulser.Sequence[Any]:
    """Return the sweep into the ordered phase."""
    sequence = pulser.Sequence(register, device)
    sequence.declare_channel("rydberg", "rydberg_global")
    for amplitude, detuning in (
        (pulser.RampWaveform(RISE, 0.0, DRIVE), pulser.ConstantWaveform(RISE, FIRST_DETUNING)),
        (
            pulser.ConstantWaveform(SWEEP, DRIVE),
            pulser.RampWaveform(SWEEP, FIRST_DETUNING, LAST_DETUNING),
        ),
        (pulser.RampWaveform(FALL, DRIVE, 0.0), pulser.ConstantWaveform(FALL, LAST_DETUNING)),
    ):
        sequence.add(pulser.Pulse(amplitude, detuning, 0.0), "rydberg")
    sequence.measure("ground-rydberg")
    return sequence


def occupations(counts: Mapping[str, int]) -> npt.NDArray[np.float64]:
    """Return one row of 0 and 1 for each shot."""
    rows = [[int(bit) for bit in bits] for bits, count in counts.items() for _ in range(count)]
    return np.array(rows, dtype=np.float64)


def connected_correlations(counts: Mapping[str, int]) -> list[float]:
    """Return g(k) = <n_i n_i+k> - <n_i><n_i+k>, averaged over the ring, for k = 1 to half the ring."""
    shots = occupations(counts)
    mean = shots.mean(axis=0)
    return [
        float(((shots * np.roll(shots, -k, axis=1)).mean(axis=0) - mean * np.roll(mean, -k)).mean())
        for k in range(1, shots.shape[1] // 2 + 1)
    ]


def staggered_magnetisation(counts: Mapping[str, int]) -> float:
    """Return the root mean square of the alternating sum of all spins, per atom: 1 for perfect order."""
    spins = 2 * occupations(counts) - 1
    signs = np.array([(-1) ** number for number in range(spins.shape[1])])
    return float(np.sqrt(np.mean((spins @ signs / spins.shape[1]) ** 2)))


def measure(connection: PulserQRMIConnection, atoms: int, shots: int) -> dict[str, int]:
    """Run the preparation on the first device of ``connection`` and return how often each state was seen."""
    device = next(iter(connection.fetch_available_devices().values()))
    sequence = adiabatic_sequence(ring(atoms, device), device)
    print(f"{atoms} atoms on {device.name}, {sequence.get_duration()} ns, {shots} shots", flush=True)
    results = connection.submit(sequence, wait=True, job_params=[{"runs": shots}]).results
    return dict(results[0].final_bitstrings)


def report(counts: Mapping[str, int]) -> None:
    """Print correlations and order."""
    shots = sum(counts.values())
    for distance, value in enumerate(connected_correlations(counts), 1):
        print(f"g({distance}) = {value:+.3f}")
    print(f"staggered magnetisation = {staggered_magnetisation(counts):.3f}")
    for bits, count in sorted(counts.items(), key=lambda item: -item[1])[:4]:
        print(f"{bits}  {count / shots:6.1%}")


def even_number(text: str) -> int:
    """Return the number of atoms: an odd ring has no antiferromagnet."""
    number = int(text)
    if number < 4 or number % 2:
        raise argparse.ArgumentTypeError(f"{text} is not an even number from 4")
    return number


def main(arguments: list[str] | None = None) -> int:
    """Run the program; return its exit code."""
    parser = argparse.ArgumentParser(description="Antiferromagnetic order on a ring of atoms.")
    parser.add_argument("--qpu", help="the QPU, by default the job's; 'emulator' for one in this process")
    parser.add_argument("--atoms", type=even_number, default=8, help="an even number")
    parser.add_argument("--shots", type=int, default=500)
    options = parser.parse_args(arguments)
    try:
        resource = open_resource(options.qpu, sdk="pulser")
    except ResourceNotAvailableError as error:
        print(error, file=sys.stderr)
        return 1
    with session(resource):
        report(measure(PulserQRMIConnection(resource), options.atoms, options.shots))
    return 0


if __name__ == "__main__":
    sys.exit(main())
