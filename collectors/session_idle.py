"""For how long sessions were held for nothing."""

from __future__ import annotations

import time
from collections.abc import Iterable

from ..scheduler.scheduler import Scheduler
from ..telemetry import job_metrics
from .interface import Sample


class SessionIdleCollector:
    """Counts up to the moment of the scrape, so that the counter advances while a session is idle."""

    name = "session_idle"
    metrics = (job_metrics.SESSION_IDLE,)

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def collect(self) -> Iterable[Sample]:
        """Return the seconds of every device."""
        scheduler, now = self._scheduler, time.time()
        seconds = scheduler.store.read_now(lambda connection: scheduler.session_idle.seconds(connection, now))
        for name in scheduler.devices:
            yield Sample(job_metrics.SESSION_IDLE, {"qpu_id": name}, seconds.get(name, 0.0))
