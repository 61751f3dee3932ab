"""Programs that QRMI's Qiskit sampler writes for an emulator: they name Pulser's DigitalAnalogDevice.

``qrmi.primitives.pasqal`` asks a resource for its device, but for one with ``emu`` in its name it takes that
device of Pulser's instead, unasked. Such a program is run on the device of the resource; its layout of traps,
which was made for the other device's distances, is made anew.
"""

from __future__ import annotations

import json
from typing import Any

from .atom_layout import layout_for, needs_layout

STAND_IN = "DigitalAnalogDevice"


def for_own_device(sequence: str, specs: str | None) -> str | None:
    """Return ``sequence`` made for the device in ``specs``; None if it is not one that was written so.

    Args:
        sequence: a sequence in Pulser's abstract representation.
        specs: the device's abstract representation.
    """
    if specs is None or f'"{STAND_IN}"' not in sequence:
        return None
    try:
        program, own = json.loads(sequence), json.loads(specs)
        named = program["device"]["name"]
        name = own["name"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if named != STAND_IN or not isinstance(name, str) or "emu" not in name.lower():
        return None
    program["device"] = own
    if program.pop("layout", None) is not None and needs_layout(own):
        _lay_out(program, own)
    return json.dumps(program, separators=(",", ":"))


def _lay_out(program: dict[str, Any], device: dict[str, Any]) -> None:
    """Give the program's register a layout of the device; without one the device says what is wrong."""
    try:
        register = program["register"]
        layout = layout_for([(float(atom["x"]), float(atom["y"])) for atom in register], device)
    except (KeyError, TypeError, ValueError, IndexError):
        return
    if layout is not None:
        program["layout"] = {"coordinates": layout.traps}
        program["register"] = [
            {"name": atom["name"], "x": x, "y": y} for atom, (x, y) in zip(register, layout.atoms, strict=True)
        ]
