"""The spans of a QRMI resource's instrumented calls, made with the OpenTelemetry API and nothing else.

What instrumentation cannot cost less than: the same number of spans, with as many attributes and events.
"""

from __future__ import annotations

import time
from types import SimpleNamespace

import qrmi
import workload
from fakes import FakeResource
from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Tracer

from qwatch.telemetry import attributes

_BASE = {attributes.QPU_ID: workload.DEVICE, attributes.RESOURCE_TYPE: "pasqal-local"}
_OF_PAYLOAD = {
    attributes.PAYLOAD_KIND: "pasqal-cloud",
    attributes.PROGRAM_SIZE: len(workload.sequence()),
    attributes.REGISTER_SIZE: 8,
    attributes.SHOTS_REQUESTED: 100,
}


class SpansAlone(FakeResource):
    """A resource whose calls make the spans that instrumentation makes, and measure nothing.

    Args:
        tracer: where the spans go.
        linked: each task has a trace of its own with a link to the session, as from the 200th on.
        polls: how many polls a task takes.
    """

    def __init__(self, tracer: Tracer, linked: bool, polls: int) -> None:
        super().__init__(polls)
        self._tracer = tracer
        session = tracer.start_span("session", Context())
        self._links = [Link(session.get_span_context())] if linked else None
        self._below = Context() if linked else trace.set_span_in_context(session, Context())

    def status(self) -> SimpleNamespace:
        """Make one span."""
        span = self._start("status", self._below, SpanKind.CLIENT, {}, self._links)
        token = context.attach(trace.set_span_in_context(span, self._below))
        found = super().status()
        span.end()
        context.detach(token)
        return found

    def task_start(self, payload: object, /) -> str:
        """Start two spans, end one."""
        self._task = self._tracer.start_span("task", self._below, SpanKind.INTERNAL, _BASE, self._links)
        self._in_task = trace.set_span_in_context(self._task, self._below)
        span = self._start("task_start", self._in_task, SpanKind.PRODUCER, _OF_PAYLOAD)
        token = context.attach(trace.set_span_in_context(span, self._in_task))
        identifier = super().task_start(payload)
        span.set_attribute(attributes.TASK_ID, identifier)
        span.end()
        context.detach(token)
        self._started, self._events = time.time_ns(), []
        return identifier

    def task_status(self, task_id: str, /) -> qrmi.TaskStatus:
        """Make a span for all polls of a task, with its changes of state, in the last one."""
        status = super().task_status(task_id)
        word = str(status)
        if not self._events or status == qrmi.TaskStatus.Completed:
            self._events.append((word, time.time_ns()))
        if status == qrmi.TaskStatus.Completed:
            wait = self._tracer.start_span(
                "wait",
                self._in_task,
                attributes={attributes.QPU_ID: workload.DEVICE, attributes.STATUS_POLLS: 3},
                start_time=self._started,
            )
            for state, when in self._events:
                wait.add_event(attributes.TASK_STATE, {attributes.TASK_STATE: state}, when)
            wait.end()
        return status

    def task_result(self, task_id: str, /) -> SimpleNamespace:
        """Make one span, end that of the task."""
        span = self._start("task_result", self._in_task, SpanKind.CLIENT, {attributes.TASK_ID: task_id})
        token = context.attach(trace.set_span_in_context(span, self._in_task))
        found = super().task_result(task_id)
        span.end()
        context.detach(token)
        self._task.set_attributes({attributes.TASK_ID: task_id, attributes.TASK_STATE: "completed"})
        self._task.end()
        return found

    def _start(
        self,
        operation: str,
        parent: Context,
        kind: SpanKind,
        more: dict[str, str | int],
        links: list[Link] | None = None,
    ) -> Span:
        given = {**_BASE, attributes.OPERATION_NAME: operation, **more}
        return self._tracer.start_span(operation, parent, kind, given, links)
