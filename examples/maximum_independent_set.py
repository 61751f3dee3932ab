"""Finds a maximum independent set of a graph with a variational loop: many short jobs, a classical optimiser.

    qwatch run --qpu EMU -- python -m qwatch.examples.maximum_independent_set --iterations 30
    python -m qwatch.examples.maximum_independent_set --qpu emulator --atoms 7

Atoms are the vertices of a unit-disk graph: two atoms closer than the blockade radius share an edge and cannot
both be excited, so that excited atoms form an independent set. Each iteration runs one job with a pulse of
three parameters; the optimiser lowers the mean cost of what was measured, -1 for each vertex in the set and +2
for each edge inside it. The energy of each iteration is recorded in the trace and beside the jobs.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pulser
from qrmi.pulser import PulserQRMIConnection
from scipy.optimize import Bounds, minimize

from qwatch.qrmi import annotate
from qwatch.qrmi.open_resource import ResourceNotAvailableError, open_resource
from qwatch.qrmi.session import session

SPACING = 6.0
"""Distance of neighbours on the triangular lattice, in µm."""

BLOCKADE_RADIUS = 8.0
"""Atoms closer than this share an edge, in µm: above the lattice's spacing, below its next distance."""

PENALTY = 2.0
DURATION = 3000
"""Length of the pulse, in ns."""

START = (0.6, -1.0, 0.0)
"""The first parameters: drive, first and last detuning, in units of the drive that the radius belongs to."""

LOWEST, HIGHEST = np.array([0.1, -6.0, -1.0]), np.array([1.5, 0.0, 6.0])

Edge = tuple[int, int]
Point = tuple[float, float]


def lattice_graph(atoms: int, seed: int) -> list[Point]:
    """Return a connected piece of the triangular lattice, grown at random."""
    generator = np.random.default_rng(seed)
    steps = [(1, 0), (-1, 0), (0, 1), (0, -1), (1, -1), (-1, 1)]
    sites = [(0, 0)]
    while len(sites) < atoms:
        free = sorted({(x + dx, y + dy) for x, y in sites for dx, dy in steps} - set(sites))
        sites.append(free[int(generator.integers(len(free)))])
    points = np.array([(x + y / 2, y * np.sqrt(3) / 2) for x, y in sites]) * SPACING
    return [(float(x), float(y)) for x, y in points - points.mean(axis=0)]


def edges_of(points: Iterable[Point]) -> list[Edge]:
    """Return the pairs of points closer than the blockade radius."""
    return [
        (i, j)
        for (i, a), (j, b) in itertools.combinations(enumerate(points), 2)
        if np.hypot(a[0] - b[0], a[1] - b[1]) < BLOCKADE_RADIUS
    ]


def cost(bits: str, edges: Iterable[Edge]) -> float:
    """Return the cost of a set: minus its size, plus the penalty for each edge inside it."""
    inside = sum(bits[i] == bits[j] == "1" for i, j in edges)
    return PENALTY * inside - bits.count("1")


def is_independent(bits: str, edges: Iterable[Edge]) -> bool:
    """Tell whether no edge lies inside the set."""
    return not any(bits[i] == bits[j] == "1" for i, j in edges)


def energy(counts: Mapping[str, int], edges: list[Edge]) -> float:
    """Return the mean cost of what was measured."""
    return sum(cost(bits, edges) * count for bits, count in counts.items()) / sum(counts.values())


def sequence_for(points: list[Point], device: Any, parameters: npt.NDArray[np.float64]) -> pulser.Sequence[Any]:
    """Return the pulse: drive up and down, detuning from below to above resonance."""
    register = pulser.Register({f"q{number}": point for number, point in enumerate(points)})
    if device.requires_layout:
        register = register.with_automatic_layout(device)
    unit = device.rabi_from_blockade(BLOCKADE_RADIUS)
    drive, first, last = np.clip(parameters, LOWEST, HIGHEST) * unit
    sequence = pulser.Sequence(register, device)
    sequence.declare_channel("rydberg", "rydberg_global")
    amplitude = pulser.InterpolatedWaveform(DURATION, [1e-9, drive, drive, 1e-9], times=[0.0, 0.2, 0.8, 1.0])
    detuning = pulser.InterpolatedWaveform(DURATION, [first, first, last, last], times=[0.0, 0.2, 0.8, 1.0])
    sequence.add(pulser.Pulse(amplitude, detuning, 0.0), "rydberg")
    sequence.measure("ground-rydberg")
    return sequence


def job_runner(
    connection: PulserQRMIConnection, points: list[Point], shots: int
) -> Callable[[npt.NDArray[np.float64]], dict[str, int]]:
    """Return a function that runs one job with the given parameters and returns the counts."""
    device = next(iter(connection.fetch_available_devices().values()))

    def run(parameters: npt.NDArray[np.float64]) -> dict[str, int]:
        sequence = sequence_for(points, device, parameters)
        results = connection.submit(sequence, wait=True, job_params=[{"runs": shots}]).results
        return dict(results[0].final_bitstrings)

    return run


def optimise(
    run: Callable[[npt.NDArray[np.float64]], dict[str, int]], edges: list[Edge], iterations: int
) -> tuple[str, list[float]]:
    """Run the loop; return the best independent set that was measured and the energy of each iteration."""
    energies: list[float] = []
    best = ""

    def objective(parameters: npt.NDArray[np.float64]) -> float:
        nonlocal best
        counts = run(parameters)
        energies.append(energy(counts, edges))
        annotate.record("energy", energies[-1], iteration=len(energies))
        independent = [bits for bits in counts if is_independent(bits, edges)]
        best = max([best, *independent], key=lambda bits: bits.count("1"))
        print(f"iteration {len(energies):3d}  energy {energies[-1]:+.3f}  best {best or '-'}", flush=True)
        return energies[-1]

    with annotate.phase("optimisation"):
        minimize(
            objective,
            np.array(START),
            method="COBYLA",
            bounds=Bounds(LOWEST, HIGHEST),
            options={"maxiter": iterations, "rhobeg": 0.5},
        )
    return best, energies


def main(arguments: list[str] | None = None) -> int:
    """Run the program; return its exit code."""
    parser = argparse.ArgumentParser(description="Maximum independent set by a variational loop.")
    parser.add_argument("--qpu", help="the QPU, by default the job's; 'emulator' for one in this process")
    parser.add_argument("--atoms", type=int, default=7, help="vertices of the graph")
    parser.add_argument("--shots", type=int, default=200, help="shots of each job")
    parser.add_argument("--iterations", type=int, default=30, help="jobs, at least 5")
    parser.add_argument("--graph", type=int, default=1, help="number of the random graph")
    options = parser.parse_args(arguments)
    points = lattice_graph(options.atoms, options.graph)
    edges = edges_of(points)
    try:
        resource = open_resource(options.qpu, sdk="pulser")
    except ResourceNotAvailableError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{len(points)} vertices, {len(edges)} edges: {edges}")
    with session(resource):
        run = job_runner(PulserQRMIConnection(resource), points, options.shots)
        best, energies = optimise(run, edges, options.iterations)
    if not is_independent(best, edges) or not best:
        print("no independent set was measured", file=sys.stderr)
        return 1
    members = [number for number, bit in enumerate(best) if bit == "1"]
    print(f"energy from {energies[0]:+.3f} to {min(energies):+.3f} in {len(energies)} jobs")
    print(f"best independent set: {members}, {len(members)} vertices, no edge inside")
    return 0


if __name__ == "__main__":
    sys.exit(main())
