"""Which environment variable a value comes from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from pydantic import BaseModel

from .document import holds
from .keys import DELIMITER, PREFIX, is_json, keys_of, variable_of


def variable_that_sets(location: Sequence[int | str], environment: Mapping[str, str]) -> str | None:
    """Return the name of the variable that a value comes from; None if no variable names it.

    ``api.port`` may come from ``QWATCH_API__PORT``, or from ``QWATCH_API`` as JSON.
    """
    names = {name.upper(): name for name in environment}
    for length in range(len(location), 0, -1):
        name = names.get(variable_of(location[:length]))
        if name is not None and _holds(environment[name], location[length:]):
            return name
    return None


def first_variable_within(location: Sequence[int | str], environment: Mapping[str, str]) -> str | None:
    """Return the name of a variable that sets any key of a section."""
    beginning = variable_of(location) + DELIMITER
    return next((name for name in sorted(environment) if name.upper().startswith(beginning)), None)


def variables_without_json(model: type[BaseModel], environment: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the variables that ought to hold JSON and do not, each with its key."""
    names = {name.upper(): name for name in environment}
    found = []
    for key in keys_of(model):
        name = names.get(key.variable)
        if name is None or key.is_of_a_list or not is_json(key.field.annotation):
            continue
        try:
            json.loads(environment[name])
        except ValueError:
            found.append((name, key.path))
    return found


def unknown_variables(model: type[BaseModel], environment: Mapping[str, str]) -> list[str]:
    """Return variables that look like keys of a section that does not exist; unknown keys are errors anyway."""
    known = {variable_of([name]) for name in model.model_fields}
    return sorted(
        name
        for name in environment
        if name.upper().startswith(PREFIX)
        and DELIMITER in name
        and name.upper().partition(DELIMITER)[0] not in known
    )


def _holds(text: str, location: Sequence[int | str]) -> bool:
    if not location:
        return True
    try:
        return holds(json.loads(text), location)
    except ValueError:
        return False
