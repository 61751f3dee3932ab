"""Zero-code tracing: sets up the SDK of a program that ``qwatch run`` started, when it first uses a QPU.

Not earlier, so that a program which sets up its own SDK keeps it, and one that uses no QPU pays nothing.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING

from ..telemetry.trace_context import TRACE_DIRECTORY
from .at_exit import end_open_spans
from .handover import flush_all

if TYPE_CHECKING:
    from ..telemetry.tracing import Tracing

SWITCH = "QWATCH_TRACING"
"""Set to 1 by ``qwatch run`` for the program it starts."""

FLUSH_SECONDS = 1.5


_WHERE_TO = (
    TRACE_DIRECTORY,
    "OTEL_TRACES_EXPORTER",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
)


def has_destination(environment: Mapping[str, str]) -> bool:
    """Tell whether the environment says where traces or metrics go: a trace that nobody keeps misleads."""
    return any(environment.get(name) not in (None, "", "none") for name in _WHERE_TO)


def trace_this_program() -> None:
    """Set up tracing if ``qwatch run`` asked for it; once, and only where the program has not done so."""
    if os.environ.get(SWITCH) == "1" and has_destination(os.environ):
        _configure(os.getpid())


@functools.cache
def _configure(process: int) -> Tracing:
    # Imported here: a program that sets up its own SDK, or none, has no use for ours.
    from ..telemetry.identity import program_attributes
    from ..telemetry.tracing import configure_tracing
    from .sigterm import flush_on_sigterm

    tracing = configure_tracing(
        service_name=program_name(), resource_attributes=program_attributes(), export_metrics=True
    )
    if tracing.owned:
        flush_on_sigterm(lambda: _end(tracing))
    return tracing


def program_name() -> str:
    """Return the name of this program: its script or module without suffix, ``python`` for neither."""
    words = iter(sys.orig_argv[1:])
    for word in words:
        if word == "-m":
            return next(words, "python")
        if word.startswith("-c"):
            break
        if word in ("-W", "-X", "--check-hash-based-pycs"):
            next(words, None)
        elif not word.startswith("-"):
            return PurePath(word).stem or "python"
    return "python"


def _end(tracing: Tracing) -> None:
    from ..telemetry.bounded_work import finish_within

    end_open_spans()
    finish_within(FLUSH_SECONDS, [lambda: tracing.shutdown(FLUSH_SECONDS), lambda: flush_all(FLUSH_SECONDS)])
