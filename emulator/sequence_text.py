"""Reading a Pulser sequence from its abstract representation, with one clear line for what is wrong."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pulser import Sequence

MAXIMUM_SIMULATED_ATOMS = 14
"""Registers above this take minutes and gigabytes to simulate as a state vector."""

_MESSAGE_LENGTH = 300


class InvalidSequenceError(ValueError):
    """The sequence or the number of shots cannot be executed; the message is one line for the user."""


def one_line(error: BaseException | str) -> str:
    """Return the first informative line of an error's message, cut to a readable length."""
    text = error if isinstance(error, str) else str(getattr(error, "message", error))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    first = lines[0] if lines else type(error).__name__
    return first if len(first) <= _MESSAGE_LENGTH else first[: _MESSAGE_LENGTH - 1] + "…"


def read_object(text: str) -> dict[str, Any]:
    """Return the JSON object in ``text``.

    Raises:
        InvalidSequenceError: it is no JSON object, or holds NaN or an infinite number.
    """
    try:
        parsed = json.loads(text)
        json.dumps(parsed, allow_nan=False)
    except (ValueError, RecursionError) as error:
        raise InvalidSequenceError(f"the sequence is not JSON: {one_line(error)}") from error
    if not isinstance(parsed, dict):
        raise InvalidSequenceError("the sequence is not a JSON object in Pulser's abstract representation")
    return parsed


def read_sequence(text: str) -> Sequence[Any]:
    """Return the Pulser sequence in ``text``, ready to be simulated.

    Raises:
        InvalidSequenceError: it is no JSON, not the abstract representation of a sequence, violates the
            limits of the device in it, still has variables, has no fixed register, has no instruction, or
            its register is too large to be simulated.
    """
    from pulser import Sequence

    read_object(text)
    # Pulser's deserialiser raises whatever its own constructors raise, so no narrower list is complete.
    try:
        sequence = Sequence.from_abstract_repr(text)
    except Exception as error:
        raise InvalidSequenceError(f"the sequence is not valid: {_reason(error)}") from error
    _refuse_unfinished(sequence)
    atoms = len(sequence.register.qubit_ids)
    if atoms > MAXIMUM_SIMULATED_ATOMS:
        raise InvalidSequenceError(
            f"the register has {atoms} atoms; the emulator simulates at most {MAXIMUM_SIMULATED_ATOMS}"
        )
    return sequence


def _refuse_unfinished(sequence: Sequence[Any]) -> None:
    if sequence.is_parametrized():
        names = ", ".join(sorted(sequence.declared_variables))
        raise InvalidSequenceError(f"the sequence has variables without a value: {names}")
    if sequence.is_register_mappable():
        raise InvalidSequenceError("the sequence's register is not fixed: build it with the qubits' traps")
    if not sequence.declared_channels or sequence.get_duration() == 0:
        raise InvalidSequenceError("the sequence has no instruction")


def _reason(error: BaseException) -> str:
    """Return what the deserialiser stumbled over, which Pulser and the schema wrap in general messages."""
    cause: Any = error
    while cause.__cause__ is not None and str(cause.__cause__):
        cause = cause.__cause__
    if not hasattr(cause, "json_path"):  # not an error of the JSON schema
        return one_line(cause)
    while cause.context:
        cause = _likeliest(cause.context)
    return one_line(f"{cause.json_path}: {cause.message}")


def _likeliest(errors: list[Any]) -> Any:
    """Return the first error of that alternative in the schema which the text violates least."""
    alternatives: dict[object, list[Any]] = {}
    for error in errors:
        alternatives.setdefault(error.schema_path[0], []).append(error)
    return min(alternatives.values(), key=len)[0]
