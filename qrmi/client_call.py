"""One call of the QRMI library: its span, its duration, its error. Nothing in here raises."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextvars import Token

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.util.types import AttributeValue

from ..telemetry import attributes
from .call_facts import error_class, qualified_error_class
from .call_tally import CallTally
from .client_histograms import ClientHistograms
from .guard import log_fault
from .open_spans import description_of
from .options import Hook
from .session_spans import Placement


class CallTracer:
    """Makes the spans of one resource's calls, and measures them."""

    def __init__(
        self,
        tracer: Tracer,
        name: str,
        base_attributes: dict[str, str],
        histograms: ClientHistograms,
        tally: CallTally,
        request_hook: Hook | None,
        response_hook: Hook | None,
    ) -> None:
        self._tracer = tracer
        self._name = name
        self._base_attributes = base_attributes
        self._histograms = histograms
        self._tally = tally
        self._request_hook = request_hook
        self._response_hook = response_hook
        self._known: dict[str, tuple[str, dict[str, str]]] = {}

    def start(
        self,
        operation: str,
        placement: Placement,
        request: object,
        kind: SpanKind = SpanKind.CLIENT,
        more: Mapping[str, AttributeValue] | None = None,
    ) -> ClientCall:
        """Start the span of a call, with ``more`` attributes, and make it the current one."""
        call = ClientCall(operation)
        try:
            name, given = self._known.get(operation) or self._names(operation)
            call.span = span = self._tracer.start_span(
                name,
                placement.parent,
                kind,
                {**given, **more} if more else given,
                placement.links,
            )
            if span is not trace.INVALID_SPAN:
                call.token = context.attach(trace.set_span_in_context(span, placement.parent))
        except Exception as error:
            log_fault("start of a call", error)
        if self._request_hook is not None and call.span.is_recording():
            self._run_hook(self._request_hook, call, request)
        return call

    def start_untraced(self, operation: str) -> ClientCall:
        """Start a call that is measured only."""
        return ClientCall(operation)

    def succeed(self, call: ClientCall, value: object) -> None:
        """The call returned ``value``."""
        if self._response_hook is not None and call.span.is_recording():
            self._run_hook(self._response_hook, call, value)
        self._end(call, "")

    def fail(self, call: ClientCall, error: BaseException) -> None:
        """The call raised ``error``."""
        try:
            if call.span.is_recording():
                call.span.set_attribute(attributes.ERROR_TYPE, qualified_error_class(error))
                call.span.set_status(Status(StatusCode.ERROR, description_of(error)))
        except Exception as fault:
            log_fault("end of a call", fault)
        self._end(call, error_class(error))

    def measure(self, operation: str, error_type: str, seconds: float) -> None:
        """Count and measure a call that has no span."""
        self._tally.called(operation, error_type)
        self._histograms.operation(operation, error_type, seconds)

    def _end(self, call: ClientCall, error_type: str) -> None:
        try:
            # While the span is current, so that a sampled one becomes the exemplar.
            self.measure(call.operation, error_type, time.perf_counter() - call.started)
        except Exception as fault:
            log_fault("end of a call", fault)
        try:
            call.span.end()
        except Exception as fault:
            log_fault("end of a call", fault)
        if call.token is not None:
            context.detach(call.token)

    def _names(self, operation: str) -> tuple[str, dict[str, str]]:
        found = (
            attributes.span_name(operation, self._name),
            {**self._base_attributes, attributes.OPERATION_NAME: operation},
        )
        self._known[operation] = found
        return found

    @staticmethod
    def _run_hook(hook: Hook, call: ClientCall, value: object) -> None:
        try:
            hook(call.span, call.operation, value)
        except Exception as error:
            log_fault("a hook of the program", error)


class ClientCall:
    """A call that is under way."""

    __slots__ = ("operation", "span", "started", "token")

    def __init__(self, operation: str) -> None:
        self.operation = operation
        self.span: Span = trace.INVALID_SPAN
        self.token: Token[Context] | None = None
        self.started = time.perf_counter()
