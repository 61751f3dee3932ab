"""The proxy that stands before a QRMI resource and traces its calls."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import qrmi
from opentelemetry import trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import SpanKind, TracerProvider

from ..telemetry import attributes
from ..telemetry.redaction import REDACTOR
from ..telemetry.trace_context import format_traceparent
from .annotation_delivery import job_started
from .call_facts import error_class, payload_sizes, size_of
from .client_call import CallTracer, ClientCall, Hook
from .client_histograms import ClientHistograms
from .daemon_address import daemon_of
from .guard import Guard
from .instrumentation_scope import SCOPE, version
from .interface import Resource, Status, Value
from .job_attributes import job_attributes
from .open_spans import OpenSpans, leave_to_exit
from .resource_types import word_of
from .session_spans import ANYWHERE, Placement, SessionSpan, outermost_placement
from .suppression import is_suppressed
from .task_spans import OpenTask
from .trace_handover import DaemonAddress, TraceHandover

_T = TypeVar("_T")
_GUARD = Guard("instrumentation")


class InstrumentedResource:
    """A QRMI resource whose calls are traced and measured. Made by ``instrument``."""

    def __init__(
        self,
        resource: Resource,
        *,
        sdk: str | None,
        tracer_provider: TracerProvider | None,
        meter_provider: MeterProvider | None,
        request_hook: Hook | None,
        response_hook: Hook | None,
        daemon: DaemonAddress | None,
    ) -> None:
        self._resource = resource
        self._sdk = sdk
        name, kind = resource.resource_id(), word_of(resource.resource_type())
        tracer = trace.get_tracer(SCOPE, version(), tracer_provider)
        self._histograms = ClientHistograms(kind, meter_provider)
        base = {attributes.QPU_ID: name, attributes.RESOURCE_TYPE: kind}
        if sdk:
            base[attributes.QPU_SDK] = sdk
        self._spans = OpenSpans(tracer, name, {**base, **job_attributes(resource)}, self._histograms)
        self._calls = CallTracer(tracer, name, base, self._histograms, request_hook, response_hook)
        address = daemon or daemon_of(resource)
        self._handover = None if address is None else TraceHandover(address)
        self._sends_trace_context = bool(getattr(resource, "sends_trace_context", False))
        weakref.finalize(self, leave_to_exit, self._spans).atexit = False

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Methods of newer versions of QRMI pass through untraced."""
            return getattr(self._resource, name)

    def acquire(self) -> str:
        """Open a session and return its token."""
        if is_suppressed():
            return self._resource.acquire()
        session: SessionSpan | None = None
        placement = ANYWHERE
        with _GUARD:
            session = self._spans.open_session()
            placement = session.place_here()
        call = self._calls.start("acquire", placement, ())
        try:
            token = self._resource.acquire()
        except BaseException as error:
            call.fail(error)
            with _GUARD:
                if session is not None:
                    self._spans.end_failed(session.span, error)
            raise
        with _GUARD:
            REDACTOR.keep_secret(token)
            if session is not None:
                self._spans.acquired(session, token)
        call.succeed(token)
        return token

    def release(self, id: str) -> None:
        """Close the session ``id``."""
        if is_suppressed():
            self._resource.release(id)
            return
        session: SessionSpan | None = None
        placement = ANYWHERE
        with _GUARD:
            REDACTOR.keep_secret(id)
            self._flush_handover()
            session = self._spans.session_to_release(id)
            placement = outermost_placement() if session is None else session.place_here()
        call = self._calls.start("release", placement, (id,))
        try:
            self._resource.release(id)
        except BaseException as error:
            call.fail(error)
            raise
        else:
            call.succeed(None)
        finally:
            with _GUARD:
                self._spans.released(session, id)

    def is_accessible(self) -> bool:
        """Tell whether the resource is online (QRMI prefers ``status``)."""
        return self._call("is_accessible", self._resource.is_accessible)

    def status(self) -> Status:
        """Return the resource's state."""
        return self._call("status", self._resource.status)

    def target(self) -> Value:
        """Return the description of the device."""
        return self._call("target", self._resource.target)

    def metadata(self) -> dict[str, str]:
        """Return what is known of the resource."""
        return self._resource.metadata()

    def resource_id(self) -> str:
        """Return the resource's name."""
        return self._resource.resource_id()

    def resource_type(self) -> qrmi.ResourceType:
        """Return the resource's type."""
        return self._resource.resource_type()

    def task_start(self, payload: qrmi.Payload) -> str:
        """Submit a task and return its id."""
        if is_suppressed():
            return self._resource.task_start(payload)
        task: OpenTask | None = None
        sizes: dict[str, int] = {}
        placement = ANYWHERE
        with _GUARD:
            task = self._spans.begin_task()
            placement = Placement(task.context, None)
            sizes = payload_sizes(payload, with_register=task.span.is_recording())
        call = self._calls.start("task_start", placement, (payload,), SpanKind.PRODUCER, sizes)
        try:
            identifier = self._resource.task_start(payload)
        except BaseException as error:
            call.fail(error)
            with _GUARD:
                if task is not None:
                    self._spans.end_failed(task.span, error)
            raise
        with _GUARD:
            self._submitted(call, task, identifier, sizes.get(attributes.PROGRAM_SIZE))
        call.succeed(identifier)
        return identifier

    def task_status(self, task_id: str) -> qrmi.TaskStatus:
        """Return the state of a task."""
        if is_suppressed():
            return self._resource.task_status(task_id)
        started = time.perf_counter()
        try:
            status = self._resource.task_status(task_id)
        except BaseException as error:
            with _GUARD:
                self._histograms.operation("task_status", error_class(error), time.perf_counter() - started)
                self._spans.tasks.poll_failed(task_id, error)
            raise
        with _GUARD:
            self._histograms.operation("task_status", "", time.perf_counter() - started)
            self._spans.tasks.polled(task_id, status)
        return status

    def task_result(self, task_id: str) -> Value:
        """Return the result of a task that has completed."""
        result = self._call("task_result", self._resource.task_result, task_id)
        if not is_suppressed():
            with _GUARD:
                self._histograms.payload("received", size_of(result.value))
                self._spans.tasks.fetched(task_id)
        return result

    def task_logs(self, task_id: str) -> str:
        """Return the log of a task."""
        return self._call("task_logs", self._resource.task_logs, task_id)

    def task_stop(self, task_id: str) -> None:
        """Cancel a task."""
        self._call("task_stop", self._resource.task_stop, task_id)

    def close(self) -> None:
        """End the spans that are still open; the resource can be used on."""
        with _GUARD:
            self._flush_handover()
            self._spans.close()

    def session_of(self, token: str) -> SessionSpan | None:
        """Return the span of the session ``token``; that of one which somebody else acquired starts now."""
        with _GUARD:
            return self._spans.session_of(token)
        return None

    def _call(self, operation: str, function: Callable[..., _T], *given: str) -> _T:
        """Call ``function(*given)`` in a span; the first argument, if any, is a task's id."""
        if is_suppressed():
            return function(*given)
        placement = ANYWHERE
        with _GUARD:
            found = self._spans.tasks.context_of(given[0]) if given else None
            placement = self._spans.place_call() if found is None else Placement(found, None)
        task_attributes = {attributes.TASK_ID: given[0]} if given else None
        call = self._calls.start(operation, placement, given, more=task_attributes)
        try:
            value = function(*given)
        except BaseException as error:
            call.fail(error)
            raise
        call.succeed(value)
        return value

    def _submitted(self, call: ClientCall, task: OpenTask | None, identifier: str, size: int | None) -> None:
        if size is not None:
            self._histograms.payload("sent", size)
        if call.span.is_recording():
            call.span.set_attribute(attributes.TASK_ID, identifier)
        if task is not None:
            self._spans.tasks.add(task, identifier)
        job_started(self._handover, identifier, self._spans.token)
        self._hand_over(call, identifier)

    def _hand_over(self, call: ClientCall, identifier: str) -> None:
        span_context = call.span.get_span_context()
        if self._handover is None or not span_context.is_valid:
            return
        if self._sdk is None and (self._sends_trace_context or not span_context.trace_flags.sampled):
            return
        token = self._spans.token
        if token:
            self._handover.send(identifier, token, format_traceparent(span_context), self._sdk)

    def _flush_handover(self) -> None:
        if self._handover is not None:
            self._handover.flush()
