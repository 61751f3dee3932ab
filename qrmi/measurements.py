"""Hands measurements to the OpenTelemetry SDK from a thread: a histogram takes longer than the rest of a call.

A call only notes its measurement, with its context, so that exemplars keep their trace. The thread works while
calls wait for the network, 50 ms later, and rests between a few measurements so that it holds nobody up. What
is noted is handed on at once at a release, when a resource is closed, and at exit.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque

from opentelemetry import context
from opentelemetry.context import Context
from opentelemetry.metrics import Histogram, NoOpHistogram

from .guard import log_fault

MOST_WAITING = 10_000
_DELAY_SECONDS = 0.05
_AT_ONCE = 10

_Noted = tuple[Histogram, float, dict[str, str], Context]


class Measurements:
    """Measurements that wait for the SDK, at most 10,000; beyond that a call hands on its own."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget what waits, in a forked process: it is the parent's."""
        self._waiting: deque[_Noted] = deque()
        self._some = threading.Event()
        self._handing_on = threading.Lock()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def note(self, histogram: Histogram, value: float, labels: dict[str, str]) -> None:
        """Record ``value`` in ``histogram``, soon."""
        if _goes_nowhere(histogram):
            return
        if len(self._waiting) >= MOST_WAITING:
            histogram.record(value, labels)
            return
        self._waiting.append((histogram, value, labels, context.get_current()))
        if not self._some.is_set():
            self._some.set()
            if self._thread is None:
                self._start()

    def hand_on(self, rest: float | None = None) -> None:
        """Record everything that waits, with a ``rest`` in seconds between some of it."""
        with self._handing_on:
            for number in range(len(self._waiting)):
                try:
                    histogram, value, labels, present = self._waiting.popleft()
                    histogram.record(value, labels, present)
                except Exception as error:
                    log_fault("measurements", error)
                if rest is not None and number % _AT_ONCE == _AT_ONCE - 1:
                    time.sleep(rest)

    def _start(self) -> None:
        # Imported here, for it hands on at exit what waits here.
        from .at_exit import register

        register()
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="qwatch-metrics", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while True:
            self._some.wait()
            time.sleep(_DELAY_SECONDS)
            self._some.clear()
            self.hand_on(rest=0.0)


def _goes_nowhere(histogram: Histogram) -> bool:
    """Tell whether no SDK is set up, as far as the API's stand-in says so."""
    return type(histogram) is NoOpHistogram or getattr(histogram, "_real_instrument", histogram) is None


MEASUREMENTS = Measurements()
"""Those of this process."""

os.register_at_fork(after_in_child=MEASUREMENTS.reset)
