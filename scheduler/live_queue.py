"""The read side of the live views: the queue by class, who waits in which order, what ended last."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from .jobs import QUALITY_CLASS, Job, job_of
from .ledger import OWN_JOB
from .tables import UNFINISHED, jobs, ledger_jobs

MOST_IN_LINE = 10_000
"""So many jobs of a device have a place in the line; those behind them are only counted."""
_MOST_RUNNING = 100


@dataclass(frozen=True, slots=True)
class ClassCount:
    """The unfinished jobs of one device, class and state, and their shots that are left; Unix seconds."""

    qpu_id: str
    job_class: str
    state: str
    jobs: int
    shots: int
    oldest_created_at: float


@dataclass(frozen=True, slots=True)
class InLine:
    """A job in the line of its device."""

    id: int
    uid: int
    job_class: str
    shots: int


def class_counts(connection: Connection) -> list[ClassCount]:
    """Return the unfinished jobs, grouped; groups without jobs are left out."""
    rows = connection.execute(
        select(
            jobs.c.qpu_id,
            jobs.c.job_class,
            jobs.c.state,
            func.count(),
            func.sum(jobs.c.shots_requested - jobs.c.shots_executed),
            func.min(jobs.c.created_at),
        )
        .where(UNFINISHED)
        .group_by(jobs.c.qpu_id, jobs.c.job_class, jobs.c.state)
    )
    return [ClassCount(row[0], row[1], row[2], row[3], int(row[4]), row[5]) for row in rows]


def line(connection: Connection, qpu_id: str) -> list[InLine]:
    """Return the first jobs that wait for a device, in the order in which they are run."""
    rows = connection.execute(
        select(jobs.c.id, jobs.c.uid, jobs.c.job_class, jobs.c.shots_requested - jobs.c.shots_executed)
        .where(jobs.c.qpu_id == qpu_id, jobs.c.state == "PENDING", UNFINISHED)
        .order_by(jobs.c.id)
        .limit(MOST_IN_LINE)
    )
    found = [InLine(row[0], row[1], row[2], row[3]) for row in rows]
    return sorted(found, key=lambda job: job.job_class == QUALITY_CLASS)


def running(connection: Connection, qpu_id: str) -> list[Job]:
    """Return the jobs that run on a device."""
    rows = connection.execute(
        select(jobs)
        .where(jobs.c.qpu_id == qpu_id, jobs.c.state == "RUNNING", UNFINISHED)
        .order_by(jobs.c.id)
        .limit(_MOST_RUNNING)
    )
    return [job_of(row) for row in rows]


def by_number(connection: Connection, numbers: Collection[int]) -> dict[int, Job]:
    """Return jobs by their numbers; give few."""
    rows = connection.execute(select(jobs).where(jobs.c.id.in_(sorted(numbers))))
    return {row.id: job_of(row) for row in rows}


def ended_of_user(connection: Connection, uid: int, limit: int) -> Sequence[Job]:
    """Return the newest of a user's jobs that have ended, the one that ended last first."""
    rows = connection.execute(
        select(jobs)
        .where(jobs.c.uid == uid, jobs.c.ended_at.is_not(None))
        .order_by(jobs.c.id.desc())
        .limit(limit)
    )
    return sorted((job_of(row) for row in rows), key=lambda job: job.ended_at or 0.0, reverse=True)


def last_ended(connection: Connection, limit: int) -> list[int]:
    """Return the numbers of the jobs that ended last, newest first."""
    rows = connection.execute(
        select(ledger_jobs.c.job).where(OWN_JOB).order_by(ledger_jobs.c.ended_at.desc()).limit(limit)
    )
    return [int(row.job) for row in rows]
