"""Spans of sessions, and where in a trace the spans of their calls belong."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext

from ..telemetry.trace_context import parent_from_environment, parse_traceparent

MOST_IN_ONE_TRACE = 199
"""From the 200th task of a session on each task has a trace of its own: trace stores bound a trace."""

SESSION_TRACEPARENT_VARIABLE = "QWATCH_SESSION_TRACEPARENT"
"""The session span of a ``qwatch run`` that holds the session for this process."""

_MOST_TRACES = 64


class Placement(NamedTuple):
    """The parent (None is the current context) and the links of a new span."""

    parent: Context | None
    links: Sequence[Link] | None


ANYWHERE = Placement(None, None)
"""Under the present span, whatever it is; where nothing is traced, any place is as good."""


def outermost_placement() -> Placement:
    """Return the place of a span outside any session: under the program's span, else under TRACEPARENT."""
    if trace.get_current_span().get_span_context().is_valid:
        return ANYWHERE
    parent = parent_from_environment()
    return ANYWHERE if parent is None else Placement(parent, None)


def session_of_run() -> Span | None:
    """Return the session span of the ``qwatch run`` that started this process, if one did."""
    found = parse_traceparent(os.environ.get(SESSION_TRACEPARENT_VARIABLE))
    return None if found is None else NonRecordingSpan(found)


class SessionSpan:
    """One session's span and how many spans were put into its trace.

    Args:
        span: the span, or a remote one that its owner ends.
    """

    def __init__(self, span: Span) -> None:
        self.span = span
        self.context: SpanContext = span.get_span_context()
        self._opened_under = trace.get_current_span().get_span_context().span_id
        self._tasks: OrderedDict[int, int] = OrderedDict()
        self._calls: OrderedDict[int, int] = OrderedDict()

    def place_task(self) -> Placement:
        """Return the place of the next task's span."""
        return self._place(self._tasks)

    def place_call(self) -> Placement:
        """Return the place of the next call that belongs to no task."""
        return self._place(self._calls)

    def place_here(self) -> Placement:
        """Return the place of a span that always belongs into the session's own trace."""
        return Placement(trace.set_span_in_context(self.span), None) if self.context.is_valid else ANYWHERE

    def _place(self, counts: OrderedDict[int, int]) -> Placement:
        current = trace.get_current_span()
        own = current.get_span_context()
        # The span under which the session was opened holds the session; a newer one of the program wins.
        if not own.is_valid or own.span_id == self._opened_under:
            current, own = self.span, self.context
            if not own.is_valid:
                return ANYWHERE
        links = [Link(self.context)] if self.context.is_valid and own.trace_id != self.context.trace_id else []
        count = counts.get(own.trace_id, 0)
        if count < MOST_IN_ONE_TRACE:
            counts[own.trace_id] = count + 1
            counts.move_to_end(own.trace_id)
            if len(counts) > _MOST_TRACES:
                counts.popitem(last=False)
            return Placement(trace.set_span_in_context(current, context.get_current()), links or None)
        if own.is_valid:
            links.append(Link(own))
        return Placement(trace.set_span_in_context(trace.INVALID_SPAN, context.get_current()), links or None)
