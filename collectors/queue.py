"""The queue and the sessions, from the store's read side."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from ..scheduler import queue_state, sessions
from ..scheduler.queue_state import QueueCount
from ..scheduler.scheduler import Scheduler
from ..telemetry import job_metrics
from ..telemetry.labels import JOB_CLASSES, JOB_STATES
from .interface import Sample


class QueueCollector:
    """Counts what has not ended; the history does not slow it down."""

    name = "queue"
    metrics = (job_metrics.QUEUE, job_metrics.OLDEST, job_metrics.EXPECTED_WAIT, job_metrics.SESSIONS_ACTIVE)

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def collect(self) -> Iterable[Sample]:
        """Return counts by device and class, zeros included, the oldest's creation, and expected waits."""

        def work(connection: Connection) -> tuple[list[QueueCount], dict[str, int]]:
            return queue_state.counts(connection), sessions.active(connection)

        counts, active = self._scheduler.store.read_now(work)
        by_group = {(item.qpu_id, item.job_class, item.state.lower()): item for item in counts}
        for qpu_id, device in self._scheduler.devices.items():
            for job_class in JOB_CLASSES:
                where = {"qpu_id": qpu_id, "job_class": job_class}
                for state in JOB_STATES:
                    found = by_group.get((qpu_id, job_class, state))
                    yield Sample(job_metrics.QUEUE, where | {"state": state}, found.count if found else 0)
                if pending := by_group.get((qpu_id, job_class, "pending")):
                    yield Sample(job_metrics.OLDEST, where, pending.oldest_created_at)
            if (expected := device.expected_wait) is not None:
                yield Sample(job_metrics.EXPECTED_WAIT, {"qpu_id": qpu_id}, expected)
            yield Sample(job_metrics.SESSIONS_ACTIVE, {"qpu_id": qpu_id}, active.get(qpu_id, 0))
