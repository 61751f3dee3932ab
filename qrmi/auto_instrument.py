"""Instruments a program that knows nothing of qwatch: every QRMI resource it makes is traced.

``install`` puts an instrumented class in the place of ``qrmi.QuantumResource`` and wraps what
``qrmi.QRMIService`` and ``qrmi.ResourceProvider`` hand out, so that ``PulserQRMIConnection()`` is traced too.
``qwatch run`` does this for the program that it starts. Where the daemon takes the local token, the resources
use it, so that the program needs no MUNGE.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import qrmi

from .guard import Guard
from .wheel import QuantumResource

_GUARD = Guard("automatic instrumentation")
_undo: list[tuple[Any, str, Any]] = []

_HANDING_OUT = (
    (qrmi.QRMIService, "resources"),
    (qrmi.QRMIService, "resource"),
    (qrmi.ResourceProvider, "resources"),
    (qrmi.ResourceProvider, "least_busy"),
)


class _ResourceClass(type):
    """Makes instrumented resources, and calls bare and instrumented ones its instances."""

    def __call__(cls, *given: Any, **named: Any) -> Any:
        return _instrumented(QuantumResource(*given, **named))

    def __instancecheck__(cls, instance: object) -> bool:
        from .instrumented_resource import InstrumentedResource

        return isinstance(instance, QuantumResource | InstrumentedResource)


class TracedQuantumResource(metaclass=_ResourceClass):
    """Stands in the place of ``qrmi.QuantumResource``; see there."""

    @staticmethod
    def from_config(resource_id: str, resource_type: qrmi.ResourceType, config: dict[str, str]) -> Any:
        """Return an instrumented resource made from ``config``."""
        return _instrumented(QuantumResource.from_config(resource_id, resource_type, config), config)


def install() -> None:
    """Instrument every resource that is made from now on; a second call does nothing."""
    if _undo:
        return
    _replace(qrmi, "QuantumResource", TracedQuantumResource)
    for owner, name in _HANDING_OUT:
        _replace(owner, name, _handing_out(getattr(owner, name)))


def uninstall() -> None:
    """Put everything back; resources that were made meanwhile stay instrumented."""
    while _undo:
        owner, name, original = _undo.pop()
        setattr(owner, name, original)


def _replace(owner: Any, name: str, replacement: Any) -> None:
    _undo.append((owner, name, getattr(owner, name)))
    setattr(owner, name, replacement)


def _handing_out(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def wrapped(*given: Any, **named: Any) -> Any:
        found = method(*given, **named)
        return [_instrumented(item) for item in found] if isinstance(found, list) else _instrumented(found)

    return wrapped


def _instrumented(resource: Any, config: Mapping[str, str] | None = None) -> Any:
    # Imported late: this module is loaded while `qrmi` is, perhaps by the very modules named here.
    with _GUARD:
        if isinstance(resource, QuantumResource):
            from .local_substitute import with_local_token

            resource = with_local_token(resource, config)
    with _GUARD:
        from .instrument import InstrumentedResource, instrument

        if resource is not None and not isinstance(resource, InstrumentedResource):
            return instrument(resource)
    return resource
