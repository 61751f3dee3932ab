"""The class of the ``qrmi`` wheel as the library made it, and what its version has.

Everything that an older version lacks is looked for here, so that nothing else assumes it.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import qrmi

from .interface import Resource

QuantumResource = qrmi.QuantumResource

_CALLS = (
    "acquire",
    "release",
    "is_accessible",
    "status",
    "target",
    "metadata",
    "resource_id",
    "resource_type",
    "task_start",
    "task_status",
    "task_result",
    "task_logs",
    "task_stop",
)

BARE: dict[str, Callable[..., Any]] = {
    name: vars(QuantumResource)[name] for name in _CALLS if name in vars(QuantumResource)
}
"""The methods of the wheel's class, also while ``auto_instrument`` has put others in their place."""


def bare(resource: Resource) -> Resource:
    """Return something that calls ``resource`` without telemetry; a resource of another class as it is."""
    if not isinstance(resource, QuantumResource):
        return resource
    methods = {name: method.__get__(resource) for name, method in BARE.items()}
    return cast(Resource, SimpleNamespace(**methods))


def members(owner: object, names: dict[str, str]) -> dict[str, Any]:
    """Return ``{word: owner.<name>}`` for those of ``names`` (word to name) that this version has."""
    return {word: getattr(owner, name) for word, name in names.items() if hasattr(owner, name)}
