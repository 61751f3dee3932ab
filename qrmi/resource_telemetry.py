"""What is recorded of the calls of one QRMI resource.

Each method takes the bare call and what it is given, and returns or raises what the bare call does. A fault of
telemetry is logged, once for each kind, and never reaches the program.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TypeVar

import qrmi
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from ..telemetry import attributes
from ..telemetry.redaction import REDACTOR
from ..telemetry.trace_context import format_traceparent
from . import at_exit
from .annotation_delivery import job_started
from .call_facts import error_class, payload_facts, program_of, sdk_of_program, size_of
from .call_tally import CallTally
from .calling_sdk import calling_sdk
from .client_call import CallTracer, ClientCall
from .client_histograms import ClientHistograms
from .daemon_address import daemon_of
from .guard import log_fault
from .handover import DaemonAddress, Handover
from .instrumentation_scope import SCOPE, version
from .interface import Resource, Value
from .job_attributes import job_attributes
from .measurements import MEASUREMENTS
from .open_spans import OpenSpans
from .options import Options
from .resource_types import word_of
from .session_spans import ANYWHERE, Placement, SessionSpan, outermost_placement
from .suppression import is_suppressed
from .task_spans import OpenTask

_T = TypeVar("_T")


class ResourceTelemetry:
    """Spans, measurements and the summary of one resource's sessions."""

    def __init__(self, resource: Resource, options: Options, daemon: DaemonAddress | None = None) -> None:
        name, kind = resource.resource_id(), word_of(resource.resource_type())
        tracer = trace.get_tracer(SCOPE, version(), options.tracer_provider)
        self._sdk = options.sdk
        self._histograms = ClientHistograms(kind, options.meter_provider)
        self._tally = CallTally(kind, options.sdk)
        base = {attributes.QPU_ID: name, attributes.RESOURCE_TYPE: kind}
        if options.sdk:
            base[attributes.QPU_SDK] = options.sdk
        self.spans = OpenSpans(
            tracer, name, {**base, **job_attributes(resource)}, self._histograms, self._keep_until_exit
        )
        self._calls = CallTracer(
            tracer, name, base, self._histograms, self._tally, options.request_hook, options.response_hook
        )
        address = daemon or daemon_of(resource)
        self.handover = None if address is None else Handover(address)
        self._sends_trace_context = bool(getattr(resource, "sends_trace_context", False))
        self._live = False

    def acquire(self, bare: Callable[[], str]) -> str:
        """Open a session; return its token."""
        if is_suppressed():
            return bare()
        session: SessionSpan | None = None
        placement = ANYWHERE
        try:
            session = self.spans.open_session()
            placement = session.place_here()
        except Exception as fault:
            log_fault("acquire", fault)
        call = self._calls.start("acquire", placement, ())
        try:
            token = bare()
        except BaseException as error:
            self._calls.fail(call, error)
            self._opening_failed(None if session is None else session.span, error)
            raise
        try:
            REDACTOR.keep_secret(token)
            if session is not None:
                self.spans.acquired(session, token)
        except Exception as fault:
            log_fault("acquire", fault)
        self._calls.succeed(call, token)
        return token

    def release(self, bare: Callable[[str], None], id: str) -> None:
        """Close the session ``id``, and tell the daemon what was done in it."""
        if is_suppressed():
            bare(id)
            return
        session: SessionSpan | None = None
        placement = ANYWHERE
        try:
            REDACTOR.keep_secret(id)
            self.flush()
            session = self.spans.session_to_release(id)
            placement = outermost_placement() if session is None else session.place_here()
        except Exception as fault:
            log_fault("release", fault)
        call = self._calls.start("release", placement, (id,))
        try:
            bare(id)
        except BaseException as error:
            self._calls.fail(call, error)
            raise
        else:
            self._calls.succeed(call, None)
        finally:
            try:
                self.spans.released(session, id)
                self._tell_summary(id)
                MEASUREMENTS.hand_on()
            except Exception as fault:
                log_fault("release", fault)

    def task_start(self, bare: Callable[[qrmi.Payload], str], payload: qrmi.Payload) -> str:
        """Submit a task; return its id."""
        if is_suppressed():
            return bare(payload)
        task: OpenTask | None = None
        call: ClientCall | None = None
        size: int | None = None
        sdk = self._sdk
        try:
            task = self.spans.begin_task()
            program = program_of(payload)
            size = None if program is None else size_of(program)
            if task.context is not None:
                facts = payload_facts(payload, program, with_register=task.span.is_recording())
                if sdk is None and (sdk := self._detected_sdk(task, payload, program)):
                    facts[attributes.QPU_SDK] = sdk
                    self._tally.written_with(sdk)
                call = self._calls.start(
                    "task_start", Placement(task.context, None), (payload,), SpanKind.PRODUCER, facts
                )
        except Exception as fault:
            log_fault("task_start", fault)
        if call is None:
            call = self._calls.start_untraced("task_start")
        try:
            identifier = bare(payload)
        except BaseException as error:
            self._calls.fail(call, error)
            self._opening_failed(None if task is None else task.span, error)
            raise
        try:
            self._submitted(call, task, identifier, size, sdk)
        except Exception as fault:
            log_fault("task_start", fault)
        self._calls.succeed(call, identifier)
        return identifier

    def task_status(self, bare: Callable[[str], qrmi.TaskStatus], task_id: str) -> qrmi.TaskStatus:
        """Return the state of a task: an event of its span ``wait`` where it has changed, not a span."""
        if is_suppressed():
            return bare(task_id)
        started = time.perf_counter()
        try:
            status = bare(task_id)
        except BaseException as error:
            try:
                self._calls.measure("task_status", error_class(error), time.perf_counter() - started)
                self.spans.tasks.poll_failed(task_id, error)
            except Exception as fault:
                log_fault("task_status", fault)
            raise
        try:
            self._calls.measure("task_status", "", time.perf_counter() - started)
            self.spans.tasks.polled(task_id, status)
        except Exception as fault:
            log_fault("task_status", fault)
        return status

    def task_result(self, bare: Callable[[str], Value], task_id: str) -> Value:
        """Return the result of a task."""
        if is_suppressed():
            return bare(task_id)
        result = self.call("task_result", bare, task_id)
        try:
            size = size_of(result.value)
            self._histograms.payload("received", size)
            self._tally.moved("received", size)
            self.spans.tasks.fetched(task_id)
        except Exception as fault:
            log_fault("task_result", fault)
        return result

    def call(self, operation: str, bare: Callable[..., _T], *given: str) -> _T:
        """Make any other call in a span; the first argument, if there is one, is a task's id."""
        if is_suppressed():
            return bare(*given)
        placement = ANYWHERE
        try:
            found = self.spans.tasks.context_of(given[0]) if given else None
            placement = self.spans.place_call() if found is None else Placement(found, None)
        except Exception as fault:
            log_fault(operation, fault)
        call = self._calls.start(
            operation, placement, given, more={attributes.TASK_ID: given[0]} if given else None
        )
        try:
            value = bare(*given)
        except BaseException as error:
            self._calls.fail(call, error)
            raise
        self._calls.succeed(call, value)
        return value

    def end(self) -> None:
        """End the spans that are open, and tell the daemon what it has not been told; calls may go on."""
        try:
            token = self.spans.token
            if token:
                self._tell_summary(token)
            self.spans.close()
        except Exception as fault:
            log_fault("end of spans", fault)
        self._live = False
        at_exit.forget(self)

    def flush(self) -> None:
        """Hand the measurements on, and wait for a bounded time until the daemon has been told."""
        MEASUREMENTS.hand_on()
        if self.handover is not None:
            self.handover.flush()

    def continue_in_fork(self) -> None:
        """In a forked process: what the parent recorded is the parent's to send."""
        self.spans.continue_in_fork()
        self._tally.reset()

    @staticmethod
    def _detected_sdk(task: OpenTask, payload: qrmi.Payload, program: str | None) -> str | None:
        """Return the SDK that calls task_start or whose format the payload is in."""
        sdk = calling_sdk(sys._getframe(2)) or sdk_of_program(payload, program)
        if sdk is not None:
            task.span.set_attribute(attributes.QPU_SDK, sdk)
        return sdk

    def _submitted(
        self, call: ClientCall, task: OpenTask | None, identifier: str, size: int | None, sdk: str | None
    ) -> None:
        if not self._live:
            self._keep_until_exit()
        if size is not None:
            self._histograms.payload("sent", size)
            self._tally.moved("sent", size)
        if task is not None:
            self.spans.tasks.add(task, identifier)
        if call.span.is_recording():
            call.span.set_attribute(attributes.TASK_ID, identifier)
        job_started(self.handover, identifier, self.spans.token)
        if self.handover is not None:
            self._tell_trace(self.handover, call, identifier, sdk)

    def _opening_failed(self, span: trace.Span | None, error: BaseException) -> None:
        try:
            if span is not None:
                self.spans.end_failed(span, error)
        except Exception as fault:
            log_fault("end of a call", fault)

    def _tell_trace(self, handover: Handover, call: ClientCall, identifier: str, sdk: str | None) -> None:
        span_context = call.span.get_span_context()
        if not span_context.is_valid:
            return
        if sdk is None and (self._sends_trace_context or not span_context.trace_flags.sampled):
            return
        token = self.spans.token
        if token:
            handover.send_trace(identifier, token, format_traceparent(span_context), sdk)

    def _tell_summary(self, token: str) -> None:
        summary = self._tally.take()
        if self.handover is not None and summary is not None:
            self.handover.send_summary(token, summary)
            self._keep_until_exit()

    def _keep_until_exit(self) -> None:
        self._live = True
        at_exit.keep_until_exit(self)
