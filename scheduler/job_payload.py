"""What ``POST /jobs`` accepts as a program, made into the one form that devices take: Pulser's, as text."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from ..qrmi.stand_in_device import STAND_IN, for_own_device
from .cudaq_program import is_cudaq_program, read_cudaq_program
from .cudaq_sequence import sequence_for
from .errors import UnavailableError

CUDAQ = "cudaq"

_OF_CUDAQ = '"hamiltonian"'
"""Text without it is not parsed here: of Pulser's sequences none has such a part."""


@dataclass(frozen=True, slots=True)
class JobPayload:
    """A sequence for a device, what its program was written with if that is told, a line for the job's log."""

    sequence: str
    sdk: str | None = None
    note: str | None = None


async def accepted_payload(given: str | dict[str, Any], specs: str | None) -> JobPayload:
    """Return the payload of a job for the device with ``specs``; what is no known form is left as it is.

    Raises:
        InvalidRequestError: a CUDA-Q program that is wrong or does not fit the device.
        UnavailableError: a CUDA-Q program, and the device's specs are not known yet.
    """
    if isinstance(given, str) and _OF_CUDAQ not in given:
        own = for_own_device(given, specs)
        if own is None:
            return JobPayload(given)
        return JobPayload(
            own, note=f"the program names {STAND_IN}, as QRMI's Qiskit sampler does for emulators"
        )
    program = _parsed(given) if isinstance(given, str) else given
    if not is_cudaq_program(program):
        return JobPayload(given if isinstance(given, str) else json.dumps(given))
    if specs is None:
        raise UnavailableError("a CUDA-Q program needs the device's specs, which are not known yet")
    # Beside the event loop: a large register takes a while to be placed.
    sequence = await asyncio.to_thread(_from_cudaq, program, specs)
    return JobPayload(sequence, CUDAQ, f"a CUDA-Q program, made into a sequence of {len(sequence)} characters")


def _from_cudaq(program: dict[str, Any], specs: str) -> str:
    return sequence_for(read_cudaq_program(program), specs)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
