"""The class behind ``qwatch.qrmi.instrumentor``."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor

SUPPORTED = ("qrmi >= 0.25",)
"""Before 0.25 the library has neither ``status()`` nor ``from_config()``."""


class QRMIInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Instruments ``qrmi.QuantumResource``, and what ``QRMIService`` and ``ResourceProvider`` hand out."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return which versions of the library are supported."""
        return SUPPORTED

    def _instrument(self, **kwargs: Any) -> None:
        # Imported here: an environment without the library, or with another version, is only asked about it.
        from .instrument import instrument

        known = ("sdk", "tracer_provider", "meter_provider", "request_hook", "response_hook", "library_logs")
        instrument(**{name: kwargs[name] for name in known if kwargs.get(name) is not None})

    def _uninstrument(self, **kwargs: Any) -> None:
        from .instrument import uninstrument

        uninstrument()
