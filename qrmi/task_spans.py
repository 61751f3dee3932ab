"""The open tasks of one resource and their spans: a bounded table, safe for threads.

A task's span ends when its result was fetched, or when it is seen to have failed or been cancelled. A task
that completed and whose result nobody fetches ends with the time at which completion was seen, at the latest
when the session ends.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

import qrmi
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, Status, StatusCode, Tracer

from ..telemetry import attributes
from .call_facts import qualified_error_class
from .client_histograms import ClientHistograms
from .session_spans import SessionSpan

MOST_OPEN = 1000
MOST_ENDED = 500
UNFETCHED_SECONDS = 60.0
_MOST_POLL_ERRORS = 10
_MOST_EVENTS = 100

UNKNOWN = "unknown"
_WORDS = {
    qrmi.TaskStatus.Queued: "queued",
    qrmi.TaskStatus.Running: "running",
    qrmi.TaskStatus.Completed: "completed",
    qrmi.TaskStatus.Failed: "failed",
    qrmi.TaskStatus.Cancelled: "cancelled",
}
_FINAL = ("completed", "failed", "cancelled")
COMPLETED = "completed"


class OpenTask:
    """A task that was started and whose span has not ended; times in seconds or, ``_ns``, in nanoseconds."""

    __slots__ = (
        "context",
        "events",
        "final",
        "final_ns",
        "identifier",
        "poll_errors",
        "polls",
        "session",
        "span",
        "started",
        "state",
        "submitted_ns",
    )

    def __init__(
        self, span: Span, context: Context | None, session: SessionSpan | None, started: float
    ) -> None:
        self.span = span
        self.context = context
        self.session = session
        self.started = started
        self.identifier = ""
        self.submitted_ns = 0
        self.events: list[tuple[str, dict[str, str], int]] | None = None
        self.state = UNKNOWN
        self.polls = 0
        self.poll_errors = 0
        self.final = 0.0
        self.final_ns = 0


class TaskSpans:
    """The open tasks of one resource, at most 1,000; beyond that the oldest is ended as ``unknown``."""

    def __init__(self, tracer: Tracer, name: str, histograms: ClientHistograms) -> None:
        self._tracer = tracer
        self._wait_name = attributes.span_name(attributes.WAIT, name)
        self._wait_attributes = {attributes.QPU_ID: name}
        self._histograms = histograms
        self._lock = threading.Lock()
        self._open: OrderedDict[str, OpenTask] = OrderedDict()
        self._completed: OrderedDict[str, OpenTask] = OrderedDict()
        self._ended: OrderedDict[str, SpanContext] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open) + len(self._completed)

    def add(self, task: OpenTask, identifier: str) -> None:
        """Keep a task that was submitted just now."""
        task.identifier = identifier
        task.submitted_ns = time.time_ns()
        with self._lock:
            self._open[identifier] = task
            if len(self._open) > MOST_OPEN:
                self._end(self._open.popitem(last=False)[1])
            while self._completed and (
                len(self._completed) > MOST_OPEN
                or next(iter(self._completed.values())).final < task.started - UNFETCHED_SECONDS
            ):
                self._end(self._completed.popitem(last=False)[1])

    def context_of(self, identifier: str) -> Context | None:
        """Return the context of a task's span, also of one that ended lately; None if it is not known."""
        with self._lock:
            task = self._open.get(identifier) or self._completed.get(identifier)
            if task is not None:
                return task.context
            ended = self._ended.get(identifier)
        return None if ended is None else trace.set_span_in_context(NonRecordingSpan(ended))

    def polled(self, identifier: str, status: qrmi.TaskStatus) -> None:
        """Note what a call of task_status returned."""
        state = _WORDS.get(status, UNKNOWN)
        with self._lock:
            task = self._open.get(identifier)
            if task is None:
                return
            task.polls += 1
            if state == task.state:
                return
            task.state = state
            self._note(task, attributes.TASK_STATE, {attributes.TASK_STATE: state})
            if state in _FINAL:
                self._finalise(task)

    def poll_failed(self, identifier: str, error: BaseException) -> None:
        """Note that a call of task_status failed; the task goes on."""
        with self._lock:
            task = self._open.get(identifier)
            if task is None:
                return
            task.polls += 1
            task.poll_errors += 1
            if task.poll_errors <= _MOST_POLL_ERRORS:
                self._note(task, "exception", {attributes.ERROR_TYPE: qualified_error_class(error)})

    def fetched(self, identifier: str) -> None:
        """Note that the result was fetched: the task is complete, its span ends."""
        with self._lock:
            task = self._open.pop(identifier, None)
            if task is not None:
                task.state = COMPLETED
                self._measure(task)
            else:
                task = self._completed.pop(identifier, None)
            if task is not None:
                self._end(task, fetched=True)

    def end_all(self, session: SessionSpan | None = None) -> None:
        """End the spans of the tasks of ``session``, or of every task."""
        with self._lock:
            for table in (self._completed, self._open):
                ending = [task for task in table.values() if session is None or task.session is session]
                for task in ending:
                    del table[task.identifier]
                    self._end(task)

    def forget(self) -> None:
        """Drop everything without a trace, in a forked process: the spans are the parent's."""
        self._lock = threading.Lock()
        self._open.clear()
        self._completed.clear()

    @staticmethod
    def _note(task: OpenTask, name: str, given: dict[str, str]) -> None:
        """Keep an event for the span ``wait``, which is made when it ends: an open one costs each poll more."""
        if task.events is None:
            task.events = []
        if task.span.is_recording() and len(task.events) < _MOST_EVENTS:
            task.events.append((name, given, time.time_ns()))

    def _measure(self, task: OpenTask) -> None:
        """The final state is known: end the span ``wait``, measure the task."""
        task.final, task.final_ns = time.perf_counter(), time.time_ns()
        self._end_wait(task, task.final_ns)
        self._histograms.task(task.state, task.final - task.started, task.polls)

    def _finalise(self, task: OpenTask) -> None:
        """The final state was seen in a poll; only a completed task still has a result to fetch."""
        self._measure(task)
        del self._open[task.identifier]
        if task.state == COMPLETED:
            self._completed[task.identifier] = task
        else:
            self._end(task)

    def _end(self, task: OpenTask, fetched: bool = False) -> None:
        if not task.final_ns:
            # Nobody saw how it ended.
            self._end_wait(task, None)
            self._histograms.task(UNKNOWN, time.perf_counter() - task.started, task.polls)
        if task.span.is_recording():
            state = task.state if task.state in _FINAL else UNKNOWN
            # Together: each call of the SDK costs more than what it sets.
            task.span.set_attributes({attributes.TASK_ID: task.identifier, attributes.TASK_STATE: state})
            if state == "failed":
                task.span.set_status(Status(StatusCode.ERROR, "the task failed"))
        task.span.end(None if fetched or not task.final_ns else task.final_ns)
        if task.context is None:
            return
        # Not the span: 500 of them are some MB.
        self._ended[task.identifier] = task.span.get_span_context()
        if len(self._ended) > MOST_ENDED:
            self._ended.popitem(last=False)

    def _end_wait(self, task: OpenTask, when_ns: int | None) -> None:
        if not task.polls or not task.span.is_recording():
            return
        wait = self._tracer.start_span(
            self._wait_name,
            task.context,
            attributes={**self._wait_attributes, attributes.STATUS_POLLS: task.polls},
            start_time=task.submitted_ns,
        )
        for name, given, at in task.events or ():
            wait.add_event(name, given, at)
        wait.end(when_ns)
