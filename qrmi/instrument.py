"""OpenTelemetry instrumentation of QRMI, for those who prefer code.

    from qwatch.qrmi.instrument import instrument

    instrument()                          # every resource, from now on
    resource = instrument(resource)       # or one, with what its tasks are written with: sdk="pulser"

``instrument()`` puts recording methods into ``qrmi.QuantumResource`` itself: resources that exist already,
those of ``QRMIService`` and ``ResourceProvider``, and names imported earlier are all covered, and their
class stays what it is. ``instrument(resource)`` returns a proxy that takes the place of the bare resource.

Values and exceptions are those of the library. Each session, task and call becomes a span, and each call a
measurement; polls of ``task_status`` are counted in one span ``wait``. Nothing is recorded unless the program
(or ``qwatch run``) has set up an OpenTelemetry SDK; ``suppress_instrumentation`` is honoured; a fault of
telemetry never reaches the program.
"""

from __future__ import annotations

from typing import overload

from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

from . import auto_instrument
from .guard import Guard
from .handover import DaemonAddress
from .instrumented_resource import InstrumentedResource
from .interface import Resource
from .options import Hook, Options
from .program_tracing import trace_this_program

__all__ = ["Hook", "InstrumentedResource", "instrument", "uninstrument"]

_GUARD = Guard("set-up of tracing")


@overload
def instrument(
    *,
    sdk: str | None = None,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    request_hook: Hook | None = None,
    response_hook: Hook | None = None,
    library_logs: bool = True,
) -> None: ...


@overload
def instrument(
    resource: Resource,
    *,
    sdk: str | None = None,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    request_hook: Hook | None = None,
    response_hook: Hook | None = None,
    daemon: DaemonAddress | None = None,
) -> InstrumentedResource: ...


def instrument(
    resource: Resource | None = None,
    *,
    sdk: str | None = None,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    request_hook: Hook | None = None,
    response_hook: Hook | None = None,
    daemon: DaemonAddress | None = None,
    library_logs: bool = True,
) -> InstrumentedResource | None:
    """Instrument every resource, or return ``resource`` with telemetry; doing so twice is doing it once.

    Args:
        resource: a ``qrmi.QuantumResource`` or anything with its methods; without it all of the library's.
        sdk: what the program writes its tasks with (``pulser``); recorded as ``qpu.sdk``.
        tracer_provider: where spans go, by default the program's global provider.
        meter_provider: where measurements go, by default the program's global provider.
        request_hook: called with the span, the operation and its arguments; its errors are caught.
        response_hook: called with the span, the operation and what it returned; its errors are caught.
        daemon: who is told the trace of each job, by default the daemon that the environment names.
        library_logs: with all resources: give the library's own log records the ids of the call that caused
            them. It takes the library's log callback; one that the program sets afterwards wins, one that it
            has set before would be lost, so pass False then.
    """
    options = Options(sdk, tracer_provider, meter_provider, request_hook, response_hook)
    if resource is None:
        auto_instrument.install(options, library_logs=library_logs)
        return None
    if isinstance(resource, InstrumentedResource):
        return resource
    with _GUARD:
        trace_this_program()
    return InstrumentedResource(resource, options, daemon)


def uninstrument() -> None:
    """Undo ``instrument()``: the library is as it was; proxies that ``instrument(resource)`` returned stay."""
    auto_instrument.uninstall()
