"""Every value of a configuration with where it comes from, credentials masked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from .document import Document, Location, holds
from .environment import variable_that_sets
from .keys import plain_value, shape_of, variable_of, whole
from .masks import masked

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Entry:
    """One value: a key without keys of its own."""

    location: Location
    value: Any
    origin: str
    variable: str
    from_file: bool
    is_masked: bool

    @property
    def key(self) -> str:
        """Its name, such as ``devices.0.url``."""
        return ".".join(str(part) for part in self.location)

    @property
    def is_changed(self) -> bool:
        """Whether the file or the environment gives it."""
        return self.origin != DEFAULT


def entries(
    configuration: BaseModel, document: Document, environment: Mapping[str, str], at: Location = ()
) -> Iterator[Entry]:
    """Yield every value of a configuration that was read from ``document`` with ``environment`` over it."""
    for name, field in type(configuration).model_fields.items():
        location = (*at, name)
        value = getattr(configuration, name)
        shape, inner = shape_of(field.annotation)
        if inner is None or not value:
            yield _entry(location, value, document, environment)
        elif shape == "section":
            yield from entries(value, document, environment, location)
        else:
            items = value.items() if shape == "sections by name" else enumerate(value)
            for step, item in items:
                yield from entries(item, document, environment, (*location, step))


def _entry(location: Location, value: Any, document: Document, environment: Mapping[str, str]) -> Entry:
    variable = variable_that_sets(location, environment)
    # A section without a key is no value of its own: its default holds.
    from_file = variable is None and holds(document.data, location, more_than_nothing=value is not None)
    origin = variable or (document.place(location) if from_file else DEFAULT)
    shown = masked(str(location[-1]), value)
    return Entry(location, shown, origin, variable_of(whole(location)), from_file, shown != _unmasked(value))


def _unmasked(value: Any) -> Any:
    """Return a value as it would be shown without a mask; a secret that is given differs from it."""
    return plain_value(value)
