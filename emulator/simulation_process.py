"""The process that simulates: reads orders and writes results, one JSON object a line.

Started by :mod:`.simulator` as ``python -m qwatch.emulator.simulation_process PARENT_PID``. It ends when its
standard input closes, and the kernel kills it when its parent dies, however that happens.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from typing import Any, TextIO

from .execution import execute
from .noise import NoiseSettings
from .sequence_text import one_line
from .specs import device_specs

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def main() -> None:
    """Serve orders until standard input closes."""
    _die_with_parent(int(sys.argv[1]))
    # A terminal's Ctrl-C reaches the whole process group; the parent decides when this process ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    replies = _private_standard_output()
    _warm_up()
    _write(replies, {"ready": True})
    for line in sys.stdin:
        _write(replies, _reply(json.loads(line)))


def _reply(order: dict[str, Any]) -> dict[str, Any]:
    # Whatever the simulation raises is the job's failure, not this process's.
    try:
        noise = NoiseSettings.model_validate(order.pop("noise"))
        return {"counts": execute(order.pop("sequence"), order.pop("shots"), noise=noise, **order)}
    except Exception as error:
        return {"error": one_line(error) or type(error).__name__}


def _die_with_parent(parent_pid: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent_pid:  # it died before the line above
        sys.exit(1)


def _private_standard_output() -> TextIO:
    """Return the pipe to the parent, and send what libraries print to standard error instead."""
    pipe = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return os.fdopen(pipe, "w", encoding="utf-8")


def _warm_up() -> None:
    """Pay for imports and first-use initialisation before the first job."""
    from pulser import Pulse, Register, Sequence
    from pulser.devices import Device

    device = Device.from_abstract_repr(device_specs())
    register = Register.from_coordinates([(0.0, 0.0), (8.0, 0.0)], prefix="q")
    sequence = Sequence(register, device)
    sequence.declare_channel("global", "rydberg_global")
    sequence.add(Pulse.ConstantPulse(100, 1.0, 0.0, 0.0), "global")
    execute(sequence.to_abstract_repr(), 1)


def _write(replies: TextIO, reply: dict[str, Any]) -> None:
    replies.write(json.dumps(reply) + "\n")
    replies.flush()


if __name__ == "__main__":
    main()
