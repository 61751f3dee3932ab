"""A registry that is read in small steps, so that other threads get their turn meanwhile.

A thread that computes keeps the interpreter for 5 ms at a time, and the event loop asks for it anew after each
system call: text of 20 ms of work, made in one go, holds up every request under way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

LONGEST_STEP = 0.0005
"""Seconds of work after which others get their turn."""
TURN = 0.0001
"""Seconds of a turn: as short as a thread that waits needs to notice."""


class PacedRegistry(Collector):
    """Hands out the families of ``registry``, with a pause where making or using them took its time."""

    def __init__(self, registry: Collector, pause: Callable[[float], object] = time.sleep) -> None:
        self._registry = registry
        self._pause = pause

    def collect(self) -> Iterator[Metric]:
        """Yield what the registry holds."""
        begun = time.perf_counter()
        for family in self._registry.collect():
            yield family
            if time.perf_counter() - begun >= LONGEST_STEP:
                self._pause(TURN)
                begun = time.perf_counter()
