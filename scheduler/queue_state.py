"""The read side of the queue: counts and ages by device and class, from an index over unfinished jobs only."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from .tables import UNFINISHED, jobs


@dataclass(frozen=True, slots=True)
class QueueCount:
    """Unfinished jobs of one device, class and state; ``oldest_created_at`` in Unix seconds."""

    qpu_id: str
    job_class: str
    state: str
    count: int
    oldest_created_at: float
    oldest_started_at: float | None


def counts(connection: Connection) -> list[QueueCount]:
    """Return the unfinished jobs, grouped; groups without jobs are left out."""
    rows = connection.execute(
        select(
            jobs.c.qpu_id,
            jobs.c.job_class,
            jobs.c.state,
            func.count(),
            func.min(jobs.c.created_at),
            func.min(jobs.c.started_at),
        )
        .where(UNFINISHED)
        .group_by(jobs.c.qpu_id, jobs.c.job_class, jobs.c.state)
    )
    return [QueueCount(*row) for row in rows]
