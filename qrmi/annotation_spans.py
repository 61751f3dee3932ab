"""Phases as spans of the program's trace, and figures of merit as events on them.

A span holds 128 events by the SDK's default, and the oldest give way. A loop tells more: after 100 events the
next ones go to spans ``measures`` below, 100 to each, so that none is lost. The same spans hold the events of a
program that is in no span of its own, as under ``qwatch run``, where the session's span lives in that process.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from contextvars import Token
from dataclasses import dataclass

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.util.types import AttributeValue

from ..telemetry import attributes
from ..telemetry.annotations import Annotation
from . import at_exit
from .call_facts import qualified_error_class
from .instrumentation_scope import SCOPE, version
from .open_spans import OpenSpans, description_of, latest_spans
from .session_spans import Placement, outermost_placement

MOST_EVENTS = 100
_MOST_HOSTS = 64


@dataclass(slots=True, eq=False)
class OpenPhase:
    """A phase that has begun."""

    span: Span
    token: Token[Context] | None


@dataclass(slots=True)
class _Measures:
    """The events that belong to one span: how many it holds, and the span below that takes further ones."""

    held: int = 0
    below: Span | None = None
    below_held: int = 0
    last_ns: int = 0

    def end(self) -> None:
        if self.below is not None:
            self.below.end(self.last_ns)
            self.below = None


class AnnotationSpans:
    """The open phases of this process, and the spans of its measures."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._phases: set[OpenPhase] = set()
        self._kept = False
        self._hosts: OrderedDict[int, _Measures] = OrderedDict()

    def begin_phase(self, name: str) -> OpenPhase:
        """Start the span of a phase below the present span, else below the session's, and make it current."""
        spans = latest_spans()
        placement = _placement(spans)
        span = _tracer(spans).start_span(
            f"{attributes.PHASE} {name}",
            context=placement.parent,
            kind=SpanKind.INTERNAL,
            attributes={attributes.PHASE_NAME: name},
            links=placement.links,
        )
        token = None
        if span.get_span_context().is_valid:
            token = context.attach(trace.set_span_in_context(span))
        begun = OpenPhase(span, token)
        with self._lock:
            self._phases.add(begun)
        if span.is_recording():
            self._keep_until_exit()
        return begun

    def end_phase(self, begun: OpenPhase, error: BaseException | None) -> None:
        """End the span of a phase, failed if ``error`` left its block."""
        if error is not None and not isinstance(error, GeneratorExit) and begun.span.is_recording():
            begun.span.set_attribute(attributes.ERROR_TYPE, qualified_error_class(error))
            begun.span.set_status(Status(StatusCode.ERROR, description_of(error)))
        with self._lock:
            self._phases.discard(begun)
            measures = self._hosts.pop(begun.span.get_span_context().span_id, None)
        if measures is not None:
            measures.end()
        begun.span.end()
        if begun.token is not None:
            context.detach(begun.token)

    def add_measure(self, told: Annotation) -> None:
        """Add an event to the present span, else to the session's; when it holds many, to one below."""
        spans = latest_spans()
        host = trace.get_current_span()
        if not host.is_recording():
            session = None if spans is None else spans.current_session()
            host = trace.INVALID_SPAN if session is None else session.span
        now = time.time_ns()
        with self._lock:
            key = host.get_span_context().span_id
            measures = self._hosts.setdefault(key, _Measures())
            self._hosts.move_to_end(key)
            if len(self._hosts) > _MOST_HOSTS:
                self._hosts.popitem(last=False)[1].end()
            if host.is_recording() and measures.held < MOST_EVENTS:
                measures.held += 1
                host.add_event(attributes.MEASURE, _facts(told), now)
            else:
                host = self._add_below(measures, host, spans, told, now)
        if host.is_recording():
            self._keep_until_exit()

    def end(self) -> None:
        """End every span that is open."""
        with self._lock:
            for measures in self._hosts.values():
                measures.end()
            self._hosts.clear()
            while self._phases:
                self._phases.pop().span.end()
        self._kept = False
        at_exit.forget(self)

    def continue_in_fork(self) -> None:
        """In a forked process: the open spans are the parent's to end."""
        self._lock = threading.Lock()
        self._phases.clear()
        self._hosts.clear()

    def _keep_until_exit(self) -> None:
        if not self._kept:
            self._kept = True
            at_exit.keep_until_exit(self)

    def _add_below(
        self, measures: _Measures, host: Span, spans: OpenSpans | None, told: Annotation, now: int
    ) -> Span:
        if measures.below is None or measures.below_held >= MOST_EVENTS:
            measures.end()
            parent, links = (
                Placement(trace.set_span_in_context(host), None) if host.is_recording() else _placement(spans)
            )
            measures.below = _tracer(spans).start_span(
                attributes.MEASURES, context=parent, kind=SpanKind.INTERNAL, links=links
            )
            measures.below_held = 0
        measures.below_held += 1
        measures.last_ns = now
        if measures.below.is_recording():
            measures.below.add_event(attributes.MEASURE, _facts(told), now)
        return measures.below


def _placement(spans: OpenSpans | None) -> Placement:
    return outermost_placement() if spans is None else spans.place_phase()


def _tracer(spans: OpenSpans | None) -> Tracer:
    return trace.get_tracer(SCOPE, version()) if spans is None else spans.tracer


def _facts(told: Annotation) -> dict[str, AttributeValue]:
    facts: dict[str, AttributeValue] = {
        attributes.MEASURE_NAME: told.name,
        attributes.MEASURE_VALUE: told.value,
    }
    if told.unit is not None:
        facts[attributes.MEASURE_UNIT] = told.unit
    if told.iteration is not None:
        facts[attributes.MEASURE_ITERATION] = told.iteration
    return facts


ANNOTATION_SPANS = AnnotationSpans()
"""Of this process."""
