"""Is a payload one that a device can take? Cheap checks before it is queued; the device judges the rest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from reprlib import repr as shortened
from typing import Any

from .errors import InvalidRequestError

_REQUIRED = ("version", "register", "channels", "operations", "device")


@dataclass(frozen=True, slots=True)
class DeviceLimits:
    """What a Pulser device's specs say about the jobs it takes; None where they say nothing."""

    name: str | None
    max_runs: int | None
    max_atom_num: int | None
    max_sequence_duration: int | None

    @classmethod
    def from_specs(cls, specs: str | None) -> DeviceLimits:
        """Read the limits from Pulser's abstract representation of a device; empty for anything else."""
        try:
            data = json.loads(specs) if specs else {}
        except ValueError:
            data = {}
        if not isinstance(data, dict):
            data = {}
        name = data.get("name")
        return cls(
            name=name if isinstance(name, str) else None,
            max_runs=_limit(data, "max_runs"),
            max_atom_num=_limit(data, "max_atom_num"),
            max_sequence_duration=_limit(data, "max_sequence_duration"),
        )


@dataclass(frozen=True, slots=True)
class SequenceFacts:
    """What telemetry tells of a payload."""

    size: int
    register_size: int


def check_job(sequence: str, shots: int, limits: DeviceLimits, most_shots: int) -> SequenceFacts:
    """Check a job's payload and shots against a device's limits.

    Raises:
        InvalidRequestError: with one line that says what is wrong.
    """
    allowed = limits.max_runs or most_shots
    if not 1 <= shots <= allowed:
        raise InvalidRequestError(f"shots: {shots} is not between 1 and {allowed}")
    program = _parsed(sequence)
    missing = [key for key in _REQUIRED if key not in program]
    if missing:
        raise InvalidRequestError(
            f"sequence: not Pulser's abstract representation of a sequence: {', '.join(missing)} missing"
        )
    device = program["device"]
    name = device.get("name") if isinstance(device, dict) else device
    if limits.name is not None and name != limits.name:
        raise InvalidRequestError(
            f"sequence: made for device {shortened(name)}, this is {limits.name!r}; "
            "take the device from its specs"
        )
    if program.get("variables"):
        raise InvalidRequestError("sequence: is parametrized; build it before it is submitted")
    register = program["register"]
    if not isinstance(register, list) or not register:
        raise InvalidRequestError("sequence: the register holds no atoms")
    if limits.max_atom_num is not None and len(register) > limits.max_atom_num:
        raise InvalidRequestError(
            f"sequence: {len(register)} atoms, the device {limits.name} holds {limits.max_atom_num}"
        )
    return SequenceFacts(size=len(sequence), register_size=len(register))


def _limit(specs: dict[str, Any], key: str) -> int | None:
    value = specs.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _parsed(sequence: str) -> dict[str, Any]:
    try:
        program = json.loads(sequence)
    except ValueError as error:
        raise InvalidRequestError(f"sequence: is not JSON: {error}") from error
    except RecursionError as error:
        raise InvalidRequestError("sequence: is nested too deeply") from error
    if not isinstance(program, dict):
        raise InvalidRequestError("sequence: is not a JSON object")
    return program
