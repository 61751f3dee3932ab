"""Samples an analog circuit with Qiskit: a pulse on a register of atoms is one gate, a sampler runs it.

    qwatch run --qpu EMU -- python -m qwatch.examples.qiskit_sampler
    python -m qwatch.examples.qiskit_sampler --qpu emulator

The circuit holds one gate that drives all atoms of a chain while the detuning is swept from below to above
resonance. Neighbours block each other (Rydberg blockade), so that every other atom ends excited. The program is
Qiskit's alone: a ``QuantumCircuit``, the sampler of ``qrmi.primitives.pasqal``, a ``PrimitiveResult``.

It needs ``pip install 'qwatch[up,qiskit]'``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from itertools import pairwise

from qwatch.qrmi.open_resource import ResourceNotAvailableError, open_resource
from qwatch.qrmi.session import session

try:
    from qiskit.circuit import QuantumCircuit
    from qiskit_pasqal_provider.providers.gate import HamiltonianGate, InterpolatePoints
    from qrmi.primitives.pasqal import SamplerV2
except ImportError as error:
    sys.exit(f"this example needs Qiskit ({error}): pip install 'qwatch[up,qiskit]'")

SPACING = 6.0
"""Distance of neighbours, in µm."""

DURATION = 3000
"""Length of the pulse, in ns."""

TIMES = [0.0, 0.2, 0.8, 1.0]
AMPLITUDE = [1e-9, 6.0, 6.0, 1e-9]
DETUNING = [-12.0, -12.0, 12.0, 12.0]
"""The pulse at ``TIMES`` of its length, in rad/µs."""

POLL_SECONDS = 0.1


def circuit(atoms: int) -> QuantumCircuit:
    """Return a circuit of one analog gate on a chain of atoms."""
    gate = HamiltonianGate(
        InterpolatePoints(values=AMPLITUDE, times=TIMES, duration=DURATION),
        InterpolatePoints(values=DETUNING, times=TIMES, duration=DURATION),
        0.0,
        [(SPACING * number, 0.0) for number in range(atoms)],
    )
    found = QuantumCircuit(atoms)
    found.append(gate, found.qubits)
    return found


def alternation(counts: Mapping[str, int]) -> float:
    """Return how often neighbours differ, of all pairs of neighbours in all shots."""
    pairs = sum((len(bits) - 1) * count for bits, count in counts.items())
    differ = sum(count * (a != b) for bits, count in counts.items() for a, b in pairwise(bits))
    return differ / pairs if pairs else 0.0


def main(arguments: list[str] | None = None) -> int:
    """Run the program; return its exit code."""
    parser = argparse.ArgumentParser(description="An analog circuit, sampled with Qiskit.")
    parser.add_argument("--qpu", help="the QPU, by default the job's; 'emulator' for one in this process")
    parser.add_argument("--atoms", type=int, default=5)
    parser.add_argument("--shots", type=int, default=300)
    options = parser.parse_args(arguments)
    try:
        resource = open_resource(options.qpu)
    except ResourceNotAvailableError as error:
        print(error, file=sys.stderr)
        return 1
    with session(resource):
        sampler = SamplerV2(resource, options={"run_options": {"poll_interval_seconds": POLL_SECONDS}})
        job = sampler.run([circuit(options.atoms)], shots=options.shots)
        (result,) = job.result()
    counts = result.data.counts
    print(
        f"job {job.job_id()} on {resource.resource_id()}: {sum(counts.values())} shots of {options.atoms} atoms"
    )
    for bits, count in sorted(counts.items(), key=lambda item: -item[1])[:4]:
        print(f"{bits}  {count / options.shots:6.1%}")
    print(f"neighbours differ in {alternation(counts):.1%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
