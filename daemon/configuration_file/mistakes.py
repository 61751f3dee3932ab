"""What validation refuses, a line each: where, which key, what is wrong, and what was likely meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from .document import Document
from .environment import first_variable_within, variable_that_sets
from .keys import keys_of, section_at

_QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-zµ]{1,7})\s*")
_SECONDS = {
    **dict.fromkeys(("us", "µs", "usec"), 1e-6),
    **dict.fromkeys(("ms", "msec"), 1e-3),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
    **dict.fromkeys(("w", "week", "weeks"), 604_800.0),
}
_BYTES: dict[str, float] = {
    "b": 1, "k": 2**10, "kb": 10**3, "kib": 2**10, "m": 2**20, "mb": 10**6, "mib": 2**20,
    "g": 2**30, "gb": 10**9, "gib": 2**30,
}  # fmt: skip
_FACTORS: dict[str, dict[str, float]] = {"s": _SECONDS, "bytes": _BYTES}
_NUMBERS = ("int_parsing", "float_parsing", "int_type", "float_type")


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong."""

    place: str
    key: str
    line: str

    def __str__(self) -> str:
        return f"{self.place}: {self.key}: {self.line}" if self.key else f"{self.place}: {self.line}"


def mistakes_of(
    error: ValidationError, model: type[BaseModel], document: Document, environment: Mapping[str, str]
) -> list[Mistake]:
    """Return a mistake for each finding of a validation, none of which tells a value that may be secret."""
    # Without what was given there is nothing to leak; only a number with a unit is looked at, below.
    found = sorted(error.errors(include_url=False), key=lambda item: document.line(item["loc"]) or 0)
    return [
        Mistake(
            place_of(item["loc"], document, environment, missing=item["type"] == "missing"),
            _key(item["loc"]),
            _sentence(item["type"], str(item["msg"]), item["loc"], model, item.get("input")),
        )
        for item in found
    ]


def place_of(
    location: Sequence[int | str], document: Document, environment: Mapping[str, str], *, missing: bool = False
) -> str:
    """Return where a value comes from, as file and line or as a variable."""
    given = [part for part in location if part != "[key]"]
    variable = variable_that_sets(given[:-1] if missing else given, environment)
    if variable is None and not document.names(given):
        variable = first_variable_within(given, environment)
    return f"environment {variable}" if variable is not None else document.place(given)


def _key(location: Sequence[int | str]) -> str:
    return ".".join(str(part) for part in location if part != "[key]") or "the whole"


def _sentence(kind: str, said: str, location: Sequence[int | str], model: type[BaseModel], given: Any) -> str:
    if kind == "extra_forbidden":
        meant = _meant(location, model)
        return f"unknown key; did you mean {meant}?" if meant else "unknown key"
    if kind == "missing":
        return "required here, and not given"
    if kind in _NUMBERS and isinstance(given, str) and (told := _number(given, location, model)):
        return told
    return " ".join(said.removeprefix("Value error, ").split())


def _meant(location: Sequence[int | str], model: type[BaseModel]) -> str | None:
    word = str(location[-1])
    section = section_at(model, location[:-1])
    siblings = list(section.model_fields) if section is not None else []
    if close := difflib.get_close_matches(word.lower().replace("-", "_"), siblings, n=1, cutoff=0.6):
        return close[0]
    elsewhere = [key.path for key in keys_of(model) if key.name == word]
    return elsewhere[0] if len(elsewhere) == 1 else None


def _number(given: str, location: Sequence[int | str], model: type[BaseModel]) -> str | None:
    """Tell what to write instead of "30s" or "4 MiB"."""
    quantity = _QUANTITY.fullmatch(given)
    unit = _unit(location, model)
    if quantity is None or unit is None:
        return None
    size, word = float(quantity[1]), quantity[2]
    factor = _FACTORS.get(unit, {}).get(word.lower())
    if unit == "s" and word == "M":
        factor = None
    name = {"s": "seconds"}.get(unit, unit)
    if factor is None:
        return f"is a number of {name}, written without a unit"
    return f"is a number of {name}, written without a unit: {size * factor:.12g}"


def _unit(location: Sequence[int | str], model: type[BaseModel]) -> str | None:
    words = [str(part) for part in location]
    for key in keys_of(model):
        if len(key.location) > len(words) or key.shape != "value":
            continue
        if all(
            ours == theirs or ours.startswith(("[", "<"))
            for ours, theirs in zip(key.location, words, strict=False)
        ):
            return key.unit
    return None
