"""Reads what is slow in a thread of its own, so that a scrape takes what was read last and never waits."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..telemetry import log_fields

T = TypeVar("T")
_logger = logging.getLogger(__name__)

_STOP_SECONDS = 2.0


class NotCurrentError(Exception):
    """There is no reading, or the last one is too old to be told."""


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """What was read, when (Unix seconds) and how long it took (seconds)."""

    value: T
    at: float
    seconds: float
    monotonic: float


class BackgroundReader(Generic[T]):
    """Calls ``read`` every ``interval`` seconds and keeps its last value for ``stale_after`` seconds.

    ``read`` is given an event that is set when it should give up. An exception means that nothing was read;
    the first of a streak is logged.
    """

    def __init__(
        self, name: str, read: Callable[[threading.Event], T], interval: float, stale_after: float
    ) -> None:
        self._name = name
        self._read = read
        self._interval = interval
        self._stale_after = stale_after
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._last: Reading[T] | None = None
        self._error: str | None = None

    def start(self) -> None:
        """Begin to read, at once for the first time."""
        self._thread = threading.Thread(
            target=self._read_forever, name=f"qwatch-read-{self._name}", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop reading; what is being read is given up."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(_STOP_SECONDS)

    @property
    def last(self) -> Reading[T] | None:
        """The last reading, however old."""
        return self._last

    def current(self) -> T:
        """Return what was read last.

        Raises:
            NotCurrentError: nothing was read yet, or not for ``stale_after`` seconds.
        """
        last, error = self._last, self._error
        because = f": {error}" if error else ""
        if last is None:
            raise NotCurrentError(f"nothing was read yet{because}")
        age = time.monotonic() - last.monotonic
        if age > self._stale_after:
            raise NotCurrentError(f"nothing was read for {age:.0f} s{because}")
        return last.value

    def _read_forever(self) -> None:
        while not self._stopping.is_set():
            begun = time.monotonic()
            self._read_once()
            self._stopping.wait(max(0.0, begun + self._interval - time.monotonic()))

    def _read_once(self) -> None:
        begun = time.monotonic()
        try:
            value = self._read(self._stopping)
        except Exception as error:
            if self._stopping.is_set():
                return
            reason = " ".join(str(error).split()) or type(error).__name__
            if self._error is None:
                _logger.warning(
                    "collector %s could not read: %s; what it read before is told until it is %g s old",
                    self._name,
                    reason,
                    self._stale_after,
                    extra={log_fields.COLLECTOR: self._name},
                )
            self._error = reason
        else:
            now = time.monotonic()
            self._last = Reading(value, time.time(), now - begun, now)
            self._error = None
