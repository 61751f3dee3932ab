"""What telemetry may know of a call: the class of an error, the size of a payload; never their contents."""

from __future__ import annotations

import qrmi

from ..telemetry import attributes
from ..telemetry.catalogue import OTHER
from .resource_types import PAYLOADS

_MOST_SCANNED = 1_000_000
_PROGRAM_FIELDS = {
    "pasqal-cloud": "sequence",
    "qiskit-primitive": "input",
    "iqm-server": "iqmjson",
    "alice-bob-felis": "human_qir",
    "oqtopus": "job_spec",
}
_KINDS = {kind: (word, _PROGRAM_FIELDS[word]) for word, kind in PAYLOADS.items()}
_UNKNOWN_KIND = (OTHER, "")
_SEQUENCES = "sequence"
_OF_CUDAQ = '"ahs_register"'


def program_of(payload: object) -> str | None:
    """Return the text of a payload's program, of which each look is a copy; None for an unknown kind."""
    program = getattr(payload, _KINDS.get(type(payload), _UNKNOWN_KIND)[1], None)  # type: ignore[arg-type]
    return program if isinstance(program, str) else None


def payload_facts(payload: object, program: str | None, *, with_register: bool) -> dict[str, str | int]:
    """Return what is known of a payload and its program, as attributes: kind, bytes, shots requested, atoms."""
    word, field = _KINDS.get(type(payload), _UNKNOWN_KIND)  # type: ignore[arg-type]
    facts: dict[str, str | int] = {attributes.PAYLOAD_KIND: word}
    if program is not None:
        facts[attributes.PROGRAM_SIZE] = size_of(program)
    if field == _SEQUENCES:
        if with_register and program is not None and (register := register_size(program)):
            facts[attributes.REGISTER_SIZE] = register
        shots = getattr(payload, "job_runs", None)
        if isinstance(shots, int):
            facts[attributes.SHOTS_REQUESTED] = shots
    return facts


def sdk_of_program(payload: object, program: str | None) -> str | None:
    """Return the SDK in whose own format a payload's program is: CUDA-Q's analog one; None for any other."""
    if program is None or not isinstance(payload, qrmi.Payload.PasqalCloud):
        return None
    return "cudaq" if program.find(_OF_CUDAQ, 0, _MOST_SCANNED) >= 0 else None


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
