"""What a hybrid program tells of itself: its phases, and its figures of merit.

    from qwatch.qrmi import annotate

    with annotate.phase("classical optimisation"):
        ...
    annotate.record("energy", -1.2, iteration=3, unit="Ha")

A phase is a span of the program's trace, a figure of merit an event on the span that it belongs to. Both are
measured (``qwatch.program.*``), logged, and written into the log of the job that this thread started last,
where ``qwatch job ID`` shows them. Nothing here waits or raises: without tracing, without a daemon, or with a
wrong name, the program runs as it would without these lines.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ..telemetry.annotations import (
    MEASURE,
    PHASE,
    Annotation,
    check_iteration,
    check_name,
    check_unit,
    check_value,
    fields_of,
)
from .annotation_delivery import deliver
from .annotation_spans import ANNOTATION_SPANS, OpenPhase
from .guard import Guard
from .program_metrics import PROGRAM_METRICS
from .program_tracing import trace_this_program
from .suppression import is_suppressed

__all__ = ["phase", "record"]

_log = logging.getLogger(__name__)
_GUARD = Guard("annotation")


@contextmanager
def phase(name: str) -> Iterator[None]:
    """Mark what the ``with`` block does (or the function that it decorates) as a phase of the program.

    Args:
        name: a letter, then letters, digits, spaces, ``_``, ``.`` or ``-``; 64 at most. With another name the
            block runs unmarked, and a warning says why.
    """
    begun: OpenPhase | None = None
    started = time.perf_counter()
    with _GUARD:
        if not is_suppressed():
            check_name(name)
            trace_this_program()
            begun = ANNOTATION_SPANS.begin_phase(name)
    error: BaseException | None = None
    try:
        yield
    except BaseException as raised:
        error = raised
        raise
    finally:
        if begun is not None:
            with _GUARD:
                seconds = time.perf_counter() - started
                PROGRAM_METRICS.phase(name, seconds)
                _tell(Annotation(PHASE, name, seconds, time.time()))
            with _GUARD:
                ANNOTATION_SPANS.end_phase(begun, error)


def record(name: str, value: float, *, iteration: int | None = None, unit: str | None = None) -> None:
    """Record a figure of merit: an energy, a cost, an approximation ratio.

    Args:
        name: as of a phase; a program has few of them and tells each many times.
        value: a finite number, NumPy's included.
        iteration: which iteration it belongs to.
        unit: its unit, without spaces (``Ha``).
    """
    with _GUARD:
        if is_suppressed():
            return
        told = Annotation(
            MEASURE,
            check_name(name),
            check_value(value),
            time.time(),
            check_iteration(iteration),
            check_unit(unit),
        )
        trace_this_program()
        ANNOTATION_SPANS.add_measure(told)
        PROGRAM_METRICS.measure(told.name, told.value)
        _tell(told)


def _tell(told: Annotation) -> None:
    if _log.isEnabledFor(logging.INFO):
        _log.info("%s", told.line(), extra=fields_of(told))
    deliver(told)
