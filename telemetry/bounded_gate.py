"""A gate before a batch that is sent: at most so many items wait, the rest is dropped and counted."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Callable

DropCounter = Callable[[str, int], None]
"""Called with a reason of ``qwatch_telemetry_dropped_total`` and the number of items."""


def ignore_drop(reason: str, count: int) -> None:
    """Drop without counting: a user's process has nowhere to expose the count."""


class Gate:
    """Counts what waits and what was lost; items enter one by one and are settled in batches."""

    def __init__(self, dropped: DropCounter, limit: int) -> None:
        self._dropped = dropped
        self._limit = limit
        self._waiting = 0
        self._lost = 0
        self._closed = False
        self._abandoned = False
        self._lock = threading.Lock()
        reset = weakref.WeakMethod(self._after_fork)
        os.register_at_fork(after_in_child=lambda: (method := reset()) and method())

    @property
    def waiting(self) -> int:
        """The number of items that were neither settled nor dropped yet."""
        return self._waiting

    @property
    def lost(self) -> int:
        """The number of items that were dropped."""
        return self._lost

    def enter(self) -> bool:
        """Return whether an item may be queued; one that may not is dropped and counted."""
        with self._lock:
            if self._closed:
                refused = "shutdown"
            elif self._waiting >= self._limit:
                refused = "queue_full"
            else:
                self._waiting += 1
                return True
        self.drop(refused, 1)
        return False

    def settle(self, count: int, reason: str) -> None:
        """Note that ``count`` items are done with, lost for ``reason`` unless it is empty."""
        with self._lock:
            if self._abandoned:
                return
            self._waiting -= count
        if reason:
            self.drop(reason, count)

    def close(self) -> None:
        """Let nothing in any more."""
        with self._lock:
            self._closed = True

    def abandon(self) -> None:
        """Give up what waits: count it as dropped, whatever an export that still runs achieves."""
        with self._lock:
            self._closed = self._abandoned = True
            left, self._waiting = self._waiting, 0
        if left:
            self.drop("shutdown", left)

    def drop(self, reason: str, count: int) -> None:
        """Count ``count`` items as lost for ``reason``."""
        with self._lock:
            self._lost += count
        # Counting is the caller's code: its errors must not reach the program that ends a span or logs.
        with contextlib.suppress(Exception):
            self._dropped(reason, count)

    def _after_fork(self) -> None:
        """Start from zero in a child: what waits is the parent's to send."""
        self._lock = threading.Lock()
        self._waiting = 0
