"""The open spans of one resource: its sessions and tasks."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping

from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.util.types import AttributeValue

from ..telemetry import attributes
from ..telemetry.redaction import REDACTOR, hashed, redact
from .at_exit import end_orphans
from .call_facts import qualified_error_class
from .client_histograms import ClientHistograms
from .resource_types import SESSION_KEY
from .session_spans import Placement, SessionSpan, outermost_placement, session_of_run
from .task_spans import OpenTask, TaskSpans

_MOST_SESSIONS = 16
_DESCRIPTION_LENGTH = 500

_latest: weakref.ref[OpenSpans] | None = None


class OpenSpans:
    """Sessions and tasks of one resource. The calls themselves are measured elsewhere."""

    def __init__(
        self,
        tracer: Tracer,
        name: str,
        task_attributes: dict[str, str | bool],
        histograms: ClientHistograms,
        keep_until_exit: Callable[[], None],
    ) -> None:
        self.tracer = tracer
        self._session_name = attributes.span_name(attributes.SESSION, name)
        self._task_name = attributes.span_name(attributes.TASK, name)
        self._token_variable = f"{name}_{SESSION_KEY}"
        self._task_attributes = task_attributes
        self.tasks = TaskSpans(tracer, name, histograms)
        self._sessions: OrderedDict[str, SessionSpan] = OrderedDict()
        # The session that calls are placed in: the one that was opened last.
        self._present: SessionSpan | None = None
        self._acquired: str | None = None
        self._lock = threading.RLock()
        self._keep_until_exit = keep_until_exit
        _remember(self)

    @property
    def token(self) -> str | None:
        """The session's token: the one in the environment, as QRMI reads it, else the one acquired last."""
        return os.environ.get(self._token_variable) or self._acquired

    def open_session(self, held_token: str | None = None) -> SessionSpan:
        """Start a session's span; ``held_token`` is that of a session which this process did not acquire."""
        end_orphans()
        placement = outermost_placement()
        run = None if held_token is None else session_of_run()
        session = SessionSpan(run or self._start_span(self._session_name, placement, self._task_attributes))
        if held_token is not None:
            REDACTOR.keep_secret(held_token)
            self.keep_session(session, held_token)
        return session

    def keep_session(self, session: SessionSpan, token: str) -> None:
        """Keep an open session under its token, of which only a hash is told and kept."""
        key = hashed(token)
        if session.span.is_recording():
            session.span.set_attribute(attributes.SESSION_HASH, key)
        with self._lock:
            self._sessions[key] = self._present = session
            self._sessions.move_to_end(key)
            if len(self._sessions) > _MOST_SESSIONS:
                self._end(self._sessions.popitem(last=False)[1])
        _remember(self)
        self._keep_until_exit()

    def acquired(self, session: SessionSpan, token: str) -> None:
        """Keep a session that was acquired just now."""
        self._acquired = token
        self.keep_session(session, token)

    def end_failed(self, span: Span, error: BaseException) -> None:
        """End a session's or task's span whose opening call failed."""
        if span.is_recording():
            span.set_attribute(attributes.ERROR_TYPE, qualified_error_class(error))
            span.set_status(Status(StatusCode.ERROR, description_of(error)))
        span.end()

    def session_of(self, token: str) -> SessionSpan:
        """Return the open session of ``token``, opened now if it is not known."""
        with self._lock:
            return self._sessions.get(hashed(token)) or self.open_session(held_token=token)

    def session_to_release(self, token: str) -> SessionSpan | None:
        """Return the open session of ``token``; without one of its own, the session that tasks are in."""
        with self._lock:
            return self._sessions.get(hashed(token)) or self._present

    def released(self, session: SessionSpan | None, token: str) -> None:
        """End a session and the tasks that are open in it."""
        if token == self._acquired:
            self._acquired = None
        with self._lock:
            for key, open_session in list(self._sessions.items()):
                if open_session is session:
                    del self._sessions[key]
            self._present = next(reversed(self._sessions.values()), None)
            if session is not None:
                self._end(session)

    def place_call(self) -> Placement:
        """Return the place of a call that belongs to no task."""
        session = self._present
        return outermost_placement() if session is None else session.place_call()

    def place_phase(self) -> Placement:
        """Return the place of a phase; a session that the job holds is opened before it, not inside."""
        with self._lock:
            held = os.environ.get(self._token_variable)
            if held and self._present is None:
                self.open_session(held_token=held)
            return self.place_call()

    def begin_task(self) -> OpenTask:
        """Start a task's span; the first one in a session that the job holds opens that session's span."""
        session = self._present or self._open_held_session()
        placement = session.place_task()
        span = self._start_span(self._task_name, placement, self._task_attributes)
        valid = span.get_span_context().is_valid
        below = trace.set_span_in_context(span, placement.parent) if valid else None
        return OpenTask(span, below, session, time.perf_counter())

    def close(self) -> None:
        """End every span that is open."""
        with self._lock:
            self.tasks.end_all()
            self._present = None
            while self._sessions:
                self._end(self._sessions.popitem()[1])

    def continue_in_fork(self) -> None:
        """In a forked process: the spans are the parent's to end, new ones are placed below them."""
        self._lock = threading.RLock()
        self.tasks.forget()
        for session in self._sessions.values():
            session.span = NonRecordingSpan(session.context)

    def current_session(self) -> SessionSpan | None:
        """Return the session that was opened last, of those that are open."""
        return self._present

    def _open_held_session(self) -> SessionSpan:
        with self._lock:
            return self._present or self.open_session(held_token=os.environ.get(self._token_variable) or "")

    def _end(self, session: SessionSpan) -> None:
        self.tasks.end_all(session)
        session.span.end()

    def _start_span(self, name: str, placement: Placement, given: Mapping[str, AttributeValue]) -> Span:
        return self.tracer.start_span(name, placement.parent, SpanKind.INTERNAL, given, placement.links)


def description_of(error: BaseException) -> str:
    """Return an error's message for a span: without credentials, and not too long."""
    return redact(str(error))[:_DESCRIPTION_LENGTH]


def _remember(spans: OpenSpans) -> None:
    global _latest  # noqa: PLW0603
    _latest = weakref.ref(spans)


def latest_spans() -> OpenSpans | None:
    """Return the spans of the resource that was opened, or whose session was, last, if it is still there."""
    return None if _latest is None else _latest()
