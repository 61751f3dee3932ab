"""The device that the emulated QPU publishes, and whether a sequence fits it."""

from __future__ import annotations

import dataclasses
import json
from functools import lru_cache
from typing import TYPE_CHECKING

from .sequence_text import InvalidSequenceError, read_object, read_sequence

if TYPE_CHECKING:
    from pulser.devices import Device

__all__ = ["InvalidSequenceError", "device_specs", "fitted_sequence", "validate_sequence"]


@lru_cache(maxsize=8)
def device_specs(name: str = "EMU") -> str:
    """Return the abstract representation (JSON) of Pulser's ``AnalogDevice`` under the name ``name``."""
    import pulser

    return str(dataclasses.replace(pulser.AnalogDevice, name=name).to_abstract_repr())


def validate_sequence(sequence: str, shots: int, specs: str, *, require_layout: bool = False) -> None:
    """Check that ``shots`` shots of ``sequence`` can be executed by the device in ``specs``.

    Arguments and errors are those of :func:`fitted_sequence`.
    """
    fitted_sequence(sequence, shots, specs, require_layout=require_layout)


def fitted_sequence(sequence: str, shots: int, specs: str, *, require_layout: bool = False) -> str:
    """Return ``sequence`` on the device in ``specs``, after checking that ``shots`` shots can be executed.

    A sequence carries the device that it was made for. Whatever that says about itself, the sequence is held
    to the limits of the device in ``specs``, and scheduled on it. The rules are Pulser's own for a QPU
    (``pulser.backend.Backend.validate_sequence``), but that the register must come from a layout only if
    ``require_layout`` says so: real machines insist, tutorials do not comply.

    Args:
        sequence: the sequence in Pulser's abstract representation.
        shots: the number of shots; at most the device's ``max_runs``.
        specs: the device in Pulser's abstract representation.
        require_layout: refuse a register that was not defined from a layout.

    Returns:
        The sequence in Pulser's abstract representation.

    Raises:
        InvalidSequenceError: with one line that says what does not fit.
    """
    device = _device(specs)
    if shots < 1:
        raise InvalidSequenceError(f"the number of shots must be at least 1, not {shots}")
    if device.max_runs is not None and shots > device.max_runs:
        raise InvalidSequenceError(f"{shots} shots are above the device's limit max_runs = {device.max_runs}")
    parsed = read_object(sequence)
    claimed = parsed.get("device")
    name = claimed.get("name") if isinstance(claimed, dict) else claimed
    if isinstance(name, str) and name != device.name:
        raise InvalidSequenceError(f"the sequence is for the device {name!r}, this device is {device.name!r}")
    if isinstance(claimed, dict):
        parsed["device"] = json.loads(specs)
    fitted = json.dumps(parsed)
    built = read_sequence(fitted)
    if require_layout and built.register.layout is None:
        raise InvalidSequenceError(f"{device.name!r} requires a register that is defined from a layout")
    return fitted


@lru_cache(maxsize=8)
def _device(specs: str) -> Device:
    from pulser.devices import Device

    return Device.from_abstract_repr(specs)
