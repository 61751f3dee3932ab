"""Keeps faults of telemetry away from the user's program: they are logged, each kind once."""

from __future__ import annotations

import logging
import threading
from types import TracebackType

from ..telemetry.redaction import redact

_log = logging.getLogger("qwatch.qrmi")
_lock = threading.Lock()
_seen: set[str] = set()
_MOST_KINDS = 100


def log_fault(where: str, error: BaseException) -> None:
    """Log a fault of telemetry code, the first time that this kind of error occurs at ``where``."""
    kind = f"{where}: {type(error).__name__}"
    with _lock:
        if kind in _seen or len(_seen) >= _MOST_KINDS:
            return
        _seen.add(kind)
    _log.warning("telemetry fault, the program is not affected (%s): %s", kind, redact(str(error)))


class Guard:
    """A ``with`` block that keeps its errors to itself, and logs them once."""

    __slots__ = ("_where",)

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        """Nothing is prepared."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        log_fault(self._where, error)
        return True


GUARD_EXIT = Guard("end of spans")
