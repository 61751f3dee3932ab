"""Runs a program in the form that CUDA-Q sends: a Rydberg Hamiltonian over time, as JSON in SI units.

    qwatch run --qpu EMU -- python -m qwatch.examples.cudaq_analog

With CUDA-Q built with QRMI, the same is ``cudaq.set_target("pasqal", machine="qrmi")`` and ``cudaq.evolve(
RydbergHamiltonian(atom_sites=…, amplitude=…, phase=…, delta_global=…), schedule=…)``: CUDA-Q evaluates the
operators at the schedule's steps, writes the JSON below and hands it to QRMI. This program writes it itself, so
that it needs neither CUDA-Q nor a GPU. The daemon turns it into a sequence for the device.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Sequence
from typing import Any

import qrmi

from qwatch.qrmi.open_resource import ResourceNotAvailableError, open_resource
from qwatch.qrmi.session import session

SPACING = 6e-6
"""Distance of neighbours, in m."""

TIMES = (0.0, 0.4e-6, 2.6e-6, 3.0e-6)
"""Steps of the schedule, in s."""

AMPLITUDE = (0.0, 6e6, 6e6, 0.0)
DETUNING = (-12e6, -12e6, 12e6, 12e6)
"""Values at the steps, in rad/s."""

POLL_SECONDS = 0.1
_ENDED = (qrmi.TaskStatus.Completed, qrmi.TaskStatus.Failed, qrmi.TaskStatus.Cancelled)


def field(values: Sequence[float], times: Sequence[float] = TIMES) -> dict[str, Any]:
    """Return a field that is the same for all atoms, numbers written as CUDA-Q writes them."""
    series = {"values": [f"{value:.8f}" for value in values], "times": [f"{step:.8f}" for step in times]}
    return {"time_series": series, "pattern": "uniform"}


def program(atoms: int) -> dict[str, Any]:
    """Return the sweep of a ring of atoms into the ordered phase."""
    radius = SPACING / (2 * math.sin(math.pi / atoms))
    sites = [
        (radius * math.cos(2 * math.pi * number / atoms), radius * math.sin(2 * math.pi * number / atoms))
        for number in range(atoms)
    ]
    drive = {"amplitude": field(AMPLITUDE), "phase": field([0.0] * len(TIMES)), "detuning": field(DETUNING)}
    return {
        "setup": {
            "ahs_register": {
                "sites": [[f"{x:.8f}", f"{y:.8f}"] for x, y in sites],
                "filling": [1] * atoms,
            }
        },
        "hamiltonian": {"drivingFields": [drive], "localDetuning": []},
    }


def main(arguments: list[str] | None = None) -> int:
    """Run the program; return its exit code."""
    parser = argparse.ArgumentParser(description="An analog program in the form that CUDA-Q sends.")
    parser.add_argument("--qpu", help="the QPU, by default the job's")
    parser.add_argument("--atoms", type=int, default=6)
    parser.add_argument("--shots", type=int, default=300)
    options = parser.parse_args(arguments)
    try:
        resource = open_resource(options.qpu)
    except ResourceNotAvailableError as error:
        print(error, file=sys.stderr)
        return 1
    payload = qrmi.Payload.PasqalCloud(sequence=json.dumps(program(options.atoms)), job_runs=options.shots)
    with session(resource):
        task = resource.task_start(payload)
        while (status := resource.task_status(task)) not in _ENDED:
            time.sleep(POLL_SECONDS)
        if status != qrmi.TaskStatus.Completed:
            print(resource.task_logs(task), file=sys.stderr)
            return 1
        counts = json.loads(resource.task_result(task).value)["counter"]
    print(f"task {task} on {resource.resource_id()}: {sum(counts.values())} shots of {options.atoms} atoms")
    for bits, count in sorted(counts.items(), key=lambda item: -item[1])[:4]:
        print(f"{bits}  {count / options.shots:6.1%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
