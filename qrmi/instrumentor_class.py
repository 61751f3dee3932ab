"""The class behind ``qwatch.qrmi.instrumentor``.

It has the interface of ``BaseInstrumentor`` and none of its code: importing that (``wrapt``, ``asyncio``) takes
longer than everything here together. A program that has imported it, as one started by
``opentelemetry-instrument`` has, finds this class among its subclasses.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Collection
from typing import Any

SUPPORTED = ("qrmi >= 0.25",)
"""Before 0.25 the library has neither ``status()`` nor ``from_config()``."""

_log = logging.getLogger(__name__)


class QRMIInstrumentor:
    """Instruments ``qrmi.QuantumResource``, and what ``QRMIService`` and ``ResourceProvider`` hand out."""

    _instance: QRMIInstrumentor | None = None
    _is_instrumented_by_opentelemetry = False

    def __new__(cls) -> QRMIInstrumentor:
        """Return the one instrumentor of the process."""
        if cls._instance is None:
            cls._instance = super().__new__(cls)
        return cls._instance

    @property
    def is_instrumented_by_opentelemetry(self) -> bool:
        """Whether the library is instrumented now."""
        return self._is_instrumented_by_opentelemetry

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return which versions of the library are supported."""
        return SUPPORTED

    def instrument(
        self, *, skip_dep_check: bool = False, raise_exception_on_conflict: bool = False, **kwargs: Any
    ) -> None:
        """Instrument the library; ``kwargs`` are those of ``qwatch.qrmi.instrument.instrument``.

        A version that is not supported is left alone, and an error is logged.

        Args:
            skip_dep_check: the caller has checked that the version is supported.
            raise_exception_on_conflict: raise instead of logging.

        Raises:
            opentelemetry.instrumentation.dependencies.DependencyConflictError: if asked for.
        """
        if self._is_instrumented_by_opentelemetry:
            _log.warning("Attempting to instrument while already instrumented")
            return
        if not skip_dep_check and not _is_supported() and _conflicts(raise_exception_on_conflict):
            return
        # Imported here: an environment without the library, or with another version, is only asked about it.
        from .instrument import instrument

        known = ("sdk", "tracer_provider", "meter_provider", "request_hook", "response_hook", "library_logs")
        instrument(**{name: kwargs[name] for name in known if kwargs.get(name) is not None})
        self._is_instrumented_by_opentelemetry = True

    def uninstrument(self, **_: Any) -> None:
        """Undo ``instrument``."""
        if not self._is_instrumented_by_opentelemetry:
            _log.warning("Attempting to uninstrument while already uninstrumented")
            return
        from .instrument import uninstrument

        uninstrument()
        self._is_instrumented_by_opentelemetry = False


def _is_supported() -> bool:
    """Tell whether the library is there, with what versions before the oldest supported one lack."""
    try:
        from qrmi import QuantumResource
    except ImportError:
        return False
    return hasattr(QuantumResource, "status") and hasattr(QuantumResource, "from_config")


def _conflicts(raise_exception: bool) -> bool:
    """Tell whether the installed version is not supported, and log or raise what is wrong."""
    from opentelemetry.instrumentation.dependencies import DependencyConflictError, get_dependency_conflicts

    conflict = get_dependency_conflicts(SUPPORTED)
    if conflict is None:
        return False
    if raise_exception:
        raise DependencyConflictError(conflict)
    _log.error("%s", conflict)
    return True


if _contrib := sys.modules.get("opentelemetry.instrumentation.instrumentor"):
    _contrib.BaseInstrumentor.register(QRMIInstrumentor)
