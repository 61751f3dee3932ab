"""OpenTelemetry instrumentor for QRMI.

Zero code, with the packages ``opentelemetry-distro`` and an exporter (``pip install 'qwatch[zero-code]'``)::

    OTEL_TRACES_EXPORTER=console opentelemetry-instrument python program.py

In code::

    from qwatch.qrmi.instrumentor import QRMIInstrumentor

    QRMIInstrumentor().instrument(request_hook=request_hook, response_hook=response_hook)
    QRMIInstrumentor().uninstrument()

The hooks are called with the span, the name of the operation, and its arguments as a tuple,
or what it returned::

    def request_hook(span, operation, arguments): ...
    def response_hook(span, operation, value): ...

``tracer_provider`` and ``meter_provider`` take the place of the global ones. See ``qwatch.qrmi.instrument`` for
what is recorded.

The class is made when it is first asked for: its base class belongs to ``opentelemetry-instrumentation``, whose
import (``wrapt``, ``asyncio``, ``packaging``) takes longer than that of everything here, and which a program
started by ``opentelemetry-instrument`` has imported already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .instrumentor_class import QRMIInstrumentor

__all__ = ["QRMIInstrumentor"]


def __getattr__(name: str) -> Any:
    if name == "QRMIInstrumentor":
        from .instrumentor_class import QRMIInstrumentor

        return QRMIInstrumentor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
