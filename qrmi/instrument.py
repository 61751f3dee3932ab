"""OpenTelemetry instrumentation of any QRMI resource.

    from opentelemetry import trace
    from qrmi import QuantumResource, ResourceType
    from qwatch.qrmi.instrument import instrument

    resource = instrument(QuantumResource("FRESNEL", ResourceType.PasqalLocal))

The instrumented resource takes the place of the bare one everywhere (``PulserQRMIConnection(resource)``).
Values and exceptions are those of the resource. Each session, task and call becomes a span, and each call a
measurement; polls of ``task_status`` are counted in one span ``wait``. Nothing is recorded unless the program
(or ``qwatch run``) has set up an OpenTelemetry SDK; ``suppress_instrumentation`` is honoured; a fault of
telemetry never reaches the program.
"""

from __future__ import annotations

from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

from .client_call import Hook
from .guard import Guard
from .instrumented_resource import InstrumentedResource
from .interface import Resource
from .program_tracing import trace_this_program
from .trace_handover import DaemonAddress

__all__ = ["Hook", "InstrumentedResource", "instrument"]

_GUARD = Guard("set-up of tracing")


def instrument(
    resource: Resource,
    *,
    sdk: str | None = None,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    request_hook: Hook | None = None,
    response_hook: Hook | None = None,
    daemon: DaemonAddress | None = None,
) -> InstrumentedResource:
    """Return ``resource`` with telemetry; one that is instrumented already is returned as it is.

    Args:
        resource: a ``qrmi.QuantumResource`` or anything with its methods.
        sdk: what the program writes its tasks with (``pulser``); recorded as ``qpu.sdk``.
        tracer_provider: where spans go, by default the program's global provider.
        meter_provider: where measurements go, by default the program's global provider.
        request_hook: called with the span, the operation and its arguments; its errors are caught.
        response_hook: called with the span, the operation and what it returned; its errors are caught.
        daemon: who is told the trace of each job, by default the daemon that the environment names.
    """
    if isinstance(resource, InstrumentedResource):
        return resource
    with _GUARD:
        trace_this_program()
    return InstrumentedResource(
        resource,
        sdk=sdk,
        tracer_provider=tracer_provider,
        meter_provider=meter_provider,
        request_hook=request_hook,
        response_hook=response_hook,
        daemon=daemon,
    )
