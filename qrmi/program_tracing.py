"""Zero-code tracing: sets up the SDK of a program that ``qwatch run`` started, when it first uses a QPU.

Not earlier, so that a program which sets up its own SDK keeps it, and one that uses no QPU pays nothing.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
import threading
from pathlib import PurePath
from types import FrameType

from ..telemetry.tracing import Tracing, configure_tracing
from .open_spans import end_open_spans

SWITCH = "QWATCH_TRACING"
"""Set to 1 by ``qwatch run`` for the program it starts."""

FLUSH_SECONDS = 2.0


def trace_this_program() -> None:
    """Set up tracing if ``qwatch run`` asked for it; once, and only where the program has not done so."""
    if os.environ.get(SWITCH) == "1":
        _configure(os.getpid())


@functools.cache
def _configure(process: int) -> Tracing:
    tracing = configure_tracing(service_name=program_name(), export_metrics=True)
    if tracing.owned:
        _flush_on_sigterm(tracing)
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


def _flush_on_sigterm(tracing: Tracing) -> None:
    """Send what was recorded before SIGTERM ends the program, unless the program handles it by itself."""
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return

    def flush_and_die(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        # In a thread: the signal may have interrupted code of the SDK that holds a lock.
        worker = threading.Thread(target=_end, args=(tracing,), daemon=True)
        worker.start()
        worker.join(FLUSH_SECONDS)
        os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, flush_and_die)


def _end(tracing: Tracing) -> None:
    end_open_spans()
    tracing.shutdown(FLUSH_SECONDS)
