"""What a program may tell of itself: its phases and its figures of merit; the same rules on both sides."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from . import log_fields

Kind = Literal["measure", "phase"]
MEASURE: Kind = "measure"
PHASE: Kind = "phase"

NAME = r"[A-Za-z][A-Za-z0-9 _.-]{0,63}"
"""A name: a letter, then letters, digits, spaces and ``_ . -``."""

UNIT = r"[!-~°µμ]{1,16}"
"""A unit: printable, without spaces."""

LARGEST_ITERATION = 2**53
MOST_IN_REQUEST = 100
MOST_OF_JOB = 1000
"""So many annotations of one job are kept in its log."""

_NAME, _UNIT = re.compile(NAME), re.compile(UNIT)


@dataclass(frozen=True, slots=True)
class Annotation:
    """A figure of merit (``measure``), or a phase that ended.

    ``value`` is the figure, or the phase's seconds; ``at`` is when it was told, in Unix seconds.
    """

    kind: Kind
    name: str
    value: float
    at: float
    iteration: int | None = None
    unit: str | None = None

    def line(self) -> str:
        """Return it as a line of a job's log."""
        if self.kind == PHASE:
            return f"{PHASE} {self.name}: {self.value:.3f} s"
        unit = f" {self.unit}" if self.unit else ""
        place = "" if self.iteration is None else f" (iteration {self.iteration})"
        return f"{MEASURE} {self.name} = {self.value:.10g}{unit}{place}"


def fields_of(item: Annotation) -> dict[str, object]:
    """Return the fields of the log record of an annotation."""
    return {
        (log_fields.PHASE if item.kind == PHASE else log_fields.MEASURE): item.name,
        (log_fields.SECONDS if item.kind == PHASE else log_fields.VALUE): item.value,
        log_fields.ITERATION: item.iteration,
        log_fields.UNIT: item.unit,
    }


def check_name(name: object) -> str:
    """Return ``name`` if it is one; ValueError says what is wrong."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(
            f"{str(name)[:80]!r} is not a name: a letter, then letters, digits, spaces, '_', '.' or '-', "
            "64 in all"
        )
    return name


def check_value(value: object) -> float:
    """Return ``value`` as a number; ValueError or TypeError if it is none, or not finite."""
    number = float(value)  # type: ignore[arg-type]
    if not math.isfinite(number):
        raise ValueError(f"{number} is not a finite number")
    return number


def check_iteration(iteration: object) -> int | None:
    """Return the number of an iteration; ValueError or TypeError if it is none."""
    if iteration is None:
        return None
    number = int(iteration)  # type: ignore[call-overload]
    if not 0 <= number <= LARGEST_ITERATION:
        raise ValueError(f"{number} is not the number of an iteration")
    return int(number)


def check_unit(unit: object) -> str | None:
    """Return ``unit`` if it is one; ValueError says what is wrong."""
    if unit is None:
        return None
    if not isinstance(unit, str) or not _UNIT.fullmatch(unit):
        raise ValueError(f"{str(unit)[:80]!r} is not a unit: printable, without spaces, 16 characters at most")
    return unit
