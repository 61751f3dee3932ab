"""What telemetry may know of a call: the class of an error, the size of a payload; never their contents."""

from __future__ import annotations

from typing import NamedTuple

import qrmi

_MOST_SCANNED = 1_000_000
_PROGRAM_FIELDS = ("sequence", "input", "iqmjson", "human_qir", "job_spec")


class PayloadFacts(NamedTuple):
    """Sizes of a payload; what is not known is None.

    Attributes:
        size: the program's text, in bytes.
        shots: shots requested.
        register: atoms in the register.
    """

    size: int | None
    shots: int | None
    register: int | None


def payload_facts(payload: object) -> PayloadFacts:
    """Return the sizes of a QRMI payload of any kind."""
    program = next(
        (text for name in _PROGRAM_FIELDS if isinstance(text := getattr(payload, name, None), str)), None
    )
    shots = getattr(payload, "job_runs", None)
    return PayloadFacts(
        None if program is None else size_of(program),
        shots if isinstance(shots, int) else None,
        register_size(program) if program and isinstance(payload, qrmi.Payload.PasqalCloud) else None,
    )


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
