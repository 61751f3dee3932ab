"""Which sessions a user held in a period, and for how long."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from . import sessions
from .ledger import OWN_JOB
from .sessions import Session
from .tables import UNFINISHED, jobs, ledger_jobs


@dataclass(frozen=True, slots=True)
class HeldSession:
    """A session's time within a period, in Unix seconds: to its end, or until its last job ended."""

    number: int
    qpu_id: str
    slurm_job_id: str | None
    begin: float
    end: float

    @property
    def seconds(self) -> float:
        """How long that is."""
        return self.end - self.begin


def held_sessions(
    connection: Connection,
    uid: int,
    begin: float,
    end: float,
    now: float,
    qpu_id: str | None = None,
) -> list[HeldSession]:
    """Return the sessions that a user held from ``begin`` to before ``end``, until ``now`` at most.

    One that had ended before is held for as long as a job of it waits or runs.
    """
    last_ends = _last_ends(connection, uid, begin)
    busy = _with_unfinished_jobs(connection, uid)
    found = {session.id: session for session in sessions.of_user_held(connection, uid, begin, end)}
    further = (last_ends.keys() | busy) - found.keys()
    found |= {session.id: session for session in sessions.with_numbers(connection, further)}
    held = (
        _within(session, begin, min(end, now), now, last_ends.get(session.id), session.id in busy)
        for session in found.values()
        if qpu_id in (None, session.qpu_id)
    )
    return sorted((item for item in held if item.seconds > 0), key=lambda item: item.number)


def _within(
    session: Session, begin: float, end: float, now: float, last_end: float | None, is_busy: bool
) -> HeldSession:
    until = now if session.ended_at is None or is_busy else max(session.ended_at, last_end or 0.0)
    return HeldSession(
        session.id, session.qpu_id, session.slurm_job_id, max(session.created_at, begin), min(until, end)
    )


def _last_ends(connection: Connection, uid: int, since: float) -> dict[int, float]:
    """Return when the last job of each session ended, of those with one that ended after ``since``."""
    rows = connection.execute(
        select(ledger_jobs.c.session, func.max(ledger_jobs.c.ended_at))
        .where(OWN_JOB, ledger_jobs.c.ended_at >= since, ledger_jobs.c.uid == uid)
        .group_by(ledger_jobs.c.session)
    )
    return {int(number): ended_at for number, ended_at in rows}


def _with_unfinished_jobs(connection: Connection, uid: int) -> set[int]:
    of_user = func.coalesce(jobs.c.uid, -1) == uid
    rows = connection.execute(select(jobs.c.session_id).where(UNFINISHED, of_user).distinct())
    return set(rows.scalars())
