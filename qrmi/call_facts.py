"""What telemetry may know of a call: the class of an error, the size of a payload; never their contents."""

from __future__ import annotations

import qrmi

from ..telemetry import attributes

_MOST_SCANNED = 1_000_000
_OF_CUDAQ = '"ahs_register"'
_PROGRAM_FIELDS = ("sequence", "input", "iqmjson", "human_qir", "job_spec")


def payload_sizes(payload: object, *, with_register: bool) -> dict[str, int]:
    """Return what is known of a payload of any kind, as attributes: bytes, shots requested, atoms."""
    sizes: dict[str, int] = {}
    for name in _PROGRAM_FIELDS:
        program = getattr(payload, name, None)
        if isinstance(program, str):
            sizes[attributes.PROGRAM_SIZE] = size_of(program)
            if with_register and name == "sequence" and (register := register_size(program)):
                sizes[attributes.REGISTER_SIZE] = register
            break
    shots = getattr(payload, "job_runs", None)
    if isinstance(shots, int):
        sizes[attributes.SHOTS_REQUESTED] = shots
    return sizes


def sdk_of_payload(payload: object) -> str | None:
    """Return the SDK whose own format a payload is in: CUDA-Q's analog program; None for any other."""
    if isinstance(payload, qrmi.Payload.PasqalCloud) and _OF_CUDAQ in payload.sequence[:_MOST_SCANNED]:
        return "cudaq"
    return None


def size_of(text: str) -> int:
    """Return how many bytes ``text`` has in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def register_size(sequence: str) -> int | None:
    """Return the number of atoms in a sequence's register without parsing the sequence.

    Pulser writes the register as one list of objects, each with a ``name`` and numbers.
    """
    if len(sequence) > _MOST_SCANNED:
        return None
    start = sequence.find('"register":')
    end = sequence.find("]", start)
    if start < 0 or end < 0:
        return None
    return sequence.count('"name":', start, end) or None


def error_class(error: BaseException) -> str:
    """Return the class of an error as the metrics' label spells it."""
    name = type(error).__name__
    # The wheel's base class prints as its name in Rust.
    return "QrmiError" if name == "QrmiError_" else name


def qualified_error_class(error: BaseException) -> str:
    """Return the class of an error with its module, as the attribute ``error.type`` spells it."""
    kind = type(error)
    if isinstance(error, qrmi.QrmiError) and kind.__module__.partition(".")[0] == "qrmi":
        return f"qrmi.{error_class(error)}"
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
