"""The log of accepted jobs, in groups: a record by itself, between two requests, costs four times as much."""

from __future__ import annotations

import asyncio
import logging
import time
from contextvars import Context

from . import job_telemetry
from .jobs import Job

LONGEST_DELAY = 0.2
"""Seconds after which a record is written at the latest."""
MOST_AT_ONCE = 128


class AcceptedJobs:
    """Jobs that were accepted and are not in the log yet; each record has the time at which it was added."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Job, float]] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, job: Job) -> None:
        """Log a job within 0.2 s; call this in the event loop."""
        if not job_telemetry.logs(logging.INFO):
            return
        self._waiting.append((job, time.time()))
        if len(self._waiting) >= MOST_AT_ONCE:
            self.write()
        elif self._timer is None:
            # In a context of its own: the records are not of the request that happens to be the first.
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(LONGEST_DELAY, self.write, context=Context())

    def write_before(self, job: Job) -> None:
        """Log what waits now if ``job`` is among it, because a later record of it comes next."""
        if any(waiting.id == job.id for waiting, _ in self._waiting):
            self.write()

    def write(self) -> None:
        """Log what waits now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, []
        job_telemetry.jobs_queued(waiting)
