"""One call of the QRMI library: its span, its duration, its error. Nothing in here raises."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextvars import Token

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.util.types import AttributeValue

from ..telemetry import attributes
from .call_facts import error_class, qualified_error_class
from .client_histograms import ClientHistograms
from .guard import Guard
from .open_spans import description_of
from .session_spans import Placement

Hook = Callable[[Span, str, object], None]
"""Called with the span of a call, the operation's name, and what was given (a request) or returned."""

_GUARD_START = Guard("start of a call")
_GUARD_END = Guard("end of a call")
_GUARD_HOOK = Guard("a hook of the program")


class CallTracer:
    """Makes the spans of one resource's calls."""

    def __init__(
        self,
        tracer: Tracer,
        name: str,
        base_attributes: dict[str, str],
        histograms: ClientHistograms,
        request_hook: Hook | None,
        response_hook: Hook | None,
    ) -> None:
        self._tracer = tracer
        self._name = name
        self._base_attributes = base_attributes
        self.histograms = histograms
        self._request_hook = request_hook
        self.response_hook = response_hook
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
        call = ClientCall(self, operation)
        with _GUARD_START:
            name, given = self._names(operation)
            span = self._tracer.start_span(
                name,
                context=placement.parent,
                kind=kind,
                attributes={**given, **more} if more else given,
                links=placement.links,
            )
            call.span = span
            if span.get_span_context().is_valid:
                base: Context | None = placement.parent
                call.token = context.attach(trace.set_span_in_context(span, base))
        if self._request_hook is not None and call.span.is_recording():
            with _GUARD_HOOK:
                self._request_hook(call.span, operation, request)
        return call

    def _names(self, operation: str) -> tuple[str, dict[str, str]]:
        found = self._known.get(operation)
        if found is None:
            found = (
                attributes.span_name(operation, self._name),
                {**self._base_attributes, attributes.OPERATION_NAME: operation},
            )
            self._known[operation] = found
        return found


class ClientCall:
    """A call that is under way. Ends with ``succeed`` or ``fail``."""

    __slots__ = ("_started", "_tracer", "operation", "span", "token")

    def __init__(self, tracer: CallTracer, operation: str) -> None:
        self._tracer = tracer
        self.operation = operation
        self.span: Span = trace.INVALID_SPAN
        self.token: Token[Context] | None = None
        self._started = time.perf_counter()

    def succeed(self, value: object) -> None:
        """The call returned ``value``."""
        if self._tracer.response_hook is not None and self.span.is_recording():
            with _GUARD_HOOK:
                self._tracer.response_hook(self.span, self.operation, value)
        self._end("")

    def fail(self, error: BaseException) -> None:
        """The call raised ``error``."""
        with _GUARD_END:
            if self.span.is_recording():
                self.span.set_attribute(attributes.ERROR_TYPE, qualified_error_class(error))
                self.span.set_status(Status(StatusCode.ERROR, description_of(error)))
        self._end(error_class(error))

    def _end(self, error_type: str) -> None:
        with _GUARD_END:
            # While the span is current, so that a sampled one becomes the exemplar.
            self._tracer.histograms.operation(self.operation, error_type, time.perf_counter() - self._started)
        with _GUARD_END:
            self.span.end()
        if self.token is not None:
            context.detach(self.token)
