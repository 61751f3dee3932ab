"""What waits for a device, counted in memory, and how long a new job would wait for it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from .devices.polling import DurationModel
from .tables import UNFINISHED, jobs


@dataclass(slots=True)
class Backlog:
    """The jobs that wait for one device and their shots, without a look at the store.

    Every change comes after the commit that it belongs to; a job may leave before it is seen to come, so the
    sums count, not the moments.
    """

    jobs: int = 0
    shots: int = 0

    def came(self, shots: int) -> None:
        """A job with so many shots was queued."""
        self.jobs += 1
        self.shots += shots

    def left(self, shots: int) -> None:
        """A job with so many shots waits no more."""
        self.jobs -= 1
        self.shots -= shots

    def is_empty(self) -> None:
        """The store told that nothing waits."""
        self.jobs = self.shots = 0

    @property
    def pending(self) -> int:
        """How many jobs wait."""
        return max(self.jobs, 0)


@dataclass(frozen=True, slots=True)
class RunningSlice:
    """A slice on the device, since ``since`` (Unix seconds)."""

    shots: int
    since: float


def load(connection: Connection, qpu_id: str) -> Backlog:
    """Return what waits for a device in the store."""
    row = connection.execute(
        select(func.count(), func.coalesce(func.sum(jobs.c.shots_requested - jobs.c.shots_executed), 0)).where(
            jobs.c.qpu_id == qpu_id, jobs.c.state == "PENDING", UNFINISHED
        )
    ).one()
    return Backlog(int(row[0]), int(row[1]))


def expected_wait(
    backlog: Backlog, running: RunningSlice | None, durations: DurationModel, now: float
) -> float | None:
    """Return for how many seconds a job that is queued now would wait; None if that cannot be told.

    It cannot before the first slice taught how long shots take, nor while a slice takes more than twice as
    long as was predicted.
    """
    if not backlog.pending and running is None:
        return 0.0
    one_shot, none = durations.predict(1), durations.predict(0)
    if one_shot is None or none is None:
        return None
    # The model is linear: one overhead for each job, and the shots of all.
    seconds = backlog.pending * none + max(backlog.shots, 0) * (one_shot - none)
    if running is not None:
        predicted = durations.predict(running.shots) or 0.0
        elapsed = now - running.since
        if elapsed > 2 * predicted + 1.0:
            return None
        seconds += max(predicted - elapsed, 0.0)
    return seconds
