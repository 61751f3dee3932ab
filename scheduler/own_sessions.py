"""A user's own sessions: when they were held, and what they did in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, case, func, select

from . import sessions
from .sessions import Session
from .tables import UNFINISHED, jobs

_SLACK_SECONDS = 60.0
_MOST_BOUND = 500


@dataclass(frozen=True, slots=True)
class SessionUse:
    """A session with its jobs: how many, how many of them have not ended, and their busy seconds."""

    session: Session
    jobs: int = 0
    unfinished_jobs: int = 0
    busy_seconds: float = 0.0
    last_end: float | None = None

    def held_seconds(self, now: float) -> float:
        """Return how long it was held until ``now`` (Unix seconds): to its end, or until its last job ended."""
        if self.session.ended_at is None or self.unfinished_jobs:
            end = now
        else:
            end = max(self.session.ended_at, self.last_end or 0.0)
        return max(end - self.session.created_at, 0.0)


def own_sessions(
    connection: Connection,
    uid: int,
    begin: float,
    end: float,
    limit: int,
    before: int | None = None,
    qpu_id: str | None = None,
) -> list[SessionUse]:
    """Return a user's sessions, newest first, at most ``limit``, with numbers below ``before``.

    Those that began from ``begin`` to before ``end`` (Unix seconds), and those that are held still; of one
    device, if one is named.
    """
    begun = sessions.of_user_begun(connection, uid, begin, end, before, limit, qpu_id)
    held = [
        session
        for session in sessions.held(connection, qpu_id)
        if session.uid == uid and session.created_at < end and (before is None or session.id < before)
    ]
    found = {session.id: session for session in (*begun, *held)}
    return with_use(connection, uid, _newest_first(found)[:limit])


def of_slurm_job(connection: Connection, uid: int, slurm_job_id: str) -> list[SessionUse]:
    """Return a user's sessions of a Slurm job, newest first."""
    found = {item.id: item for item in sessions.of_user_in_slurm_job(connection, uid, slurm_job_id)}
    return with_use(connection, uid, _newest_first(found))


def with_use(connection: Connection, uid: int, found: Sequence[Session]) -> list[SessionUse]:
    """Return sessions of one user with what their jobs were."""
    if not found:
        return []
    # By the index of the user's jobs, back to the oldest of these sessions: jobs have none by session.
    oldest = min(session.created_at for session in found)
    before = connection.execute(
        select(jobs.c.id)
        .where(jobs.c.uid == uid, jobs.c.created_at < oldest - _SLACK_SECONDS)
        .order_by(jobs.c.id.desc())
        .limit(1)
    ).scalar_one_or_none()
    numbers = [session.id for session in found]
    uses: dict[int, SessionUse] = {session.id: SessionUse(session) for session in found}
    for first in range(0, len(numbers), _MOST_BOUND):
        rows = connection.execute(
            select(
                jobs.c.session_id,
                func.count().label("all"),
                func.sum(case((UNFINISHED, 1), else_=0)).label("unfinished"),
                func.sum(jobs.c.busy_seconds).label("busy"),
                func.max(jobs.c.ended_at).label("last_end"),
            )
            .where(
                jobs.c.uid == uid,
                jobs.c.id > (before or 0),
                jobs.c.session_id.in_(numbers[first : first + _MOST_BOUND]),
            )
            .group_by(jobs.c.session_id)
        )
        for row in rows:
            session = uses[row.session_id].session
            uses[session.id] = SessionUse(
                session, int(row.all), int(row.unfinished), float(row.busy), row.last_end
            )
    return list(uses.values())


def _newest_first(found: Mapping[int, Session]) -> list[Session]:
    return [found[number] for number in sorted(found, reverse=True)]
