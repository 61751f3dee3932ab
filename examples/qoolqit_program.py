"""Runs a QoolQit program: a register and a drive without units, compiled to the device that QRMI tells.

    qwatch run --qpu EMU -- python -m qwatch.examples.qoolqit_program

Three atoms in a row at unit distance, where they block their neighbours: the outer two end excited. It needs
``pip install 'qwatch[up,qoolqit]'``, which brings PyTorch along (several GB); QoolQit itself runs without it:
``pip install --no-deps qoolqit networkx``.
"""

from __future__ import annotations

import argparse
import sys
import time

from qrmi.pulser import PulserQRMIConnection

from qwatch.qrmi.open_resource import ResourceNotAvailableError, open_resource
from qwatch.qrmi.session import session

try:
    from qoolqit import Device, Drive, PiecewiseLinearWaveform, QuantumProgram, RampWaveform, Register
    from qoolqit.execution import QPU
except ImportError as error:
    sys.exit(f"this example needs QoolQit ({error}): pip install --no-deps qoolqit networkx")

SITES = [(-1.0, 0.0), (0.0, 0.0), (1.0, 0.0)]
"""Places of the atoms, in QoolQit's unit of length."""

DRIVE = 0.2
SWEEP = 2.0 * DRIVE
DURATION = 100.0
"""Largest amplitude, largest detuning and length of the drive, in QoolQit's units."""

POLL_SECONDS = 0.1


def program() -> QuantumProgram:
    """Return the sweep of the detuning from below to above resonance."""
    parts = [0.2 * DURATION, 0.6 * DURATION, 0.2 * DURATION]
    amplitude = PiecewiseLinearWaveform(parts, [0.0, DRIVE, DRIVE, 0.0])
    drive = Drive(amplitude=amplitude, detuning=RampWaveform(DURATION, -SWEEP, SWEEP))
    return QuantumProgram(Register.from_coordinates(SITES), drive)


def main(arguments: list[str] | None = None) -> int:
    """Run the program; return its exit code."""
    parser = argparse.ArgumentParser(description="A QoolQit program.")
    parser.add_argument("--qpu", help="the QPU, by default the job's; 'emulator' for one in this process")
    parser.add_argument("--shots", type=int, default=300)
    options = parser.parse_args(arguments)
    try:
        resource = open_resource(options.qpu)
    except ResourceNotAvailableError as error:
        print(error, file=sys.stderr)
        return 1
    with session(resource):
        connection = PulserQRMIConnection(resource)
        device = next(iter(connection.fetch_available_devices()))
        compiled = program()
        compiled.compile_to(device=Device.from_connection(connection, device))
        job = QPU(connection=connection, num_shots=options.shots).run(compiled)
        # job.results() would ask without a pause.
        while not job.has_ended():
            time.sleep(POLL_SECONDS)
        counts = job.results().final_bitstrings
    print(f"job {job.job_id()} on {device}: {sum(counts.values())} shots of {len(SITES)} atoms")
    for bits, count in sorted(counts.items(), key=lambda item: -item[1])[:4]:
        print(f"{bits}  {count / options.shots:6.1%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
