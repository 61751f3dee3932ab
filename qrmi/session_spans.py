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
        self._below = Placement(trace.set_span_in_context(span, Context()), None)
        self._beside = Placement(Context(), [Link(self.context)])
        self._tasks = _Counts()
        self._calls = _Counts()

    def place_task(self) -> Placement:
        """Return the place of the next task's span."""
        return self._place(self._tasks)

    def place_call(self) -> Placement:
        """Return the place of the next call that belongs to no task."""
        return self._place(self._calls)

    def place_here(self) -> Placement:
        """Return the place of a span that always belongs into the session's own trace."""
        return Placement(trace.set_span_in_context(self.span), None) if self.context.is_valid else ANYWHERE

    def _place(self, counts: _Counts) -> Placement:
        present = context.get_current()
        if not present:
            # The usual case, without a span of the program's own.
            if not self.context.is_valid:
                return ANYWHERE
            if counts.own >= MOST_IN_ONE_TRACE:
                return self._beside
            counts.own += 1
            return self._below
        current = trace.get_current_span(present)
        own = current.get_span_context()
        # The span under which the session was opened holds the session; a newer one of the program wins.
        if not own.is_valid or own.span_id == self._opened_under:
            current, own = self.span, self.context
            if not own.is_valid:
                return ANYWHERE
        same = own.trace_id == self.context.trace_id
        links = [Link(self.context)] if self.context.is_valid and not same else []
        if counts.one_more(None if same else own.trace_id):
            return Placement(trace.set_span_in_context(current, present), links or None)
        if own.is_valid:
            links.append(Link(own))
        return Placement(trace.set_span_in_context(trace.INVALID_SPAN, present), links or None)


class _Counts:
    """How many spans of one kind are in the session's trace, and in the latest of the program's other ones."""

    __slots__ = ("_others", "own")

    def __init__(self) -> None:
        self.own = 0
        self._others: OrderedDict[int, int] = OrderedDict()

    def one_more(self, other: int | None) -> bool:
        """Count a span, in another trace if one is given; False if it would be one too many."""
        count = self.own if other is None else self._others.get(other, 0)
        if count >= MOST_IN_ONE_TRACE:
            return False
        if other is None:
            self.own = count + 1
            return True
        self._others[other] = count + 1
        self._others.move_to_end(other)
        if len(self._others) > _MOST_TRACES:
            self._others.popitem(last=False)
        return True
